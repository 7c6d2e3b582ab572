/**
 * Logistic regression on frozen features, the "linear probe": scikit-learn's `LogisticRegression(C, lbfgs)` on
 * standardised features. Minimised is
 *
 *   Σᵢ sᵢ·ℓᵢ(W, b) / S + ‖W‖² / (2·C·S),   S = Σᵢ sᵢ,
 *
 * with ℓ the cross-entropy of the softmax over W·x + b for three or more classes, and of the sigmoid of one
 * logit w·x + b for two (one weight vector, as there); the intercepts carry no penalty. Optimised by L-BFGS.
 */
import { dataError, usageError } from '../../base/errors.ts';
import { inverseCurvature, isWorthCurvature, type Moments, momentsOf, sampleRows } from './curvature.ts';
import { minimise, type Objective } from './lbfgs.ts';
import { columnStatistics, standardise } from '../features/matrix.ts';
import type { ColumnStatistics } from '../features/matrix.ts';
import type { ProbeSettings } from './probe-result.ts';

/** Defaults are those of a probe. */
export interface LogisticOptions extends Partial<Pick<ProbeSettings, 'C' | 'classWeight' | 'standardise'>> {
  /** Largest gradient entry of the objective above at which to stop. Default 1e-6. */
  readonly tolerance?: number;
  /** Of some of the rows, where they were made for several fits; of too few they are made anew. */
  readonly moments?: Moments;
}

/** Rows a column that the curvature of a single fit is made from. */
const SAMPLE = 2;

/** As the reference protocol. */
const MOST_ITERATIONS = 1200;

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
  const { C = 1, classWeight = 'none', tolerance = 1e-6 } = options;
  if (!(C > 0 && Number.isFinite(C))) {
    throw usageError(
      'PROBE_OPTION',
      `C must be a number above 0, not ${C}.`,
      'Use C = 1; smaller means a stronger penalty.',
      { where: 'C' },
    );
  }
  const rows = labels.length;
  const counts = new Float64Array(classes);
  for (let i = 0; i < rows; i++) counts[labels[i]!]! += 1;
  const present = Array.from(counts.keys()).filter((c) => counts[c]! > 0);
  if (present.length < 2) {
    throw dataError(
      'PROBE_ONE_CLASS',
      `A linear probe needs rows of at least two classes, got ${present.length}.`,
      'Label clips of another class, or use fewer folds.',
    );
  }
  const columns = (options.standardise ?? true) ? columnStatistics(features, dim) : null;
  const standardised = columns === null ? features : standardise(features, dim, columns);
  // As f64, which f32 fits into: converted once and not in every evaluation.
  const x = new Float64Array(standardised);
  const outputOf = new Int32Array(classes);
  present.forEach((c, output) => (outputOf[c] = output));
  const target = Int32Array.from(labels, (label) => outputOf[label]!);
  const weight = Float64Array.from(labels, (label) =>
    classWeight === 'balanced' ? rows / (present.length * counts[label]!) : 1,
  );
  const outputs = present.length === 2 ? 1 : present.length;
  const total = weight.reduce((sum, value) => sum + value, 0);
  const penalty = 1 / (C * total);
  const share = weight.map((value) => value / total);
  const size = outputs * dim;
  const moments = (): Moments =>
    options.moments !== undefined && isWorthCurvature(options.moments.rows, dim)
      ? options.moments
      : momentsOf(features, dim, sampleRows(rows, dim, SAMPLE));
  const found = minimise(
    objectiveOf(x, target, share, dim, outputs, penalty),
    new Float64Array(size + outputs),
    {
      tolerance,
      maxIterations: MOST_ITERATIONS,
      ...(isWorthCurvature(rows, dim)
        ? { precondition: inverseCurvature(moments(), columns, outputs, penalty) }
        : {}),
    },
  );
  return {
    ...{ dim, classes, present, columns, iterations: found.iterations, converged: found.converged },
    weights: found.x.slice(0, size),
    intercepts: found.x.slice(size),
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

/**
 * Value and gradient of the objective at weights [outputs, dim] followed by intercepts [outputs]; the shares of the rows
 * (`weights`) sum to 1. Rows are taken four at a time so that weights are read once for four.
 */
function objectiveOf(
  x: Float64Array,
  target: Int32Array,
  weights: Float64Array,
  dim: number,
  outputs: number,
  penalty: number,
): Objective {
  const size = outputs * dim;
  const logits = new Float64Array(4 * outputs);

  const logitsOfFour = (theta: Float64Array, row: number): void => {
    const x0 = row * dim;
    const [x1, x2, x3] = [x0 + dim, x0 + 2 * dim, x0 + 3 * dim];
    for (let c = 0; c < outputs; c++) {
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
      logits[c] = s0;
      logits[outputs + c] = s1;
      logits[2 * outputs + c] = s2;
      logits[3 * outputs + c] = s3;
    }
  };

  const addGradientOfFour = (gradient: Float64Array, row: number): void => {
    const x0 = row * dim;
    const [x1, x2, x3] = [x0 + dim, x0 + 2 * dim, x0 + 3 * dim];
    for (let c = 0; c < outputs; c++) {
      const g = c * dim;
      const r0 = logits[c]!;
      const r1 = logits[outputs + c]!;
      const r2 = logits[2 * outputs + c]!;
      const r3 = logits[3 * outputs + c]!;
      gradient[size + c]! += r0 + r1 + r2 + r3;
      for (let d = 0; d < dim; d++) {
        gradient[g + d]! += r0 * x[x0 + d]! + r1 * x[x1 + d]! + r2 * x[x2 + d]! + r3 * x[x3 + d]!;
      }
    }
  };

  /** Turns the logits (still without intercept) in slot `slot` into weighted ∂loss/∂logit; returns the loss. */
  const residual = (theta: Float64Array, row: number, slot: number): number => {
    const start = slot * outputs;
    const [weight, label] = [weights[row]!, target[row]!];
    for (let c = 0; c < outputs; c++) logits[start + c]! += theta[size + c]!;
    if (outputs === 1) {
      const logit = logits[start]!;
      logits[start] = weight * (sigmoid(logit) - label);
      return weight * softplus(label === 1 ? -logit : logit);
    }
    const right = logits[start + label]!;
    const loss = softmax(logits, start, outputs) - right;
    for (let c = 0; c < outputs; c++) logits[start + c]! *= weight;
    logits[start + label]! -= weight;
    return weight * loss;
  };

  return (theta, gradient) => {
    let value = 0;
    for (let i = 0; i < size; i++) {
      gradient[i] = penalty * theta[i]!;
      value += 0.5 * penalty * theta[i]! ** 2;
    }
    gradient.fill(0, size);
    let row = 0;
    for (; row + 4 <= target.length; row += 4) {
      logitsOfFour(theta, row);
      for (let r = 0; r < 4; r++) value += residual(theta, row + r, r);
      addGradientOfFour(gradient, row);
    }
    for (; row < target.length; row++) {
      for (let c = 0; c < outputs; c++) {
        let sum = 0;
        for (let d = 0; d < dim; d++) sum += theta[c * dim + d]! * x[row * dim + d]!;
        logits[c] = sum;
      }
      value += residual(theta, row, 0);
      for (let c = 0; c < outputs; c++) {
        gradient[size + c]! += logits[c]!;
        for (let d = 0; d < dim; d++) gradient[c * dim + d]! += logits[c]! * x[row * dim + d]!;
      }
    }
    return value;
  };
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
