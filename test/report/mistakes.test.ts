import { describe, expect, test } from 'vitest';
import type { Predictions } from '../../src/evaluation/scores/predictions.ts';
import { mistakesOf } from '../../src/report/mistakes.ts';

type Row = Predictions['cells'][number]['rows'][number];

/** One frame a row where only one distribution is given. */
const row = (clip: number, ...probabilities: number[][]): Row => ({
  clip,
  frames: probabilities.map((_, i) => 10 * (i + 1)),
  probabilities,
});

const cell = (labelRate: number, seed: number, rows: readonly Row[]): Predictions['cells'][number] => ({
  ...{ labelRate, seed, fold: 0, epoch: 0 },
  rows: [...rows],
});

const predictions: Predictions = {
  ...{ format: 'uscl-predictions', version: 1, protocol: 'honest', classes: ['a', 'b', 'c'] },
  clips: [
    { id: 'right', group: 'g0', label: 0 },
    { id: 'unsure', group: 'g1', label: 0 },
    { id: 'sure', group: 'g2', label: 2 },
    { id: 'unlabelled', group: 'g3', label: null },
    { id: 'also unsure', group: 'g4', label: 1 },
  ],
  cells: [
    cell(1, 0, [
      row(0, [0.6, 0.4, 0]),
      row(1, [0.4, 0.5, 0.1]),
      row(2, [0.1, 0.8, 0.1], [0, 1, 0], [0.2, 0.7, 0.1]),
      row(3, [0, 0, 1]),
      row(4, [0.5, 0.4, 0.1]),
    ]),
    cell(1, 1, [
      row(0, [0.4, 0.6, 0], [0.9, 0.1, 0]),
      // This seed is right; both together are not.
      row(1, [0.45, 0.4, 0.15], [0.45, 0.44, 0.11]),
      row(2, [0.3, 0.6, 0.1]),
      row(4, [0.5, 0.4, 0.1]),
    ]),
    // Another label rate, at which everything is wrong.
    cell(0.5, 0, [row(0, [0, 1, 0]), row(1, [0, 1, 0]), row(2, [1, 0, 0])]),
  ],
};

describe('mistakes', () => {
  const found = mistakesOf(predictions, 1);

  test('are the labelled clips whose mean over seeds and frames is largest for a wrong class, surest first', () => {
    // `also unsure` and `unsure` are behind by 0.1 and by 0.0375.
    expect(found.map(({ id }) => id)).toEqual(['sure', 'also unsure', 'unsure']);
    expect(mistakesOf(predictions, 0.5).map(({ id }) => id)).toEqual(['right', 'unsure', 'sure']);
    expect(mistakesOf(predictions, 0.25)).toEqual([]);
  });

  test('carry means of seeds, each seed the mean of its frames', () => {
    const [sure, , unsure] = found;
    expect(sure).toMatchObject({ clip: 2, group: 'g2', truth: 2, said: 1, wrongSeeds: 2, seeds: 2 });
    // (0.8 + 1 + 0.7) / 3 in one seed, 0.6 in the other.
    expect(sure!.confidence).toBeCloseTo((2.5 / 3 + 0.6) / 2, 12);
    expect(sure!.truthProbability).toBeCloseTo((0.2 / 3 + 0.1) / 2, 12);
    expect(unsure).toMatchObject({ clip: 1, group: 'g1', truth: 0, said: 1, wrongSeeds: 1, seeds: 2 });
    expect(unsure!.confidence).toBeCloseTo((0.5 + 0.42) / 2, 12);
    expect(unsure!.truthProbability).toBeCloseTo((0.4 + 0.45) / 2, 12);
  });

  test('show the frame that spoke most for what was said', () => {
    expect(found[0]!.frame).toBe(20);
    expect(found[2]!.frame).toBe(10);
  });
});
