/**
 * Fits the shape of a field to the cells that show tissue. Tissue outside of the shape costs much, darkness inside
 * costs little: shadows and cysts are dark parts of the field, but nothing that was scanned lies outside of it. The
 * search is exhaustive for each edge by itself and then goes downhill for all together; no chance is involved.
 */
import type { Cells, Part } from './morphology.ts';
import { boundsOf } from './raster.ts';
import { type Arc, arcAt, type Edge, type Shape, spanAt } from './shape.ts';

/** Cost of a tissue cell left out, in dark cells taken in. */
export const OUTSIDE = 5;

/** The shape of least cost. `tissue` must hold at least one cell. */
export function fitShape(tissue: Cells): Shape {
  const sums = columnSums(tissue);
  const { x, y, ...size } = boundsOf(tissue.data, { width: tissue.columns, height: tissue.rows })!;
  const box = { left: x, right: x + size.width - 1, top: y, bottom: y + size.height - 1 };
  const rectangle: Shape = {
    left: { x: box.left, slope: 0 },
    right: { x: box.right + 1, slope: 0 },
    top: { y: box.top, curvature: 0 },
    bottom: { y: box.bottom + 1, curvature: 0 },
    axis: (box.left + box.right + 1) / 2,
  };
  const left = fitSide(tissue, box, -1);
  const right = fitSide(tissue, box, 1);
  const fan = withArcs(sums, centred({ ...rectangle, left, right }), box);
  // A rectangle has half of the fan's freedom: it wins where it is nearly as good.
  const straight = descend(sums, rectangle, ['left.x', 'right.x', 'top.y', 'bottom.y']);
  const curved = descend(sums, fan, PARAMETERS);
  return cost(sums, straight) <= 1.02 * cost(sums, curved) + 0.004 * tissue.data.length ? straight : curved;
}

/** First and last column and row that hold tissue. */
type Box = Omit<Part, 'label' | 'area'>;

/** Running sums of tissue down each column. */
interface Sums {
  readonly columns: number;
  readonly rows: number;
  readonly total: number;
  /** [columns, rows + 1]. */
  readonly down: Int32Array;
}

function columnSums({ columns, rows, data }: Cells): Sums {
  const down = new Int32Array(columns * (rows + 1));
  let total = 0;
  for (let x = 0; x < columns; x++) {
    let sum = 0;
    for (let y = 0; y < rows; y++) {
      sum += data[y * columns + x]!;
      down[x * (rows + 1) + y + 1] = sum;
    }
    total += sum;
  }
  return { columns, rows, total, down };
}

const span = new Float64Array(2);

/** The numbers of the shape that `count` looks at, and how many cells of it are inside and lit. */
const numbers = new Float64Array(9);
const counts = new Int32Array(2);

/** What is outside of the shape and lit, and what is inside and dark. */
function cost({ columns, rows, total, down }: Sums, { left, right, top, bottom, axis }: Shape): number {
  numbers[0] = left.x;
  numbers[1] = left.slope;
  numbers[2] = right.x;
  numbers[3] = right.slope;
  numbers[4] = top.y;
  numbers[5] = top.curvature;
  numbers[6] = bottom.y;
  numbers[7] = bottom.curvature;
  numbers[8] = axis;
  count(columns, rows, down);
  return OUTSIDE * (total - counts[1]!) + (counts[0]! - counts[1]!);
}

/**
 * With `spanAt` written out: this runs some thousand times a clip, and a call for each column would make objects of its
 * numbers. Sees numbers only: shapes come with several layouts, for each of which it would be compiled anew.
 */
