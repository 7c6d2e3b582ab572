/**
 * The stages that a clip's frames go through between source and store: a look at the first ones, the choice of moving
 * ones, and the end of a decoder. Streams in, streams out; no more than a few frames are held.
 */
import { isBlack } from './clean.ts';
import type { Size } from '../video/geometry.ts';

/** Frames that a field is looked for in, at most; clips of a few seconds fit in whole. */
const LOOKED_AT = 24;

/** Bytes of frames held for the look, at most; at least `FEWEST` frames are. */
const HELD_BYTES = 48 * 2 ** 20;
const FEWEST = 3;

type Frames = AsyncGenerator<Uint8Array, void, undefined>;

/** Streams frames and hands on what the generator returns at its end. */
export async function* withEnding<T>(
  frames: AsyncGenerator<Uint8Array, T, undefined>,
  onEnd: (ending: T, count: number) => void,
): Frames {
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await frames.next();
      if (done === true) {
        onEnd(value, count);
        return;
      }
      count++;
      yield value;
    }
  } finally {
    // Ends the decoder also where nobody wants the rest.
    await frames.return(undefined as T);
  }
}

/**
 * Holds the first frames back until `look` has seen those of them that are not black, then streams all of them. With
 * only black ones among the first, more are awaited one at a time, and black ones let go.
 */
export async function* afterLook(frames: Frames, look: (frames: readonly Uint8Array[]) => void): Frames {
  const held: Uint8Array[] = [];
  let bytes = 0;
  let hasLooked = false;
  const isEnough = (): boolean => held.length >= LOOKED_AT || (bytes >= HELD_BYTES && held.length >= FEWEST);
  for await (const frame of frames) {
    if (hasLooked) {
      yield frame;
      continue;
    }
    held.push(frame);
    bytes += frame.length;
    if (!isEnough()) continue;
    const lit = held.filter((one) => !isBlack(one));
    if (lit.length === 0) {
      // Dark so far. They stay in the stream, so that they are counted.
      yield* held.splice(0);
      bytes = 0;
      continue;
    }
    look(lit);
    hasLooked = true;
    yield* held.splice(0);
  }
  if (hasLooked) return;
  look(held.filter((one) => !isBlack(one)));
  yield* held;
}

/** Streams the frames with these indices, which rise. */
export async function* only(frames: Frames, indices: readonly number[]): Frames {
  let next = 0;
  let index = 0;
  for await (const frame of frames) {
    // Goes on to the end: what the decoder says of the clip comes last.
    if (index++ !== indices[next]) continue;
    next++;
    yield frame;
  }
}

/** Blocks a side that a frame is averaged to before motion is measured: speckle noise is no motion, a moving organ is. */
const BLOCKS = 24;

/** How far each frame is from the one before it, in mean grey levels of blocks; 0 for the first. */
export async function motionOf(frames: AsyncIterable<Uint8Array>, size: Size): Promise<readonly number[]> {
  const motion: number[] = [];
  let before: Float64Array | undefined;
  for await (const frame of frames) {
    const blocks = blocksOf(frame, size.width, size.height);
    motion.push(before === undefined ? 0 : meanDifference(blocks, before));
    before = blocks;
  }
  return motion;
}

/**
 * Indices of `count` frames between which equally much moves: dense where the picture changes, sparse where it stands
 * still. Frame 0 always; fewer than `count` where one step moves more than its share.
 */
export function framesByMotion(motion: readonly number[], count: number): readonly number[] {
  const total = motion.reduce((sum, value) => sum + value, 0);
  const wanted = Math.max(1, Math.min(count, motion.length));
  const indices: number[] = [];
  let passed = 0;
  for (const [index, value] of motion.entries()) {
    passed += value;
    // The k-th frame is the first after k shares of the whole motion.
    const share = (indices.length * total) / wanted;
    if (indices.length === 0 || (indices.length < wanted && total > 0 && passed >= share))
      indices.push(index);
  }
  return indices;
}

function blocksOf(frame: Uint8Array, width: number, height: number): Float64Array {
  const columns = Math.min(BLOCKS, width);
  const rows = Math.min(BLOCKS, height);
  const sums = new Float64Array(columns * rows);
  const counts = new Float64Array(columns * rows);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++) {
      const block = row + Math.floor((x * columns) / width);
      sums[block]! += frame[y * width + x]!;
      counts[block]!++;
    }
  }
  return sums.map((sum, i) => sum / counts[i]!);
}

export function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}
