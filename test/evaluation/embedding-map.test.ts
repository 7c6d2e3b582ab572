/** Maps that repeat, keep what is near together, and say how far they can be trusted. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { embeddingMap, trustworthiness } from '../../src/evaluation/explanations/embedding-map.ts';
import { normaliseRows } from '../../src/evaluation/features/matrix.ts';
import { comparableRows } from '../../src/evaluation/explanations/retrieval.ts';
import { codeOfAsync, golden } from './support.ts';

const DIM = 8;

/** Heaps of points around far-apart directions. */
function heaps(count: number, each: number): Float32Array {
  const features = new Float32Array(count * each * DIM);
  const random = randomAt(1, 'heaps');
  for (let row = 0; row < count * each; row++)
    for (let d = 0; d < DIM; d++)
      features[row * DIM + d] = (d === row % count ? 4 : 0) + 0.5 * random.normal();
  return comparableRows(features, DIM);
}

function distance(points: Float64Array, a: number, b: number): number {
  return Math.hypot(points[2 * a]! - points[2 * b]!, points[2 * a + 1]! - points[2 * b + 1]!);
}

const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function correlation(a: readonly number[], b: readonly number[]): number {
  const [offA, offB] = [a, b].map((values) => values.map((value) => value - average(values)));
  const inner = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return inner(offA!, offB!) / Math.sqrt(inner(offA!, offA!) * inner(offB!, offB!));
}

describe('a map of clips', () => {
  it('is the same for the same features and seed, and another for another seed', async () => {
    const rows = heaps(3, 8);
    const one = await embeddingMap(rows, DIM);
    expect(await embeddingMap(rows, DIM)).toEqual(one);
    expect((await embeddingMap(rows, DIM, { seed: 1 })).points).not.toEqual(one.points);
  });

  it('keeps heaps apart: the nearest point on it is of the same heap', async () => {
    const rows = heaps(3, 12);
    const { points, trustworthiness: trust, neighbours } = await embeddingMap(rows, DIM, { neighbours: 8 });
    expect(neighbours).toBe(8);
    expect(trust).toBeGreaterThan(0.85);
    for (let row = 0; row < 36; row++) {
      const others = [...Array(36).keys()].filter((other) => other !== row);
      const nearest = others.reduce((best, other) =>
        distance(points, row, other) < distance(points, row, best) ? other : best,
      );
      expect(nearest % 3).toBe(row % 3);
    }
  });

  it('puts heaps that have nothing to do with each other more or less where their features lie', async () => {
    // Heaps along half a circle, too far apart for any clip to be among the nearest of another heap's.
    const [heapCount, each] = [6, 12];
    const correlations: number[] = [];
    for (const seed of [0, 1, 2, 3, 4, 5]) {
      const random = randomAt(seed, 'half a circle');
      const features = Float32Array.from({ length: heapCount * each * DIM }, (_, i) => {
        const angle = (Math.PI * (Math.floor(i / DIM) % heapCount)) / (heapCount - 1);
        return ([Math.cos(angle), Math.sin(angle)][i % DIM] ?? 0) + 0.03 * random.normal();
      });
      const { points } = await embeddingMap(normaliseRows(features, DIM), DIM, { seed, neighbours: 5 });
      const centres = Array.from({ length: heapCount }, (_, heap) =>
        [0, 1].map((axis) =>
          average(Array.from({ length: each }, (_, i) => points[2 * (i * heapCount + heap) + axis]!)),
        ),
      );
      const pairs = centres.flatMap((here, a) =>
        centres.slice(a + 1).map((there, more) => ({
          apart: more + 1,
          onMap: Math.hypot(here[0]! - there[0]!, here[1]! - there[1]!),
        })),
      );
      correlations.push(
        correlation(
          pairs.map(({ apart }) => apart),
          pairs.map(({ onMap }) => onMap),
        ),
      );
    }
    // From the principal plane about 0.5; from a start that knows nothing about 0.
    expect(average(correlations)).toBeGreaterThan(0.3);
  });

  it('is laid out for few clips, and for clips that are all the same', async () => {
    const { points, neighbours } = await embeddingMap(heaps(2, 2), DIM);
    expect(neighbours).toBe(3);
    expect(points.every(Number.isFinite)).toBe(true);
    const same = normaliseRows(new Float32Array(12 * DIM).fill(1), DIM);
    const parted = [...(await embeddingMap(same, DIM)).points];
    expect(parted.every(Number.isFinite)).toBe(true);
    // Noise parts them in both directions.
    for (const axis of [0, 1])
      expect(new Set(parted.filter((_, i) => i % 2 === axis).map((value) => value.toFixed(2))).size).toBe(12);
    const zero = await embeddingMap(new Float32Array(12 * DIM), DIM);
    expect(zero.points.every(Number.isFinite)).toBe(true);
  });

  it('needs four clips and options that make sense, and stops when it is told to', async () => {
    expect(await codeOfAsync(embeddingMap(heaps(3, 1), DIM))).toBe('MAP_TOO_FEW');
    expect(await codeOfAsync(embeddingMap(heaps(3, 8), DIM, { neighbours: 1 }))).toBe('MAP_OPTION');
    expect(await codeOfAsync(embeddingMap(heaps(3, 8), DIM, { minDist: 2 }))).toBe('MAP_OPTION');
    const reason = new Error('enough');
    await expect(embeddingMap(heaps(3, 8), DIM, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('trustworthiness', () => {
  const cases = golden(
    'trustworthiness',
    z.object({
      dim: z.int(),
      k: z.int(),
      features: z.array(z.number()),
      points: z.array(z.number()),
      trustworthiness: z.number(),
    }),
  );

  it.each(cases)('equals scikit-learn: $trustworthiness', (one) => {
    const rows = normaliseRows(Float32Array.from(one.features), one.dim);
    expect(trustworthiness(rows, one.dim, Float64Array.from(one.points), one.k)).toBeCloseTo(
      one.trustworthiness,
      9,
    );
  });

  it('is not told of too few points', () => {
    expect(trustworthiness(heaps(2, 5), DIM, new Float64Array(20))).toBeNull();
  });
});
