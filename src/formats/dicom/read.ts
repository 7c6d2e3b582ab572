/**
 * DICOM files (PS3.10) ↔ elements: recognises them, with and without the preamble, and finds their elements in every
 * encoding (implicit and explicit, little- and big-endian, deflated). Bytes are never copied, except that a deflated
 * data set is inflated within a limit that follows from the file's length. Whatever the bytes are, the result is an
 * object or a `UsclError`.
 */
import { constants, inflateRawSync } from 'node:zlib';
import { systemCode } from '../../base/errors.ts';
import { elementReader, type DicomElements, type Slip } from './elements.ts';
import { dicomError, type DicomErrorCode } from './errors.ts';
import { headReader, isExplicitAt, isKnownRepresentation, representationAt } from './heads.ts';
import {
  EXPLICIT_BIG_ENDIAN,
  EXPLICIT_LITTLE_ENDIAN,
  IMPLICIT_LITTLE_ENDIAN,
  syntaxOf,
  type Coding,
  type TransferSyntax,
} from './syntaxes.ts';
import { textOf } from './values.ts';

/** A DICOM file: its data set, and what group 0002 said before it. */
export interface DicomObject extends DicomElements {
  readonly meta: DicomElements;
  readonly syntax: TransferSyntax;
  /** Length of the file (or of the part given), before inflating. */
  readonly fileBytes: number;
}

export interface ReadOptions {
  /**
   * `pixels`: the bytes may be the beginning of a file only, and the pixel data are left alone: enough to plan with,
   * not to decode from. `DICOM_TRUNCATED` then means that more bytes are needed. Default `end`.
   */
  readonly upTo?: 'pixels' | 'end';
}

/** Bytes from which `isDicom` can tell. */
export const HEAD_BYTES = 1024;

const PREAMBLE_BYTES = 128;

/**
 * Whether a file that begins with these bytes (the first `HEAD_BYTES`, or all of a shorter file) is DICOM. Files without
 * a preamble are recognised by a run of well-formed elements that begins with group 0002 or 0008 and holds a UID of the
 * standard.
 */
export function isDicom(head: Uint8Array): boolean {
  return hasMagic(head) || isBare(head);
}

/**
 * Reads a DICOM file up to and with its pixel data.
 *
 * @throws UsclError (kind `data`) `DICOM_NOT_DICOM`, `DICOM_TRUNCATED`, `DICOM_INVALID`, and `DICOM_TOO_LARGE` where a
 *   deflated file would grow out of proportion.
 */
export function readDicom(given: Uint8Array, options: ReadOptions = {}): DicomObject {
  const bytes = plain(given);
  const open = options.upTo === 'pixels';
  if (!isDicom(bytes))
    throw dicomError(
      'DICOM_NOT_DICOM',
      'This is not a DICOM file: it has neither its mark nor its elements.',
      'byte 0',
    );
  const { meta, end } = elementReader(bytes, open).metaGroup(hasMagic(bytes) ? PREAMBLE_BYTES + 4 : 0);
  const uid = textOf(meta, 'TransferSyntaxUID');
  const declared = uid === undefined ? guessSyntax(bytes, end) : syntaxOf(uid);
  const body = declared.deflated ? plain(inflate(bytes.subarray(end), bytes.length, open)) : bytes;
  const at = declared.deflated ? 0 : end;
  const coding = trueCoding(body, at, declared);
  const set = elementReader(body, open).dataSet(at, coding, open);
  // A file without a meta group has no place to declare anything in.
  const isOther =
    (uid === undefined && meta.elements.size > 0) ||
    coding.implicit !== declared.implicit ||
    coding.bigEndian !== declared.bigEndian;
  const slips = new Set<Slip>([...meta.slips, ...set.slips, ...(isOther ? ['other-encoding' as const] : [])]);
  return { ...set, slips, meta, syntax: declared, fileBytes: bytes.length };
}

/** The same bytes without Buffer's ways: its `slice` shares memory. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function hasMagic(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(PREAMBLE_BYTES, PREAMBLE_BYTES + 4)).toString('latin1') === 'DICM';
}

/** Whether a file begins without preamble. */
function isBare(bytes: Uint8Array): boolean {
  if (bytes.length < 16) return false;
  const group = bytes[0]! | (bytes[1]! << 8);
  // Big-endian files come with a meta group, or not at all.
  return (group === 2 || group === 8) && looksLikeElements(bytes.subarray(0, HEAD_BYTES));
}

