/**
 * Callipers: the small bright crosses that a person puts on a frozen picture to measure in it. They stand where the
 * finding is, so a network that sees them need not look at the tissue; clips that may have them are flagged. Looked
 * for in one frame by shape: four thin arms of equal length, dark between the arms, at least two of a kind.
 */
import type { Size } from '../video/geometry.ts';

/** Length of an arm, in stored pixels. */
const MIN_ARM = 3;
const MAX_ARM = 8;
/** Least brightness of the centre. */
const BRIGHT = 140;
/** Arms are at least, what lies between them at most, this share of the centre's brightness. */
const ARM = 0.65;
const BETWEEN = 0.5;
/** A measurement has two ends. */
const ENDS = 2;

type Directions = readonly (readonly [dx: number, dy: number])[];
const STRAIGHT: Directions = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
];
const DIAGONAL: Directions = STRAIGHT.map(([dx, dy]) => [dx - dy, dx + dy]);

/** Whether a [height, width, channels] u8 frame shows at least two crosses of a kind. */
export function hasCallipers(frame: Uint8Array, size: Size, channels: 1 | 3): boolean {
  const grey = channels === 1 ? frame : brightest(frame);
  return crosses(grey, size, STRAIGHT, DIAGONAL) >= ENDS || crosses(grey, size, DIAGONAL, STRAIGHT) >= ENDS;
}

/** Coloured marks count by their brightest channel. */
function brightest(frame: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: frame.length / 3 }, (_, i) =>
    Math.max(frame[3 * i]!, frame[3 * i + 1]!, frame[3 * i + 2]!),
  );
}

function crosses(grey: Uint8Array, size: Size, arms: Directions, gaps: Directions): number {
  const { width, height } = size;
  const found: { x: number; y: number }[] = [];
  const isNear = (x: number, y: number): boolean =>
    found.some((one) => Math.hypot(one.x - x, one.y - y) <= MAX_ARM);
  for (let y = MIN_ARM; y < height - MIN_ARM; y++) {
    for (let x = MIN_ARM; x < width - MIN_ARM; x++) {
      // Few pixels are as bright, and only for them is anything allocated.
      if (grey[y * width + x]! >= BRIGHT && !isNear(x, y) && isCross(grey, size, x, y, arms, gaps))
        found.push({ x, y });
    }
  }
  return found.length;
}

function isCross(
  grey: Uint8Array,
  { width, height }: Size,
  x: number,
  y: number,
  arms: Directions,
  gaps: Directions,
): boolean {
  const centre = grey[y * width + x]!;
  const at = (distance: number, direction: Directions[number]): number => {
    const px = x + distance * direction[0];
    const py = y + distance * direction[1];
    return px < 0 || py < 0 || px >= width || py >= height ? 0 : grey[py * width + px]!;
  };
  let shortest = Infinity;
  let longest = 0;
  for (const direction of arms) {
    const length = armLength(centre, (distance) => at(distance, direction));
    // Bright tissue has no arms at all on most sides.
    if (length < MIN_ARM || length > MAX_ARM) return false;
    shortest = Math.min(shortest, length);
    longest = Math.max(longest, length);
  }
  if (longest - shortest > 1) return false;
  // One pixel beside the centre belongs to the arms, as thick as they are.
  return gaps.every((direction) => {
    for (let distance = 2; distance <= shortest; distance++)
      if (at(distance, direction) > BETWEEN * centre) return false;
    return true;
  });
}

function armLength(centre: number, at: (distance: number) => number): number {
  let length = 0;
  while (length <= MAX_ARM && at(length + 1) >= ARM * centre) length++;
  return length;
}
