/** Which fragments of encapsulated pixel data make up which frame (PS3.5 annex A.4). */
import { dicomError } from './errors.ts';

/** Fragments of an object: byte ranges `[start, end, …]` without the offset table, and where each frame begins. */
export interface FrameFragments {
  readonly ranges: readonly number[];
  /** Index of the first fragment of each frame, and at the end the number of fragments. */
  readonly first: readonly number[];
}

/**
 * Fragments of each frame: all of them for one frame, one each where the numbers agree, otherwise by the basic offset
 * table, otherwise by the marks with which codestreams begin.
 *
 * @param ranges as `ElementReader.fragments` returns them, offset table included.
 * @throws UsclError `DICOM_TRUNCATED` where there are fewer frames than declared, `DICOM_PIXELS` where the fragments
 *   cannot be told apart.
 */
export function framesOfFragments(
  bytes: Uint8Array,
  ranges: readonly number[],
  frames: number,
): FrameFragments {
  const own = ranges.slice(2);
  const count = own.length / 2;
  if (count < frames)
    throw dicomError(
      'DICOM_TRUNCATED',
      `The object declares ${frames} frames, but its pixel data have ${count} fragments.`,
      'PixelData',
    );
  if (frames === 1) return { ranges: own, first: [0, count] };
  if (count === frames) return { ranges: own, first: [...own.keys()].slice(0, frames + 1) };
  const first = byTable(bytes, ranges, frames) ?? byMarks(bytes, own);
  if (first.length !== frames || first[0] !== 0)
    throw dicomError(
      'DICOM_PIXELS',
      `The object declares ${frames} frames, but its ${count} fragments begin ${first.length}.`,
      'PixelData',
    );
  return { ranges: own, first: [...first, count] };
}

/** By the offsets, which count from the first fragment's item; undefined where they do not fit the fragments. */
function byTable(bytes: Uint8Array, ranges: readonly number[], frames: number): number[] | undefined {
  const [start = 0, end = 0] = ranges;
  if (end - start !== 4 * frames) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start);
  const first: number[] = [];
  let fragment = 1;
  for (let frame = 0; frame < frames; frame++) {
    const offset = view.getUint32(4 * frame, true);
    // The items begin 8 bytes before their values; the first one follows the table.
    while (2 * fragment < ranges.length && ranges[2 * fragment]! - 8 - end < offset) fragment++;
    if (ranges[2 * fragment] !== offset + 8 + end || first.at(-1) === fragment - 1) return undefined;
    first.push(fragment - 1);
  }
  return first[0] === 0 ? first : undefined;
}

/** Fragments that begin with the start of a codestream: JPEG (all kinds), JPEG 2000 bare and boxed. */
function byMarks(bytes: Uint8Array, ranges: readonly number[]): number[] {
  const first: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    const at = ranges[i]!;
    const mark = Buffer.from(bytes.subarray(at, Math.min(at + 4, ranges[i + 1]!))).toString('hex');
    if (/^ffd8ff|^ff4fff51|^0000000c/.test(mark)) first.push(i / 2);
  }
  return first;
}

/** The codestream of a frame; joined where it came in several pieces. */
export function frameBytes(bytes: Uint8Array, { ranges, first }: FrameFragments, frame: number): Uint8Array {
  const from = first[frame]!;
  const to = first[frame + 1]!;
  if (to - from === 1) return bytes.subarray(ranges[2 * from], ranges[2 * from + 1]);
  const total = pieces(ranges, from, to).reduce((sum, [start, end]) => sum + end - start, 0);
  const joined = new Uint8Array(total);
  let at = 0;
  for (const [start, end] of pieces(ranges, from, to)) {
    joined.set(bytes.subarray(start, end), at);
    at += end - start;
  }
  return joined;
}

function pieces(ranges: readonly number[], from: number, to: number): [number, number][] {
  return Array.from({ length: to - from }, (_, i) => [ranges[2 * (from + i)]!, ranges[2 * (from + i) + 1]!]);
}