function count(columns: number, rows: number, down: Int32Array): void {
  const leftX = numbers[0]!;
  const leftSlope = numbers[1]!;
  const rightX = numbers[2]!;
  const rightSlope = numbers[3]!;
  const axis = numbers[8]!;
  const upper = numbers[4]!;
  const upperCurvature = numbers[5]!;
  const upperRadius = 1 / upperCurvature;
  const lower = numbers[6]!;
  const lowerCurvature = numbers[7]!;
  const lowerRadius = 1 / lowerCurvature;
  let inside = 0;
  let lit = 0;
  for (let column = 0; column < columns; column++) {
    const x = column + 0.5;
    const aside = x - axis;
    let top = upper;
    if (upperCurvature !== 0) {
      const square = upperRadius * upperRadius - aside * aside;
      top = upper - upperRadius + (square > 0 ? Math.sqrt(square) : 0);
    }
    let bottom = lower;
    if (lowerCurvature !== 0) {
      const square = lowerRadius * lowerRadius - aside * aside;
      bottom = lower - lowerRadius + (square > 0 ? Math.sqrt(square) : 0);
    }
    if (leftSlope < 0) top = Math.max(top, (x - leftX) / leftSlope);
    else if (leftSlope > 0) bottom = Math.min(bottom, (x - leftX) / leftSlope);
    else if (leftX > x) continue;
    if (rightSlope > 0) top = Math.max(top, (x - rightX) / rightSlope);
    else if (rightSlope < 0) bottom = Math.min(bottom, (x - rightX) / rightSlope);
    else if (rightX < x) continue;
    const from = Math.min(rows, Math.max(0, Math.ceil(top - 0.5)));
    const to = Math.min(rows, Math.max(0, Math.ceil(bottom - 0.5)));
    if (to <= from) continue;
    inside += to - from;
    lit += down[column * (rows + 1) + to]! - down[column * (rows + 1) + from]!;
  }
  counts[0] = inside;
  counts[1] = lit;
}

/**
 * The straight edge of one side (−1 left, 1 right), from the top of the tissue to the row where it reaches furthest
 * out: below, the bottom arc or the picture's border takes over.
 */
function fitSide(tissue: Cells, box: Box, side: -1 | 1): Edge {
  const { columns, data } = tissue;
  // Mirrored, the right side is a left side.
  const at = (x: number, y: number): number => data[y * columns + (side < 0 ? x : columns - 1 - x)]!;
  const outermost = side < 0 ? box.left : columns - 1 - box.right;
  const middle = Math.floor(side < 0 ? (box.left + box.right) / 2 : columns - 1 - (box.left + box.right) / 2);
  let last = box.top;
  for (let y = box.top; y <= box.bottom; y++) {
    for (let x = outermost; x <= Math.min(outermost + 1, middle); x++) if (at(x, y) === 1) last = y;
  }
  const height = last - box.top + 1;
  const before = new Int32Array(height * (middle + 2));
  for (let row = 0; row < height; row++) {
    for (let x = 0; x <= middle; x++) {
      const base = row * (middle + 2) + x;
      before[base + 1] = before[base]! + at(x, box.top + row);
    }
  }
  // Every row adds to the price, so a line that costs more than `limit` half-way is given up there.
  const price = (from: number, to: number, limit: number): number => {
    let sum = 0;
    for (let row = 0; row < height && sum < limit; row++) {
      const x = from + ((to - from) * (row + 0.5)) / height;
      const edge = Math.min(middle + 1, Math.max(0, Math.ceil(x - 0.5)));
      const base = row * (middle + 2);
      const out = before[base + edge]!;
      sum += OUTSIDE * out + (middle + 1 - edge) - (before[base + middle + 1]! - out);
    }
    return sum;
  };
  let best = { from: outermost, to: outermost, price: price(outermost, outermost, Infinity) };
  const attempt = (from: number, to: number): void => {
    const value = price(from, to, best.price);
    if (value < best.price) best = { from, to, price: value };
  };
  const step = Math.max(1, Math.round(middle / 40));
  const furthest = outermost - 2 * (middle - outermost);
  if (height >= 4) {
    for (let from = outermost; from <= middle; from += step) {
      for (let to = Math.min(from, outermost + 4); to >= furthest; to -= step) attempt(from, to);
    }
    for (let size = step / 2; size >= 0.25; size /= 2) {
      const { from, to } = best;
      for (const a of [-1, 0, 1])
        for (const b of [-1, 0, 1]) attempt(from + a * size, Math.min(from + a * size, to + b * size));
    }
  }
  const slope = (best.to - best.from) / height;
  const x = best.from - slope * box.top;
  return side < 0 ? { x, slope } : { x: columns - x, slope: -slope };
}

