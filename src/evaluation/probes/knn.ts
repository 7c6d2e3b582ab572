/**
 * k nearest neighbours by cosine similarity. Two ways to count neighbours: k rows (frames), or k clips, each clip
 * standing at its nearest frame. The second is what a probe on video wants: the frames of one clip are near
 * copies, so the k nearest frames are mostly one clip, and k would mean nothing.
 */
import { dataError, usageError, type UsclError } from '../../base/errors.ts';
import { columnStatistics, dot, eachRow, normaliseRows, standardise } from '../features/matrix.ts';
import { type Products, roundingOf } from '../features/products.ts';
import type { ProbeSettings } from './probe-result.ts';

/** Defaults are those of a probe; neighbours are rows unless `trainClips` says the clip of each training row. */
export interface KnnOptions extends Partial<Pick<ProbeSettings, 'k' | 'standardise' | 'temperature'>> {
  readonly trainClips?: ArrayLike<number>;
  /** Finds the few rows that may be neighbours, by kernels. The answers are the same with it and without. */
  readonly products?: Products;
}

/**
 * Class shares [test rows, classes] of the votes of each test row's neighbours. Features are [rows, dim]; a row of
 * zeros has similarity 0 to all. Equally near neighbours: the one that comes first in training wins.
 * @throws UsclError `KNN_TOO_FEW` when training holds fewer than k rows (or clips), `PROBE_OPTION` for a k that is
 *   not an integer ≥ 1 or a temperature ≤ 0.
 */
export function knnProbabilities(
  train: Float32Array,
  trainLabels: ArrayLike<number>,
  test: Float32Array,
  dim: number,
  classes: number,
  options: KnnOptions = {},
): Float64Array {
  const { k = 10, temperature = null } = options;
  requireKnnOptions(k, temperature);
  const candidates = candidateOfRow(trainLabels, options.trainClips);
  requireNeighbours(candidates.labels.length, k, options.trainClips === undefined ? 'rows' : 'clips');
  const columns = (options.standardise ?? true) ? columnStatistics(train, dim) : null;
  const comparable = (x: Float32Array): Float32Array =>
    normaliseRows(columns === null ? x.slice() : standardise(x, dim, columns), dim);
  const [a, b] = [comparable(test), comparable(train)];

  const result = new Float64Array((test.length / dim) * classes);
  const { ofRow } = candidates;
  const nearest = new Float64Array(candidates.labels.length);
  const say = (row: number): void => {
    vote(nearest, candidates.labels, k, temperature, result, row * classes, classes);
  };
  if (options.products === undefined)
    eachRow(a, b, dim, (row, similarities) => {
      keepNearest(similarities, ofRow, nearest);
      say(row);
    });
  else
    options.products(a, b, dim, (row, similarities) => {
      keepNearest(similarities, ofRow, nearest);
      // k candidates are at least this near but for rounding: what is farther by more than rounding is none of the k.
      const least = nearest[largest(nearest, k).at(-1)!]! - 2 * roundingOf(dim);
      nearest.fill(-Infinity);
      for (const j of rowsFrom(similarities, least)) {
        const similarity = dot(a, row * dim, b, j * dim, dim);
        if (similarity > nearest[ofRow[j]!]!) nearest[ofRow[j]!] = similarity;
      }
      say(row);
    });
  return result;
}

/** Similarity of each candidate's nearest row. */
function keepNearest(
  similarities: Float32Array | Float64Array,
  ofRow: Int32Array,
  nearest: Float64Array,
): void {
  nearest.fill(-Infinity);
  for (let j = 0; j < similarities.length; j++) {
    const similarity = similarities[j]!;
    const candidate = ofRow[j]!;
    if (similarity > nearest[candidate]!) nearest[candidate] = similarity;
  }
}

/** Numbers of the rows that are at least this near. */
function rowsFrom(similarities: Float32Array, least: number): number[] {
  const rows: number[] = [];
  for (let j = 0; j < similarities.length; j++) if (similarities[j]! >= least) rows.push(j);
  return rows;
}

/**
 * Adds to `target` [classes] from `start` the normalised votes of the k largest similarities (−∞ never votes).
 */
export function vote(
  similarities: Float64Array,
  labels: ArrayLike<number>,
  k: number,
  temperature: number | null,
  target: Float64Array,
  start: number,
  classes: number,
): void {
  const best = largest(similarities, k);
  let total = 0;
  const nearest = similarities[best[0]!]!;
  for (const j of best) {
    const weight = temperature === null ? 1 : Math.exp((similarities[j]! - nearest) / temperature);
    target[start + labels[j]!]! += weight;
    total += weight;
  }
  for (let c = 0; c < classes; c++) target[start + c]! /= total;
}

/** Indices of the k largest values, falling; of equal ones the first comes first. −∞ is none. */
function largest(values: Float64Array, k: number): Int32Array {
  const best = new Int32Array(k);
  let [found, least] = [0, -Infinity];
  for (let j = 0; j < values.length; j++) {
    const value = values[j]!;
    if (!(value > least)) continue;
    let at = found < k ? found++ : k - 1;
    for (; at > 0 && value > values[best[at - 1]!]!; at--) best[at] = best[at - 1]!;
    best[at] = j;
    if (found === k) least = values[best[k - 1]!]!;
  }
  return best.subarray(0, found);
}

export function requireKnnOptions(k: number, temperature: number | null): void {
  if (!Number.isInteger(k) || k < 1) {
    const message = `The number of neighbours must be a whole number of at least 1, not ${k}.`;
    throw optionError('k', message, 'Use k = 10.');
  }
  if (temperature !== null && !(temperature > 0)) {
    const message = `The temperature of the votes must be above 0, not ${temperature}.`;
    throw optionError('temperature', message, 'Use 0.1, or none for equal votes.');
  }
}

export function requireNeighbours(available: number, k: number, unit: 'rows' | 'clips'): void {
  if (available >= k) return;
  throw dataError(
    'KNN_TOO_FEW',
    `${k} nearest neighbours were asked for, but there are only ${available} ${unit} to choose from.`,
    `Use k = ${Math.max(1, available)} or less (--k ${Math.max(1, available)}), or label more clips.`,
  );
}

function optionError(key: string, message: string, remedy: string): UsclError {
  return usageError('PROBE_OPTION', message, remedy, { where: key });
}

/** Numbers the things that can be neighbours (rows, or clips in order of first row) and gives each its label. */
function candidateOfRow(
  labels: ArrayLike<number>,
  clips: ArrayLike<number> | undefined,
): { ofRow: Int32Array; labels: number[] } {
  const ofRow = new Int32Array(labels.length);
  const found = new Map<number, number>();
  const candidateLabels: number[] = [];
  for (let row = 0; row < labels.length; row++) {
    const key = clips === undefined ? row : clips[row]!;
    let candidate = found.get(key);
    if (candidate === undefined) {
      candidate = candidateLabels.length;
      found.set(key, candidate);
      candidateLabels.push(labels[row]!);
    }
    ofRow[row] = candidate;
  }
  return { ofRow, labels: candidateLabels };
}
