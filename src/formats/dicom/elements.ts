/**
 * The elements of a data set, found but not copied: each is a tag, a value representation and a byte range. Nested
 * sequences are walked over only to find their ends, and parsed when somebody asks for their items, so that what a
 * hostile file can cost is bounded by its length: depth, the number of elements and the number of steps have limits,
 * and every length is checked before it is followed.
 */
import { dicomError, tagName } from './errors.ts';
import {
  headReader,
  isPadding,
  ITEM,
  ITEM_END,
  PIXEL_DATA,
  representationAt,
  SEQUENCE_END,
  UNDEFINED,
  type Head,
} from './heads.ts';
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

/** Breaks of the encoding's rules that were read around. */
export type Slip =
  /** An element stands twice: its first value counts, or the first that is not empty. */
  | 'doubled-elements'
  /** A value representation is missing, is none, or stands where there should not be one. */
  | 'no-representation'
  /** The encoding is another than the one declared, or none is declared. */
  | 'other-encoding';

/** A data set, or one item of a sequence. */
export interface DicomElements {
  readonly bytes: Uint8Array;
  readonly coding: Coding;
  readonly elements: ReadonlyMap<number, DicomElement>;
  /** Of everything that its reader has read. */
  readonly slips: ReadonlySet<Slip>;
  /** Elements of a tag that stood there before, whose values do not count. */
  readonly repeated: readonly DicomElement[];
  /** How many sequences this lies within. */
  readonly depth: number;
}

const MAX_DEPTH = 32;
/** Elements of one data set, items of one sequence, fragments of the pixel data: each takes some 150 bytes of memory. */
const MAX_ELEMENTS = 100_000;
/** Headers looked at while one data set is read, nested ones included. */
const MAX_STEPS = 2_000_000;

/** A data set or item while it is read. */
interface Found extends DicomElements {
  readonly elements: Map<number, DicomElement>;
  readonly repeated: DicomElement[];
  count: number;
}

/**
 * Walks elements of `bytes`, which with `isPart` may be the beginning of a file only. One reader reads one data set or
 * sequence; its steps are counted together.
 */
