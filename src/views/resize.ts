/**
 * The resize of `resample.ts` on vectors: the same bytes, several times as quick. Frames so large that four neighbouring pixels of a
 * view come from more than sixteen of a frame's row are left to `resample.ts`.
 */
import { type Axis, resamplePlane } from './resample.ts';
import { GROUP_HEAD, GROUP_PAIR, PARTED } from './vectors/sample-code.ts';
import { roundedUp, takeRows, type Workspace, workspaceOf } from './vectors/workspace.ts';

const LOW = (1 << PARTED) - 1;

/**
 * Resamples the plane at `source[offset…]` (rows of `width` pixels) to `target[targetOffset…]` ([y.start.length, x.start.length]):
 * what `resamplePlane` does.
 */
export function resize(
  source: Uint8Array,
  offset: number,
  width: number,
  x: Axis,
  y: Axis,
  target: Uint8Array,
  targetOffset: number,
): void {
  const size = x.start.length;
  const rows = y.to - y.from;
  if (!fitsGroups(x)) {
    resamplePlane(source, offset, width, x, y, new Uint8Array(rows * size), target, targetOffset);
    return;
  }
  const stride = roundedUp(size, 16);
  const [pairsAcross, pairsDown] = [(x.taps + 1) >> 1, (y.taps + 1) >> 1];
  const groups = Math.ceil(size / 4);
  // Loops read on to the end of a vector, and for an odd number of taps the row after the last.
  const middleAt = roundedUp(rows * width, 16) + 32;
  const outAt = middleAt + (rows + 1) * stride;
  const acrossAt = outAt + y.start.length * stride;
  const downAt = acrossAt + groups * (GROUP_HEAD + pairsAcross * GROUP_PAIR);
  const space = workspaceOf(downAt + y.start.length * (4 + 8 * pairsDown));
  const from = offset + y.from * width;
  space.bytes.set(source.subarray(from, from + rows * width));
  fillAcross(x, pairsAcross, space, acrossAt);
  fillDown(y, pairsDown, stride, space.ints, downAt);
  space.loops.across(0, width, middleAt, stride, rows, acrossAt, 4 * groups, GROUP_PAIR * pairsAcross);
  space.loops.down(middleAt, stride, outAt, stride, y.start.length, downAt, stride, 8 * pairsDown);
  takeRows(space.bytes, outAt, stride, target, targetOffset, size, y.start.length);
}

/** Whether the first two pixels of any four neighbours lie within sixteen. */
function fitsGroups({ start }: Axis): boolean {
  for (let x = 0; x < start.length; x += 4) {
    // Starts rise or, mirrored, fall.
    const last = start[Math.min(x + 3, start.length - 1)]!;
    if (Math.abs(last - start[x]!) > 14) return false;
  }
  return true;
}

function fillAcross({ start, weights, taps }: Axis, pairs: number, space: Workspace, at: number): void {
  const { bytes, ints } = space;
  let group = at;
  for (let x = 0; x < start.length; x += 4) {
    const end = start.length - 1;
    const base = Math.min(start[x]!, start[Math.min(x + 3, end)]!);
    ints[group >> 2] = base;
    for (let lane = 0; lane < 4; lane++) {
      const output = Math.min(x + lane, end);
      bytes[group + 16 + 2 * lane] = start[output]! - base;
      bytes[group + 17 + 2 * lane] = start[output]! - base + 1;
      let to = ((group + GROUP_HEAD) >> 2) + lane;
      for (let k = 0; k < taps; k += 2, to += GROUP_PAIR >> 2) {
        const first = weights[output * taps + k]!;
        const second = k + 1 < taps ? weights[output * taps + k + 1]! : 0;
        ints[to] = (first >> PARTED) | ((second >> PARTED) << 16);
        ints[to + 4] = (first & LOW) | ((second & LOW) << 16);
      }
    }
    group += GROUP_HEAD + GROUP_PAIR * pairs;
  }
}

function fillDown(
  { start, weights, taps, from }: Axis,
  pairs: number,
  stride: number,
  ints: Int32Array,
  at: number,
): void {
  let to = at >> 2;
  for (let y = 0; y < start.length; y++) {
    ints[to++] = (start[y]! - from) * stride;
    for (let k = 0; k < 2 * pairs; k += 2) {
      const first = weights[y * taps + k]!;
      const second = k + 1 < taps ? weights[y * taps + k + 1]! : 0;
      ints[to++] = (first >> PARTED) | ((second >> PARTED) << 16);
      ints[to++] = (first & LOW) | ((second & LOW) << 16);
    }
  }
}
