import { describe, expect, it } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { majorityOf } from '../../src/evaluation/comparisons/mcnemar.ts';
import { comparePredictions, twoSidedP } from '../../src/evaluation/comparisons/compare-predictions.ts';
import { comparisonSchema } from '../../src/evaluation/comparisons/comparison-result.ts';
import { comparisonTable } from '../../src/evaluation/comparisons/comparison-table.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import { LEVELS, OVERALL_SCORES } from '../../src/evaluation/scores/evaluation-result.ts';
import type { LevelRows } from '../../src/evaluation/scores/level-scorer.ts';
import type { Predictions } from '../../src/evaluation/scores/predictions.ts';
import { makePredictions } from './made-predictions.ts';

const quick = { resamples: 200 };
const a = makePredictions({ seed: 1, clips: 40, groups: 20, skill: 2 });
const b = makePredictions({ seed: 2, clips: 40, groups: 20, skill: 0.5 });

/** The error of a comparison that is refused. */
async function refused(x: Predictions, y: Predictions, options = {}): Promise<UsclError> {
  try {
    await comparePredictions(x, y, { ...quick, ...options });
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown;
    throw thrown;
  }
  throw new Error('not refused');
}

describe('a comparison', () => {
  it('holds to its schema, and its sides are the evaluations of both', async () => {
    const comparison = await comparePredictions(a, b, quick);
    const written: unknown = JSON.parse(JSON.stringify(comparison));
    expect(comparisonSchema.parse(written)).toEqual(comparison);
    const [ofA, ofB] = [a, b].map((one) => evaluatePredictions(one, quick).labelRates[0]!);
    for (const level of LEVELS) {
      for (const name of OVERALL_SCORES) {
        const difference = comparison.labelRates[0]![level].scores[name];
        expect(difference.a).toBe(ofA![level].scores[name].mean);
        expect(difference.b).toBe(ofB![level].scores[name].mean);
        expect(difference.mean).toBeCloseTo(difference.a! - difference.b!, 12);
        ofA![level].scores[name].perSeed.forEach((value, s) => {
          expect(difference.perSeed![s]).toBeCloseTo(value! - ofB![level].scores[name].perSeed[s]!, 12);
        });
      }
    }
  });

  it('of a run with itself says nothing at all', async () => {
    const [rate] = (await comparePredictions(a, a, quick)).labelRates;
    for (const level of LEVELS) {
      for (const name of OVERALL_SCORES) {
        expect(rate![level].scores[name]).toMatchObject({
          mean: 0,
          interval: [0, 0],
          aboveZero: 0.5,
          p: 1,
        });
      }
    }
    expect(rate!.mcnemar.clipMean.majority).toMatchObject({ onlyA: 0, onlyB: 0, exact: 1 });
  });

  it('turns round when its sides do', async () => {
    const there = (await comparePredictions(a, b, quick)).labelRates[0]!;
    const back = (await comparePredictions(b, a, quick)).labelRates[0]!;
    const [one, other] = [there.clipMean.scores.auroc, back.clipMean.scores.auroc];
    expect(other.mean).toBeCloseTo(-one.mean!, 12);
    expect(other.interval![0]).toBeCloseTo(-one.interval![1], 12);
    expect(other.aboveZero).toBeCloseTo(1 - one.aboveZero!, 12);
    expect(other.p).toBe(one.p);
    expect(back.mcnemar.clipVote.majority.onlyA).toBe(there.mcnemar.clipVote.majority.onlyB);
  });

  it('sees a clear difference, and none between runs of the same skill', async () => {
    const clear = (await comparePredictions(a, b, quick)).labelRates[0]!.clipMean.scores.accuracy;
    expect(clear.interval![0]).toBeGreaterThan(0);
    expect(clear.p).toBeLessThan(0.05);
    // Of 20 pairs of equal skill about one should be told apart at 95 %; five or more have a chance of 0.3 %.
    let told = 0;
    for (let seed = 0; seed < 20; seed++) {
      const of = (name: number): Predictions =>
        makePredictions({ seed: name, clips: 40, groups: 40, seeds: [0], frames: 1 });
      const result = await comparePredictions(of(100 + seed), of(200 + seed), quick);
      const { interval } = result.labelRates[0]!.clipMean.scores.accuracy;
      if (interval![0] > 0 || interval![1] < 0) told++;
    }
    expect(told).toBeLessThan(5);
  });

  it('pairs: a lead every group shares is certain, though both intervals are wide', async () => {
    // B is A with the first clip of every group turned wrong.
    const spoilt: Predictions = {
      ...a,
      cells: a.cells.map((cell) => ({
        ...cell,
        rows: cell.rows.map((row) =>
          row.clip < 20
            ? { ...row, probabilities: row.probabilities.map(() => turned(a.clips[row.clip]!.label!)) }
            : row,
        ),
      })),
    };
    const right: Predictions = {
      ...a,
      cells: a.cells.map((cell) => ({
        ...cell,
        rows: cell.rows.map((row) =>
          row.clip < 20
            ? { ...row, probabilities: row.probabilities.map(() => oneHot(a.clips[row.clip]!.label!)) }
            : row,
        ),
      })),
    };
    const [rate] = (await comparePredictions(right, spoilt, quick)).labelRates;
    expect(rate!.clipMean.scores.accuracy.interval![0]).toBeCloseTo(0.5, 12);
    expect(rate!.clipMean.scores.accuracy.interval![1]).toBeCloseTo(0.5, 12);
    expect(rate!.mcnemar.clipMean.majority).toMatchObject({ onlyA: 20, onlyB: 0 });
  });

  it('does not mind the order of clips or of classes', async () => {
    const order = [2, 0, 1];
    const shuffled: Predictions = {
      ...b,
      classes: order.map((c) => b.classes[c]!),
      clips: [...b.clips].reverse().map((clip) => ({ ...clip, label: order.indexOf(clip.label!) })),
      cells: b.cells.map((cell) => ({
        ...cell,
        rows: cell.rows.map((row) => ({
          ...row,
          clip: b.clips.length - 1 - row.clip,
          probabilities: row.probabilities.map((frame) => order.map((c) => frame[c]!)),
        })),
      })),
    };
    expect(await comparePredictions(a, shuffled, quick)).toEqual(await comparePredictions(a, b, quick));
  });

  it('tells how far it is, and stops when told to', async () => {
    const seen: [number, number][] = [];
    await comparePredictions(a, b, { ...quick, onProgress: (done, total) => seen.push([done, total]) });
    // Two runs of 200 draws each, fifty at a time.
    expect(seen).toEqual([50, 100, 150, 200, 250, 300, 350, 400].map((done) => [done, 400]));
    const controller = new AbortController();
    const stopped = comparePredictions(a, b, {
      ...quick,
      signal: controller.signal,
      onProgress: () => {
        controller.abort(new Error('enough'));
      },
    });
    await expect(stopped).rejects.toThrow('enough');
  });
});

