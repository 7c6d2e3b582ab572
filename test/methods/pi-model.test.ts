import { describe, expect, test } from 'vitest';
import { piModel } from '../../src/methods/pi-model.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { consistencyLoss } from '../../src/objectives/consistency.ts';
import { crossEntropy } from '../../src/objectives/cross-entropy.ts';
import { batchOf, GIVEN, labelledRows, layersOf, rowsOf } from './support.ts';

const CLASSES = GIVEN.classes;
const CLIPS = rowsOf(5, 6, 7, 8);
const KNOWN = labelledRows(2, 0);
const open = piModel.open({ consistencyWeight: 3, rampUp: 0.5, unlabelledRatio: 2 }, GIVEN);

describe('the Π-model', () => {
  test.each([
    [0, 3 * Math.exp(-5)],
    [0.25, 3 * Math.exp(-5 / 4)],
    [0.5, 3],
    [0.9, 3],
  ])('is both its losses, at %d of the run the consistency with weight %d', (progress, weight) => {
    const made = batchOf(open, [CLIPS, CLIPS, KNOWN], 4);
    const losses = open.losses({ ...made.batch, progress });
    const logits = made.outputs.get(OUTPUTS.logits)!;
    const part = (from: number, to: number): Float32Array => logits.subarray(from * CLASSES, to * CLASSES);
    const gradients = [4, 4, 2].map((rows) => new Float32Array(rows * CLASSES));
    const both = consistencyLoss(part(0, 4), part(4, 8), CLASSES, gradients[0]!, gradients[1]!);
    const known = crossEntropy(part(8, 10), KNOWN.labels, CLASSES, gradients[2]!, { reduction: 'mean' });
    expect(losses.loss).toBeCloseTo(known.loss + weight * both.loss, 12);
    expect(losses['weight']).toBeCloseTo(weight, 12);
    expect(losses).toMatchObject({
      supervised: known.loss,
      consistency: both.loss,
      labelled: 2,
      correct: known.correct,
      agreeing: both.agreeing / 4,
      confidence: both.confidence,
    });
    const expected = gradients.flatMap((rows, i) =>
      [...rows].map((value) => (i < 2 ? weight * value : value)),
    );
    made.gradients.get(OUTPUTS.logits)!.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
    expect(made.gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('has its full weight from the start without a ramp', () => {
    const steep = piModel.open({ consistencyWeight: 3, rampUp: 0 }, GIVEN);
    expect(steep.losses(batchOf(steep, [CLIPS, CLIPS, KNOWN]).batch)).toMatchObject({ weight: 3 });
  });

  test('of held-out clips knows no label, and counts their consistency in full', () => {
    const { batch } = batchOf(open, [CLIPS, CLIPS], 5, false);
    const losses = open.losses(batch);
    expect(losses).toMatchObject({ supervised: 0, labelled: 0, correct: 0, weight: 3 });
    expect(losses.loss).toBeCloseTo(3 * losses['consistency']!, 12);
    expect(losses['consistency']).toBeGreaterThan(0);
    expect(open.state).toBeUndefined();
  });

  test('sees unmixed pairs of all clips, and single views of labelled ones in a stream of their own', () => {
    expect(open.streams).toEqual([
      { clips: 'training', count: 4, views: 'pair' },
      { clips: 'labelled', count: 2, views: [{ frame: 0, augment: GIVEN.view.augment }] },
    ]);
    expect(open.online.views).toEqual([0, 1, 2]);
    expect(piModel.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([CLASSES]);
    expect(piModel.needsLabels).toBe(true);
    expect(piModel.chooses).toBeNull();
  });
});
