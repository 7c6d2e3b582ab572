/** The evaluation as text: each figure to three digits, its interval, and what it is to be held against. */
import { describe, expect, test } from 'vitest';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import { finetuneTable } from '../../src/finetune/table.ts';
import { makePredictions } from '../evaluation/made-predictions.ts';

/** 30 clips of ten groups: classes of four, three and three groups. */
const evaluated = (labelRates: readonly number[]) =>
  evaluatePredictions(makePredictions({ labelRates }), { resamples: 50, confidence: 0.9 });
const lines = (labelRates: readonly number[]): readonly string[] =>
  finetuneTable(evaluated(labelRates)).split('\n');

describe('the table of a fine-tuning', () => {
  test('says of what the clips are and what the commonest class would reach', () => {
    expect(lines([1]).slice(0, 2)).toEqual([
      '30 labelled clips of 10 groups: class 0 12, class 1 9, class 2 9',
      'mean over seeds, 90 % interval over groups; always the commonest class: accuracy 0.400, balanced 0.333',
    ]);
  });

  test('has a row a level, scores with their intervals', () => {
    const { scores } = evaluated([1]).labelRates[0]!.clipMean;
    const row = lines([1]).find((line) => line.includes('clip, mean probability'))!;
    const shown = row.match(/\d\.\d+/g)!;
    const expected = [scores.accuracy, scores.balancedAccuracy, scores.macroF1, scores.auroc].flatMap(
      ({ mean, interval }) => [mean!, ...interval!],
    );
    expect(shown).toHaveLength(expected.length);
    shown.forEach((text, i) => {
      expect(text).toHaveLength('0.123'.length);
      expect(Math.abs(Number(text) - expected[i]!)).toBeLessThan(0.000501);
    });
  });

  test('names label rates where there are several', () => {
    expect(lines([1]).join()).not.toContain('label rate');
    expect(lines([0.25, 1]).filter((line) => line.startsWith('label rate'))).toEqual([
      ...['label rate 0.25:', 'label rate 1:'],
    ]);
  });

  test('says of the highest label rate how often each class is found', () => {
    const { perClass } = evaluated([0.25, 1]).labelRates[1]!.clipMean;
    const recall = lines([0.25, 1]).find((line) => line.startsWith('recall of clips'))!;
    for (const { name, recall: found } of perClass)
      expect(recall).toContain(`${name} ${found.mean!.toFixed(3)}`);
  });
});
