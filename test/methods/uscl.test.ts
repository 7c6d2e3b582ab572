import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { uscl, type UsclOptions } from '../../src/methods/uscl.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';

const PAIRS = 3;
const DIM = 4;
const CLASSES = 2;
const OPTIONS: UsclOptions = {
  projection: { hidden: 5, dim: DIM },
  classes: CLASSES,
  classifierInput: 'representation',
  temperature: 0.5,
  supervisedWeight: 0.2,
  supervisedReduction: 'mean',
};

/** A plan's outputs without the plan: random values, and gradients full of what must be overwritten. */
function outputs(seed = 0) {
  const make = (name: string, width: number): [string, Float32Array] => {
    const random = randomAt(seed, 'test', name);
    return [name, Float32Array.from({ length: 2 * PAIRS * width }, () => random.normal())];
  };
  const values = new Map([
    make(OUTPUTS.features, 6),
    make(OUTPUTS.projection, DIM),
    make(OUTPUTS.logits, CLASSES),
  ]);
  const gradients = new Map(
    [...values].map(([name, value]) => [name, new Float32Array(value.length).fill(99)]),
  );
  return {
    values,
    gradients,
    plan: {
      output: (name: string) => values.get(name)!,
      outputGradient: (name: string) => gradients.get(name)!,
    },
  };
}

const batch = (labels: readonly number[]) => ({ pairs: PAIRS, labels: Int32Array.from(labels) });

describe('L = L_con + λ·L_sup', () => {
  test('every output gradient is the derivative of the loss', () => {
    const method = uscl(OPTIONS);
    const labels = batch([0, -1, 1]);
    const { plan, values, gradients } = outputs();
    method.lossAndGradients(plan, labels);
    const step = 1e-2;
    for (const [name, value] of values) {
      for (let i = 0; i < value.length; i++) {
        const held = value[i]!;
        value[i] = held + step;
        const above = method.losses(plan, labels).loss;
        value[i] = held - step;
        const below = method.losses(plan, labels).loss;
        value[i] = held;
        expect(gradients.get(name)![i]).toBeCloseTo((above - below) / (2 * step), 4);
      }
    }
  });

  test('the parts add up and the views of labelled clips are counted', () => {
    const { plan } = outputs();
    const losses = uscl(OPTIONS).lossAndGradients(plan, batch([0, -1, 1]));
    expect(losses.loss).toBeCloseTo(losses.contrastive + 0.2 * losses.supervised, 12);
    expect(losses.labelled).toBe(4);
    expect(losses.correct).toBeLessThanOrEqual(4);
  });

  test('the sum of views counts the supervised part twice', () => {
    const { plan } = outputs();
    const mean = uscl(OPTIONS).losses(plan, batch([0, 1, 1]));
    const sum = uscl({ ...OPTIONS, supervisedReduction: 'sum-of-views' }).losses(plan, batch([0, 1, 1]));
    expect(sum.supervised).toBeCloseTo(2 * mean.supervised, 12);
    expect(sum.contrastive).toBe(mean.contrastive);
  });

  test('a batch without labels has the contrastive loss alone, and no NaN anywhere', () => {
    const { plan, values, gradients } = outputs();
    const losses = uscl(OPTIONS).lossAndGradients(plan, batch([-1, -1, -1]));
    const alone = new Float32Array(2 * PAIRS * DIM);
    const { loss } = ntXent(values.get(OUTPUTS.projection)!, PAIRS, DIM, 0.5, alone);
    expect(losses).toMatchObject({ loss, contrastive: loss, supervised: 0, labelled: 0 });
    expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...alone]);
    expect(gradients.get(OUTPUTS.logits)!.every((value) => value === 0)).toBe(true);
  });
});

describe('heads', () => {
  const trunk = resnet(18, { channels: 1, size: 16, width: 2 });

  test('without classes there is no classifier and labels are not read', () => {
    const method = uscl({ ...OPTIONS, classes: null });
    expect(method.readsLabels).toBe(false);
    expect(method.network(trunk).outputs).toEqual([OUTPUTS.features, OUTPUTS.projection]);
    const { plan } = outputs();
    const losses = method.lossAndGradients(plan, batch([0, 1, 0]));
    expect(losses).toMatchObject({ supervised: 0, labelled: 0, correct: 0, loss: losses.contrastive });
  });

  test.each([
    ['representation', OUTPUTS.features],
    ['projection', OUTPUTS.projection],
  ] as const)('the classifier can read the %s', (classifierInput, input) => {
    const node = uscl({ ...OPTIONS, classifierInput })
      .network(trunk)
      .nodes.find(({ name }) => name === OUTPUTS.logits);
    expect(node).toMatchObject({ kind: 'linear', input, features: CLASSES });
  });
});
