import { describe, expect, test } from 'vitest';
import { fixmatch } from '../../src/methods/fixmatch.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { batchOf, GIVEN, labelledRows, rowsOf } from './support.ts';

const CLASSES = GIVEN.classes;
function softmax(scores: readonly number[]): readonly number[] {
  const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
  return scores.map((score) => Math.exp(score) / sum);
}

describe('FixMatch', () => {
  test('is its two formulas, row by row', () => {
    const open = fixmatch.open({ threshold: 0.6, unlabelledWeight: 0.7, unlabelledRatio: 2 }, GIVEN);
    const made = batchOf(open, [rowsOf(5, 6, 7, 8), rowsOf(5, 6, 7, 8), labelledRows(2, 0)], 4);
    const logits = made.outputs.get(OUTPUTS.logits)!;
    const answers = (row: number): readonly number[] =>
      softmax([...logits.subarray(row * CLASSES, (row + 1) * CLASSES)]);
    const expected = new Float32Array(logits.length);
    let unsupervised = 0;
    const counts = { confident: 0, agreeing: 0 };
    for (let row = 0; row < 4; row++) {
      const [weak, strong] = [answers(row), answers(4 + row)];
      const label = weak.indexOf(Math.max(...weak));
      if (weak[label]! < 0.6) continue;
      counts.confident += 1 / 4;
      if (strong.indexOf(Math.max(...strong)) === label) counts.agreeing += 1 / 4;
      unsupervised -= Math.log(strong[label]!) / 4;
      strong.forEach((p, c) => {
        expected[(4 + row) * CLASSES + c] = (0.7 * (p - (c === label ? 1 : 0))) / 4;
      });
    }
    let supervised = 0;
    [2, 0].forEach((label, i) => {
      const p = answers(8 + i);
      supervised -= Math.log(p[label]!) / 2;
      p.forEach((share, c) => {
        expected[(8 + i) * CLASSES + c] = (share - (c === label ? 1 : 0)) / 2;
      });
    });
    const losses = open.losses(made.batch);
    expect(counts.confident).toBeGreaterThan(0);
    expect(losses).toMatchObject({ ...counts, labelled: 2 });
    expect(losses.loss).toBeCloseTo(supervised + 0.7 * unsupervised, 6);
    expect(losses['unsupervised']).toBeCloseTo(unsupervised, 6);
    const found = made.gradients.get(OUTPUTS.logits)!;
    found.forEach((value, i) => {
      expect(value, String(i)).toBeCloseTo(expected[i]!, 6);
    });
    expect(made.gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('shows both views of a clip in the same frame, and changes no intensity of the weak one', () => {
    const { streams } = fixmatch.open({}, GIVEN);
    const [clips, known] = streams;
    const [weak, strong] = clips!.views === 'pair' ? [] : clips!.views;
    expect([weak?.frame, strong?.frame]).toEqual([0, 0]);
    expect(weak?.augment).toMatchObject({
      flip: 0.5,
      brightness: 0,
      contrast: 0,
      cutout: { probability: 0 },
    });
    expect(strong?.augment).toBe(GIVEN.view.augment);
    expect(known).toMatchObject({ clips: 'labelled', views: [weak] });
  });

  test.each([
    [4, 1],
    [2, 2],
    [3, 1],
    [64, 1],
  ])('with a ratio of %i has %i labelled clips beside 4', (unlabelledRatio, count) => {
    expect(fixmatch.open({ unlabelledRatio }, GIVEN).streams.map((stream) => stream.count)).toEqual([
      4,
      count,
    ]);
  });

  test('of held-out clips knows no label: what is left is whether its answers agree', () => {
    const open = fixmatch.open({ threshold: 0 }, GIVEN);
    const { batch } = batchOf(open, [rowsOf(0, 1), rowsOf(0, 1)], 5, false);
    const losses = open.losses(batch);
    expect(losses).toMatchObject({ supervised: 0, labelled: 0, correct: 0, confident: 1 });
    expect(losses.loss).toBe(losses['unsupervised']);
  });
});
