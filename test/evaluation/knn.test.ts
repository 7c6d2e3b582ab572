import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { defined } from '../../src/base/collect.ts';
import { openBackend } from '../../src/engine/open.ts';
import { dot, eachRow, normaliseRows } from '../../src/evaluation/features/matrix.ts';
import { type Products, productsOn, roundingOf } from '../../src/evaluation/features/products.ts';
import { knnProbabilities } from '../../src/evaluation/probes/knn.ts';
import { knnScore } from '../../src/evaluation/probes/knn-score.ts';
import { codeOf, golden, makeData } from './support.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

const cases = golden(
  'knn',
  z.object({
    dim: z.int(),
    classes: z.int(),
    k: z.int(),
    train: z.array(z.number()),
    labels: z.array(z.int()),
    test: z.array(z.number()),
    probabilities: z.array(z.number()),
  }),
);

function cosine(a: Float32Array, i: number, b: Float32Array, j: number, dim: number): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let d = 0; d < dim; d++) {
    const [x, y] = [a[i * dim + d]!, b[j * dim + d]!];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

describe('knnProbabilities', () => {
  it.each(cases)('equals scikit-learn on standardised unit vectors: k $k, $dim features', (one) => {
    const found = knnProbabilities(
      Float32Array.from(one.train),
      one.labels,
      Float32Array.from(one.test),
      one.dim,
      one.classes,
      { k: one.k },
    );
    one.probabilities.forEach((p, i) => {
      expect(found[i]).toBeCloseTo(p, 6);
    });
  });

  // Row counts that leave remainders of every block size.
  it.each([
    [1, 1, 3],
    [7, 5, 2],
    [66, 13, 9],
    [131, 40, 17],
  ])('equals brute force: %i test rows, %i training rows, %i features', (testRows, trainRows, dim) => {
    const random = randomAt(9, 'knn', testRows);
    const train = Float32Array.from({ length: trainRows * dim }, () => random.normal());
    const test = Float32Array.from({ length: testRows * dim }, () => random.normal());
    const labels = Array.from({ length: trainRows }, () => random.integer(3));
    const trainClips = Array.from({ length: trainRows }, (_, i) => Math.floor(i / 2));
    const temperature = 0.1;
    for (const byClip of [false, true]) {
      const clipLabels = labels.map((_, i) => labels[i - (i % 2)]!);
      const used = byClip ? clipLabels : labels;
      const k = Math.min(3, byClip ? Math.ceil(trainRows / 2) : trainRows);
      const found = knnProbabilities(train, used, test, dim, 3, {
        k,
        standardise: false,
        temperature,
        ...(byClip ? { trainClips } : {}),
      });
      for (let i = 0; i < testRows; i++) {
        const all = used.map((label, j) => ({ label, j, similarity: cosine(test, i, train, j, dim) }));
        all.sort((a, b) => b.similarity - a.similarity || a.j - b.j);
        const nearest = all
          .filter(({ j }, at) => !byClip || !all.slice(0, at).some((o) => trainClips[o.j] === trainClips[j]))
          .slice(0, k);
        const votes = [0, 0, 0];
        for (const { label, similarity } of nearest) votes[label]! += Math.exp(similarity / temperature);
        const total = votes.reduce((a, b) => a + b, 0);
        votes.forEach((vote, c) => {
          expect(found[i * 3 + c]).toBeCloseTo(vote / total, 5);
        });
      }
    }
  });

  it.each([null, 0.1])(
    'gives the same bits with products that are off by as much as they may be (%s)',
    (temperature) => {
      const [dim, rows] = [6, 400];
      const random = randomAt(10, 'knn');
      // Copies, and copies that differ by less than such products tell.
      const base = Float32Array.from({ length: 100 * dim }, () => random.normal());
      const train = Float32Array.from({ length: rows * dim }, (_, i) =>
        Math.fround(base[i % base.length]! * (i < 2 * base.length ? 1 : 1 + 1e-7 * random.integer(8))),
      );
      const test = Float32Array.from({ length: 70 * dim }, () => random.normal());
      const labels = Array.from({ length: rows }, () => random.integer(3));
      const trainClips = labels.map((_, row) => Math.floor(row / 3));
      const off: Products = (a, b, _, use) => {
        eachRow(a, b, dim, (row, products) => {
          use(
            row,
            Float32Array.from(products, (p) => p + (random.integer(2) - 0.5) * 1.9 * roundingOf(dim)),
          );
        });
      };
      const answers = [undefined, off, productsOn(openBackend({ kind: 'reference' }))].map((products) =>
        knnProbabilities(train, labels, test, dim, 3, {
          ...{ k: 7, temperature, trainClips },
          ...defined({ products }),
        }),
      );
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[2]).toEqual(answers[0]);
    },
  );

  it.each(KINDS)('has products of rows of length 1 to the bound (%s)', (kind) => {
    using backend = openKind(kind);
    for (const [rows, others, dim] of [
      [1, 1, 1],
      [65, 3, 7],
      [130, 200, 513],
    ] as const) {
      const random = randomAt(11, 'products', dim);
      const [a, b] = [rows, others].map((count) =>
        normaliseRows(
          Float32Array.from({ length: count * dim }, () => random.between(0.5, 1)),
          dim,
        ),
      ) as [Float32Array, Float32Array];
      let met = 0;
      let worst = 0;
      productsOn(backend)(a, b, dim, (row, products) => {
        expect([row, products.length]).toEqual([met++, others]);
        for (const [j, product] of products.entries())
          worst = Math.max(worst, Math.abs(product - dot(a, row * dim, b, j * dim, dim)));
      });
      expect(worst).toBeLessThan(roundingOf(dim));
      expect(met).toBe(rows);
    }
  });

  it('counts a clip of many near frames once when neighbours are clips', () => {
    // Five frames of one clip of class 0 lie nearest, two clips of class 1 a little farther.
    const train = Float32Array.of(1, 0, 1, 0.01, 1, 0.02, 1, 0.03, 1, 0.04, 1, 0.3, 1, 0.4);
    const labels = [0, 0, 0, 0, 0, 1, 1];
    const test = Float32Array.of(1, 0);
    const options = { k: 3, standardise: false };
    expect([...knnProbabilities(train, labels, test, 2, 2, options)]).toEqual([1, 0]);
    const byClip = knnProbabilities(train, labels, test, 2, 2, {
      ...options,
      trainClips: [4, 4, 4, 4, 4, 7, 9],
    });
    expect(byClip[0]).toBeCloseTo(1 / 3);
    expect(byClip[1]).toBeCloseTo(2 / 3);
  });

  it('gives equal neighbours to the one that comes first, and a row of zeros similarity 0', () => {
    const train = Float32Array.of(0, 1, 0, 2, 0, 0);
    const options = { k: 1, standardise: false };
    expect([...knnProbabilities(train, [1, 0, 2], Float32Array.of(0, 5), 2, 3, options)]).toEqual([0, 1, 0]);
    expect([...knnProbabilities(train, [1, 0, 2], Float32Array.of(0, -1), 2, 3, options)]).toEqual([0, 0, 1]);
  });

  it('refuses more neighbours than there are, and impossible options', () => {
    const run = (options: { k?: number; temperature?: number }): string =>
      codeOf(() => knnProbabilities(Float32Array.of(1, 2), [0, 1], Float32Array.of(1), 1, 2, options));
    expect(run({ k: 3 })).toBe('KNN_TOO_FEW');
    expect(run({ k: 0 })).toBe('PROBE_OPTION');
    expect(run({ k: 1.5 })).toBe('PROBE_OPTION');
    expect(run({ k: 1, temperature: 0 })).toBe('PROBE_OPTION');
    expect(run({ k: 2 })).toBe('no error');
  });
});

