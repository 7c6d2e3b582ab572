/**
 * Logistic regression on frozen features, the "linear probe": scikit-learn's `LogisticRegression(C, lbfgs)` on
 * standardised features. Minimised is
 *
 *   Σᵢ sᵢ·ℓᵢ(W, b) / S + ‖W‖² / (2·C·S),   S = Σᵢ sᵢ,
 *
 * with ℓ the cross-entropy of the softmax over W·x + b for three or more classes, and of the sigmoid of one
 * logit w·x + b for two (one weight vector, as there); the intercepts carry no penalty. Optimised by L-BFGS.
 */
import { UsclError } from '../base/errors.ts';
import { minimise } from './lbfgs.ts';
import {
  columnStatistics,
  factorise,
  gram,
  solve,
  standardise,
  takeRows,
  type ColumnStatistics,
} from './matrix.ts';

export interface LogisticOptions {
  /** Inverse strength of the L2 penalty. Default 1. */
  readonly C?: number;
  /** `balanced`: a row of class c weighs rows / (classes · rows of c). Default `none`. */
  readonly classWeight?: 'none' | 'balanced';
  /** Centre and scale features with the statistics of the rows fitted on. Default true. */
  readonly standardise?: boolean;
  /** Default 1200, as the reference protocol. */
  readonly maxIterations?: number;
  /** Largest gradient entry of the objective above at which to stop. Default 1e-6. */
  readonly tolerance?: number;
}

export interface LogisticModel {
  readonly dim: number;
  readonly classes: number;
  /** Class indices that had rows to learn from, ascending; the others get probability 0. */
  readonly present: readonly number[];
  readonly columns: ColumnStatistics | null;
  /** [outputs, dim]; outputs is 1 for two present classes (the logit of the second), else their number. */
  readonly weights: Float64Array;
  readonly intercepts: Float64Array;
  readonly iterations: number;
  readonly converged: boolean;
}

/**
 * Fits on features [rows, dim] and labels [rows] (class indices in 0 … classes − 1).
 * @throws UsclError `PROBE_ONE_CLASS` when the rows hold fewer than two classes, `PROBE_OPTION` for C ≤ 0.
 */
export function fitLogisticRegression(
  features: Float32Array,
  labels: ArrayLike<number>,
  dim: number,
  classes: number,
  options: LogisticOptions = {},
): LogisticModel {
  const { C = 1, classWeight = 'none', maxIterations = 1200, tolerance = 1e-6 } = options;
  if (!(C > 0 && Number.isFinite(C))) {
    throw new UsclError({
      kind: 'usage',
      code: 'PROBE_OPTION',
      message: `C must be a number above 0, not ${C}.`,
      where: 'C',
      remedy: 'Use C = 1; smaller means a stronger penalty.',
    });
  }
  const rows = labels.length;
  const counts = new Float64Array(classes);
  for (let i = 0; i < rows; i++) counts[labels[i]!]! += 1;
  const present = Array.from(counts.keys()).filter((c) => counts[c]! > 0);
  if (present.length < 2) {
    throw new UsclError({
      kind: 'data',
      code: 'PROBE_ONE_CLASS',
      message: `A linear probe needs rows of at least two classes, got ${present.length}.`,
      remedy: 'Label clips of another class, or use fewer folds.',
    });
  }
  const columns = (options.standardise ?? true) ? columnStatistics(features, dim) : null;
  const standardised = columns === null ? features : standardise(features, dim, columns);
  // As f64, which f32 fits into: converted once and not in every evaluation.
  const x = Float64Array.from(standardised);
  const outputOf = new Int32Array(classes);
  present.forEach((c, output) => (outputOf[c] = output));
  const target = Int32Array.from(labels, (label) => outputOf[label]!);
  const weight = Float64Array.from(labels, (label) =>
    classWeight === 'balanced' ? rows / (present.length * counts[label]!) : 1,
  );
  const outputs = present.length === 2 ? 1 : present.length;
  const objective = new LogisticObjective(x, target, weight, dim, outputs, C);
  const size = outputs * dim;
  const found = minimise(
    (theta, gradient) => objective.evaluate(theta, gradient),
    new Float64Array(size + outputs),
    {
      tolerance,
      maxIterations,
      ...(rows < WORTH_PRECONDITIONING * dim
        ? {}
        : { precondition: inverseCurvature(standardised, dim, outputs, 1 / (C * objective.total)) }),
    },
  );
  return {
    dim,
    classes,
    present,
    columns,
    weights: found.x.slice(0, size),
    intercepts: found.x.slice(size),
    iterations: found.iterations,
    converged: found.converged,
  };
}

