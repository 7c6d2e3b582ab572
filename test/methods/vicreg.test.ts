import { describe, expect, test } from 'vitest';
import { vicreg } from '../../src/methods/vicreg.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { vicregLoss } from '../../src/objectives/vicreg.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';

const weights = { invariance: 3, variance: 2, covariance: 0.5 };
const open = vicreg.open(
  {
    projection: { hidden: 6, dim: 5 },
    invarianceWeight: weights.invariance,
    varianceWeight: weights.variance,
    covarianceWeight: weights.covariance,
  },
  GIVEN,
);
const CLIPS = rowsOf(4, 1, 7);
const PROJECTION = 'projection.6';

describe('VICReg', () => {
  test.each([true, false])('is its loss of the projection at its weights (training: %s)', (training) => {
    const { batch, outputs, gradients } = batchOf(open, [CLIPS, CLIPS], 0, training);
    const losses = open.losses(batch);
    const embeddings = outputs.get(PROJECTION)!;
    const gradient = new Float32Array(embeddings.length);
    expect(losses).toEqual(vicregLoss(embeddings, 3, 5, weights, gradient));
    if (!training) return;
    expect([...gradients.get(PROJECTION)!]).toEqual([...gradient]);
    expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('has a head of three layers, batch norms after the first two', () => {
    expect(layersOf(open)).toEqual([6, 'norm, relu', 6, 'norm, relu', 5]);
  });

  test('reads no label, keeps no state, and trains on full batches of unmixed pairs', () => {
    expect(vicreg.readsLabels({})).toBe(false);
    expect(open.state).toBeUndefined();
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair' }]);
    expect(vicreg.presets.default).toEqual({
      view: { spg: { enabled: false } },
      batch: { lastBatch: 'drop' },
    });
  });
});
