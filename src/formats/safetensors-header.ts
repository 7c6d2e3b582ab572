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

/** Element types, as the format calls them. */
export type Dtype = keyof typeof ARRAYS;

/** The first eight bytes of a file: the length of the header, little-endian. */
export const LENGTH_BYTES = 8;
/** The reference implementation's limit, kept so that files move between the two. */
export const HEADER_LIMIT = 100_000_000;
export const METADATA_KEY = '__metadata__';

/**
 * Most tensors, entries of metadata and sides of a tensor. A header of a few bytes for each would else become many times as much memory;
 * the largest models have some thousands of tensors a file, and PyTorch and NumPy know 64 sides.
 */
export const MOST_TENSORS = 50_000;
export const MOST_SIDES = 64;

/** A tensor's type, shape and place in the file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Half-open byte range in the data section, which begins after the header. */
  readonly start: number;
  readonly end: number;
}

/** What a safetensors file says of its tensors before it holds them. */
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
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const tensors: TensorEntry[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  let at = 0;
  // The format wants the brace first; spaces may only follow.
  if (!stands('{')) throw invalid('the header does not begin with "{"', 0);
  object((key, place) => {
    if (key === METADATA_KEY) metadata = stringMap();
    else if (tensors.length < MOST_TENSORS) tensors.push(tensor(key, place));
    else throw invalid(`it has more than ${MOST_TENSORS} tensors`, place);
  });
  skipSpaces();
  if (at !== bytes.length) throw invalid('there is more after the header\'s closing "}"');
  return { tensors, metadata, dataBytes: contiguousBytes() };

  function tensor(name: string, place: number): TensorEntry {
    let dtype: Dtype | undefined;
    let shape: readonly number[] | undefined;
    let offsets: readonly number[] | undefined;
    object((key, keyAt) => {
      if (key === 'dtype') dtype = dtypeOf(name);
      else if (key === 'shape') shape = integers();
      else if (key === 'data_offsets') offsets = integers();
      else throw invalid(`tensor ${quoted(name)} has the unknown field ${quoted(key)}`, keyAt);
    });
    if (dtype === undefined || shape === undefined || offsets === undefined)
      throw invalid(`tensor ${quoted(name)} lacks dtype, shape or data_offsets`, place);
    const [start, end, surplus] = offsets;
    if (start === undefined || end === undefined || surplus !== undefined || end < start)
      throw invalid(`data_offsets of tensor ${quoted(name)} are no range: [${offsets.join(', ')}]`, place);
    if (byteLength(dtype, shape) !== end - start)
      throw invalid(
        `tensor ${quoted(name)} is ${dtype} [${shape.join(', ')}] but its offsets hold ${end - start} bytes`,
        place,
      );
    return { name, dtype, shape, start, end };
  }

  /** Checks that the tensors cover the data section from 0 without hole or overlap; returns its length. */
  function contiguousBytes(): number {
    let next = 0;
    for (const { name, start, end } of [...tensors].sort((a, b) => a.start - b.start || a.end - b.end)) {
      if (start !== next)
        throw invalid(
          `tensor ${quoted(name)} starts at data byte ${start} where ${next} is next ` +
            `(${start > next ? 'a hole' : 'an overlap'})`,
          0,
        );
      next = end;
    }
    return next;
  }

  /** `{ "key": value, … }`; `readValue` consumes each value. Duplicate keys are errors. */
  function object(readValue: (key: string, place: number) => void): void {
    const seen = new Set<string>();
    list('{', '}', () => {
      const place = at;
      const key = string();
      if (seen.has(key)) throw invalid(`the key ${quoted(key)} appears twice`, place);
      seen.add(key);
      expect(':');
      readValue(key, place);
    });
  }

  function stringMap(): Readonly<Record<string, string>> {
    const entries: [string, string][] = [];
    object((key, place) => {
      if (entries.length === MOST_TENSORS)
        throw invalid(`it has more than ${MOST_TENSORS} entries of metadata`, place);
      entries.push([key, string()]);
    });
    return Object.fromEntries(entries);
  }

  function integers(): readonly number[] {
    const values: number[] = [];
    list('[', ']', () => {
      if (values.length === MOST_SIDES) throw invalid(`a list has more than ${MOST_SIDES} numbers`);
      values.push(integer());
    });
    return values;
  }

  function list(open: string, close: string, readItem: () => void): void {
    expect(open);
    skipSpaces();
    if (!stands(close))
      for (;;) {
        readItem();
        skipSpaces();
        if (stands(close)) break;
        expect(',');
        skipSpaces();
      }
    at++;
  }

  function dtypeOf(name: string): Dtype {
    skipSpaces();
    const place = at;
    const dtype = string();
    if (Object.hasOwn(ARRAYS, dtype)) return dtype as Dtype;
    throw dataError(
      'SAFETENSORS_DTYPE',
      `${source}: tensor ${quoted(name)} has the dtype ${quoted(dtype)}, which is not supported.`,
      `Convert it to one of ${Object.keys(ARRAYS).join(', ')} first.`,
      { where: `${source}, byte ${LENGTH_BYTES + place}` },
    );
  }

  /** A non-negative integer in JSON's spelling: no sign, fraction, exponent or leading zero. */
  function integer(): number {
    skipSpaces();
    const first = at;
    while (bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    const text = Buffer.from(bytes.subarray(first, Math.min(at, first + 20))).toString('latin1');
    const value = Number(text);
    if (!/^(0|[1-9]\d*)$/.test(text) || !Number.isSafeInteger(value))
      throw invalid('expected a non-negative integer below 2^53', first);
    return value;
  }

  function string(): string {
    expect('"');
    const first = at - 1;
    let asItIs = true;
    while (!stands('"')) {
      if (at >= bytes.length) throw invalid('a string does not end', first);
      asItIs &&= bytes[at]! >= 0x20 && !stands('\\');
      at += stands('\\') ? 2 : 1;
    }
    at++;
    try {
      // Decodes escapes and refuses bare control characters; a string literal cannot become anything but a string. Most
      // have neither, and a long one is then in memory once.
      const value: unknown = asItIs
        ? utf8.decode(bytes.subarray(first + 1, at - 1))
        : JSON.parse(utf8.decode(bytes.subarray(first, at)));
      if (typeof value === 'string' && !hasLoneSurrogate(value)) return value;
    } catch {
      // Falls through to the complaint below.
    }
    throw invalid('a string is malformed', first);
  }

  function expect(mark: string): void {
    skipSpaces();
    if (!stands(mark)) throw invalid(`expected ${quoted(mark)} in the header`);
    at++;
  }

  function stands(mark: string): boolean {
    return bytes[at] === mark.charCodeAt(0);
  }

  function skipSpaces(): void {
    while (SPACES.has(bytes[at] ?? 0)) at++;
  }

  function invalid(complaint: string, place = at): UsclError {
    return invalidFile(source, LENGTH_BYTES + place, complaint);
  }
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

const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d]);

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

/** For messages: cut, so that a megabyte of name does not fill the screen. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