describe('knnScore', () => {
  const shape = { groups: 24, clipsPerGroup: 3, frames: 3, dim: 12, classes: 3 };

  it('finds classes that are there', () => {
    const { embeddings, clips, classes } = makeData({ seed: 1, ...shape, signal: 12 });
    const score = knnScore(embeddings, clips, classes, { k: 5 });
    expect(score.balancedAccuracy).toBeGreaterThan(0.95);
    expect(score).toMatchObject({ clips: 72, unlabelledClips: 0 });
  });

  it('is not fooled by the patient: features that tell only groups apart score at chance', () => {
    const scores = [1, 2, 3, 4, 5, 6].map((seed) => {
      const { embeddings, clips, classes } = makeData({ seed, ...shape, signal: 0, groupNoise: 20 });
      return knnScore(embeddings, clips, classes, { k: 2 }).balancedAccuracy;
    });
    const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
    expect(mean).toBeGreaterThan(0.15);
    expect(mean).toBeLessThan(0.5);
  });

  it('leaves out unlabelled clips, whatever their features', () => {
    const { embeddings, clips, classes } = makeData({ seed: 2, ...shape, signal: 2 });
    const blind = clips.map((one, i) => (i % 4 === 0 ? { ...one, label: null } : one));
    const before = knnScore(embeddings, blind, classes, { k: 5 });
    const features = embeddings.features.map((value, i) =>
      embeddings.clip[Math.floor(i / embeddings.dim)]! % 4 === 0 ? value * 100 : value,
    );
    expect(knnScore({ ...embeddings, features }, blind, classes, { k: 5 })).toEqual(before);
    expect(before).toMatchObject({ clips: 54, unlabelledClips: 18 });
  });

  it('refuses more neighbours than other groups have, no label, a missing clip and an unknown class', () => {
    const { embeddings, clips, classes } = makeData({ seed: 3, ...shape, groups: 3, signal: 1 });
    expect(codeOf(() => knnScore(embeddings, clips, classes, { k: 7 }))).toBe('KNN_TOO_FEW');
    expect(codeOf(() => knnScore(embeddings, clips, classes, { k: 6 }))).toBe('no error');
    const unlabelled = clips.map((one) => ({ ...one, label: null }));
    expect(codeOf(() => knnScore(embeddings, unlabelled, classes))).toBe('METRIC_INPUT');
    expect(codeOf(() => knnScore(embeddings, clips, classes.slice(1)))).toBe('LABEL_UNKNOWN');
    const fewer = { ...embeddings, clip: embeddings.clip.map(() => 0) };
    expect(codeOf(() => knnScore(fewer, clips, classes))).toBe('EMBEDDINGS_INVALID');
  });
});
