import { describe, expect, it } from 'vitest';
import {
  evaluatePredictions,
  type EvaluateOptions,
} from '../../src/evaluation/scores/evaluate-predictions.ts';
import { evaluationSchema, LEVELS, type Evaluation } from '../../src/evaluation/scores/evaluation-result.ts';
import type { Predictions } from '../../src/evaluation/scores/predictions.ts';
import { makePredictions, predictionsOf } from './made-predictions.ts';
import { codeOf } from './support.ts';

const quick: EvaluateOptions = { resamples: 200 };

function scoresOf(predictions: Predictions, options = quick): Evaluation['labelRates'][number] {
  return evaluatePredictions(predictions, options).labelRates[0]!;
}

describe('levels', () => {
  // The mean of the first clip says class 1, most of its frames say class 0.
  const one = predictionsOf(2, [
    {
      label: 0,
      frames: [
        [0.6, 0.4],
        [0.6, 0.4],
        [0.1, 0.9],
      ],
    },
    { label: 1, frames: [[0.2, 0.8]] },
  ]);

  it('count frames, mean probabilities and votes, each for itself', () => {
    const { frame, clipMean, clipVote } = scoresOf(one);
    expect([frame.rows, clipMean.rows, clipVote.rows]).toEqual([[4], [2], [2]]);
    expect(frame.scores.accuracy.mean).toBe(0.75);
    expect(clipMean.scores.accuracy.mean).toBe(0.5);
    expect(clipVote.scores.accuracy.mean).toBe(1);
    expect(clipMean.confusion).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it('take the share of votes for probabilities: two of three frames are a confidence of 2/3', () => {
    const { reliability } = scoresOf(one).clipVote;
    const filled = reliability.filter(({ count }) => count > 0);
    expect(filled.map(({ confidence }) => confidence)).toEqual([2 / 3, 1]);
  });

  it('give a tie of votes to the class of larger mean probability', () => {
    const tie = (mine: number): Predictions =>
      predictionsOf(2, [
        {
          label: 1,
          frames: [
            [0.6, 0.4],
            [1 - mine, mine],
          ],
        },
        { label: 0, frames: [[0.9, 0.1]] },
      ]);
    expect(scoresOf(tie(0.9)).clipVote.scores.accuracy.mean).toBe(1);
    expect(scoresOf(tie(0.55)).clipVote.scores.accuracy.mean).toBe(0.5);
  });

  it('are one level where every clip has one frame, but for the confidence of a vote', () => {
    const { frame, clipMean, clipVote } = scoresOf(makePredictions({ frames: 1 }));
    expect(clipMean).toEqual(frame);
    expect(clipVote.scores.macroF1).toEqual(frame.scores.macroF1);
  });
});

describe('an evaluation', () => {
  const made = makePredictions({ labelRates: [1, 0.1, 0.25], seeds: [3, 1, 2] });

  it('holds to its schema, as JSON too, with label rates and seeds rising', () => {
    const evaluation = evaluatePredictions(made, quick);
    const written: unknown = JSON.parse(JSON.stringify(evaluation));
    expect(evaluationSchema.parse(written)).toEqual(evaluation);
    expect(evaluation.labelRates.map(({ labelRate }) => labelRate)).toEqual([0.1, 0.25, 1]);
    expect(evaluation.labelRates.map(({ seeds }) => seeds)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(evaluation.labelRates[0]).toMatchObject({ models: 6, clips: 30, groups: 10 });
  });

  it('means over seeds, and says their spread', () => {
    const { accuracy } = scoresOf(makePredictions({ seeds: [0, 1, 2] })).clipMean.scores;
    const [a, b, c] = accuracy.perSeed as [number, number, number];
    expect(accuracy.mean).toBeCloseTo((a + b + c) / 3, 12);
    expect(accuracy.sd).toBeGreaterThan(0);
    expect(scoresOf(makePredictions({ seeds: [0] })).clipMean.scores.accuracy.sd).toBeNull();
  });

  it('does not depend on the order of clips, cells and rows', () => {
    const mirrored: Predictions = {
      ...made,
      clips: [...made.clips].reverse(),
      cells: [...made.cells].reverse().map((cell) => ({
        ...cell,
        rows: [...cell.rows].reverse().map((row) => ({ ...row, clip: made.clips.length - 1 - row.clip })),
      })),
    };
    expect(evaluatePredictions(mirrored, quick)).toEqual(evaluatePredictions(made, quick));
  });

  it('is a function of its seed', () => {
    const interval = (seed: number): unknown =>
      scoresOf(made, { ...quick, seed }).clipMean.scores.brier.interval;
    expect(interval(1)).toEqual(interval(1));
    expect(interval(1)).not.toEqual(interval(2));
  });

  it('calls legacy optimistic, and nothing else', () => {
    const legacy = evaluatePredictions({ ...made, protocol: 'legacy' }, quick);
    expect(legacy.optimistic).toBe(true);
    expect(legacy.notes[0]).toMatch(/^Optimistic: the epoch of every fold was chosen on the clips/);
    expect(evaluatePredictions(made, quick).optimistic).toBe(false);
    expect(evaluatePredictions({ ...made, protocol: 'external' }, quick).optimistic).toBe(false);
  });

  it('leaves unlabelled and untested clips out, and counts them', () => {
    const some: Predictions = {
      ...made,
      clips: [
        ...made.clips.map((clip, i) => (i < 4 ? { ...clip, label: null } : clip)),
        { id: 'never tested', group: 'g', label: 0 },
      ],
    };
    const { data, notes, labelRates } = evaluatePredictions(some, quick);
    expect(data).toMatchObject({ clips: 26, unlabelledClips: 4, untestedClips: 1 });
    expect(notes.join()).toContain('4 unlabelled clips were left out');
    expect(labelRates[0]!.clipMean.rows).toEqual([26, 26, 26]);
    const without = { ...made, clips: made.clips.map((clip) => ({ ...clip, label: null })) };
    expect(codeOf(() => evaluatePredictions(without, quick))).toBe('PREDICTIONS_UNLABELLED');
    expect(codeOf(() => evaluatePredictions({ ...made, cells: [] }, quick))).toBe('PREDICTIONS_UNLABELLED');
  });

  it('refuses a seed that has not tested every clip, and says which', () => {
    const cells = structuredClone(made.cells);
    cells[0]!.rows.pop();
    expect(codeOf(() => evaluatePredictions({ ...made, cells }, quick))).toBe('PREDICTIONS_INCOMPLETE');
  });

  it('refuses impossible options', () => {
    expect(codeOf(() => evaluatePredictions(made, { resamples: 0 }))).toBe('BOOTSTRAP_INPUT');
    expect(codeOf(() => evaluatePredictions(made, { confidence: 1 }))).toBe('BOOTSTRAP_INPUT');
    expect(codeOf(() => evaluatePredictions(made, { bins: 1.5 }))).toBe('METRIC_INPUT');
  });

  it('of sure and right answers is perfect everywhere', () => {
    const perfect = predictionsOf(
      3,
      [0, 1, 2, 0, 1, 2].map((label) => ({ label, frames: [[0, 1, 2].map((c) => Number(c === label))] })),
    );
    for (const level of LEVELS) {
      const { scores, perClass, roc } = scoresOf(perfect)[level];
      for (const name of ['accuracy', 'macroF1', 'kappa', 'auroc', 'averagePrecision'] as const)
        expect(scores[name].mean, name).toBe(1);
      expect([scores.ece.mean, scores.brier.mean]).toEqual([0, 0]);
      expect(perClass.every(({ specificity, auroc }) => specificity.mean === 1 && auroc.mean === 1)).toBe(
        true,
      );
      expect(roc[0]![0]).toEqual([
        [0, 0],
        [0, 1],
        [1, 1],
      ]);
    }
  });
});

describe('what is not defined', () => {
  it('is null and says why: a class that no clip has', () => {
    const made = makePredictions({ classes: 3 });
    const absent: Predictions = {
      ...made,
      clips: made.clips.map((clip) => ({ ...clip, label: clip.label === 2 ? null : clip.label })),
    };
    const { notes, labelRates } = evaluatePredictions(absent, quick);
    const { scores, perClass, roc } = labelRates[0]!.clipMean;
    const [, , missing] = perClass;
    expect(missing!.support).toBe(0);
    for (const name of ['recall', 'auroc', 'averagePrecision'] as const) {
      expect(missing![name]).toMatchObject({ perSeed: [null, null], mean: null, sd: null, interval: null });
      expect(missing![name].note).toMatch(/^not defined: /);
    }
    expect(roc[2]).toEqual([null, null]);
    expect(missing!.specificity.mean).toBeGreaterThan(0);
    expect(scores.auroc.mean).toBeCloseTo((perClass[0]!.auroc.mean! + perClass[1]!.auroc.mean!) / 2, 12);
    expect(scores.auroc.note).toContain('over the 2 of 3 classes that occur');
    expect(notes.join()).toContain('No tested clip has the class class 2');
  });

  it('is null in the seeds it concerns: a class that a model never calls', () => {
    const made = makePredictions({ classes: 2, seeds: [0, 1] });
    const blind: Predictions = {
      ...made,
      cells: made.cells.map((cell) => ({
        ...cell,
        rows: cell.rows.map((row) => ({
          ...row,
          probabilities: row.probabilities.map((frame) => (cell.seed === 0 ? [0.9, 0.1] : frame)),
        })),
      })),
    };
    const { precision, recall } = scoresOf(blind).clipMean.perClass[1]!;
    expect(precision.perSeed[0]).toBeNull();
    expect(precision.perSeed[1]).toBeGreaterThan(0);
    expect(precision).toMatchObject({ mean: null, interval: null });
    expect(precision.note).toBe('not defined: no row is called this class (1 of 2 seeds)');
    expect(recall.mean).not.toBeNull();
  });

  it('is the interval where all clips are of one patient', () => {
    const made = makePredictions();
    const single = { ...made, clips: made.clips.map((clip) => ({ ...clip, group: 'only' })) };
    const { notes, labelRates } = evaluatePredictions(single, quick);
    expect(labelRates[0]!.clipMean.scores.accuracy).toMatchObject({
      interval: null,
      note: 'no interval: all clips are of one group',
    });
    expect(labelRates[0]!.clipMean.scores.accuracy.mean).toBeGreaterThan(0);
    expect(notes.join()).toContain('All clips are of one group');
  });

  it('is the interval of a class of one group, be it one of two groups, and not that of a class of two', () => {
    const made = makePredictions({ clips: 24, groups: 4, classes: 2 });
    const of = (groups: readonly string[]) => {
      const clips = made.clips.map((clip) => ({ ...clip, label: groups.includes(clip.group) ? 1 : 0 }));
      return evaluatePredictions({ ...made, clips }, quick).labelRates[0]!.clipMean.perClass[1]!;
    };
    expect(of(['group-1']).recall.interval).toBeNull();
    expect(of(['group-1', 'group-2']).recall.interval).not.toBeNull();
    const two = makePredictions({ clips: 12, groups: 2, classes: 2 });
    const [first, second] = evaluatePredictions(two, quick).labelRates[0]!.clipMean.perClass;
    for (const one of [first!, second!])
      for (const score of [one.recall, one.specificity, one.auroc]) expect(score.interval).toBeNull();
  });

  it('is an interval of fewer draws where a class is in few groups, and none where it is in one', () => {
    const made = makePredictions({ clips: 24, groups: 8, classes: 2 });
    const rare = (groups: readonly string[]): Predictions => ({
      ...made,
      clips: made.clips.map((clip) => ({ ...clip, label: groups.includes(clip.group) ? 1 : 0 })),
    });
    // Two groups of eight are both missing from (6/8)⁸ = 10 % of draws, leaving an interval of the rest.
    const { auroc } = scoresOf(rare(['group-1', 'group-2']), { resamples: 2000 }).clipMean.perClass[1]!;
    const kept = /^interval of the (\d+) of 2000 resamples/.exec(auroc.note ?? '');
    expect(Number(kept?.[1]) / 2000).toBeCloseTo(1 - (6 / 8) ** 8, 1);
    expect(auroc.interval).not.toBeNull();
    // One group alone: whoever is drawn, these clips are the same, so an interval would feign certainty.
    const lone = evaluatePredictions(rare(['group-1']), quick);
    const { recall, specificity } = lone.labelRates[0]!.clipMean.perClass[1]!;
    expect(recall).toMatchObject({ interval: null, note: 'no interval: it rests on a single group' });
    expect(recall.mean).not.toBeNull();
    expect(specificity.interval).not.toBeNull();
    expect(lone.labelRates[0]!.clipMean.perClass[0]!.specificity.interval).toBeNull();
    expect(lone.notes.join()).toContain('One group alone has the class class 1');
  });
});

describe('intervals', () => {
  it('hold the mean and widen with confidence', () => {
    const made = makePredictions({ clips: 60, groups: 20 });
    for (const level of LEVELS) {
      const narrow = scoresOf(made, { ...quick, confidence: 0.5 })[level].scores;
      const wide = scoresOf(made)[level].scores;
      for (const name of ['accuracy', 'macroF1', 'auroc', 'brier'] as const) {
        const [low, high] = wide[name].interval!;
        expect(low).toBeLessThan(wide[name].mean!);
        expect(high).toBeGreaterThan(wide[name].mean!);
        expect(high - low).toBeGreaterThan(narrow[name].interval![1] - narrow[name].interval![0]);
      }
    }
  });

  it('are not made narrower by copies of clips within a patient', () => {
    const made = makePredictions({ clips: 20, groups: 10 });
    const copied: Predictions = {
      ...made,
      clips: [0, 1, 2].flatMap((copy) => made.clips.map((clip) => ({ ...clip, id: `${clip.id} ${copy}` }))),
      cells: made.cells.map((cell) => ({
        ...cell,
        rows: [0, 1, 2].flatMap((copy) =>
          cell.rows.map((row) => ({ ...row, clip: row.clip + copy * made.clips.length })),
        ),
      })),
    };
    const [a, b] = [scoresOf(made), scoresOf(copied)];
    for (const level of LEVELS) {
      for (const name of ['accuracy', 'auroc', 'averagePrecision', 'ece', 'brier'] as const) {
        expect(b[level].scores[name].interval![0]).toBeCloseTo(a[level].scores[name].interval![0], 10);
        expect(b[level].scores[name].interval![1]).toBeCloseTo(a[level].scores[name].interval![1], 10);
      }
    }
  });
});

describe('a constant answer', () => {
  /** So many clips of each class, each a group of its own unless `groupOf` says otherwise; all are called class 0. */
  const constant = (counts: readonly number[]): Predictions =>
    predictionsOf(
      counts.length,
      counts.flatMap((count, label) =>
        Array.from({ length: count }, () => ({
          label,
          frames: [counts.map((_, c) => (c === 0 ? 0.8 : 0.2 / (counts.length - 1)))],
        })),
      ),
    );

  it.each(LEVELS)('is not better than a constant answer where a class is missing, by %s', (level) => {
    const { scores, constantAnswer } = scoresOf(constant([24, 24, 0]))[level];
    expect(scores.balancedAccuracy.mean).toBe(0.5);
    expect(constantAnswer?.chance).toBe(0.5);
    expect(constantAnswer?.above.mean).toBe(0);
    expect(constantAnswer?.above.interval).toEqual([0, 0]);
  });

  it('is not better in draws that miss classes, though the interval of its own score lies above chance', () => {
    // Ten classes of one group each: almost no draw has them all, and in none is anything learnt.
    const { scores, constantAnswer } = scoresOf(constant([30, ...new Array<number>(10).fill(1)])).clipMean;
    expect(constantAnswer?.chance).toBe(1 / 11);
    expect(scores.balancedAccuracy.interval?.[0]).toBeGreaterThan(1 / 11);
    for (const end of constantAnswer?.above.interval ?? [NaN]) expect(end).toBeCloseTo(0, 12);
  });

  it('is below one where the class it always names is not tested', () => {
    const { constantAnswer } = scoresOf(constant([0, 12, 12])).clipMean;
    expect(constantAnswer?.chance).toBe(0.5);
    expect(constantAnswer?.above.interval).toEqual([-0.5, -0.5]);
  });

  it('is beaten by a model that has learnt, by the difference of the two scores', () => {
    const { scores, constantAnswer } = scoresOf(
      makePredictions({ skill: 4, groups: 30, clips: 60 }),
    ).clipMean;
    expect(constantAnswer?.above.mean).toBeCloseTo(scores.balancedAccuracy.mean! - 1 / 3, 12);
    expect(constantAnswer?.above.interval?.[0]).toBeGreaterThan(0.3);
  });
});
