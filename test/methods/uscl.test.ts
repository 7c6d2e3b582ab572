import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import type { MethodBatch, OpenMethod } from '../../src/methods/method.ts';
import { uscl } from '../../src/methods/uscl.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { codeOf } from '../failures.ts';
import { batchOf, GIVEN, labelledRows } from './support.ts';

const PAIRS = 3;
const DIM = 4;
const CLASSES = 2;
const OPTIONS = { projection: { hidden: 5, dim: DIM } };
const TRUNK = resnet(18, { channels: 1, size: 16, width: 2 });

function opened(more: Readonly<Record<string, unknown>> = {}, classes = CLASSES): OpenMethod {
  const given = { ...GIVEN, trunk: TRUNK, classes, batchSize: PAIRS };
  return uscl.open({ ...OPTIONS, ...more }, given);
}

/** Outputs of networks that have run: random values, and gradients full of what must be overwritten. */
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
  const batch = (labels: readonly number[], training = true): MethodBatch => {
    const rows = labelledRows(...labels);
    return {
      ...{ views: [rows, rows], training, progress: 0, output: (name) => values.get(name)! },
      gradient: (name) => (training ? gradients.get(name)! : new Float32Array(values.get(name)!.length)),
      target: () => expect.fail('USCL has no target'),
    };
  };
  return { values, gradients, batch };
}

describe('L = L_con + λ·L_sup', () => {
  test('every output gradient is the derivative of the loss', () => {
    const method = opened();
    const { batch, values, gradients } = outputs();
    const labels = [0, -1, 1];
    method.losses(batch(labels));
    const step = 1e-2;
    for (const [name, value] of values) {
      for (let i = 0; i < value.length; i++) {
        const held = value[i]!;
        value[i] = held + step;
        const above = method.losses(batch(labels, false)).loss;
        value[i] = held - step;
        const below = method.losses(batch(labels, false)).loss;
        value[i] = held;
        expect(gradients.get(name)![i]).toBeCloseTo((above - below) / (2 * step), 4);
      }
    }
  });

  test('the parts add up and the views of labelled clips are counted', () => {
    const losses = opened().losses(outputs().batch([0, -1, 1]));
    expect(losses.loss).toBeCloseTo(losses['contrastive']! + 0.2 * losses['supervised']!, 12);
    expect(losses['labelled']).toBe(4);
    expect(losses['correct']).toBeLessThanOrEqual(4);
  });

  test('the sum of views counts the supervised part twice', () => {
    const { batch } = outputs();
    const mean = opened().losses(batch([0, 1, 1]));
    const sum = opened({ supervisedReduction: 'sum-of-views' }).losses(batch([0, 1, 1]));
    expect(sum['supervised']).toBeCloseTo(2 * mean['supervised']!, 12);
    expect(sum['contrastive']).toBe(mean['contrastive']);
  });

  test('a batch without labels has the contrastive loss alone, and no NaN anywhere', () => {
    const { batch, values, gradients } = outputs();
    const losses = opened().losses(batch([-1, -1, -1]));
    const alone = new Float32Array(2 * PAIRS * DIM);
    const { loss } = ntXent(values.get(OUTPUTS.projection)!, PAIRS, DIM, 0.5, alone);
    expect(losses).toMatchObject({ loss, contrastive: loss, supervised: 0, labelled: 0 });
    expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...alone]);
    expect(gradients.get(OUTPUTS.logits)!.every((value) => value === 0)).toBe(true);
  });
});

describe('heads', () => {
  test('without classes there is no classifier and labels are not read', () => {
    expect(uscl.readsLabels({ supervisedWeight: 0 })).toBe(false);
    expect(uscl.readsLabels({})).toBe(true);
    const method = opened({}, 0);
    expect(method.online.network.outputs).toEqual([OUTPUTS.features, OUTPUTS.projection]);
    const losses = method.losses(outputs().batch([0, 1, 0]));
    expect(losses).toMatchObject({ supervised: 0, labelled: 0, correct: 0, loss: losses['contrastive'] });
  });

  test('of several sources can be one for each: rows are answered by that of their source', () => {
    const sources = [
      { name: 'lung', classes: [0, 1] },
      { name: 'liver', classes: [1] },
      { name: 'breast', classes: [1, 2] },
    ];
    const given = { ...GIVEN, trunk: TRUNK, sources, batchSize: PAIRS };
    const open = uscl.open({ ...OPTIONS, heads: 'per-source' }, given);
    const rows = { ...labelledRows(1, 1, 2), sources: Int32Array.of(0, 1, 2) };
    const made = batchOf(open, [rows, rows]);
    const losses = open.losses(made.batch);
    const logits = made.outputs.get(OUTPUTS.logits)!;
    expect(logits).toHaveLength(2 * PAIRS * 4);
    // Clips 0 and 2, in columns 0, 1 and 2, 3; both labels are the second of their head.
    const gradient = made.gradients.get(OUTPUTS.logits)!;
    let expected = 0;
    for (const start of [0, 10, 12, 22]) {
      const share = 1 / (1 + Math.exp(logits[start]! - logits[start + 1]!));
      expected -= Math.log(share) / 4;
      expect(gradient[start + 1]!).toBeCloseTo((0.2 * (share - 1)) / 4, 7);
      expect(gradient[start]!).toBeCloseTo((0.2 * (1 - share)) / 4, 7);
    }
    expect(gradient.filter((value) => value !== 0)).toHaveLength(8);
    expect(losses['supervised']).toBeCloseTo(expected, 6);
    expect(losses['labelled']).toBe(4);
    const none = sources.map(({ name }) => ({ name, classes: [1] }));
    const code = codeOf(() => uscl.open({ ...OPTIONS, heads: 'per-source' }, { ...given, sources: none }));
    expect(code).toBe('METHOD_LABELS');
    // One head for all takes what it gets, and without labels there is none to refuse.
    expect(codeOf(() => uscl.open(OPTIONS, { ...given, sources: none }))).toBe('no error');
    const unread = { ...given, classes: 0, sources: none };
    expect(codeOf(() => uscl.open({ ...OPTIONS, heads: 'per-source' }, unread))).toBe('no error');
  });

  test.each([
    ['representation', OUTPUTS.features],
    ['projection', OUTPUTS.projection],
  ] as const)('the classifier can read the %s', (classifierInput, input) => {
    const { network } = opened({ classifierInput }).online;
    const node = network.nodes.find(({ name }) => name === OUTPUTS.logits);
    expect(node).toMatchObject({ kind: 'linear', input, features: CLASSES });
  });
});