/** Elements in ascending order, one of them a UID of the standard's root, until the bytes end. */
function looksLikeElements(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let previous = -1;
  for (let at = 0; at + 8 <= head.length;) {
    const group = view.getUint16(at, true);
    const tag = group * 0x10000 + view.getUint16(at + 2, true);
    if (tag <= previous || group > 0x0020) return false;
    previous = tag;
    const vr = representationAt(head, at + 4);
    const explicit = vr !== undefined && isKnownRepresentation(vr);
    const wide = explicit && ['OB', 'OW', 'SQ', 'UN', 'UT'].includes(vr);
    if (wide && at + 12 > head.length) return false;
    const length = explicit
      ? wide
        ? view.getUint32(at + 8, true)
        : view.getUint16(at + 6, true)
      : view.getUint32(at + 4, true);
    const value = at + (wide ? 12 : 8);
    const text = Buffer.from(head.subarray(value, value + Math.min(length, 64))).toString('latin1');
    if (/^1\.2\.840\.10008\.[0-9.]+[\0 ]?$/.test(text)) return true;
    if (tag === 0x00080010 && text.startsWith('ACR-NEMA')) return true;
    // A sequence this early, or a value that is longer than any here: not worth believing.
    if (length > head.length) return false;
    at = value + length;
  }
  return false;
}

/** The syntax of a data set that does not name it; of compressed pixels the bytes will tell. */
function guessSyntax(bytes: Uint8Array, at: number): TransferSyntax {
  const { implicit, bigEndian } = trueCoding(bytes, at, EXPLICIT_LITTLE_ENDIAN);
  if (bigEndian) return EXPLICIT_BIG_ENDIAN;
  return implicit ? IMPLICIT_LITTLE_ENDIAN : EXPLICIT_LITTLE_ENDIAN;
}

/** Groups of the first element are below this one, and their bytes the wrong way round far above. */
const EARLY_GROUPS = 0x100;

/**
 * Some writers declare explicit encoding and write implicit, and the other way round, or exchange bytes; the first
 * element shows it, and the second where the first is the one without a representation.
 */
function trueCoding(bytes: Uint8Array, at: number, declared: Coding): Coding {
  if (bytes.length - at < 8) return { implicit: declared.implicit, bigEndian: declared.bigEndian };
  const [low, high] = [bytes[at]!, bytes[at + 1]!];
  const little = low + 0x100 * high;
  const big = high + 0x100 * low;
  const bigEndian =
    little < EARLY_GROUPS && big >= EARLY_GROUPS
      ? false
      : big < EARLY_GROUPS && little >= EARLY_GROUPS
        ? true
        : declared.bigEndian;
  const isExplicit =
    isExplicitAt(bytes, at) ||
    (!declared.implicit && headReader(bytes, false).isFollowedByExplicit(at, { implicit: false, bigEndian }));
  return { implicit: !isExplicit, bigEndian };
}

/** A deflated data set may become this much longer than its file: with the file, four times its length and some. */
const INFLATED_FACTOR = 3;
const INFLATED_FLOOR = 48 * 2 ** 20;

function inflate(deflated: Uint8Array, fileBytes: number, open: boolean): Uint8Array {
  const limit = INFLATED_FACTOR * fileBytes + INFLATED_FLOOR;
  try {
    return inflateRawSync(deflated, {
      maxOutputLength: limit,
      // One piece as long as the limit: memory is used as it fills, and nothing has to be joined at the end.
      chunkSize: limit + 1,
      ...(open ? { finishFlush: constants.Z_SYNC_FLUSH } : {}),
    });
  } catch (thrown) {
    const fail = (code: DicomErrorCode, complaint: string): Error =>
      dicomError(code, `The deflated data set ${complaint}.`, 'the deflated data set', thrown);
    if (systemCode(thrown) === 'ERR_BUFFER_TOO_LARGE')
      throw fail('DICOM_TOO_LARGE', `is longer than ${limit} bytes, from a file of ${fileBytes}`);
    if (systemCode(thrown) === 'Z_BUF_ERROR') throw fail('DICOM_TRUNCATED', 'is cut short');
    throw fail('DICOM_INVALID', 'is damaged');
  }
}
