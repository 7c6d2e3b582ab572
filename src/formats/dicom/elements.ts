/**
 * The elements of a data set, found but not copied: each is a tag, a value representation and a byte range. Nested
 * sequences are walked over only to find their ends, and parsed when somebody asks for their items, so that what a
 * hostile file can cost is bounded by its length: depth, the number of elements and the number of steps have limits,
 * and every length is checked before it is followed.
 */
import { dicomError, tagName } from './errors.ts';
import type { Coding } from './syntaxes.ts';

export interface DicomElement {
  readonly tag: number;
  /** As in the file; `UN` where the encoding is implicit. */
  readonly vr: string;
  /** Byte range of the value, without the delimiter of an undefined length. */
  readonly start: number;
  readonly end: number;
  readonly undefinedLength: boolean;
}

/** A data set, or one item of a sequence. */
export interface DicomElements {
  readonly bytes: Uint8Array;
  readonly coding: Coding;
  readonly elements: ReadonlyMap<number, DicomElement>;
  /** How many sequences this lies within. */
  readonly depth: number;
}

const PIXEL_DATA = 0x7fe00010;
const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
const UNDEFINED = 0xffffffff;

const MAX_DEPTH = 32;
/** Elements of one data set, items of one sequence, fragments of the pixel data: each takes some 150 bytes of memory. */
const MAX_ELEMENTS = 100_000;
/** Headers looked at while one data set is read, nested ones included. */
const MAX_STEPS = 2_000_000;

/** Value representations with a length of two bytes in explicit encoding; all others have four (PS3.5 table 7.1-2). */
const SHORT = new Set([
  ...['AE', 'AS', 'AT', 'CS', 'DA', 'DS', 'DT', 'FL', 'FD', 'IS', 'LO'],
  ...['LT', 'PN', 'SH', 'SL', 'SS', 'ST', 'TM', 'UI', 'UL', 'US'],
]);
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

/** What the head of an element says; `next` is where its value starts. */
interface Head {
  readonly tag: number;
  readonly vr: string;
  readonly length: number;
  readonly next: number;
}

