/** Functions written with `code.ts` as a WebAssembly module over one imported memory. */
import { type Code, type Kind, type Local, type Statement, unsigned, type ValueKind } from './code.ts';

const TYPES: Readonly<Record<ValueKind, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A function without a result. */
export interface Kernel<Kinds extends readonly ValueKind[] = readonly ValueKind[]> {
  readonly parameters: Kinds;
  readonly variables: readonly ValueKind[];
  readonly body: readonly number[];
}

type Locals<Kinds extends readonly ValueKind[]> = { readonly [I in keyof Kinds]: Local<Kinds[I]> };

/** A function of parameters of these kinds. `build` writes its statements; `variable` gives it a variable of its own. */
export function kernel<const Kinds extends readonly ValueKind[]>(
  parameters: Kinds,
  build: (
    parameters: Locals<Kinds>,
    variable: <K extends ValueKind>(kind: K) => Local<K>,
  ) => readonly Statement[],
): Kernel<Kinds> {
  const variables: ValueKind[] = [];
  const given = parameters.map((kind, index) => ({ kind, index })) as unknown as Locals<Kinds>;
  const statements = build(given, (kind) => ({
    kind,
    index: parameters.length + variables.push(kind) - 1,
  }));
  return { parameters, variables, body: statements.flatMap(({ bytes }: Code<Kind>) => bytes) };
}

const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const listed = (items: readonly (readonly number[])[]): number[] => [
  ...unsigned(items.length),
  ...items.flat(),
];
const named = (name: string): number[] => sized([...new TextEncoder().encode(name)]);

/** The module that exports the functions by their names and imports a memory as `memory.memory`. */
export function moduleOf(kernels: Readonly<Record<string, Kernel>>): Uint8Array {
  const all = Object.entries(kernels);
  const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      listed(all.map(([, { parameters }]) => [0x60, ...listed(parameters.map((kind) => [TYPES[kind]])), 0])),
    ),
    ...section(2, listed([[...named('memory'), ...named('memory'), 0x02, 0x00, 1]])),
    ...section(3, listed(all.map((_, index) => unsigned(index)))),
    ...section(7, listed(all.map(([name], index) => [...named(name), 0x00, ...unsigned(index)]))),
    ...section(
      10,
      listed(
        all.map(([, { variables, body }]) =>
          sized([...listed(variables.map((kind) => [1, TYPES[kind]])), ...body, 0x0b]),
        ),
      ),
    ),
  ]);
}
