/**
 * The JSON header of a safetensors file, both ways. The parser accepts the format's grammar and nothing else
 * (an object of tensors and one string map `__metadata__`), so that a hostile header can neither nest deeply nor make
 * objects of unexpected kinds; duplicate keys, which `JSON.parse` would swallow, are errors. Every rule that needs
 * only the header is checked here, before anything is allocated for tensors: names unique, dtype known, shape × dtype =
 * offsets, offsets contiguous from 0 without holes or overlap. Errors name the byte in the file.
 */
import { dataError, type UsclError } from '../base/errors.ts';

/** The array that holds each dtype; of an array's own dtypes the first. F16 and BF16 are their 16 bits, BOOL bytes. */
export const ARRAYS = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;
export type Dtype = keyof typeof ARRAYS;

/** The first eight bytes of a file: the length of the header, little-endian. */
export const LENGTH_BYTES = 8;
/** The reference implementation's limit, kept so that files move between the two. */
export const HEADER_LIMIT = 100_000_000;
export const METADATA_KEY = '__metadata__';

export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Half-open byte range in the data section, which begins after the header. */
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly tensors: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Length of the data section. */
  readonly dataBytes: number;
}

/** A broken rule of the format at a byte of a file. */
export function invalidFile(source: string, byte: number, complaint: string): UsclError {
  return dataError(
    'SAFETENSORS_INVALID',
    `${source} is not a valid safetensors file: ${complaint}.`,
    'Make or copy the file again; nothing was read from it.',
    { where: `${source}, byte ${byte}` },
  );
}

/**
 * Parses the header text (the bytes between the length and the data).
 *
 * @param source file name for messages.
 * @throws UsclError `SAFETENSORS_INVALID` naming the rule and the byte; `SAFETENSORS_DTYPE` for a dtype not listed above.
 */
export function parseHeader(bytes: Uint8Array, source: string): SafetensorsHeader {
  return new HeaderParser(bytes, source).parse();
}

/** Header of tensors laid out back to back in the order given, padded with spaces to a multiple of 8 bytes. */
export function formatHeader(
  tensors: readonly TensorEntry[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"${METADATA_KEY}":${JSON.stringify(metadata)}`);
  for (const { name, dtype, shape, start, end } of tensors)
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [start, end] })}`);
  const text = Buffer.from(`{${fields.join(',')}}`);
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, ' ');
  text.copy(padded);
  return padded;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d]);

class HeaderParser {
  readonly #bytes: Uint8Array;
  readonly #source: string;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #at = 0;

  constructor(bytes: Uint8Array, source: string) {
    this.#bytes = bytes;
    this.#source = source;
  }

