import { describe, expect, test } from 'vitest';
import { debiased } from '../../src/methods/debiased.ts';
import { simclr } from '../../src/methods/simclr.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { debiasedContrastive } from '../../src/objectives/debiased-contrastive.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';

const SIZES = { projection: { hidden: 6, dim: 5 }, temperature: 0.3 };
const open = debiased.open({ ...SIZES, classPrior: 0.2 }, GIVEN);
const CLIPS = rowsOf(4, 1, 7);

describe('debiased contrastive learning', () => {
  test.each([true, false])('is its loss of the projection (training: %s)', (training) => {
    const { batch, outputs, gradients } = batchOf(open, [CLIPS, CLIPS], 0, training);
    const losses = open.losses(batch);
    const embeddings = outputs.get(OUTPUTS.projection)!;
    const gradient = new Float32Array(embeddings.length);
    const { accuracy, ...expected } = debiasedContrastive(embeddings, 3, 5, 0.3, 0.2, gradient);
    expect(losses).toEqual({ ...expected, pairAccuracy: accuracy });
    if (!training) return;
    expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...gradient]);
    expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('is SimCLR where no two clips are of one class', () => {
    const none = debiased.open({ ...SIZES, classPrior: 0 }, GIVEN);
    const { floored, loss, ...rest } = none.losses(batchOf(none, [CLIPS, CLIPS]).batch);
    const other = simclr.open(SIZES, GIVEN);
    const expected = other.losses(batchOf(other, [CLIPS, CLIPS]).batch);
    expect(floored).toBe(0);
    expect(loss).toBeCloseTo(expected.loss, 12);
    expect({ ...rest, loss: expected.loss }).toEqual(expected);
  });

  test('reads no label, keeps no state, and sees unmixed pairs through a head of two layers', () => {
    expect(debiased.readsLabels({})).toBe(false);
    expect(open.state).toBeUndefined();
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair' }]);
    expect(debiased.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([6, 'relu', 5]);
  });
});