/** Row of the point where the sides meet; −Infinity where they are (nearly) parallel. */
export function apexOf({ left, right }: Pick<Shape, 'left' | 'right'>): number {
  const opening = right.slope - left.slope;
  return opening < 0.05 ? -Infinity : (left.x - right.x) / opening;
}

/**
 * Arcs run around the point where the sides meet, or flatter: a probe's beams leave at right angles to its face.
 * The slack is for pictures that were stretched.
 */
const BENDS = [0, 0.5, 0.75, 1, 1.25];

/** The shape with its axis through the point where the sides meet and its arcs within what a probe can do. */
function centred(shape: Shape): Shape {
  const apex = apexOf(shape);
  const limited = ({ y, curvature }: Arc): Arc => ({
    y,
    curvature: y - apex > 1 ? Math.min(curvature, 1.25 / (y - apex)) : 0,
  });
  const { left } = shape;
  const axis = Number.isFinite(apex) ? left.x + left.slope * apex : shape.axis;
  return { ...shape, axis, top: limited(shape.top), bottom: limited(shape.bottom) };
}

/** The best arcs across given sides: around the point where the sides meet, flatter, or straight. */
function withArcs(sums: Sums, start: Shape, box: Box): Shape {
  const apex = apexOf(start);
  let best = start;
  let least = cost(sums, start);
  const tryArcs = (edge: 'top' | 'bottom', ys: number, ye: number): void => {
    for (const bend of BENDS) {
      for (let y = ys; y <= ye; y += 2) {
        const radius = y - apex;
        if (bend > 0 && !(radius > 1 && Number.isFinite(radius))) continue;
        const shape = { ...best, [edge]: { y, curvature: bend === 0 ? 0 : bend / radius } satisfies Arc };
        const value = cost(sums, shape);
        if (value < least) [best, least] = [shape, value];
      }
    }
  };
  tryArcs('bottom', (box.top + box.bottom) / 2, box.bottom + 1 + sums.rows / 4);
  tryArcs('top', box.top, (box.top + box.bottom) / 2);
  return best;
}

const PARAMETERS = [
  'left.x',
  'left.slope',
  'right.x',
  'right.slope',
  'top.y',
  'top.curvature',
  'bottom.y',
  'bottom.curvature',
] as const;
type Parameter = (typeof PARAMETERS)[number];

/** Coordinate descent with shrinking steps; sides turn about their middle. */
function descend(sums: Sums, start: Shape, parameters: readonly Parameter[]): Shape {
  let best = start;
  let least = cost(sums, start);
  const middle = sums.rows / 2;
  for (let size = 4; size >= 0.25; size /= 2) {
    for (let round = 0; round < 4; round++) {
      const before = least;
      for (const parameter of parameters) {
        for (const step of [size, -size]) {
          for (;;) {
            const shape = centred(moved(best, parameter, step, middle));
            const value = isPossible(shape) ? cost(sums, shape) : Infinity;
            if (value >= least) break;
            [best, least] = [shape, value];
          }
        }
      }
      if (least === before) break;
    }
  }
  return best;
}

/** No field narrows with depth: what would is dark in its lower corners. */
function isPossible({ left, right }: Shape): boolean {
  return left.slope <= 0.01 && right.slope >= -0.01;
}

