/**
 * Native memory for arguments: made once, kept to the end of the process, and never moved by the collector. Works on every
 * platform that the foreign function interface works on.
 */
import koffi from 'koffi';
import { loadForeign } from '../../native/foreign.ts';
import type { Address } from '../../native/memory.ts';

/** Bytes that are never given back: for a few places that are used again and again. */
export function permanent(bytes: number): { readonly address: Address; readonly buffer: ArrayBuffer } {
  const pointer: unknown = koffi.alloc('uint8_t', bytes);
  const buffer = koffi.view(pointer, bytes);
  new Uint8Array(buffer).fill(0);
  return { address: Number(koffi.address(pointer)) as Address, buffer };
}

/** Lists of integers and names that C functions read, one copy of each. */
export class Interned {
  readonly #known = new Map<string, Address>();

  /** 64-bit integers. */
  integers(values: readonly number[]): Address {
    return this.#once(`i64 ${values.join()}`, 8 * values.length, (buffer) => {
      new BigInt64Array(buffer, 0, values.length).set(values.map(BigInt));
    });
  }

  /** Booleans as 32-bit integers. */
  flags(values: readonly boolean[]): Address {
    return this.#once(`i32 ${values.join()}`, 4 * values.length, (buffer) => {
      new Int32Array(buffer, 0, values.length).set(values.map(Number));
    });
  }

  /** Ends in a zero byte. */
  text(value: string): Address {
    // ASCII, as all names of operators are: a byte a letter.
    return this.#once(`text ${value}`, value.length + 1, (buffer) => {
      new TextEncoder().encodeInto(value, new Uint8Array(buffer));
    });
  }

  #once(key: string, bytes: number, fill: (buffer: ArrayBuffer) => void): Address {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // Whole words, and one more: nothing that reads a word beyond the end reads foreign memory.
    const { address, buffer } = permanent(8 * Math.ceil(bytes / 8) + 8);
    fill(buffer);
    this.#known.set(key, address);
    return address;
  }
}

/** `memcpy` and `malloc` of the C library that the process runs on. */
export interface CLibrary {
  readonly copy: (target: Address, source: Address, bytes: number) => Address;
  readonly allocate: (bytes: number) => Address;
}

export function cLibrary(): CLibrary {
  const library = loadForeign(process.platform === 'win32' ? 'ucrtbase.dll' : null);
  return {
    copy: library.func(
      'uintptr_t memcpy(uintptr_t target, uintptr_t source, size_t bytes)',
    ) as CLibrary['copy'],
    allocate: library.func('uintptr_t malloc(size_t bytes)') as CLibrary['allocate'],
  };
}
