/**
 * A map of clips: UMAP (McInnes, Healy & Melville 2018) of their features in two dimensions, for the eye. Neighbours are
 * exact (no approximate search), the start is the plane of the two principal axes and everything random is drawn at an
 * address, so the same features give the same map. A map is no evidence: distances between far clips, sizes of heaps
 * and gaps mean little. How far it can be trusted near by is measured and goes with it.
 */
import { setImmediate } from 'node:timers/promises';
import { UMAP } from 'umap-js';
import { dataError, usageError, UsclError } from '../../base/errors.ts';
import { randomAt } from '../../base/random.ts';
import { eachRow } from '../features/matrix.ts';

/** How the plane is laid out. */
export interface EmbeddingMapOptions {
  /** Clips that count as near; more show coarser structure. Default 15, fewer where there are few clips. */
  readonly neighbours?: number;
  /** How close points may lie on the map, 0 to 1. Default 0.1. */
  readonly minDist?: number;
  /** Default 0. */
  readonly seed?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Clips laid out on a plane, near ones near. */
export interface EmbeddingMap {
  /** [clips, 2]. */
  readonly points: Float64Array;
  readonly neighbours: number;
  readonly minDist: number;
  readonly epochs: number;
  /**
   * Share of neighbourhoods that the map keeps, 0 to 1 (Venna & Kaski 2001; scikit-learn's `trustworthiness`, by cosine
   * distance): 1 where every near clip on the map is near in the features, about 0.5 for points strewn at random. Null
   * with too few clips to tell.
   */
  readonly trustworthiness: number | null;
}

/** Clips below which there is nothing to lay out. */
export const FEWEST_CLIPS = 4;
/** Neighbours that `trustworthiness` looks at. */
const TRUSTED = 5;

/**
 * Lays out unit rows [clips, dim] (`comparableRows`) by cosine distance. Cost: clips²·dim for the neighbours.
 * Errors: `MAP_TOO_FEW` for fewer than four clips, `MAP_OPTION`; the signal's reason when aborted.
 */
export async function embeddingMap(
  rows: Float32Array,
  dim: number,
  options: EmbeddingMapOptions = {},
): Promise<EmbeddingMap> {
  const { seed = 0, onProgress, signal } = options;
  const clips = rows.length / dim;
  const { neighbours, minDist } = settleMapOptions(clips, options);
  const { indices, distances } = nearestRows(rows, dim, neighbours);
  const random = randomAt(seed, 'embedding-map', clips);
  const umap = new UMAP({
    nNeighbors: neighbours,
    minDist,
    nComponents: 2,
    random: () => random.uniform(),
  });
  umap.setPrecomputedKNN(indices, distances);
  // With neighbours given, only the number of rows is read.
  const epochs = umap.initializeFit(Array.from({ length: clips }, (_, i) => [i]));
  const start = principalPlane(rows, dim);
  const layout = umap.getEmbedding();
  layout.forEach((point, clip) => {
    // A little noise parts clips that are the same: nothing pushes two points at one place.
    point[0] = start[2 * clip]! + 1e-3 * random.normal();
    point[1] = start[2 * clip + 1]! + 1e-3 * random.normal();
  });
  for (let epoch = 0; epoch < epochs; epoch++) {
    umap.step();
    if (epoch % 20 !== 19) continue;
    onProgress?.(epoch + 1, epochs);
    await setImmediate();
    signal?.throwIfAborted();
  }
  const points = Float64Array.from(umap.getEmbedding().flat());
  if (!points.every(Number.isFinite))
    throw new UsclError({
      kind: 'numeric',
      code: 'NON_FINITE',
      message: 'The map has points that are not finite.',
      remedy: 'Use other values of neighbours and minDist.',
    });
  return { points, neighbours, minDist, epochs, trustworthiness: trustworthiness(rows, dim, points) };
}

/** What a map of so many clips is laid out with. Errors: `MAP_TOO_FEW`, `MAP_OPTION`. */
export function settleMapOptions(
  clips: number,
  options: Pick<EmbeddingMapOptions, 'neighbours' | 'minDist'>,
): { readonly neighbours: number; readonly minDist: number } {
  const { neighbours = 15, minDist = 0.1 } = options;
  if (clips < FEWEST_CLIPS)
    throw dataError(
      'MAP_TOO_FEW',
      `A map needs at least ${FEWEST_CLIPS} clips, not ${clips}.`,
      'Use a dataset with more clips.',
    );
  if (!Number.isInteger(neighbours) || neighbours < 2) throw optionError('neighbours', neighbours, 'Use 15.');
  if (!(minDist >= 0 && minDist <= 1)) throw optionError('minDist', minDist, 'Use 0.1.');
  return { neighbours: Math.min(neighbours, clips - 1), minDist };
}

/** Each row's nearest rows by cosine distance, itself first, as UMAP counts them. */
function nearestRows(
  rows: Float32Array,
  dim: number,
  count: number,
): { indices: number[][]; distances: number[][] } {
  const indices: number[][] = [];
  const distances: number[][] = [];
  eachRow(rows, rows, dim, (row, similarities) => {
    const order = rankedOthers(similarities, row).slice(0, count - 1);
    indices.push([row, ...order]);
    distances.push([0, ...order.map((other) => Math.max(0, 1 - similarities[other]!))]);
  });
  return { indices, distances };
}

/** All other rows, nearest first, of equals the first. */
function rankedOthers(similarities: Float64Array, row: number): number[] {
  return [...similarities.keys()]
    .filter((other) => other !== row)
    .sort((a, b) => similarities[b]! - similarities[a]! || a - b);
}

/**
 * T = 1 − 2 / (n·k·(2n − 3k − 1)) · Σ_i Σ_{j near i on the map} max(0, rank of j in the features − k), ranks by cosine
 * distance (Venna & Kaski 2001, as scikit-learn has it), k = 5. Null below 2k + 2 clips, where it is not defined.
 */
export function trustworthiness(
  rows: Float32Array,
  dim: number,
  points: Float64Array,
  k: number = TRUSTED,
): number | null {
  const count = rows.length / dim;
  if (count < 2 * k + 2) return null;
  let penalty = 0;
  const rank = new Int32Array(count);
  const distance = new Float64Array(count);
  eachRow(rows, rows, dim, (row, similarities) => {
    for (const [place, other] of rankedOthers(similarities, row).entries()) rank[other] = place + 1;
    for (let other = 0; other < count; other++)
      distance[other] =
        (points[2 * other]! - points[2 * row]!) ** 2 + (points[2 * other + 1]! - points[2 * row + 1]!) ** 2;
    const near = [...distance.keys()]
      .filter((other) => other !== row)
      .sort((a, b) => distance[a]! - distance[b]! || a - b)
      .slice(0, k);
    for (const other of near) penalty += Math.max(0, rank[other]! - k);
  });
  return 1 - (2 / (count * k * (2 * count - 3 * k - 1))) * penalty;
}

/**
 * Coordinates [rows, 2] on the two principal axes, scaled to about ten either way, which is where UMAP's own random
 * start lies (Kobak & Linderman, Nature Biotechnology 2021: what is far on the map then says more than chance).
 */
function principalPlane(rows: Float32Array, dim: number): Float64Array {
  const count = rows.length / dim;
  const mean = new Float64Array(dim);
  for (let i = 0; i < rows.length; i++) mean[i % dim]! += rows[i]! / count;
  const centred = Float64Array.from(rows, (value, i) => value - mean[i % dim]!);
  const first = nextAxis(centred, dim, []);
  const axes = [first, nextAxis(centred, dim, [first])];
  const result = new Float64Array(2 * count);
  for (let i = 0; i < result.length; i++) result[i] = projection(centred, i >> 1, axes[i & 1]!);
  const largest = result.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest > 0 ? result.map((value) => (10 * value) / largest) : result;
}

/** Power iteration on the covariance, at right angles to the axes found before. */
function nextAxis(centred: Float64Array, dim: number, before: readonly Float64Array[]): Float64Array {
  const start = randomAt(0, 'principal-axis', before.length);
  let axis = Float64Array.from({ length: dim }, () => start.normal());
  for (let round = 0; round < 100; round++) {
    for (const other of before) {
      const inner = projection(axis, 0, other);
      for (let d = 0; d < dim; d++) axis[d]! -= inner * other[d]!;
    }
    const length = Math.hypot(...axis);
    if (length === 0) return axis;
    axis = axis.map((value) => value / length);
    if (round === 99) break;
    const next = new Float64Array(dim);
    for (let row = 0; row < centred.length / dim; row++) {
      const value = projection(centred, row, axis);
      for (let d = 0; d < dim; d++) next[d]! += value * centred[row * dim + d]!;
    }
    axis = next;
  }
  return axis;
}

function projection(rows: Float64Array, row: number, axis: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < axis.length; d++) sum += axis[d]! * rows[row * axis.length + d]!;
  return sum;
}

function optionError(key: string, value: number, remedy: string): UsclError {
  return usageError('MAP_OPTION', `The map's ${key} cannot be ${value}.`, remedy, { where: key });
}
