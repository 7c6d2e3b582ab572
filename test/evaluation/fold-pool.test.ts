/** Folds given to threads: the same numbers, the same errors, heard progress and signals. */
import { describe, expect, it } from 'vitest';
import {
  LEFT_OUT,
  predictFolds,
  type FoldJob,
  type FoldWork,
} from '../../src/evaluation/probes/fold-pool.ts';
import { probe } from '../../src/evaluation/probes/probe.ts';
import { openBackend } from '../../src/engine/open.ts';
import { productsOn } from '../../src/evaluation/features/products.ts';
import { codeOfAsync, makeData } from './support.ts';

// As many numbers to go through as make threads worth their start.
const data = makeData({ seed: 5, groups: 90, clipsPerGroup: 2, frames: 3, dim: 400, classes: 3, signal: 3 });
const clips = data.clips.length;
const work: FoldWork = {
  dim: 400,
  features: data.embeddings.features,
  rows: Array.from({ length: clips }, (_, clip) => [3 * clip, 3 * clip + 1, 3 * clip + 2]),
  labels: data.clips.map(({ label }) => data.classes.indexOf(label!)),
  classes: 3,
  settings: {
    ...{ folds: 5, seeds: 1, seed: 0, k: 5, C: 0.01, classWeight: 'none', neighbours: 'clips' },
    ...{ temperature: null, standardise: true, aggregate: 'mean', resamples: 10, confidence: 0.95 },
  },
};
const fold = Int32Array.from({ length: clips }, (_, clip) => Math.floor(clip / 2) % 20);
const jobs: FoldJob[] = Array.from({ length: 20 }, (_, number) => ({ fold, number }));
const quiet = { signal: undefined, onProgress: () => undefined };
const alone = await predictFolds(work, jobs, { ...quiet, threads: 1 });

describe('folds in threads', () => {
  it('give the bits of folds in one thread, in the order of the jobs, and count each once', async () => {
    const heard: number[] = [];
    const onProgress = (done: number): void => void heard.push(done);
    const together = await predictFolds(work, jobs, { ...quiet, threads: 2, onProgress });
    expect(together).toEqual(alone);
    expect(heard).toEqual(jobs.map((_, i) => i + 1));
    expect(together[3]?.rows.slice(0, 4)).toEqual([18, 19, 20, 21]);
  });

  it('give the same bits with kernels for the neighbours', async () => {
    using backend = openBackend({ kind: 'onednn' });
    const products = productsOn(backend);
    for (const threads of [1, 2])
      expect(await predictFolds(work, jobs, { ...quiet, threads, products })).toEqual(alone);
    const crowded = { ...work, settings: { ...work.settings, k: clips } };
    expect(await codeOfAsync(predictFolds(crowded, jobs, { ...quiet, threads: 2, products }))).toBe(
      'KNN_TOO_FEW',
    );
  });

  it('give the same bits where folds share moments, and learn nothing from clips that are left out', async () => {
    const dim = 200;
    const drawn = makeData({ seed: 6, groups: 90, clipsPerGroup: 2, frames: 3, dim, classes: 3, signal: 3 });
    const many: FoldWork = { ...work, dim, features: drawn.embeddings.features };
    const foldings = [fold, fold.map((number) => (number + 7) % 20)];
    const out = 11;
    for (const folding of foldings) folding[out] = LEFT_OUT;
    const all = foldings.flatMap((folding) => jobs.map(({ number }) => ({ fold: folding, number })));
    const before = await predictFolds(many, all, { ...quiet, threads: 1 });
    expect(await predictFolds(many, all, { ...quiet, threads: 2 })).toEqual(before);
    const moved = many.features.map((value, i) =>
      Math.floor(i / dim / 3) === out ? value * -40 + 3 : value,
    );
    expect(await predictFolds({ ...many, features: moved }, all, { ...quiet, threads: 1 })).toEqual(before);
  });

  it('fail as one thread does, with the first fold that fails', async () => {
    // Without the other classes nothing can be learnt; and an impossible penalty is met only after that.
    const lone = Int32Array.from(work.labels, (label, i) => (label === 0 ? 1 + (i % 2) : LEFT_OUT));
    const broken = jobs.map((job, i) => (i < 3 ? job : { fold: lone, number: 1 }));
    for (const threads of [1, 2])
      expect(await codeOfAsync(predictFolds(work, broken, { ...quiet, threads }))).toBe('PROBE_ONE_CLASS');
  });

  it('stop when told to', async () => {
    const controller = new AbortController();
    const run = predictFolds(work, jobs, {
      threads: 2,
      signal: controller.signal,
      onProgress: () => {
        controller.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
  });

  it('leave the result of a probe as it is', async () => {
    const input = { ...data, folds: 10, seeds: 2, k: 5, C: 0.01, resamples: 20 };
    expect(await probe({ ...input, threads: 2 })).toEqual(await probe(input));
  });
});