describe('runs that differ', () => {
  it('in classes are refused, both lists named', async () => {
    const error = await refused(a, { ...b, classes: ['class 0', 'class 1', 'other'] });
    expect([error.code, error.where]).toEqual(['RUNS_DIFFER', 'classes']);
    expect(error.message).toContain('"other"');
    const four = makePredictions({ classes: 4, clips: 40, groups: 20 });
    expect((await refused(a, four)).where).toBe('classes');
    expect((await refused(four, a)).where).toBe('classes');
  });

  it('in a label or a group of a clip are refused, the clip named', async () => {
    const relabelled = structuredClone(b);
    relabelled.clips[5]!.label = 1;
    expect((await refused(a, relabelled)).where).toBe('clip clip-5');
    expect((await refused(a, relabelled, { commonClips: true })).code).toBe('RUNS_DIFFER');
    const regrouped = structuredClone(b);
    regrouped.clips[7]!.group = 'elsewhere';
    expect((await refused(a, regrouped)).message).toContain("'elsewhere'");
    const unlabelled = structuredClone(b);
    unlabelled.clips[5]!.label = null;
    expect((await refused(a, unlabelled)).message).toContain('no label');
  });

  it('in clips are refused unless told, and then compared on those they share', async () => {
    const fewer: Predictions = {
      ...b,
      clips: [...b.clips, { id: 'new', group: 'new', label: 0 }],
      cells: b.cells.map((cell) => ({
        ...cell,
        rows: [
          ...cell.rows.filter(({ clip }) => clip >= 4),
          ...(cell.fold === 0 ? [{ ...cell.rows[0]!, clip: 40 }] : []),
        ],
      })),
    };
    const error = await refused(a, fewer);
    expect(error.message).toContain('tested 4 labelled clips that the second did not, the second 1');
    expect(error.remedy).toContain('--common-clips');
    const { labelRates, notes } = await comparePredictions(a, fewer, { ...quick, commonClips: true });
    expect(labelRates[0]).toMatchObject({ clips: 36, leftOut: { a: 4, b: 1 } });
    expect(notes.join()).toContain('4 clips of the first run and 1 of the second are left out');
    const without: Predictions = {
      ...a,
      cells: a.cells.map((cell) => ({ ...cell, rows: cell.rows.filter(({ clip }) => clip >= 4) })),
    };
    const direct = evaluatePredictions(without, quick).labelRates[0]!;
    expect(labelRates[0]!.clipMean.scores.auroc.a).toBeCloseTo(direct.clipMean.scores.auroc.mean!, 12);
  });

  it('in every clip are refused whatever is told', async () => {
    const other = { ...b, clips: b.clips.map((clip) => ({ ...clip, id: `x${clip.id}` })) };
    const error = await refused(a, other, { commonClips: true });
    expect(error.message).toContain('No labelled clip was tested by both');
  });

  it('in protocol are refused unless told, and then called optimistic', async () => {
    const legacy: Predictions = { ...a, protocol: 'legacy' };
    const error = await refused(legacy, b);
    expect([error.where, error.remedy]).toEqual(['protocol', expect.stringContaining('--mixed-protocols')]);
    const mixed = await comparePredictions(legacy, b, { ...quick, mixedProtocols: true });
    expect([mixed.a.optimistic, mixed.b.optimistic]).toEqual([true, false]);
    expect(mixed.notes.join()).toContain('favours it');
    const both = await comparePredictions(legacy, { ...b, protocol: 'legacy' }, quick);
    expect(both.notes.join()).toContain('both runs are optimistic');
    expect(comparisonTable(both)).toContain('(legacy, optimistic)');
  });

  it('in label rates are compared on those they share, or refused', async () => {
    const rates = (labelRates: number[]): Predictions =>
      makePredictions({ labelRates, clips: 12, groups: 6 });
    const shared = await comparePredictions(rates([0.1, 0.5, 1]), rates([0.1, 1]), quick);
    expect(shared.labelRates.map(({ labelRate }) => labelRate)).toEqual([0.1, 1]);
    expect((await refused(rates([0.1]), rates([1]))).message).toContain('0.1, the second 1: none in common');
  });

  it('in seeds are compared by their means, and told so', async () => {
    const three = makePredictions({ seed: 2, clips: 40, groups: 20, seeds: [0, 1, 2] });
    const { labelRates, notes } = await comparePredictions(a, three, quick);
    const { accuracy } = labelRates[0]!.clipMean.scores;
    expect(accuracy).toMatchObject({ perSeed: null, sd: null });
    expect(accuracy.mean).toBeCloseTo(accuracy.a! - accuracy.b!, 12);
    expect(accuracy.interval).not.toBeNull();
    expect(labelRates[0]!.mcnemar.clipMean.perSeed).toEqual([]);
    expect(notes.join()).toContain('the seeds differ (0, 1; 0, 1, 2)');
  });

  it('in folds are told so', async () => {
    const refolded = { ...b, cells: b.cells.map((cell) => ({ ...cell, fold: 1 - cell.fold! })) };
    const { notes } = await comparePredictions(a, refolded, quick);
    expect(notes.join()).toContain('the folds of the two differ');
    expect((await comparePredictions(a, b, quick)).notes).toEqual([]);
  });
});