  parse(): SafetensorsHeader {
    const tensors: TensorEntry[] = [];
    let metadata: Readonly<Record<string, string>> = {};
    // The format wants the brace first; spaces may only follow.
    if (this.#bytes[0] !== OPEN_BRACE) throw this.#invalid('the header does not begin with "{"', 0);
    this.#object((key, at) => {
      if (key === METADATA_KEY) metadata = this.#stringMap();
      else tensors.push(this.#tensor(key, at));
    });
    this.#skipSpaces();
    if (this.#at !== this.#bytes.length) throw this.#invalid('there is more after the header\'s closing "}"');
    return { tensors, metadata, dataBytes: this.#contiguousBytes(tensors) };
  }

  #tensor(name: string, at: number): TensorEntry {
    let dtype: Dtype | undefined;
    let shape: readonly number[] | undefined;
    let offsets: readonly number[] | undefined;
    this.#object((key, keyAt) => {
      if (key === 'dtype') dtype = this.#dtype(name);
      else if (key === 'shape') shape = this.#integers();
      else if (key === 'data_offsets') offsets = this.#integers();
      else throw this.#invalid(`tensor ${quoted(name)} has the unknown field ${quoted(key)}`, keyAt);
    });
    if (dtype === undefined || shape === undefined || offsets === undefined)
      throw this.#invalid(`tensor ${quoted(name)} lacks dtype, shape or data_offsets`, at);
    const [start, end, surplus] = offsets;
    if (start === undefined || end === undefined || surplus !== undefined || end < start)
      throw this.#invalid(`data_offsets of tensor ${quoted(name)} are no range: [${offsets.join(', ')}]`, at);
    const bytes = byteLength(dtype, shape);
    if (bytes !== end - start)
      throw this.#invalid(
        `tensor ${quoted(name)} is ${dtype} [${shape.join(', ')}] but its offsets hold ${end - start} bytes`,
        at,
      );
    return { name, dtype, shape, start, end };
  }

  /** Checks that the tensors cover the data section from 0 without hole or overlap; returns its length. */
  #contiguousBytes(tensors: readonly TensorEntry[]): number {
    const ordered = [...tensors].sort((a, b) => a.start - b.start || a.end - b.end);
    let end = 0;
    for (const tensor of ordered) {
      if (tensor.start !== end)
        throw this.#invalid(
          `tensor ${quoted(tensor.name)} starts at data byte ${tensor.start} where ${end} is next ` +
            `(${tensor.start > end ? 'a hole' : 'an overlap'})`,
          0,
        );
      end = tensor.end;
    }
    return end;
  }

  /** `{ "key": value, … }`; `readValue` consumes each value. Duplicate keys are errors. */
  #object(readValue: (key: string, at: number) => void): void {
    const seen = new Set<string>();
    this.#list(OPEN_BRACE, CLOSE_BRACE, () => {
      const at = this.#at;
      const key = this.#string();
      if (seen.has(key)) throw this.#invalid(`the key ${quoted(key)} appears twice`, at);
      seen.add(key);
      this.#expect(COLON);
      readValue(key, at);
    });
  }

  #stringMap(): Readonly<Record<string, string>> {
    const entries: [string, string][] = [];
    this.#object((key) => {
      entries.push([key, this.#string()]);
    });
    return Object.fromEntries(entries);
  }

  #integers(): readonly number[] {
    const values: number[] = [];
    this.#list(OPEN_BRACKET, CLOSE_BRACKET, () => values.push(this.#integer()));
    return values;
  }

  #list(open: number, close: number, readItem: () => void): void {
    this.#expect(open);
    this.#skipSpaces();
    if (this.#bytes[this.#at] === close) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#skipSpaces();
      readItem();
      this.#skipSpaces();
      if (this.#bytes[this.#at] === close) break;
      this.#expect(COMMA);
    }
    this.#at++;
  }

  #dtype(tensor: string): Dtype {
    this.#skipSpaces();
    const at = this.#at;
    const name = this.#string();
    if (Object.hasOwn(ARRAYS, name)) return name as Dtype;
    throw dataError(
      'SAFETENSORS_DTYPE',
      `${this.#source}: tensor ${quoted(tensor)} has the dtype ${quoted(name)}, which is not supported.`,
      `Convert it to one of ${Object.keys(ARRAYS).join(', ')} first.`,
      { where: `${this.#source}, byte ${LENGTH_BYTES + at}` },
    );
  }

  /** A non-negative integer in JSON's spelling: no sign, fraction, exponent or leading zero. */
  #integer(): number {
    this.#skipSpaces();
    const first = this.#at;
    while (isDigit(this.#bytes[this.#at])) this.#at++;
    const digits = this.#at - first;
    const text = Buffer.from(this.#bytes.subarray(first, Math.min(this.#at, first + 20))).toString('latin1');
    const value = Number(text);
    if (digits === 0 || (digits > 1 && this.#bytes[first] === ZERO) || !Number.isSafeInteger(value))
      throw this.#invalid('expected a non-negative integer below 2^53', first);
    return value;
  }

  #string(): string {
    this.#expect(QUOTE);
    const first = this.#at - 1;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw this.#invalid('a string does not end', first);
      this.#at += byte === BACKSLASH ? 2 : 1;
      if (byte === QUOTE) break;
    }
    try {
      // Decodes escapes and refuses bare control characters; a string literal cannot become anything but a string.
      const value: unknown = JSON.parse(this.#utf8.decode(this.#bytes.subarray(first, this.#at)));
      if (typeof value === 'string' && !hasLoneSurrogate(value)) return value;
    } catch {
      // Falls through to the complaint below.
    }
    throw this.#invalid('a string is malformed', first);
  }

  #expect(byte: number): void {
    this.#skipSpaces();
    if (this.#bytes[this.#at] !== byte)
      throw this.#invalid(`expected ${quoted(String.fromCharCode(byte))} in the header`);
    this.#at++;
  }

  #skipSpaces(): void {
    while (SPACES.has(this.#bytes[this.#at] ?? 0)) this.#at++;
  }

  #invalid(complaint: string, at = this.#at): UsclError {
    return invalidFile(this.#source, LENGTH_BYTES + at, complaint);
  }
}

/** Bytes of a tensor; Infinity where a product leaves the exact integers. */
export function byteLength(dtype: Dtype, shape: readonly number[]): number {
  let bytes: number = ARRAYS[dtype].BYTES_PER_ELEMENT;
  for (const side of shape) {
    bytes *= side;
    // Checked on the way, as the reference does: a later 0 does not excuse an overflow.
    if (!Number.isSafeInteger(bytes)) return Infinity;
  }
  return bytes;
}

/** Such text has no UTF-8 form: a name like that could not be written back. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** For messages: cut, so that a megabyte of name does not fill the screen. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
