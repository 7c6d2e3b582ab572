/** The bytes and bits of RIFF files, in chunks of four letters, a length and what it counts. */
import { must } from './video-header.ts';

/** Bytes of a chunk's letters and length. */
export const CHUNK_HEAD = 8;

/** Chunks of an odd length have a byte behind them. */
export function evenLength(length: number): number {
  return length + (length % 2);
}

/** Some bytes; what is asked of them that is not there gives the file up. Numbers are little-endian unless said. */
export class Bytes {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#view.byteLength;
  }

  #need(at: number, length: number): void {
    must(length >= 0 && at + length <= this.length);
  }

  u8(at: number): number {
    this.#need(at, 1);
    return this.#view.getUint8(at);
  }

  u16(at: number, order: 'big' | 'little' = 'little'): number {
    this.#need(at, 2);
    return this.#view.getUint16(at, order === 'little');
  }

  u32(at: number, order: 'big' | 'little' = 'little'): number {
    this.#need(at, 4);
    return this.#view.getUint32(at, order === 'little');
  }

  /** Four characters. */
  text(at: number): string {
    this.#need(at, 4);
    return String.fromCharCode(this.u8(at), this.u8(at + 1), this.u8(at + 2), this.u8(at + 3));
  }

  part(at: number, length: number): Bytes {
    this.#need(at, length);
    return new Bytes(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length));
  }

  /** The chunks inside, from an offset on; they must fill it. */
  children(at: number): { readonly type: string; readonly bytes: Bytes }[] {
    const found: { readonly type: string; readonly bytes: Bytes }[] = [];
    for (let from = at; from < this.length;) {
      const length = this.u32(from + 4);
      found.push({ type: this.text(from), bytes: this.part(from + CHUNK_HEAD, length) });
      from += CHUNK_HEAD + evenLength(length);
      must(from <= this.length);
    }
    return found;
  }
}

/** Bits of some bytes, the highest first. */
export class Bits {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  /** An unsigned number of `count` bits, up to 32. */
  u(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      value = value * 2 + ((this.#bytes.u8(this.#at >> 3) >> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  one(): void {
    must(this.u(1) === 1);
  }

  zero(): void {
    must(this.u(1) === 0);
  }
}
