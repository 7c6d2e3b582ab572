/** Declaring functions of a C library from one line each, typed by what is declared. */
import type { LibraryHandle } from 'koffi';
import type { Address } from './memory.ts';

/** One line a function: C name, result, parameters. P = uintptr_t. */
export type Signatures = Readonly<
  Record<string, readonly [name: string, result: string, parameters: string]>
>;

/** The types of C as numbers: what is a handle, a pointer or an out-pointer is an address. */
type Native<Type extends string> = Type extends 'P' ? Address : Type extends 'uint64_t' ? bigint : number;
type NativeList<Types extends string> = Types extends ''
  ? []
  : Types extends `${infer First}, ${infer Rest}`
    ? [Native<First>, ...NativeList<Rest>]
    : [Native<Types>];

/** Functions as they are declared. */
export type Declared<Lines extends Signatures> = {
  readonly [Name in keyof Lines]: (...args: NativeList<Lines[Name][2]>) => Native<Lines[Name][1]>;
};

export function declare<Lines extends Signatures>(native: LibraryHandle, lines: Lines): Declared<Lines> {
  const types = (text: string): string => text.replaceAll('P', 'uintptr_t');
  const entries = Object.entries(lines).map(([key, [name, result, parameters]]) => [
    key,
    native.func(`${types(result)} ${name}(${types(parameters)})`),
  ]);
  return Object.fromEntries(entries) as Declared<Lines>;
}
