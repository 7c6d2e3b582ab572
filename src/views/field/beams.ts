/**
 * How the beams of a picture run. All probes are one family: the point half as deep as the field is the middle, and
 * beams cross the arc through it at equal distances. The arc's curvature is 0 for a linear probe and grows towards a
 * phased array, whose beams leave one point. A place in the picture is a lateral distance along that arc and a range
 * beyond it, both in pixels. So two probes differ in one number, and changing it can be undone.
 */
import { boundsOf, distanceTo, type Outline, sidesOf } from './outline.ts';

export interface Beams {
  /** The middle. */
  readonly x: number;
  readonly y: number;
  /** Of the arc through the middle, 1 / pixels; 0: beams run straight down. */
  readonly curvature: number;
  /** From the nearest to the farthest echo. */
  readonly depth: number;
  /** Lateral distance of the outermost beams; left of the middle is negative. */
  readonly left: number;
  readonly right: number;
}

/** Writes the lateral distance and the range beyond the middle of the point (x, y). */
export function toBeam(beams: Beams, x: number, y: number, to: Float64Array): void {
  const radius = 1 / beams.curvature;
  const across = x - beams.x;
  to[0] = beams.curvature === 0 ? across : radius * Math.atan2(across, y - beams.y + radius);
  to[1] = rangeAt(beams, x, y);
}

/** Range beyond the middle of the point (x, y). */
export function rangeAt(beams: Beams, x: number, y: number): number {
  const across = x - beams.x;
  const down = y - beams.y;
  if (beams.curvature === 0) return down;
  const radius = 1 / beams.curvature;
  return Math.sqrt(across * across + (down + radius) * (down + radius)) - radius;
}

/** Writes the point at a lateral distance and a range: what `toBeam` undoes, for ranges below the apex. */
export function fromBeam(beams: Beams, lateral: number, range: number, to: Float64Array): void {
  if (beams.curvature === 0) {
    to[0] = beams.x + lateral;
    to[1] = beams.y + range;
    return;
  }
  const radius = 1 / beams.curvature;
  const angle = lateral * beams.curvature;
  to[0] = beams.x + (radius + range) * Math.sin(angle);
  to[1] = beams.y + (radius + range) * Math.cos(angle) - radius;
}

/** The beams of a field. Of a fan they meet where its two sides do; else, and where no sides are seen, they are parallel. */
export function beamsOf(outlines: readonly Outline[], isFan: boolean): Beams {
  const [outline] = outlines;
  if (isFan && outlines.length === 1 && outline !== undefined) {
    const apex = apexOf(outline);
    const fan = apex === null ? null : fanOf(outline, apex);
    if (fan !== null) return fan;
  }
  const { left, top, right, bottom } = boundsOf(outlines);
  const half = (right - left) / 2;
  return {
    x: left + half,
    y: (top + bottom) / 2,
    curvature: 0,
    depth: bottom - top,
    left: -half,
    right: half,
  };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Beams from the apex, which lies straight above the middle. Null for a fan without depth. */
function fanOf(outline: Outline, { x, y }: Point): Beams | null {
  let [near, far, first, last] = [Infinity, 0, Infinity, -Infinity];
  for (const side of sidesOf(outline)) {
    const [across, down] = [side[2] - x, side[3] - y];
    near = Math.min(near, distanceTo(x, y, ...side));
    far = Math.max(far, Math.sqrt(across * across + down * down));
    // At the apex itself there is no direction.
    if (across === 0 && down === 0) continue;
    const angle = Math.atan2(across, down);
    first = Math.min(first, angle);
    last = Math.max(last, angle);
  }
  if (far - near < 1) return null;
  const radius = (near + far) / 2;
  return {
    ...{ x, y: y + radius, curvature: 1 / radius, depth: far - near },
    ...{ left: first * radius, right: last * radius },
  };
}

/** A corner may lie this far beyond a side, in pixels: outlines are rounded. */
const ROUNDED = 1;
/** Sides that open by less than this (change of x a row) are parallel. */
const PARALLEL = 0.05;

/** A straight line down the picture: x = at + slope · y. */
interface Line {
  readonly at: number;
  readonly slope: number;
}

/** Where the two sides of a fan meet. Null where they are not seen or parallel. */
export function apexOf(outline: Outline): Point | null {
  const left = flankOf(outline, -1);
  const right = flankOf(outline, 1);
  if (left === null || right === null || right.slope - left.slope < PARALLEL) return null;
  const y = (left.at - right.at) / (right.slope - left.slope);
  return { x: left.at + left.slope * y, y };
}

/** The longest side of the outline that has all of it on one hand and leans outwards: left (−1) or right (1). */
function flankOf(outline: Outline, direction: -1 | 1): Line | null {
  let best: Line | null = null;
  let longest = ROUNDED;
  for (const [x0, y0, x1, y1] of sidesOf(outline)) {
    const length = Math.abs(y1 - y0);
    const slope = (x1 - x0) / (y1 - y0);
    if (length <= longest || direction * slope <= 0) continue;
    const line = { at: x0 - slope * y0, slope };
    if (reachesBeyond(outline, line, direction)) continue;
    best = line;
    longest = length;
  }
  return best;
}

function reachesBeyond(outline: Outline, { at, slope }: Line, direction: -1 | 1): boolean {
  for (let i = 0; i < outline.length; i += 2)
    if (direction * (outline[i]! - at - slope * outline[i + 1]!) > ROUNDED) return true;
  return false;
}