/** Rows a column from which one factorisation costs less than the hundreds of iterations it saves. */
const WORTH_PRECONDITIONING = 2;

/**
 * Multiplication by the inverse of the Hessian that the objective would have if every row were undecided: per output,
 * p(1 − p)·XᵀX / rows + penalty, p = 1 / classes; and of the intercepts alone. Of many rows some, evenly spaced, stand for all:
 * it shortens the way to the minimum and does not move it.
 */
function inverseCurvature(
  x: Float32Array,
  dim: number,
  outputs: number,
  penalty: number,
): (vector: Float64Array) => void {
  const p = 1 / Math.max(2, outputs);
  const spread = p * (1 - p);
  const all = x.length / dim;
  const taken = Math.min(all, WORTH_PRECONDITIONING * dim);
  const chosen = takeRows(
    x,
    dim,
    Array.from({ length: taken }, (_, i) => Math.floor((i * all) / taken)),
  );
  const curvature = gram(chosen, dim);
  for (let i = 0; i < curvature.length; i++) curvature[i]! *= spread / taken;
  for (let d = 0; d < dim; d++) curvature[d * (dim + 1)]! += penalty;
  factorise(curvature, dim);
  return (vector) => {
    for (let c = 0; c < outputs; c++) solve(curvature, dim, vector.subarray(c * dim, (c + 1) * dim));
    for (let c = outputs * dim; c < vector.length; c++) vector[c]! /= spread;
  };
}

/** Class probabilities [rows, classes] for features [rows, dim]. */
export function predictLogistic(model: LogisticModel, features: Float32Array): Float64Array {
  const { dim, classes, present, columns, weights, intercepts } = model;
  const x = columns === null ? features : standardise(features, dim, columns);
  const rows = x.length / dim;
  const result = new Float64Array(rows * classes);
  const logits = new Float64Array(intercepts.length);
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < logits.length; c++) {
      let sum = intercepts[c]!;
      for (let d = 0; d < dim; d++) sum += weights[c * dim + d]! * x[i * dim + d]!;
      logits[c] = sum;
    }
    if (logits.length === 1) {
      result[i * classes + present[0]!] = sigmoid(-logits[0]!);
      result[i * classes + present[1]!] = sigmoid(logits[0]!);
    } else {
      softmax(logits, 0, logits.length);
      present.forEach((c, output) => (result[i * classes + c] = logits[output]!));
    }
  }
  return result;
}

/** Value and gradient of the objective; rows are taken four at a time so that weights are read once for four. */
class LogisticObjective {
  /** Sum of the rows' weights. */
  readonly total: number;
  readonly #x: Float64Array;
  readonly #target: Int32Array;
  readonly #weight: Float64Array;
  readonly #dim: number;
  readonly #outputs: number;
  readonly #penalty: number;
  readonly #logits: Float64Array;

  constructor(
    x: Float64Array,
    target: Int32Array,
    weight: Float64Array,
    dim: number,
    outputs: number,
    C: number,
  ) {
    let total = 0;
    for (const value of weight) total += value;
    this.total = total;
    this.#x = x;
    this.#target = target;
    this.#weight = weight.map((value) => value / total);
    this.#dim = dim;
    this.#outputs = outputs;
    this.#penalty = 1 / (C * total);
    this.#logits = new Float64Array(4 * outputs);
  }

