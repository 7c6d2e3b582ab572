import { describe, expect, test } from 'vitest';
import { vicreg } from '../../src/methods/vicreg.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { vicregLoss } from '../../src/objectives/vicreg.ts';
import { viewSchema } from '../../src/views/config.ts';
import { failure } from '../failures.ts';
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

  test('weighs the invariance of pairs by the time between their frames where it is asked for', () => {
    const view = viewSchema.parse({ spg: { windowSeconds: 1 } });
    const options = { projection: { hidden: 6, dim: 5 }, timeWeighting: true };
    const byTime = vicreg.open(options, { ...GIVEN, view });
    const first = { ...CLIPS, times: Float64Array.of(0, 1, 0.5) };
    const second = { ...CLIPS, times: Float64Array.of(0.5, 0, 0.5) };
    const { batch, outputs, gradients } = batchOf(byTime, [first, second]);
    const losses = byTime.losses(batch);
    const embeddings = outputs.get(PROJECTION)!;
    const gradient = new Float32Array(embeddings.length);
    const usual = { invariance: 25, variance: 25, covariance: 1 };
    expect(losses).toEqual(vicregLoss(embeddings, 3, 5, usual, gradient, [0.75, 0.5, 1]));
    expect([...gradients.get(PROJECTION)!]).toEqual([...gradient]);
    expect(failure(() => vicreg.open(options, GIVEN))).toMatchObject({ code: 'CONFIG_INVALID' });
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
