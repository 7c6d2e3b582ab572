import { describe, expect, test } from 'vitest';
import { temporalCoherenceMethod } from '../../src/methods/temporal-coherence.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { temporalCoherence } from '../../src/objectives/temporal-coherence.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';

const open = temporalCoherenceMethod.open(
  { projection: { hidden: 6, dim: 5 }, nearSeconds: 0.4, margin: 0.8 },
  GIVEN,
);
/** Apart by 0.4 (and a rounding), 0.5, −0.3 and −2 seconds. */
const FIRST = { ...rowsOf(4, 1, 7, 3), times: Float64Array.of(0.7, 1, 0.2, 3) };
const SECOND = { ...rowsOf(4, 1, 7, 3), times: Float64Array.of(1.1, 1.5, -0.1, 1) };

describe('temporal coherence', () => {
  test.each([true, false])(
    'is its loss of the projection by the times of frames (training: %s)',
    (training) => {
      const { batch, outputs, gradients } = batchOf(open, [FIRST, SECOND], 0, training);
      const losses = open.losses(batch);
      const embeddings = outputs.get(OUTPUTS.projection)!;
      const gradient = new Float32Array(embeddings.length);
      const isNear = (pair: number): boolean => pair === 0 || pair === 2;
      const expected = temporalCoherence(embeddings, 4, 5, isNear, 0.8, gradient);
      expect(losses).toEqual({ ...expected, near: 0.5 });
      if (!training) return;
      expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...gradient]);
      expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
    },
  );

  test('reads times and no label, keeps no state, and sees unmixed pairs of whole clips', () => {
    expect(open.needsTimes).toBe(true);
    expect(temporalCoherenceMethod.readsLabels({})).toBe(false);
    expect(open.state).toBeUndefined();
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair' }]);
    expect(temporalCoherenceMethod.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([6, 'relu', 5]);
  });
});
