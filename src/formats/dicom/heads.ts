/**
 * The head of an element: tag, value representation, length. Real files slip here: an element without its
 * representation in an explicit file, two letters that are none, an element with one in an implicit file. Such a head is
 * read in the one way that makes it fit what follows; a head that fits in no way is an error, and no head is looked at
 * beyond the next one.
 */
import { dicomError, tagName } from './errors.ts';
import type { Coding } from './syntaxes.ts';

/** What the head of an element says; `next` is where its value starts. */
export interface Head {
  readonly tag: number;
  /** As in the file; `UN` where the encoding is implicit or the letters are no representation. */
  readonly vr: string;
  readonly length: number;
  readonly next: number;
  /** The representation is missing, is none, or should not be there. */
  readonly isOdd: boolean;
}

export const ITEM = 0xfffee000;
export const ITEM_END = 0xfffee00d;
export const SEQUENCE_END = 0xfffee0dd;
export const UNDEFINED = 0xffffffff;
export const PIXEL_DATA = 0x7fe00010;

/** Value representations with a length of two bytes in explicit encoding; all others have four (PS3.5 table 7.1-2). */
const SHORT = new Set([
  ...['AE', 'AS', 'AT', 'CS', 'DA', 'DS', 'DT', 'FL', 'FD', 'IS', 'LO'],
  ...['LT', 'PN', 'SH', 'SL', 'SS', 'ST', 'TM', 'UI', 'UL', 'US'],
]);
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

/** Reads heads in `bytes`, which with `isPart` may be the beginning of a file only. */
export function headReader(bytes: Uint8Array, isPart: boolean) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { headAt, isFollowedByExplicit };

  /**
   * The head at a place of a data set or item that ends at `end`.
   *
   * @throws UsclError `DICOM_TRUNCATED` where the bytes end in the head, `DICOM_INVALID` where it fits in no way.
   */
  function headAt(at: number, end: number, coding: Coding): Head {
    if (at + 8 > end) throw short(at, 'in the head of an element');
    const tag = tagAt(at, coding);
    // Items and delimiters have no value representation in any encoding.
    if (tag >>> 16 === 0xfffe) return implicitHead(at, tag, coding);
    const vr = representationAt(bytes, at + 4);
    const isKnown = vr !== undefined && isKnownRepresentation(vr);
    if (coding.implicit) {
      const head = implicitHead(at, tag, coding);
      if (!isKnown || head.length === UNDEFINED || head.next + head.length <= end) return head;
      const explicit = explicitHead(at, tag, vr, coding);
      return fits(explicit, end, coding) ? { ...explicit, isOdd: true } : head;
    }
    if (!isKnown) return guessed(at, end, tag, vr, coding);
    const head = explicitHead(at, tag, vr, coding);
    if (head.next > end) throw short(at, `in the head of ${tagName(tag)}`);
    return head;
  }

  /** Whether an explicit element at a place, whatever its own representation, is followed by one that has one. */
  function isFollowedByExplicit(at: number, coding: Coding): boolean {
    const end = bytes.length;
    if (at + 12 > end) return false;
    const tag = tagAt(at, coding);
    return readingsOf(at, tag, undefined, coding).some((head) => {
      const next = head.next + head.length;
      return next + 8 <= end && tagAt(next, coding) > tag && isExplicitAt(bytes, next);
    });
  }

  /** The first reading that fits, of an explicit element whose letters are no representation. */
  function guessed(at: number, end: number, tag: number, vr: string | undefined, coding: Coding): Head {
    const readings = readingsOf(at, tag, vr, coding);
    const head = readings.find((one) => fits(one, end, coding));
    if (head !== undefined) return head;
    // What tells may lie behind the part that was given.
    if (isPart && readings.some(({ next, length }) => next + length + 8 > end))
      throw short(at, `in ${tagName(tag)}`);
    throw dicomError(
      'DICOM_INVALID',
      `The DICOM data are damaged: ${tagName(tag)} has no value representation.`,
      `byte ${at + 4}`,
    );
  }

  /** Without a representation, with a long one, with a short one; the likeliest first. */
  function readingsOf(at: number, tag: number, vr: string | undefined, coding: Coding): Head[] {
    const little = !coding.bigEndian;
    const odd = { tag, vr: 'UN', isOdd: true } as const;
    const implicit = { ...odd, length: view.getUint32(at + 4, little), next: at + 8 };
    const brief = { ...odd, length: view.getUint16(at + 6, little), next: at + 8 };
    const isLong = at + 12 <= bytes.length && view.getUint16(at + 6) === 0;
    const long = isLong ? [{ ...odd, length: view.getUint32(at + 8, little), next: at + 12 }] : [];
    return vr === undefined ? [implicit, ...long, brief] : [...long, brief, implicit];
  }

  /** Whether a value ends where its data set does, or another element begins. */
  function fits({ tag, length, next }: Head, end: number, coding: Coding): boolean {
    if (length === UNDEFINED) {
      if (next + 8 > end) return false;
      const first = tagAt(next, coding);
      return first === ITEM || first === SEQUENCE_END;
    }
    const after = next + length;
    if (tag === PIXEL_DATA && isPart && after >= end) return true;
    // Behind a part of a file anything may follow.
    if (after === end) return !isPart || end < bytes.length;
    if (after + 8 > end) return after < end && isPadding(bytes, after);
    const following = tagAt(after, coding);
    if (following === ITEM_END) return true;
    if (following <= tag || following >>> 16 === 0xfffe) return false;
    if (isExplicitAt(bytes, after)) return true;
    return after + 8 + view.getUint32(after + 4, !coding.bigEndian) <= end;
  }

  function implicitHead(at: number, tag: number, coding: Coding): Head {
    const length = view.getUint32(at + 4, !coding.bigEndian);
    return { tag, vr: 'UN', length, next: at + 8, isOdd: false };
  }

  function explicitHead(at: number, tag: number, vr: string, coding: Coding): Head {
    const little = !coding.bigEndian;
    if (SHORT.has(vr)) return { tag, vr, length: view.getUint16(at + 6, little), next: at + 8, isOdd: false };
    // A head that is cut short has no length, and is told by where its value would begin.
    const length = at + 12 > bytes.length ? 0 : view.getUint32(at + 8, little);
    return { tag, vr, length, next: at + 12, isOdd: false };
  }

  function tagAt(at: number, { bigEndian }: Coding): number {
    return view.getUint16(at, !bigEndian) * 0x10000 + view.getUint16(at + 2, !bigEndian);
  }
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

/** Whether the element at a place has a value representation. */
export function isExplicitAt(bytes: Uint8Array, at: number): boolean {
  const vr = representationAt(bytes, at + 4);
  return vr !== undefined && isKnownRepresentation(vr);
}

/** Fewer bytes than an element's head, all zero: some writers fill up sectors. */
export function isPadding(bytes: Uint8Array, at: number): boolean {
  return bytes.length - at < 8 && bytes.subarray(at).every((byte) => byte === 0);
}

function isCapital(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

export function short(at: number, place: string): Error {
  return dicomError('DICOM_TRUNCATED', `The DICOM data end ${place}.`, `byte ${at}`);
}
