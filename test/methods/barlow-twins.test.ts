import { describe, expect, test } from 'vitest';
import { barlowTwins } from '../../src/methods/barlow-twins.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { barlowTwinsLoss } from '../../src/objectives/barlow-twins.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';

const open = barlowTwins.open({ projection: { hidden: 6, dim: 5 }, redundancyWeight: 0.3 }, GIVEN);
const CLIPS = rowsOf(4, 1, 7);
const PROJECTION = 'projection.6';

describe('Barlow Twins', () => {
  test.each([true, false])('is its loss of the projection at its weight (training: %s)', (training) => {
    const { batch, outputs, gradients } = batchOf(open, [CLIPS, CLIPS], 0, training);
    const losses = open.losses(batch);
    const embeddings = outputs.get(PROJECTION)!;
    const gradient = new Float32Array(embeddings.length);
    expect(losses).toEqual(barlowTwinsLoss(embeddings, 3, 5, 0.3, gradient));
    if (!training) return;
    expect([...gradients.get(PROJECTION)!]).toEqual([...gradient]);
    expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('has a head of three layers, batch norms after the first two', () => {
    expect(layersOf(open)).toEqual([6, 'norm, relu', 6, 'norm, relu', 5]);
  });

  test('reads no label, keeps no state, and trains on full batches of unmixed pairs', () => {
    expect(barlowTwins.readsLabels({})).toBe(false);
    expect(open.state).toBeUndefined();
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair' }]);
    expect(barlowTwins.presets.default).toEqual({
      view: { spg: { enabled: false } },
      batch: { lastBatch: 'drop' },
    });
  });
});
