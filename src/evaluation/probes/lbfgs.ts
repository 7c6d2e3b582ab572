/**
 * Limited-memory BFGS with a strong-Wolfe line search, for smooth convex objectives of a few thousand variables.
 * Source: Nocedal & Wright, Numerical Optimization (2006), algorithms 7.4, 7.5 (two-loop recursion), 3.5 and 3.6
 * (bracketing and zoom). Deterministic: no randomness, sums in index order.
 */

/** Returns the value at `x` and writes its gradient. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface MinimiseOptions {
  /** Stop when the largest absolute gradient entry is at most this. */
  readonly tolerance: number;
  readonly maxIterations: number;
  /** Multiplies a vector, in place, by a guess at the inverse Hessian that holds everywhere. Default: leaves it. */
  readonly precondition?: (vector: Float64Array) => void;
}

export interface Minimum {
  readonly x: Float64Array;
  readonly iterations: number;
  /** False when iterations ran out, or rounding left no descent before the tolerance was met. */
  readonly converged: boolean;
}

const SUFFICIENT_DECREASE = 1e-4;
const CURVATURE = 0.9;
const LINE_STEPS = 25;
/** Pairs of past steps kept. */
const MEMORY = 10;

/** A past step and what it did to the gradient. */
interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  /** 1 / sᵀy. */
  readonly inverse: number;
}

interface Point {
  readonly step: number;
  readonly value: number;
  readonly slope: number;
}

/** Minimises `objective` from `start` (not modified). */
export function minimise(objective: Objective, start: Float64Array, options: MinimiseOptions): Minimum {
  const size = start.length;
  const { precondition } = options;
  let x = Float64Array.from(start);
  let gradient = new Float64Array(size);
  let value = objective(x, gradient);
  let trialX = new Float64Array(size);
  let trialGradient = new Float64Array(size);
  const direction = new Float64Array(size);
  const history: Pair[] = [];

  let iterations = 0;
  while (iterations < options.maxIterations) {
    if (largestEntry(gradient) <= options.tolerance) break;
    quasiNewtonDirection(gradient, history, direction, precondition);
    let slope = inner(gradient, direction);
    if (!(slope < 0)) {
      // Rounding spoilt the memory: forget it and go downhill.
      history.length = 0;
      quasiNewtonDirection(gradient, history, direction, precondition);
      slope = inner(gradient, direction);
    }
    const evaluate = (step: number): Point => {
      for (let i = 0; i < size; i++) trialX[i] = x[i]! + step * direction[i]!;
      return { step, value: objective(trialX, trialGradient), slope: inner(trialGradient, direction) };
    };
    const first = history.length > 0 || precondition !== undefined ? 1 : Math.min(1, 1 / Math.sqrt(-slope));
    const found = wolfeStep({ step: 0, value, slope }, first, evaluate);
    if (found === undefined) {
      if (history.length === 0) break;
      history.length = 0;
      continue;
    }
    iterations++;
    const oldest = history.length === MEMORY ? history.shift() : undefined;
    const s = oldest?.s ?? new Float64Array(size);
    const y = oldest?.y ?? new Float64Array(size);
    for (let i = 0; i < size; i++) {
      s[i] = trialX[i]! - x[i]!;
      y[i] = trialGradient[i]! - gradient[i]!;
    }
    const curvature = inner(s, y);
    if (curvature > 0) history.push({ s, y, inverse: 1 / curvature });
    [x, trialX] = [trialX, x];
    [gradient, trialGradient] = [trialGradient, gradient];
    value = found.value;
  }
  return { x, iterations, converged: largestEntry(gradient) <= options.tolerance };
}

/** direction = −H·gradient by the two-loop recursion, H₀ scaled by the newest pair (eq. 7.20) or as it is given. */
function quasiNewtonDirection(
  gradient: Float64Array,
  history: readonly Pair[],
  direction: Float64Array,
  precondition: MinimiseOptions['precondition'],
): void {
  for (let i = 0; i < gradient.length; i++) direction[i] = -gradient[i]!;
  const weights = new Float64Array(history.length);
  for (let h = history.length - 1; h >= 0; h--) {
    const { s, y, inverse } = history[h]!;
    const weight = inverse * inner(s, direction);
    weights[h] = weight;
    addScaled(direction, y, -weight);
  }
  const newest = history.at(-1);
  if (precondition !== undefined) precondition(direction);
  else if (newest !== undefined) {
    const scale = 1 / (newest.inverse * inner(newest.y, newest.y));
    for (let i = 0; i < direction.length; i++) direction[i]! *= scale;
  }
  for (let h = 0; h < history.length; h++) {
    const { s, y, inverse } = history[h]!;
    addScaled(direction, s, weights[h]! - inverse * inner(y, direction));
  }
}

/**
 * A step that meets the strong Wolfe conditions (algorithms 3.5 and 3.6); the last point evaluated is the one
 * returned. Undefined when none is found, which with a true gradient means that rounding is all that is left.
 */
function wolfeStep(origin: Point, first: number, evaluate: (step: number) => Point): Point | undefined {
  let previous = origin;
  let step = first;
  for (let count = 0; count < LINE_STEPS; count++) {
    const point = evaluate(step);
    if (
      !Number.isFinite(point.value) ||
      !decreases(origin, point) ||
      (count > 0 && point.value >= previous.value)
    ) {
      return zoom(origin, previous, point, evaluate);
    }
    if (Math.abs(point.slope) <= -CURVATURE * origin.slope) return point;
    if (point.slope >= 0) return zoom(origin, point, previous, evaluate);
    previous = point;
    step *= 2;
  }
  return undefined;
}

/** Narrows an interval that holds a Wolfe point; `low` is its end of lower value. */
function zoom(origin: Point, low: Point, high: Point, evaluate: (step: number) => Point): Point | undefined {
  for (let count = 0; count < LINE_STEPS; count++) {
    const point = evaluate(interpolate(low, high));
    if (!Number.isFinite(point.value) || !decreases(origin, point) || point.value >= low.value) {
      high = point;
    } else {
      if (Math.abs(point.slope) <= -CURVATURE * origin.slope) return point;
      if (point.slope * (high.step - low.step) >= 0) high = low;
      low = point;
    }
    if (Math.abs(high.step - low.step) <= 1e-14 * Math.max(1, low.step)) break;
  }
  return undefined;
}

function decreases(origin: Point, point: Point): boolean {
  return point.value <= origin.value + SUFFICIENT_DECREASE * point.step * origin.slope;
}

/** Minimum of the cubic through both ends (eq. 3.59), kept off the ends; the middle where there is none. */
function interpolate(low: Point, high: Point): number {
  const width = high.step - low.step;
  const middle = low.step + width / 2;
  if (!Number.isFinite(high.value) || !Number.isFinite(high.slope)) return middle;
  const d1 = low.slope + high.slope - (3 * (high.value - low.value)) / width;
  const square = d1 * d1 - low.slope * high.slope;
  if (!(square >= 0)) return middle;
  const d2 = Math.sign(width) * Math.sqrt(square);
  const step = high.step - (width * (high.slope + d2 - d1)) / (high.slope - low.slope + 2 * d2);
  const share = (step - low.step) / width;
  return share > 0.05 && share < 0.95 ? step : middle;
}

function largestEntry(values: Float64Array): number {
  let largest = 0;
  for (const value of values) if (!(Math.abs(value) <= largest)) largest = Math.abs(value);
  return largest;
}

function inner(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(target: Float64Array, source: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * source[i]!;
}