  /** `theta` is weights [outputs, dim] followed by intercepts [outputs]; `gradient` likewise. */
  evaluate(theta: Float64Array, gradient: Float64Array): number {
    const dim = this.#dim;
    const outputs = this.#outputs;
    const size = outputs * dim;
    let value = 0;
    for (let i = 0; i < size; i++) {
      gradient[i] = this.#penalty * theta[i]!;
      value += 0.5 * this.#penalty * theta[i]! ** 2;
    }
    gradient.fill(0, size);
    const rows = this.#target.length;
    let row = 0;
    for (; row + 4 <= rows; row += 4) {
      this.#logitsOfFour(theta, row);
      for (let r = 0; r < 4; r++) value += this.#residual(theta, row + r, r);
      this.#addGradientOfFour(gradient, row);
    }
    for (; row < rows; row++) {
      for (let c = 0; c < outputs; c++) {
        let sum = 0;
        for (let d = 0; d < dim; d++) sum += theta[c * dim + d]! * this.#x[row * dim + d]!;
        this.#logits[c] = sum;
      }
      value += this.#residual(theta, row, 0);
      for (let c = 0; c < outputs; c++) {
        const residual = this.#logits[c]!;
        gradient[size + c]! += residual;
        for (let d = 0; d < dim; d++) gradient[c * dim + d]! += residual * this.#x[row * dim + d]!;
      }
    }
    return value;
  }

  #logitsOfFour(theta: Float64Array, row: number): void {
    const x = this.#x;
    const dim = this.#dim;
    const x0 = row * dim;
    const x1 = x0 + dim;
    const x2 = x1 + dim;
    const x3 = x2 + dim;
    for (let c = 0; c < this.#outputs; c++) {
      const w = c * dim;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let d = 0; d < dim; d++) {
        const weight = theta[w + d]!;
        s0 += weight * x[x0 + d]!;
        s1 += weight * x[x1 + d]!;
        s2 += weight * x[x2 + d]!;
        s3 += weight * x[x3 + d]!;
      }
      this.#logits[c] = s0;
      this.#logits[this.#outputs + c] = s1;
      this.#logits[2 * this.#outputs + c] = s2;
      this.#logits[3 * this.#outputs + c] = s3;
    }
  }

  #addGradientOfFour(gradient: Float64Array, row: number): void {
    const x = this.#x;
    const dim = this.#dim;
    const outputs = this.#outputs;
    const x0 = row * dim;
    const x1 = x0 + dim;
    const x2 = x1 + dim;
    const x3 = x2 + dim;
    for (let c = 0; c < outputs; c++) {
      const g = c * dim;
      const r0 = this.#logits[c]!;
      const r1 = this.#logits[outputs + c]!;
      const r2 = this.#logits[2 * outputs + c]!;
      const r3 = this.#logits[3 * outputs + c]!;
      gradient[outputs * dim + c]! += r0 + r1 + r2 + r3;
      for (let d = 0; d < dim; d++) {
        gradient[g + d]! += r0 * x[x0 + d]! + r1 * x[x1 + d]! + r2 * x[x2 + d]! + r3 * x[x3 + d]!;
      }
    }
  }

  /** Turns the logits (still without intercept) in slot `slot` into weighted ∂loss/∂logit; returns the loss. */
  #residual(theta: Float64Array, row: number, slot: number): number {
    const outputs = this.#outputs;
    const start = slot * outputs;
    const bias = outputs * this.#dim;
    const weight = this.#weight[row]!;
    const target = this.#target[row]!;
    const logits = this.#logits;
    for (let c = 0; c < outputs; c++) logits[start + c]! += theta[bias + c]!;
    if (outputs === 1) {
      const logit = logits[start]!;
      logits[start] = weight * (sigmoid(logit) - target);
      return weight * softplus(target === 1 ? -logit : logit);
    }
    const right = logits[start + target]!;
    const loss = softmax(logits, start, outputs) - right;
    for (let c = 0; c < outputs; c++) logits[start + c]! *= weight;
    logits[start + target]! -= weight;
    return weight * loss;
  }
}

/** Softmax in place of `count` values from `start`; returns log Σ exp of what was there. */
function softmax(values: Float64Array, start: number, count: number): number {
  let largest = -Infinity;
  for (let c = 0; c < count; c++) largest = Math.max(largest, values[start + c]!);
  let sum = 0;
  for (let c = 0; c < count; c++) {
    const e = Math.exp(values[start + c]! - largest);
    values[start + c] = e;
    sum += e;
  }
  for (let c = 0; c < count; c++) values[start + c]! /= sum;
  return largest + Math.log(sum);
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** log(1 + eˣ) without overflow. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
