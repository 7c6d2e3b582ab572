/**
 * InfoNCE against a queue, the loss of MoCo (He et al., CVPR 2020, eq. 1): a query must find its key, the other view of its
 * clip, among the keys of a queue. Keys and queue are constants. With unit rows u, v_i of the key, n_j of the queue:
 *
 *     ℓ_i = −log [ exp(u_i·v_i / τ) / (exp(u_i·v_i / τ) + Σ_{j allowed for i} exp(u_i·n_j / τ)) ],   L = 1/N Σ_i ℓ_i
 *
 * A queue longer than the set of clips holds keys of the query's own clip: these are not allowed. With n allowed and all
 * similarities equal ℓ = log(1 + n); with none ℓ = 0 with a zero gradient. Gradient, with p the softmax over key and
 * allowed negatives:
 *
 *     ∂L/∂u_i = 1/(Nτ) · [ Σ_j p_ij n_j − (Σ_j p_ij) v_i ]
 *
 * Accumulated in float64. Rows with no direction, non-finite rows: see `cosine.ts`; a key that is allowed for no query
 * touches nothing.
 */
import { objectiveError, requireCount, requireLength, requireTemperature } from './arguments.ts';
import { backThroughNorm, directionsOf, type Directions } from './cosine.ts';

/** Loss, and how well queries find their keys. */
export interface InfoNceResult {
  readonly loss: number;
  /** Share of queries whose key is strictly more similar than every allowed negative; 0 when all is one point. */
  readonly accuracy: number;
  /** Mean ‖u − v‖² of query and key: 0 when views agree, 2 when they are unrelated, at most 4. */
  readonly alignment: number;
}

/** Queries and negatives that are compared at a time, each number read once: their products fill the registers. */
const QUERIES = 3;
const NEGATIVES = 4;

/**
 * @param queries [N, dim]; not normalised, like keys and negatives.
 * @param keys [N, dim], the key of each query.
 * @param negatives [K, dim], the queue; K may be 0.
 * @param isNegative whether a row of the queue is allowed for a query: of another clip. Asked once for each of N·K.
 * @param temperature τ > 0; MoCo: 0.07, MoCo v2: 0.2.
 * @param gradient [N, dim], overwritten with ∂L/∂queries.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit or a temperature that is not positive.
 */
export function infoNce(
  queries: Float32Array,
  keys: Float32Array,
  negatives: Float32Array,
  isNegative: (row: number, negative: number) => boolean,
  dim: number,
  temperature: number,
  gradient: Float32Array,
): InfoNceResult {
  requireCount('dim', dim, 'Give the width of the projection, at least 1.');
  requireTemperature(temperature, 'MoCo uses 0.07, MoCo v2 0.2');
  const rows = rowsOf({ queries }, dim, 1);
  const count = rowsOf({ negatives }, dim, 0);
  const needed = `the queries have ${queries.length}`;
  requireLength({ keys, gradient }, queries.length, needed, 'Make it as long as the queries.');
  const query = directionsOf(queries, rows, dim, QUERIES);
  const key = directionsOf(keys, rows, dim);
  const negative = directionsOf(negatives, count, dim, NEGATIVES);
  const stride = negative.units.length / dim;
  const weights = similarities(query.units, negative.units, dim);
  const toUnits = new Float64Array(query.units.length);
  const factor = 1 / (rows * temperature);
  let loss = 0;
  let correct = 0;
  let alignment = 0;
  for (let row = 0; row < rows; row++) {
    const own = row * dim;
    let positive = 0;
    for (let i = own; i < own + dim; i++) {
      positive += query.units[i]! * key.units[i]!;
      alignment += (query.units[i]! - key.units[i]!) ** 2;
    }
    const start = row * stride;
    let largestNegative = -Infinity;
    for (let j = 0; j < count; j++)
      if (isNegative(row, j)) largestNegative = Math.max(largestNegative, weights[start + j]!);
      else weights[start + j] = -Infinity;
    const largest = Math.max(positive, largestNegative);
    let sum = 0;
    for (let i = start; i < start + count; i++) {
      const term = Math.exp((weights[i]! - largest) / temperature);
      weights[i] = term;
      sum += term;
    }
    const total = sum + Math.exp((positive - largest) / temperature);
    for (let i = start; i < start + count; i++) weights[i]! *= factor / total;
    for (let i = own; i < own + dim; i++) toUnits[i] = ((-factor * sum) / total) * key.units[i]!;
    loss += Math.log(total) - (positive - largest) / temperature;
    if (positive > largestNegative) correct++;
  }
  addWeighted(toUnits, weights, finiteUnits(negative), dim);
  for (let row = 0; row < rows; row++) {
    const toUnit = toUnits.subarray(row * dim, (row + 1) * dim);
    backThroughNorm(query.units, query.inverseNorms, row, toUnit, gradient);
  }
  return { loss: loss / rows, accuracy: correct / rows, alignment: alignment / rows };
}