describe('the majority of seeds', () => {
  const rows = (...probabilities: number[]): LevelRows => ({
    classes: 3,
    truth: Int32Array.of(0),
    predicted: Int32Array.of(probabilities.indexOf(Math.max(...probabilities))),
    group: Int32Array.of(0),
    probabilities: Float64Array.from(probabilities),
  });

  it('is what most seeds call a clip, however sure the others are', () => {
    expect([...majorityOf([rows(0.4, 0.35, 0.25), rows(0.4, 0.3, 0.3), rows(0, 1, 0)])]).toEqual([0]);
  });

  it('of seeds that disagree is the class of larger mean probability', () => {
    expect([...majorityOf([rows(0.5, 0.4, 0.1), rows(0.1, 0.4, 0.5), rows(0.2, 0.6, 0.2)])]).toEqual([1]);
  });
});

describe('the table', () => {
  it('shows both runs, marks what leaves out zero, and warns of many comparisons', async () => {
    const comparison = await comparePredictions(a, b, { ...quick, names: ['runs/one', 'runs/two'] });
    const text = comparisonTable(comparison);
    expect(text).toMatch(/^A: runs\/one \(honest\)\nB: runs\/two \(honest\)\n/);
    const { a: ofA, b: ofB, mean, interval, p } = comparison.labelRates[0]!.clipMean.scores.balancedAccuracy;
    const line = text.split('\n').find((one) => one.includes('balanced accuracy'))!;
    expect(line.trim().split(/ {2,}/)).toEqual([
      'balanced accuracy',
      ...[ofA!, ofB!].map((score) => score.toFixed(3)),
      `+${mean!.toFixed(3)}`,
      '*',
      `+${interval![0].toFixed(3)} to +${interval![1].toFixed(3)}`,
      p!.toFixed(3),
    ]);
    expect(text).toContain('Of 15 such intervals about 1 would do so by chance alone');
    expect(text).toContain('majority of seeds: only A right');
    expect(text).toMatch(/Research use only; not a medical device\.$/);
    const same = comparisonTable(await comparePredictions(a, a, quick));
    expect(same.split('\n').filter((one) => one.includes('  *  '))).toEqual([]);
  });

  it('has a dash for what is not defined on a side', async () => {
    const clips = a.clips.map((clip) => ({ ...clip, label: 0 }));
    const text = comparisonTable(await comparePredictions({ ...a, clips }, { ...b, clips }, quick));
    const line = text.split('\n').find((one) => one.includes('AUROC'))!;
    expect(line.trim().split(/ {2,}/)).toEqual(['AUROC, one against rest', '–', '–', '–', '–', '–']);
  });

  it('says what is not there', async () => {
    const single = (one: Predictions): Predictions => ({
      ...one,
      clips: one.clips.map((clip) => ({ ...clip, group: 'g' })),
    });
    const text = comparisonTable(await comparePredictions(single(a), single(b), quick));
    expect(text).toContain('accuracy, by clip, mean of its frames: no interval: all clips are of one group');
    expect(text).not.toContain('by chance alone');
    expect(text).not.toContain('NaN');
  });
});

it('p is twice the smaller tail, never 0', () => {
  expect(twoSidedP(Float64Array.of(1, 2, 3))).toBe(0.5);
  expect(twoSidedP(new Float64Array(1999).fill(1))).toBe(0.001);
  expect(twoSidedP(Float64Array.of(-1, 1, -2, 2))).toBe(1);
  expect(twoSidedP(Float64Array.of(0, 0))).toBe(1);
});

function oneHot(label: number): number[] {
  return [0, 1, 2].map((c) => Number(c === label));
}

function turned(label: number): number[] {
  return oneHot((label + 1) % 3);
}