export function elementReader(bytes: Uint8Array, isPart = false) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const heads = headReader(bytes, isPart);
  const slips = new Set<Slip>();
  let steps = 0;
  return { dataSet, metaGroup, items, fragments };

  /**
   * The top level of a data set, up to and with the pixel data: what may follow (padding, signatures, private dumps)
   * is not looked at.
   *
   * @param open leaves the value of the pixel data unread: it may lie beyond the bytes given.
   */
  function dataSet(start: number, coding: Coding, open = false): DicomElements {
    const end = bytes.length;
    const found = begin(coding, 0);
    let at = start;
    while (at < end) {
      if (isPadding(bytes, at)) break;
      const head = headAt(at, end, coding);
      if (head.tag === PIXEL_DATA && open) {
        const { tag, vr, next, length } = head;
        const undefinedLength = length === UNDEFINED;
        // Beyond any bytes: nobody can take it for whole.
        const stop = undefinedLength ? Infinity : next + length;
        add(found, { tag, vr, start: next, end: stop, undefinedLength });
        break;
      }
      at = add(found, elementOf(head, end, coding, 0));
      if (head.tag === PIXEL_DATA) break;
    }
    return found;
  }

  /**
   * The elements of group 0002 from `start`, explicit little-endian by the standard, and where the data set begins: a
   * second meta group and a command set (group 0000, implicit) before it are passed over.
   */
  function metaGroup(start: number): { meta: DicomElements; end: number } {
    const coding: Coding = { implicit: false, bigEndian: false };
    const end = bytes.length;
    const found = begin(coding, 0);
    let at = start;
    while (at + 8 <= end) {
      const group = view.getUint16(at, true);
      if (group !== 2 && (group !== 0 || found.elements.size === 0 || isPadding(bytes, at))) break;
      const own = group === 0 ? { ...coding, implicit: true } : coding;
      at = add(found, elementOf(headAt(at, end, own), end, own, 0));
    }
    return { meta: found, end: at };
  }

  /** The items of a sequence element. */
  function items(element: DicomElement, coding: Coding, depth: number): DicomElements[] {
    if (depth >= MAX_DEPTH) throw tooDeep(element.start);
    const items: DicomElements[] = [];
    let at = element.start;
    let count = 0;
    while (at < element.end) {
      const { tag, length, next } = headAt(at, element.end, coding);
      if (tag === SEQUENCE_END) break;
      if (tag !== ITEM) throw invalid(at, `expected an item of a sequence and found ${tagName(tag)}`);
      const end = length === UNDEFINED ? element.end : next + length;
      if (end > element.end) throw overrun(at, tag, length, element.end - next);
      const own = codingAt(next, end, coding);
      const found = begin(own, depth + 1);
      at = next;
      while (at < end) {
        const head = headAt(at, end, own);
        if (head.tag === ITEM_END) break;
        if (++count > MAX_ELEMENTS) throw tooMany(at);
        at = add(found, elementOf(head, end, own, depth + 1));
      }
      if (length === UNDEFINED) at += 8;
      if (++count > MAX_ELEMENTS) throw tooMany(at);
      items.push(found);
    }
    return items;
  }

  /** Byte ranges of the fragments of encapsulated pixel data, `[start, end, start, end, …]`; the first is the offset table. */
  function fragments(element: DicomElement): number[] {
    const coding: Coding = { implicit: false, bigEndian: false };
    const ranges: number[] = [];
    for (let at = element.start; at < element.end;) {
      const { tag, length, next } = headAt(at, element.end, coding);
      // Where the whole has a length, the delimiter is part of it.
      if (tag === SEQUENCE_END) break;
      if (tag !== ITEM || length === UNDEFINED || next + length > element.end)
        throw invalid(at, 'the fragments of the pixel data do not follow each other');
      if (ranges.length >= 2 * MAX_ELEMENTS) throw tooMany(at);
      ranges.push(next, next + length);
      at = next + length;
    }
    return ranges;
  }

  function begin(coding: Coding, depth: number): Found {
    return {
      bytes,
      coding,
      elements: new Map(),
      repeated: [],
      slips,
      depth,
      count: 0,
    };
  }

  /** Takes an element in; returns where the next one stands. */
  function add(found: Found, element: DicomElement): number {
    const { elements, repeated } = found;
    if (++found.count > MAX_ELEMENTS) throw tooMany(element.start);
    const first = elements.get(element.tag);
    if (first !== undefined) slips.add('doubled-elements');
    if (first === undefined || first.end <= first.start) elements.set(element.tag, element);
    else repeated.push(element);
    return behind(element);
  }

  function headAt(at: number, end: number, coding: Coding): Head {
    if (++steps > MAX_STEPS) throw tooMany(at);
    const head = heads.headAt(at, end, coding);
    if (head.isOdd) slips.add('no-representation');
    return head;
  }

  function elementOf(
    { tag, vr, length, next }: Head,
    end: number,
    coding: Coding,
    depth: number,
  ): DicomElement {
    if (tag >>> 16 === 0xfffe) throw invalid(next - 8, `${tagName(tag)} stands where an element should be`);
    if (length !== UNDEFINED) {
      if (next + length > end) throw overrun(next, tag, length, end - next);
      return { tag, vr, start: next, end: next + length, undefinedLength: false };
    }
    const stop = sequenceEnd(next, end, nestedCoding(vr, coding), depth + 1, tag === PIXEL_DATA);
    return { tag, vr, start: next, end: stop, undefinedLength: true };
  }

  /**
   * Where the delimiter of a sequence of undefined length stands.
   *
   * @param endless the last delimiter may be missing, as some writers leave it out after the last fragment.
   */
  function sequenceEnd(start: number, end: number, coding: Coding, depth: number, endless = false): number {
    if (depth >= MAX_DEPTH) throw tooDeep(start);
    for (let at = start; ;) {
      if (endless && at === end) return end;
      const { tag, length, next } = headAt(at, end, coding);
      if (tag === SEQUENCE_END) return at;
      if (tag !== ITEM) throw invalid(at, `expected an item of a sequence and found ${tagName(tag)}`);
      if (length !== UNDEFINED) {
        if (next + length > end) throw overrun(at, tag, length, end - next);
        at = next + length;
        continue;
      }
      const own = codingAt(next, end, coding);
      at = next;
      for (;;) {
        const head = headAt(at, end, own);
        if (head.tag === ITEM_END) break;
        at = behind(elementOf(head, end, own, depth));
      }
      at += 8;
    }
  }

  /** Items of explicit sequences are sometimes coded implicitly; the first element shows it. */
  function codingAt(at: number, end: number, coding: Coding): Coding {
    if (coding.implicit || at + 8 > end || view.getUint16(at, !coding.bigEndian) === 0xfffe) return coding;
    return representationAt(bytes, at + 4) === undefined ? { ...coding, implicit: true } : coding;
  }
}

/** Where what follows an element stands. */
function behind({ end, undefinedLength }: DicomElement): number {
  return undefinedLength ? end + 8 : end;
}

/** A sequence whose representation is unknown is coded implicitly, little-endian (PS3.5 clause 6.2.2). */
export function nestedCoding(vr: string, coding: Coding): Coding {
  return vr === 'UN' && !coding.implicit ? { implicit: true, bigEndian: false } : coding;
}

function invalid(at: number, complaint: string): Error {
  return dicomError('DICOM_INVALID', `The DICOM data are damaged: ${complaint}.`, `byte ${at}`);
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