function moved(shape: Shape, parameter: Parameter, step: number, middle: number): Shape {
  const turned = ({ x, slope }: Edge, by: number): Edge => ({ x: x - by, slope: slope + by / middle });
  // By so much that the arc moves by `step` at half of the picture's height from the axis.
  const bent = ({ y, curvature }: Arc): Arc => ({
    y,
    curvature: Math.max(0, curvature + (2 * step) / middle ** 2),
  });
  switch (parameter) {
    case 'left.x':
      return { ...shape, left: { ...shape.left, x: shape.left.x + step } };
    case 'right.x':
      return { ...shape, right: { ...shape.right, x: shape.right.x + step } };
    case 'left.slope':
      return { ...shape, left: turned(shape.left, step) };
    case 'right.slope':
      return { ...shape, right: turned(shape.right, step) };
    case 'top.y':
      return { ...shape, top: { ...shape.top, y: shape.top.y + step } };
    case 'bottom.y':
      return { ...shape, bottom: { ...shape.bottom, y: shape.bottom.y + step } };
    case 'top.curvature':
      return { ...shape, top: bent(shape.top) };
    case 'bottom.curvature':
      return { ...shape, bottom: bent(shape.bottom) };
  }
}

/** Where an edge or arc of the shape lies in the picture and how much of it is seen as a step from tissue to none. */
export interface Support {
  /** Share of the edge's length inside the picture at which tissue begins; 1 where none is inside. */
  readonly share: number;
  /** Length inside the picture, cells. */
  readonly length: number;
}

export type Supports = Readonly<Record<'left' | 'right' | 'top' | 'bottom', Support>>;

/** Cells within which tissue must begin, and the depths (cells) at which its strength is compared. */
const NEAR = 3;
const DEEP = [8, 10, 12] as const;

/** Strength, grey levels, from which the border of tissue is a step by itself. */
const STEP = 12;

/**
 * Looks along the edges. `strength` [rows, columns] is how much a cell differs from the background. Where tissue only
 * fades below what can be told from the background, its strength still falls towards the edge: no edge is seen there.
 */
export function supportOf(shape: Shape, tissue: Cells, strength: Float32Array): Supports {
  const { columns, rows, data } = tissue;
  const cellAt = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= columns || y >= rows ? -1 : Math.floor(y) * columns + Math.floor(x);
  const isSeen = (x: number, y: number, dx: number, dy: number): boolean => {
    let [near, deep, count] = [-1, 0, 0];
    for (let i = -0.5; i < NEAR; i++) {
      const at = cellAt(x + i * dx, y + i * dy);
      if (at >= 0 && data[at] === 1) near = Math.max(near, strength[at]!);
    }
    for (const depth of DEEP) {
      const at = cellAt(x + depth * dx, y + depth * dy);
      if (at < 0) continue;
      deep += strength[at]!;
      count++;
    }
    // Echoes fade with depth, not towards the sides.
    return dx !== 0 ? near >= 0 : near >= STEP || (near >= 0 && near * count >= 0.8 * deep);
  };
  const side = (edge: Edge, inwards: 1 | -1): Support => {
    let [length, seen] = [0, 0];
    for (let y = 0; y < rows; y++) {
      const x = edge.x + edge.slope * (y + 0.5);
      if (x < 1 || x > columns - 1) continue;
      spanAt(shape, x + inwards, span);
      if (y + 0.5 < span[0]! || y + 0.5 > span[1]!) continue;
      length++;
      if (isSeen(x, y + 0.5, inwards, 0)) seen++;
    }
    return { length, share: length === 0 ? 1 : seen / length };
  };
  const across = (arc: Arc, inwards: 1 | -1): Support => {
    let [length, seen] = [0, 0];
    for (let x = 0; x < columns; x++) {
      const y = arcAt(arc, x + 0.5 - shape.axis);
      spanAt(shape, x + 0.5, span);
      const end = inwards === 1 ? span[0]! : span[1]!;
      if (y < 1 || y > rows - 1 || Math.abs(end - y) > 0.01 || span[0]! >= span[1]!) continue;
      length++;
      if (isSeen(x + 0.5, y, 0, inwards)) seen++;
    }
    return { length, share: length === 0 ? 1 : seen / length };
  };
  return {
    left: side(shape.left, 1),
    right: side(shape.right, -1),
    top: across(shape.top, 1),
    bottom: across(shape.bottom, -1),
  };
}
