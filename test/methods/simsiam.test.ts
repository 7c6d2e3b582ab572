import { describe, expect, test } from 'vitest';
import { simsiam } from '../../src/methods/simsiam.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { negativeCosine } from '../../src/objectives/negative-cosine.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';

const open = simsiam.open({ projection: { hidden: 6, dim: 5 }, predictor: { hidden: 3 } }, GIVEN);
const CLIPS = rowsOf(4, 1, 7);

describe('SimSiam', () => {
  test('is the negative cosine of predictions and embeddings, which get no gradient of their own', () => {
    const { batch, outputs, gradients } = batchOf(open, [CLIPS, CLIPS]);
    const losses = open.losses(batch);
    const [z, p] = [outputs.get('projection.7')!, outputs.get('predictor.3')!];
    const gradient = new Float32Array(p.length);
    const { loss, spread } = negativeCosine(p, z, 3, 5, gradient);
    expect(losses).toEqual({ loss, spread });
    expect([...gradients.get('predictor.3')!]).toEqual([...gradient]);
    for (const name of [OUTPUTS.features, 'projection.7'])
      expect(gradients.get(name)!.every((value) => value === 0)).toBe(true);
  });

  test('has the published heads: three layers with batch norms, the last without ReLU, and a bottleneck', () => {
    expect(layersOf(open)).toEqual([6, 'norm, relu', 6, 'norm, relu', 5, 'batchNorm', 3, 'norm, relu', 5]);
  });
});
