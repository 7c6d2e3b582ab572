/** Which fragments of encapsulated pixel data make up which frame (PS3.5 annex A.4). */
import { dicomError } from './errors.ts';

export type Codestream = 'jpeg' | 'jpeg-2000' | 'rle';

/** Fragments of an object: byte ranges `[start, end, …]` without the offset table, and where each frame begins. */
export interface FrameFragments {
  readonly ranges: readonly number[];
  /** Index of the first fragment of each frame, and at the end the number of fragments. */
  readonly first: readonly number[];
}

export interface FrameEvidence {
  /** Frames, as far as the object tells. */
  readonly declared: number | undefined;
  /** What frames begin with; undefined for codings that leave no mark. */
  readonly codestream: Codestream | undefined;
  /** The Extended Offset Table (7FE0,0001), as it is in the file. */
  readonly extended: Uint8Array | undefined;
}

/** All fragments as one stream. */
export function oneStream(ranges: readonly number[]): FrameFragments {
  const own = ranges.slice(2);
  return { ranges: own, first: [0, own.length / 2] };
}

/**
 * Fragments of each frame. An offset table that fits the fragments says where frames begin, and so does the mark of a
 * codestream, wherever a table is short of it; without a table it is one fragment a frame where the numbers agree,
 * otherwise the marks decide. The number of frames that comes out may be another than the one declared.
 *
 * @param ranges as an `elementReader`'s `fragments` returns them, offset table included.
 * @throws UsclError `DICOM_PIXELS` where the fragments cannot be told apart.
 */
export function framesOfFragments(
  bytes: Uint8Array,
  ranges: readonly number[],
  { declared, codestream, extended }: FrameEvidence,
): FrameFragments {
  const own = ranges.slice(2);
  const count = own.length / 2;
  const each = Array.from({ length: count }, (_, i) => i);
  const table =
    byOffsets(ranges, extendedOffsets(extended)) ?? byOffsets(ranges, basicOffsets(bytes, ranges));
  const isTable = table !== undefined && (table.length > 1 || count !== declared);
  const starts =
    isTable || count !== declared ? [...(table ?? [0]), ...byMarks(bytes, own, codestream)] : each;
  const first = [...new Set(starts)].sort((a, b) => a - b);
  // Neither table nor marks tell more than that there is a first one.
  if (first.length === 1 && count > 1 && !isTable && declared !== 1) {
    if (codestream === undefined || (declared ?? 0) > count) return { ranges: own, first: [...each, count] };
    if (declared !== undefined)
      throw dicomError(
        'DICOM_PIXELS',
        `The object declares ${declared} frames, but its ${count} fragments begin 1.`,
        'PixelData',
      );
  }
  return { ranges: own, first: [...first, count] };
}

/** Index of the fragment at each offset, which count from the first fragment's item; undefined where one fits none. */
function byOffsets(ranges: readonly number[], offsets: readonly number[]): number[] | undefined {
  const origin = ranges[1]!;
  const first: number[] = [];
  let fragment = 1;
  for (const offset of offsets) {
    // The items begin 8 bytes before their values; the first one follows the table.
    while (2 * fragment < ranges.length && ranges[2 * fragment]! - 8 - origin < offset) fragment++;
    if (ranges[2 * fragment] !== offset + 8 + origin || first.at(-1) === fragment - 1) return undefined;
    first.push(fragment - 1);
  }
  return first[0] === 0 ? first : undefined;
}

function basicOffsets(bytes: Uint8Array, [start = 0, end = 0]: readonly number[]): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start);
  return Array.from({ length: (end - start) >> 2 }, (_, i) => view.getUint32(4 * i, true));
}

function extendedOffsets(table: Uint8Array | undefined): number[] {
  if (table === undefined) return [];
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  return Array.from({ length: table.length >> 3 }, (_, i) => Number(view.getBigUint64(8 * i, true)));
}

/** Fragments that begin with the start of a codestream. */
function byMarks(bytes: Uint8Array, ranges: readonly number[], codestream: Codestream | undefined): number[] {
  const first: number[] = [];
  if (codestream === undefined) return first;
  for (let i = 0; i < ranges.length; i += 2)
    if (codestreamAt(bytes, ranges[i]!, ranges[i + 1]!) === codestream) first.push(i / 2);
  return first;
}

/** The codestream of a frame; joined where it came in several pieces. */
export function frameBytes(bytes: Uint8Array, { ranges, first }: FrameFragments, frame: number): Uint8Array {
  const from = first[frame]!;
  const to = first[frame + 1]!;
  if (to - from === 1) return bytes.subarray(ranges[2 * from], ranges[2 * from + 1]);
  const joined = new Uint8Array(frameLength({ ranges, first }, frame));
  let at = 0;
  for (const [start, end] of pieces(ranges, from, to)) {
    joined.set(bytes.subarray(start, end), at);
    at += end - start;
  }
  return joined;
}

/** Bytes of a frame's codestream. */
export function frameLength({ ranges, first }: FrameFragments, frame: number): number {
  return pieces(ranges, first[frame]!, first[frame + 1]!).reduce((sum, [start, end]) => sum + end - start, 0);
}

function pieces(ranges: readonly number[], from: number, to: number): [number, number][] {
  return Array.from({ length: to - from }, (_, i) => [ranges[2 * (from + i)]!, ranges[2 * (from + i) + 1]!]);
}

const RLE_HEADER_BYTES = 64;

/**
 * Kind of the codestream that begins with these bytes: JPEG of all kinds, JPEG 2000 bare and boxed, RLE; or undefined.
 * Files name the wrong transfer syntax, or none.
 */
export function codestreamAt(bytes: Uint8Array, start: number, end: number): Codestream | undefined {
  const mark = Buffer.from(bytes.subarray(start, Math.min(start + 8, end))).toString('hex');
  if (mark.startsWith('ffd8ff')) return 'jpeg';
  if (mark.startsWith('ff4fff51') || mark === '0000000c6a502020') return 'jpeg-2000';
  return end - start >= RLE_HEADER_BYTES && isRleHeader(bytes, start, end - start) ? 'rle' : undefined;
}

/** Up to 15 segments, the first behind the header, in order; the places of others are zero (PS3.5 annex G.5). */
function isRleHeader(bytes: Uint8Array, start: number, length: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, RLE_HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count < 1 || count > 15 || view.getUint32(4, true) !== RLE_HEADER_BYTES) return false;
  let previous = 0;
  for (let segment = 0; segment < 15; segment++) {
    const offset = view.getUint32(4 + 4 * segment, true);
    if (segment >= count ? offset !== 0 : offset <= previous || offset > length) return false;
    previous = offset;
  }
  return true;
}
