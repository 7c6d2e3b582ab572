/**
 * Values of elements as text, numbers and items. Nothing is converted before it is asked for, and no more of it than
 * was asked for: a text of a megabyte costs a megabyte of file, not of memory.
 */
import { representationOf, tagOf, type Keyword } from './dictionary.ts';
import { elementReader, nestedCoding, type DicomElement, type DicomElements } from './elements.ts';

/** No attribute that is asked for is longer (a UID has 64 characters, LO and PN some more in wide encodings). */
const TEXT_BYTES = 1024;
/** Bytes of a number of each representation that has them, and how it is read. */
const NUMBERS: Readonly<
  Record<string, readonly [bytes: number, read: (view: DataView, at: number, little: boolean) => number]>
> = {
  US: [2, (view, at, little) => view.getUint16(at, little)],
  SS: [2, (view, at, little) => view.getInt16(at, little)],
  UL: [4, (view, at, little) => view.getUint32(at, little)],
  SL: [4, (view, at, little) => view.getInt32(at, little)],
  FL: [4, (view, at, little) => view.getFloat32(at, little)],
  FD: [8, (view, at, little) => view.getFloat64(at, little)],
  // A tag, group first.
  AT: [4, (view, at, little) => view.getUint16(at, little) * 0x10000 + view.getUint16(at + 2, little)],
};
const BACKSLASH = 0x5c;

/** Whether the attribute is there with a value. */
export function hasValue(set: DicomElements, keyword: Keyword): boolean {
  const element = set.elements.get(tagOf(keyword));
  return element !== undefined && element.end > element.start;
}

/**
 * The text of an attribute without the padding around it, or undefined where it is absent or empty. UTF-8 where the
 * bytes are that, otherwise Latin-1: enough for codes, and a function of the bytes alone for names and identifiers.
 * Several values stay joined by `\`. Only the first 1,024 bytes are looked at.
 */
export function textOf(set: DicomElements, keyword: Keyword): string | undefined {
  const value = valueOf(set, keyword);
  if (value === undefined) return undefined;
  const bytes = value.subarray(0, TEXT_BYTES);
  // Padding is a blank or a zero, at either end.
  const text = decodeText(bytes).replace(/^[\0 ]+|[\0 ]+$/g, '');
  return text === '' ? undefined : text;
}

/** First number of an attribute; undefined where it is absent, empty or not a number. */
export function numberOf(set: DicomElements, keyword: Keyword): number | undefined {
  const value = numbersOf(set, keyword, 1)[0];
  return value === undefined || !Number.isFinite(value) ? undefined : value;
}

/** Numbers of an attribute, at most `limit` of them; text that is no number becomes NaN. */
export function numbersOf(set: DicomElements, keyword: Keyword, limit: number): number[] {
  const element = set.elements.get(tagOf(keyword));
  if (element === undefined || element.undefinedLength) return [];
  const vr = numericRepresentation(element);
  const value = set.bytes.subarray(element.start, element.end);
  return vr === undefined ? decimals(value, limit) : binaryNumbers(value, vr, set.coding.bigEndian, limit);
}

/** The bytes of an attribute's value, as they are in the file; undefined where it is absent, empty or a sequence. */
export function valueOf(set: DicomElements, keyword: Keyword): Uint8Array | undefined {
  const element = set.elements.get(tagOf(keyword));
  if (element === undefined || element.undefinedLength || element.end <= element.start) return undefined;
  return set.bytes.subarray(element.start, element.end);
}

/**
 * The items of a sequence; none where it is absent.
 *
 * @throws UsclError `DICOM_INVALID`, `DICOM_TRUNCATED` where the sequence is damaged.
 */
export function itemsOf(set: DicomElements, keyword: Keyword): readonly DicomElements[] {
  const element = set.elements.get(tagOf(keyword));
  if (element === undefined) return [];
  const coding = nestedCoding(element.vr, set.coding);
  return elementReader(set.bytes).items(element, coding, set.depth);
}

/** US, SS, UL, SL, FL, FD or AT; undefined for numbers in text. */
function numericRepresentation(element: DicomElement): string | undefined {
  if (Object.hasOwn(NUMBERS, element.vr)) return element.vr;
  if (element.vr === 'DS' || element.vr === 'IS') return undefined;
  const vr = representationOf(element.tag);
  return vr !== undefined && Object.hasOwn(NUMBERS, vr) ? vr : undefined;
}

function binaryNumbers(value: Uint8Array, vr: string, bigEndian: boolean, limit: number): number[] {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const [step, read] = NUMBERS[vr]!;
  const count = Math.min(limit, Math.floor(value.length / step));
  return Array.from({ length: count }, (_, i) => read(view, i * step, !bigEndian));
}

function decimals(value: Uint8Array, limit: number): number[] {
  const numbers: number[] = [];
  for (let at = 0; at < value.length && numbers.length < limit;) {
    const stop = value.indexOf(BACKSLASH, at);
    const end = stop < 0 ? value.length : stop;
    // DS has 16 characters, IS 12; a little more is kept for writers that do not know.
    const text = decodeText(value.subarray(at, Math.min(end, at + 40))).replace(/[\0 ]+/g, '');
    numbers.push(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN);
    at = end + 1;
  }
  return numbers;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}

/** 16-bit words out of pairs of bytes; a byte at the end that has no other is left out. */
export function wordsOf(bytes: Uint8Array, bigEndian: boolean): Uint16Array {
  const high = bigEndian ? 0 : 1;
  const words = new Uint16Array(bytes.length >> 1);
  for (let i = 0; i < words.length; i++) words[i] = (bytes[2 * i + high]! << 8) | bytes[2 * i + 1 - high]!;
  return words;
}
