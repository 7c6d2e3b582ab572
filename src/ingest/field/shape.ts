/**
 * The shape of an ultrasound field: between two straight lateral edges and two arcs (or straight lines) across them.
 * Vertical sides and flat arcs make the rectangle of a linear probe; sides that meet above and arcs around that
 * point make the fan of a curved or phased array. Coordinates are in cells, y down.
 */
import type { Cells } from './morphology.ts';

export interface Edge {
  /** x at row 0. */
  readonly x: number;
  /** Change of x a row; negative on the left and positive on the right of a fan. */
  readonly slope: number;
}

export interface Arc {
  /** y where it crosses the axis; both arcs bulge downwards. */
  readonly y: number;
  /** Curvature, 1 / radius; 0 for a straight line. */
  readonly curvature: number;
}

export interface Shape {
  readonly left: Edge;
  readonly right: Edge;
  readonly top: Arc;
  readonly bottom: Arc;
  /** x of the arcs' centres. */
  readonly axis: number;
}

/** y of an arc at x; arcs end level at their radius. */
export function arcAt({ y, curvature }: Arc, fromAxis: number): number {
  if (curvature === 0) return y;
  const radius = 1 / curvature;
  const inside = radius * radius - fromAxis * fromAxis;
  return y - radius + (inside > 0 ? Math.sqrt(inside) : 0);
}

/**
 * The part of column `x` inside the shape as [top, bottom); empty where top ≥ bottom. Not clipped to the grid. Into a typed
 * array, because each number in a plain one is an object of its own.
 */
export function spanAt(shape: Shape, x: number, target: Float64Array): void {
  let top = arcAt(shape.top, x - shape.axis);
  let bottom = arcAt(shape.bottom, x - shape.axis);
  // Right of the left edge: edge.x + slope · y ≤ x.
  const { left, right } = shape;
  if (left.slope < 0) top = Math.max(top, (x - left.x) / left.slope);
  else if (left.slope > 0) bottom = Math.min(bottom, (x - left.x) / left.slope);
  else if (left.x > x) bottom = -Infinity;
  if (right.slope > 0) top = Math.max(top, (x - right.x) / right.slope);
  else if (right.slope < 0) bottom = Math.min(bottom, (x - right.x) / right.slope);
  else if (right.x < x) bottom = -Infinity;
  target[0] = top;
  target[1] = bottom;
}

/** The cells whose centres are in the shape. */
export function fillShape(shape: Shape, columns: number, rows: number): Cells {
  const data = new Uint8Array(columns * rows);
  const span = new Float64Array(2);
  for (let x = 0; x < columns; x++) {
    spanAt(shape, x + 0.5, span);
    const to = rowFrom(span[1]!, rows);
    for (let y = rowFrom(span[0]!, rows); y < to; y++) data[y * columns + x] = 1;
  }
  return { columns, rows, data };
}

/** The first of `rows` rows whose centre is at or below `y`; `rows` where none is. */
function rowFrom(y: number, rows: number): number {
  return Math.min(rows, Math.max(0, Math.ceil(y - 0.5)));
}

/** The outline of the shape inside a picture of [columns, rows], a closed polygon; empty where nothing is inside. */
export function outlineOf(shape: Shape, columns: number, rows: number): [number, number][] {
  const xs = Array.from({ length: 2 * columns + 1 }, (_, i) => i / 2);
  const { left, right } = shape;
  if (left.slope === 0) xs.push(left.x);
  if (right.slope === 0) xs.push(right.x);
  xs.sort((a, b) => a - b);
  const upper: [number, number][] = [];
  const lower: [number, number][] = [];
  const span = new Float64Array(2);
  for (const x of xs) {
    if (x < 0 || x > columns) continue;
    spanAt(shape, x, span);
    const [top, bottom] = [Math.max(0, span[0]!), Math.min(rows, span[1]!)];
    if (top > bottom) continue;
    upper.push([x, top]);
    lower.unshift([x, bottom]);
  }
  return upper.length < 2 ? [] : [...simplify(upper, 0.2), ...simplify(lower, 0.2)];
}

/** Ramer–Douglas–Peucker: the fewest points that keep within `tolerance` of the chain. */
function simplify(points: readonly [number, number][], tolerance: number): [number, number][] {
  const first = points[0]!;
  const last = points[points.length - 1]!;
  const [dx, dy] = [last[0] - first[0], last[1] - first[1]];
  const length = Math.hypot(dx, dy);
  let worst = 0;
  let furthest = tolerance;
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i]!;
    const distance =
      length === 0
        ? Math.hypot(x - first[0], y - first[1])
        : Math.abs(dx * (y - first[1]) - dy * (x - first[0])) / length;
    if (distance > furthest) [worst, furthest] = [i, distance];
  }
  if (worst === 0) return points.length < 2 ? [...points] : [first, last];
  return [
    ...simplify(points.slice(0, worst + 1), tolerance).slice(0, -1),
    ...simplify(points.slice(worst), tolerance),
  ];
}
