import { describe, expect, test } from 'vitest';
import { byol } from '../../src/methods/byol.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { initialise } from '../../src/models/initialise.ts';
import { openTested } from '../backend.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';
import { cosine, rowOf } from '../objectives/support.ts';

const open = byol.open(
  { projection: { hidden: 6, dim: 5 }, predictor: { hidden: 3 }, momentum: 0.75 },
  GIVEN,
);
const CLIPS = rowsOf(4, 1, 7);
const [EMBEDDING, PREDICTION] = ['projection.3', 'predictor.3'];

describe('BYOL', () => {
  test.each([true, false])(
    'is the squared distance of unit predictions from unit targets of the other view (training: %s)',
    (training) => {
      const { batch, outputs, targets } = batchOf(open, [CLIPS, CLIPS], 0, training);
      const losses = open.losses(batch);
      const [q, z] = [outputs.get(PREDICTION)!, targets.get(EMBEDDING)!];
      const unit = (row: readonly number[]): readonly number[] =>
        row.map((value) => value / Math.hypot(...row));
      let distance = 0;
      let agreement = 0;
      for (let i = 0; i < 6; i++) {
        const [a, b] = [rowOf(q, i, 5), rowOf(z, (i + 3) % 6, 5)];
        unit(a).forEach((value, d) => (distance += (value - unit(b)[d]!) ** 2 / 3));
        agreement += cosine(a, b) / 6;
      }
      expect(losses.loss).toBeCloseTo(distance, 12);
      expect(losses['agreement']).toBeCloseTo(agreement, 12);
      expect(Object.keys(losses)).toEqual(['loss', 'agreement', 'spread']);
    },
  );

  test('has the gradient that finite differences see, on predictions alone', () => {
    const { batch, outputs, gradients } = batchOf(open, [CLIPS, CLIPS]);
    open.losses(batch);
    const q = outputs.get(PREDICTION)!;
    const found = gradients.get(PREDICTION)!.slice();
    for (let i = 0; i < q.length; i++) {
      const held = q[i]!;
      const at = (by: number): number => {
        q[i] = held + by;
        const { loss } = open.losses(batch);
        q[i] = held;
        return loss;
      };
      expect(found[i]).toBeCloseTo((at(1e-3) - at(-1e-3)) / 2e-3, 3);
    }
    expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
    expect([...gradients.keys()]).toEqual([OUTPUTS.features, PREDICTION]);
  });

  test('has the published heads, and a target without predictor', () => {
    expect(layersOf(open)).toEqual([6, 'norm, relu', 5, 3, 'norm, relu', 5]);
    expect(open.target!.network.outputs).toEqual([EMBEDDING]);
    expect(open.target!.network.nodes.some(({ name }) => name.startsWith('predictor'))).toBe(false);
    expect(open.online.views).toEqual([0, 1]);
    expect(open.target!.views).toEqual([0, 1]);
  });

  test.each([
    [0, 0.75],
    [0.5, 0.875],
    [1, 1],
  ])('lets the target follow after an update: at %d of the run it keeps %d of itself', (progress, kept) => {
    using backend = openTested();
    using online = backend.createParameters(open.online.network);
    using target = backend.createParameters(open.target!.network);
    initialise(online, 1);
    initialise(target, 2);
    const before = target.values.read();
    open.afterUpdate!(online, target, progress);
    const [after, towards] = [target.values.read(), online.values.read()];
    for (const { name, offset, length } of target.specs) {
      const own = online.specs.find((spec) => spec.name === name)!;
      for (let i = 0; i < length; i++)
        expect(after[offset + i]).toBeCloseTo(
          kept * before[offset + i]! + (1 - kept) * towards[own.offset + i]!,
          6,
        );
    }
  });

  test('reads no label and chooses no best: a collapse has the best loss', () => {
    expect(byol.readsLabels({})).toBe(false);
    expect(byol.chooses).toBeNull();
    const { batch, outputs, targets } = batchOf(open, [CLIPS, CLIPS]);
    outputs.get(PREDICTION)!.fill(1);
    targets.get(EMBEDDING)!.fill(1);
    const losses = open.losses(batch);
    expect(losses.loss).toBeCloseTo(0, 12);
    expect(losses['spread']).toBeCloseTo(0, 12);
  });
});