function rowsOf(array: Readonly<Record<string, Float32Array>>, dim: number, least: number): number {
  for (const [name, { length }] of Object.entries(array)) {
    const rows = length / dim;
    if (Number.isInteger(rows) && rows >= least) return rows;
    throw objectiveError(name, `has ${length} numbers, no rows of ${dim}`, 'Pass whole rows: [rows, dim].');
  }
  return 0;
}

/**
 * Units with zeros for rows that are not finite, in place: weight 0 of one that is not allowed would still give NaN, and
 * where one is allowed all weights are NaN anyway.
 */
function finiteUnits({ rows, dim, units, inverseNorms }: Directions): Float64Array {
  for (let row = 0; row < rows; row++)
    if (!(inverseNorms[row]! > 0)) units.fill(0, row * dim, (row + 1) * dim);
  return units;
}

/** Q·Nᵀ [queries, negatives], for whole steps of either. */
function similarities(queries: Float64Array, negatives: Float64Array, dim: number): Float64Array {
  const rows = queries.length / dim;
  const stride = negatives.length / dim;
  const result = new Float64Array(rows * stride);
  // A few rows of the long queue stay near while all queries pass.
  for (let j = 0; j < stride; j += NEGATIVES) {
    const b0 = j * dim;
    const b1 = b0 + dim;
    const b2 = b1 + dim;
    const b3 = b2 + dim;
    for (let i = 0; i < rows; i += QUERIES) {
      const a0 = i * dim;
      const a1 = a0 + dim;
      const a2 = a1 + dim;
      let sum00 = 0;
      let sum01 = 0;
      let sum02 = 0;
      let sum03 = 0;
      let sum10 = 0;
      let sum11 = 0;
      let sum12 = 0;
      let sum13 = 0;
      let sum20 = 0;
      let sum21 = 0;
      let sum22 = 0;
      let sum23 = 0;
      for (let d = 0; d < dim; d++) {
        const n0 = negatives[b0 + d]!;
        const n1 = negatives[b1 + d]!;
        const n2 = negatives[b2 + d]!;
        const n3 = negatives[b3 + d]!;
        const q0 = queries[a0 + d]!;
        sum00 += q0 * n0;
        sum01 += q0 * n1;
        sum02 += q0 * n2;
        sum03 += q0 * n3;
        const q1 = queries[a1 + d]!;
        sum10 += q1 * n0;
        sum11 += q1 * n1;
        sum12 += q1 * n2;
        sum13 += q1 * n3;
        const q2 = queries[a2 + d]!;
        sum20 += q2 * n0;
        sum21 += q2 * n1;
        sum22 += q2 * n2;
        sum23 += q2 * n3;
      }
      const at = i * stride + j;
      result[at] = sum00;
      result[at + 1] = sum01;
      result[at + 2] = sum02;
      result[at + 3] = sum03;
      result[at + stride] = sum10;
      result[at + stride + 1] = sum11;
      result[at + stride + 2] = sum12;
      result[at + stride + 3] = sum13;
      result[at + 2 * stride] = sum20;
      result[at + 2 * stride + 1] = sum21;
      result[at + 2 * stride + 2] = sum22;
      result[at + 2 * stride + 3] = sum23;
    }
  }
  return result;
}

/** sums += W·N, [queries, dim], for whole steps of either. */
function addWeighted(sums: Float64Array, weights: Float64Array, negatives: Float64Array, dim: number): void {
  const rows = sums.length / dim;
  const stride = negatives.length / dim;
  for (let j = 0; j < stride; j += NEGATIVES) {
    const b0 = j * dim;
    const b1 = b0 + dim;
    const b2 = b1 + dim;
    const b3 = b2 + dim;
    for (let i = 0; i < rows; i += QUERIES) {
      const at = i * stride + j;
      const w00 = weights[at]!;
      const w01 = weights[at + 1]!;
      const w02 = weights[at + 2]!;
      const w03 = weights[at + 3]!;
      const w10 = weights[at + stride]!;
      const w11 = weights[at + stride + 1]!;
      const w12 = weights[at + stride + 2]!;
      const w13 = weights[at + stride + 3]!;
      const w20 = weights[at + 2 * stride]!;
      const w21 = weights[at + 2 * stride + 1]!;
      const w22 = weights[at + 2 * stride + 2]!;
      const w23 = weights[at + 2 * stride + 3]!;
      const a0 = i * dim;
      const a1 = a0 + dim;
      const a2 = a1 + dim;
      for (let d = 0; d < dim; d++) {
        const n0 = negatives[b0 + d]!;
        const n1 = negatives[b1 + d]!;
        const n2 = negatives[b2 + d]!;
        const n3 = negatives[b3 + d]!;
        sums[a0 + d]! += w00 * n0 + w01 * n1 + w02 * n2 + w03 * n3;
        sums[a1 + d]! += w10 * n0 + w11 * n1 + w12 * n2 + w13 * n3;
        sums[a2 + d]! += w20 * n0 + w21 * n1 + w22 * n2 + w23 * n3;
      }
    }
  }
}