/** Walks elements of `bytes`. One reader reads one data set or sequence; its steps are counted together. */
export class ElementReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #steps = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * The top level of a data set, up to and with the pixel data: what may follow (padding, signatures, private dumps)
   * is not looked at.
   *
   * @param open leaves the value of the pixel data unread: it may lie beyond the bytes given.
   */
  dataSet(start: number, coding: Coding, open = false): DicomElements {
    const end = this.#bytes.length;
    const elements = new Map<number, DicomElement>();
    let at = start;
    while (at < end) {
      if (isPadding(this.#bytes, at)) break;
      const head = this.#head(at, end, coding);
      if (head.tag === PIXEL_DATA && open) {
        const undefinedLength = head.length === UNDEFINED;
        const { tag, vr, next } = head;
        this.#add(elements, {
          tag,
          vr,
          start: next,
          // Beyond any bytes: nobody can take it for whole.
          end: undefinedLength ? Infinity : next + head.length,
          undefinedLength,
        });
        break;
      }
      const element = this.#element(head, end, coding, 0);
      this.#add(elements, element);
      at = element.undefinedLength ? element.end + 8 : element.end;
      if (head.tag === PIXEL_DATA) break;
    }
    return { bytes: this.#bytes, coding, elements, depth: 0 };
  }

  /** The elements of group 0002 from `start`, always explicit little-endian, and where the group ends. */
  metaGroup(start: number): { meta: DicomElements; end: number } {
    const coding: Coding = { implicit: false, bigEndian: false };
    const end = this.#bytes.length;
    const elements = new Map<number, DicomElement>();
    let at = start;
    while (at + 8 <= end && this.#view.getUint16(at, true) === 2) {
      const element = this.#element(this.#head(at, end, coding), end, coding, 0);
      this.#add(elements, element);
      at = element.end;
    }
    return { meta: { bytes: this.#bytes, coding, elements, depth: 0 }, end: at };
  }

  /** The items of a sequence element. */
  items(element: DicomElement, coding: Coding, depth: number): DicomElements[] {
    if (depth >= MAX_DEPTH) throw tooDeep(element.start);
    const items: DicomElements[] = [];
    let at = element.start;
    let count = 0;
    while (at < element.end) {
      const { tag, length, next } = this.#head(at, element.end, coding);
      if (tag === SEQUENCE_END) break;
      if (tag !== ITEM) throw invalid(at, `expected an item of a sequence and found ${tagName(tag)}`);
      const end = length === UNDEFINED ? element.end : next + length;
      if (end > element.end) throw overrun(at, tag, length, element.end - next);
      const own = this.#codingAt(next, end, coding);
      const elements = new Map<number, DicomElement>();
      at = next;
      while (at < end) {
        const head = this.#head(at, end, own);
        if (head.tag === ITEM_END) break;
        if (++count > MAX_ELEMENTS) throw tooMany(at);
        const inner = this.#element(head, end, own, depth + 1);
        this.#add(elements, inner);
        at = inner.undefinedLength ? inner.end + 8 : inner.end;
      }
      if (length === UNDEFINED) at += 8;
      if (++count > MAX_ELEMENTS) throw tooMany(at);
      items.push({ bytes: this.#bytes, coding: own, elements, depth: depth + 1 });
    }
    return items;
  }

  /** Byte ranges of the fragments of encapsulated pixel data, `[start, end, start, end, …]`; the first is the offset table. */
  fragments(element: DicomElement): number[] {
    const coding: Coding = { implicit: false, bigEndian: false };
    const ranges: number[] = [];
    for (let at = element.start; at < element.end;) {
      const { tag, length, next } = this.#head(at, element.end, coding);
      if (tag !== ITEM || length === UNDEFINED || next + length > element.end)
        throw invalid(at, 'the fragments of the pixel data do not follow each other');
      if (ranges.length >= 2 * MAX_ELEMENTS) throw tooMany(at);
      ranges.push(next, next + length);
      at = next + length;
    }
    return ranges;
  }

  #add(elements: Map<number, DicomElement>, element: DicomElement): void {
    if (elements.has(element.tag))
      throw invalid(element.start, `the element ${tagName(element.tag)} appears twice`);
    if (elements.size >= MAX_ELEMENTS) throw tooMany(element.start);
    elements.set(element.tag, element);
  }

  #head(at: number, end: number, coding: Coding): Head {
    if (++this.#steps > MAX_STEPS) throw tooMany(at);
    if (at + 8 > end) throw short(at, 'in the head of an element');
    const little = !coding.bigEndian;
    const tag = this.#view.getUint16(at, little) * 0x10000 + this.#view.getUint16(at + 2, little);
    // Items and delimiters have no value representation in any encoding.
    if (coding.implicit || tag >>> 16 === 0xfffe)
      return { tag, vr: 'UN', length: this.#view.getUint32(at + 4, little), next: at + 8 };
    const vr = representationAt(this.#bytes, at + 4);
    if (vr === undefined) throw invalid(at + 4, `${tagName(tag)} has no value representation`);
    if (SHORT.has(vr)) return { tag, vr, length: this.#view.getUint16(at + 6, little), next: at + 8 };
    if (at + 12 > end) throw short(at, `in the head of ${tagName(tag)}`);
    return { tag, vr, length: this.#view.getUint32(at + 8, little), next: at + 12 };
  }

  #element({ tag, vr, length, next }: Head, end: number, coding: Coding, depth: number): DicomElement {
    if (tag >>> 16 === 0xfffe) throw invalid(next - 8, `${tagName(tag)} stands where an element should be`);
    if (length !== UNDEFINED) {
      if (next + length > end) throw overrun(next, tag, length, end - next);
      return { tag, vr, start: next, end: next + length, undefinedLength: false };
    }
    const stop = this.#sequenceEnd(next, end, nestedCoding(vr, coding), depth + 1, tag === PIXEL_DATA);
    return { tag, vr, start: next, end: stop, undefinedLength: true };
  }

  /**
   * Where the delimiter of a sequence of undefined length stands.
   *
   * @param endless the last delimiter may be missing, as some writers leave it out after the last fragment.
   */
  #sequenceEnd(start: number, end: number, coding: Coding, depth: number, endless = false): number {
    if (depth >= MAX_DEPTH) throw tooDeep(start);
    for (let at = start; ;) {
      if (endless && at === end) return end;
      const { tag, length, next } = this.#head(at, end, coding);
      if (tag === SEQUENCE_END) return at;
      if (tag !== ITEM) throw invalid(at, `expected an item of a sequence and found ${tagName(tag)}`);
      if (length !== UNDEFINED) {
        if (next + length > end) throw overrun(at, tag, length, end - next);
        at = next + length;
        continue;
      }
      const own = this.#codingAt(next, end, coding);
      at = next;
      for (;;) {
        const head = this.#head(at, end, own);
        if (head.tag === ITEM_END) break;
        const element = this.#element(head, end, own, depth);
        at = element.undefinedLength ? element.end + 8 : element.end;
      }
      at += 8;
    }
  }

  /** Items of explicit sequences are sometimes coded implicitly; the first element shows it. */
  #codingAt(at: number, end: number, coding: Coding): Coding {
    if (coding.implicit || at + 8 > end || this.#view.getUint16(at, !coding.bigEndian) === 0xfffe)
      return coding;
    return representationAt(this.#bytes, at + 4) === undefined ? { ...coding, implicit: true } : coding;
  }
}

/** A sequence whose representation is unknown is coded implicitly, little-endian (PS3.5 clause 6.2.2). */
export function nestedCoding(vr: string, coding: Coding): Coding {
  return vr === 'UN' && !coding.implicit ? { implicit: true, bigEndian: false } : coding;
}

/** The two letters at a place if they can be a value representation. */
export function representationAt(bytes: Uint8Array, at: number): string | undefined {
  const first = bytes[at];
  const second = bytes[at + 1];
  if (first === undefined || second === undefined || !isCapital(first) || !isCapital(second))
    return undefined;
  return String.fromCharCode(first, second);
}

/** Whether two letters are a value representation of the standard. */
export function isKnownRepresentation(vr: string): boolean {
  return SHORT.has(vr) || LONG.has(vr);
}

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** Fewer bytes than an element's head, all zero: some writers fill up sectors. */
function isPadding(bytes: Uint8Array, at: number): boolean {
  return bytes.length - at < 8 && bytes.subarray(at).every((byte) => byte === 0);
}

function invalid(at: number, complaint: string): Error {
  return dicomError('DICOM_INVALID', `The DICOM data are damaged: ${complaint}.`, `byte ${at}`);
}

function short(at: number, place: string): Error {
  return dicomError('DICOM_TRUNCATED', `The DICOM data end ${place}.`, `byte ${at}`);
}

function overrun(at: number, tag: number, length: number, left: number): Error {
  return dicomError(
    'DICOM_TRUNCATED',
    `${tagName(tag)} declares ${length} bytes, but ${Math.max(left, 0)} are left.`,
    `byte ${at}`,
  );
}

function tooDeep(at: number): Error {
  return dicomError('DICOM_INVALID', `Sequences are nested more than ${MAX_DEPTH} deep.`, `byte ${at}`);
}

function tooMany(at: number): Error {
  return dicomError('DICOM_INVALID', 'There are more elements than any picture needs.', `byte ${at}`);
}
