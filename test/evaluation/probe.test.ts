import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { confusionMatrix, scoresOfConfusion } from '../../src/evaluation/scores/metrics.ts';
import {
  compareProbes,
  LEFT_OUT,
  probe,
  type ProbeInput,
  TRAIN_ONLY,
} from '../../src/evaluation/probes/probe.ts';
import { probeComparisonSchema, probeResultSchema } from '../../src/evaluation/probes/probe-result.ts';
import { codeOfAsync, makeData } from './support.ts';

const shape = { groups: 30, clipsPerGroup: 2, frames: 3, dim: 12, classes: 3 };
const quick = { seeds: 2, k: 5, resamples: 200 };

describe('probe', () => {
  it('finds classes that are there, and gives a result that survives JSON and its schema', async () => {
    const result = await probe({ ...makeData({ seed: 1, ...shape, signal: 9 }), ...quick });
    for (const reader of [result.linear, result.knn]) {
      expect(reader.clip.balancedAccuracy.mean).toBeGreaterThan(0.9);
      expect(reader.frame.macroF1.mean).toBeGreaterThan(0.85);
    }
    expect(probeResultSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result);
    expect(result.data).toMatchObject({
      clips: 60,
      unlabelledClips: 0,
      groups: 30,
      frames: 180,
      dim: 12,
      framesPerClip: { min: 3, max: 3 },
      majorityAccuracy: 1 / 3,
    });
    expect(result.data.perClass[0]).toEqual({ name: 'class-0', clips: 20, groups: 10, frames: 60 });
  });

  it('scores at chance on features that know nothing, and on features that know only the patient', async () => {
    for (const groupNoise of [0, 15]) {
      const scores: number[] = [];
      for (let seed = 0; seed < 8; seed++) {
        const data = makeData({ seed, ...shape, signal: 0, groupNoise });
        const { linear, knn } = await probe({ ...data, ...quick, seed });
        scores.push(linear.clip.balancedAccuracy.mean, knn.clip.balancedAccuracy.mean);
      }
      const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
      // The same frames split without regard to patients would reach 1.
      expect(mean).toBeGreaterThan(0.2);
      expect(mean).toBeLessThan(0.45);
    }
  });

  it('learns nothing from the fold it tests: a clip moved in feature space moves no other clip of its fold', async () => {
    const data = makeData({ seed: 3, ...shape, signal: 2 });
    const moved = 7;
    const features = data.embeddings.features.map((value, i) =>
      data.embeddings.clip[Math.floor(i / shape.dim)] === moved ? value * -40 + 3 : value,
    );
    const before = await probe({ ...data, ...quick });
    const after = await probe({ ...data, embeddings: { ...data.embeddings, features }, ...quick });
    expect(after.folds).toEqual(before.folds);
    before.folds.forEach((fold, s) => {
      for (const reader of ['linear', 'knn'] as const) {
        const [old, now] = [before[reader].clipProbabilities[s]!, after[reader].clipProbabilities[s]!];
        const changed = fold
          .map((f, clip) => ({ f, clip }))
          .filter(({ clip }) => old[clip]!.join() !== now[clip]!.join());
        expect(changed.some(({ f }) => f !== fold[moved])).toBe(true);
        expect(changed.filter(({ f, clip }) => f === fold[moved] && clip !== moved)).toEqual([]);
      }
    });
  });

  it('derives every score from the predictions it reports', async () => {
    const result = await probe({ ...makeData({ seed: 4, ...shape, signal: 2 }), ...quick });
    const truth = result.clips.map((clip) => clip.label);
    for (const { clip, frame, clipPredictions, clipProbabilities, frameCounts } of [
      result.linear,
      result.knn,
    ]) {
      clipPredictions.forEach((predicted, s) => {
        const scores = scoresOfConfusion(confusionMatrix(truth, predicted, 3), 3);
        expect(clip.accuracy.perSeed[s]).toBeCloseTo(scores.accuracy, 12);
        expect(clip.balancedAccuracy.perSeed[s]).toBeCloseTo(scores.balancedAccuracy, 12);
        expect(clip.macroF1.perSeed[s]).toBeCloseTo(scores.macroF1, 12);
        predicted.forEach((label, i) => {
          const p = clipProbabilities[s]![i]!;
          expect(p[label]).toBeGreaterThanOrEqual(Math.max(...p) - 1e-6);
          expect(p.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
          expect(frameCounts[s]![i]!.reduce((a, b) => a + b, 0)).toBe(3);
        });
        const right = frameCounts[s]!.reduce((sum, counts, i) => sum + counts[truth[i]!]!, 0);
        expect(frame.accuracy.perSeed[s]).toBeCloseTo(right / 180, 12);
      });
      const [a, b] = clip.accuracy.perSeed as [number, number];
      expect(clip.accuracy.mean).toBeCloseTo((a + b) / 2, 12);
      expect(clip.accuracy.sd).toBeCloseTo(Math.abs(a - b) / Math.SQRT2, 12);
      expect(clip.accuracy.interval[0]).toBeLessThan(clip.accuracy.mean);
      expect(clip.accuracy.interval[1]).toBeGreaterThan(clip.accuracy.mean);
      expect(clip.confusion.flat().reduce((x, y) => x + y, 0)).toBeCloseTo(60, 9);
    }
  });

  it('takes the majority of frames as a clip’s class when asked to', async () => {
    const { linear } = await probe({
      ...makeData({ seed: 5, ...shape, signal: 1.5 }),
      ...quick,
      aggregate: 'vote',
    });
    linear.clipPredictions.forEach((ofSeed, s) => {
      ofSeed.forEach((label, clip) => {
        const counts = linear.frameCounts[s]![clip]!;
        expect(counts[label]).toBe(Math.max(...counts));
      });
    });
  });

  it('leaves out unlabelled clips and classes without clips, whatever their features', async () => {
    const data = makeData({ seed: 6, ...shape, signal: 3 });
    const clips = data.clips.map((clip, i) => (i % 6 === 0 ? { ...clip, label: null } : clip));
    const wild = data.embeddings.features.map((value, i) =>
      data.embeddings.clip[Math.floor(i / shape.dim)]! % 6 === 0 ? 1e4 * value : value,
    );
    const input = { ...quick, clips, classes: ['unseen', ...data.classes] };
    const before = await probe({ ...input, embeddings: data.embeddings });
    const after = await probe({ ...input, embeddings: { ...data.embeddings, features: wild } });
    expect(after).toEqual(before);
    expect(before.classes).toEqual(data.classes);
    expect(before.data).toMatchObject({ clips: 50, unlabelledClips: 10 });
  });

  it('does not depend on the order of rows', async () => {
    const data = makeData({ seed: 7, ...shape, signal: 2 });
    const { dim, features, clip } = data.embeddings;
    const order = randomAt(1, 'rows').shuffled([...clip.keys()]);
    const shuffled = {
      dim,
      features: Float32Array.from(order.flatMap((row) => [...features.subarray(row * dim, (row + 1) * dim)])),
      clip: Int32Array.from(order, (row) => clip[row]!),
    };
    const before = await probe({ ...data, ...quick });
    const after = await probe({ ...data, embeddings: shuffled, ...quick });
    expect(after.knn.clipPredictions).toEqual(before.knn.clipPredictions);
    expect(after.linear.clipPredictions).toEqual(before.linear.clipPredictions);
  });

  it('tests by a folding that is given, and needs of it a labelled clip to test', async () => {
    const data = makeData({ seed: 12, ...shape, signal: 6 });
    // Six clips of three groups, one of each class, are learnt from, tested or left out in turn.
    const fold = Int32Array.from(
      data.clips,
      (_, clip) => [TRAIN_ONLY, 0, LEFT_OUT][Math.floor(clip / 6) % 3]!,
    );
    const { clips, settings, linear } = await probe({ ...data, ...quick, fold });
    expect(clips.map(({ id }) => id)).toEqual(
      data.clips.flatMap(({ id }, clip) => (fold[clip] === 0 ? [id] : [])),
    );
    expect(settings).toMatchObject({ folds: 1, seeds: 1 });
    expect(linear.clip.balancedAccuracy.mean).toBeGreaterThan(0.9);
    const nobody = Int32Array.from(fold, (one) => (one === 0 ? LEFT_OUT : one));
    expect(await codeOfAsync(probe({ ...data, ...quick, fold: nobody }))).toBe('SPLIT_UNEVEN');
  });

  it('reports progress by fold and stops at a signal', async () => {
    const data = makeData({ seed: 8, ...shape, signal: 2 });
    const seen: number[] = [];
    const stop = new AbortController();
    const run = probe({
      ...data,
      ...quick,
      signal: stop.signal,
      onProgress: (done, total) => {
        seen.push(done, total);
        if (done === 3) stop.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect(seen).toEqual([1, 10, 2, 10, 3, 10]);
  });

  it('refuses what cannot be probed, by name', async () => {
    const data = makeData({ seed: 9, ...shape, signal: 2 });
    const codeWith = (change: Partial<ProbeInput>): Promise<string> =>
      codeOfAsync(probe({ ...data, ...quick, ...change }));
    expect(await codeWith({ folds: 11 })).toBe('FOLDS_TOO_FEW_GROUPS');
    expect(await codeWith({ folds: 1 })).toBe('FOLDS_COUNT');
    expect(await codeWith({ seeds: 0 })).toBe('PROBE_OPTION');
    expect(await codeWith({ k: 0 })).toBe('PROBE_OPTION');
    expect(await codeWith({ k: 200 })).toBe('KNN_TOO_FEW');
    expect(await codeWith({ C: 0 })).toBe('PROBE_OPTION');
    expect(await codeWith({ resamples: 0 })).toBe('BOOTSTRAP_INPUT');
    expect(await codeWith({ classes: ['class-0'] })).toBe('LABEL_UNKNOWN');
    expect(await codeWith({ clips: data.clips.slice(1) })).toBe('EMBEDDINGS_INVALID');
    expect(await codeWith({ clips: data.clips.map((clip) => ({ ...clip, label: null })) })).toBe(
      'FOLDS_ONE_CLASS',
    );
    expect(await codeWith({ clips: [...data.clips, { id: 'new', group: 'g', label: 'class-0' }] })).toBe(
      'EMBEDDINGS_INVALID',
    );
    const features = data.embeddings.features.slice();
    features[5] = NaN;
    expect(await codeWith({ embeddings: { ...data.embeddings, features } })).toBe('EMBED_NOT_FINITE');
  });
});

describe('compareProbes', () => {
  it('pairs two backbones on the same folds, and is antisymmetric', async () => {
    const good = makeData({ seed: 10, ...shape, signal: 6 });
    const weak = makeData({ seed: 10, ...shape, signal: 1 });
    const a = await probe({ ...good, ...quick });
    const b = await probe({ ...weak, ...quick });
    const there = compareProbes(a, b);
    const back = compareProbes(b, a);
    expect(probeComparisonSchema.parse(JSON.parse(JSON.stringify(there)))).toEqual(there);
    const { mean, interval, aboveZero, perSeed } = there.linear.clip.balancedAccuracy;
    expect(mean).toBeCloseTo(a.linear.clip.balancedAccuracy.mean - b.linear.clip.balancedAccuracy.mean, 12);
    expect(perSeed).toHaveLength(2);
    expect(interval[0]).toBeGreaterThan(0);
    expect(aboveZero).toBeGreaterThan(0.99);
    expect(back.linear.clip.balancedAccuracy.mean).toBeCloseTo(-mean, 12);
    expect(back.knn.frame.accuracy.interval[0]).toBeCloseTo(-there.knn.frame.accuracy.interval[1], 12);
    const self = compareProbes(a, a).knn.clip.macroF1;
    expect(self).toMatchObject({ mean: 0, sd: 0, interval: [0, 0], aboveZero: 0.5 });
  });

  it('refuses probes of other clips, seeds or settings', async () => {
    const data = makeData({ seed: 11, ...shape, signal: 2 });
    const a = await probe({ ...data, ...quick });
    const others = [
      await probe({ ...data, ...quick, seed: 1 }),
      await probe({ ...data, ...quick, C: 2 }),
      await probe({
        ...data,
        ...quick,
        clips: data.clips.map((clip, i) => (i === 0 ? { ...clip, label: null } : clip)),
      }),
    ];
    for (const b of others) {
      expect(() => compareProbes(a, b)).toThrow(expect.objectContaining({ code: 'PROBES_DIFFER' }) as Error);
    }
  });
});
