/** MoCo v2 beside PyTorch for three steps (`test/golden/moco_golden.py`): losses, gradients, both encoders, the queue. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { OpenMethod } from '../../src/methods/method.ts';
import { moco } from '../../src/methods/moco.ts';
import { infoNce } from '../../src/objectives/info-nce.ts';
import { MethodNetwork } from '../../src/trainer/methods/method-network.ts';
import { type NamedArray, tensorsIn } from '../../src/runs/named-tensors.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { batchOf, GIVEN, rowsOf, SMALL_TRUNK } from './support.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

const numbers = z.array(z.number());
const parameters = z.record(z.string(), numbers);
const golden = z
  .object({
    settings: z.object({
      learningRate: z.number(),
      momentum: z.number(),
      weightDecay: z.number(),
      keyMomentum: z.number(),
      temperature: z.number(),
    }),
    start: z.object({ parameters, queue: numbers, queueClips: numbers }),
    steps: z.array(
      z.object({
        clips: numbers,
        inputs: z.tuple([numbers, numbers]),
        loss: z.number(),
        accuracy: z.number(),
        gradients: parameters,
        after: z.object({
          query: parameters,
          key: parameters,
          queue: numbers,
          queueClips: numbers,
          slot: z.int(),
        }),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', 'golden', 'data', 'moco.json'), 'utf8')));

/** What the golden run calls our parameters. */
const goldenName = (name: string): string => name.replace('projection.0', 'layer2').replace('target.', '');

function expectClose(found: ArrayLike<number>, expected: readonly number[], what: string): void {
  const scale = Math.max(...expected.map(Math.abs), 1e-3);
  expect(found.length, what).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value) / scale, `${what} ${i}: ${found[i]!}, PyTorch ${value}`).toBeLessThan(
      2e-6,
    );
  });
}

test.each(KINDS)('three steps on %s are those of PyTorch', async (kind) => {
  const { settings, start, steps } = golden;
  const config = resolveConfig({
    set: [
      ...['method.name=moco', 'method.projection={hidden: null, dim: 4}', 'method.queue=8', 'precision=f32'],
      ...[`method.temperature=${settings.temperature}`, `method.momentum=${settings.keyMomentum}`],
      `optimizer={kind: sgd, momentum: ${settings.momentum}, weightDecay: ${settings.weightDecay}}`,
    ],
  });
  using backend = openKind(kind);
  const { name: _name, ...options } = config.method;
  const open = moco.open(options, { ...GIVEN, trunk: SMALL_TRUNK });
  using network = new MethodNetwork({ backend, config, opened: { method: moco, open } });
  const { specs, values, gradients: slopes } = network.parameters;
  const { others } = network.state;
  const target = others.find(({ tensors }) => tensors[0]!.name.startsWith('target.'))!;
  for (const { vector, tensors } of [{ vector: values, tensors: specs }, target])
    for (const { name, offset } of tensors)
      vector.write(Float32Array.from(start.parameters[goldenName(name)]!), offset);
  open.state!['queue']!.set(start.queue);
  open.state!['queueClips']!.set(start.queueClips);

  for (const { clips, inputs, loss, accuracy, gradients, after } of steps) {
    const rows = rowsOf(...clips);
    const batch = {
      clipIds: clips.map(String),
      pairs: 4,
      views: [rows, rows],
      images: Float32Array.from(inputs.flat()),
      ...{ number: 0, progress: 0 },
    };
    const result = await network.step(() => Promise.resolve(batch), 1, settings.learningRate, null);
    expect(result.losses[0]).toMatchObject({ pairAccuracy: accuracy });
    expectClose([result.losses[0]!.loss], [loss], 'loss');
    for (const { name, data } of tensorsIn([{ vector: slopes, tensors: specs }]))
      expectClose(data, gradients[goldenName(name)]!, `gradient of ${name}`);
    for (const { name, data } of tensorsIn([{ vector: values, tensors: specs }]))
      expectClose(data, after.query[goldenName(name)]!, name);
    for (const { name, data } of tensorsIn([target])) expectClose(data, after.key[goldenName(name)]!, name);
    const kept = tensorsIn(others);
    expectClose(stateOf(kept, 'queue'), after.queue, 'queue');
    expect([...stateOf(kept, 'queueClips')]).toEqual(after.queueClips);
    expect([...stateOf(kept, 'queueNext')]).toEqual([after.slot]);
  }
});

function stateOf(others: readonly NamedArray[], name: string): Float32Array {
  return others.find((one) => one.name === `method.${name}`)!.data;
}

describe('the queue', () => {
  const opened = (queue: number): OpenMethod =>
    moco.open({ queue, projection: { hidden: 6, dim: 5 } }, GIVEN);
  const clipsIn = (open: OpenMethod): readonly number[] => [...open.state!['queueClips']!];

  test('begins with unit rows of no clip, other ones for another seed', () => {
    const rows = opened(6).state!['queue']!;
    for (let row = 0; row < 6; row++)
      expect(Math.hypot(...rows.subarray(5 * row, 5 * row + 5))).toBeCloseTo(1, 6);
    expect(clipsIn(opened(6))).toEqual([-1, -1, -1, -1, -1, -1]);
    const other = moco.open({ queue: 6, projection: { hidden: 6, dim: 5 } }, { ...GIVEN, seed: 2 });
    expect([...other.state!['queue']!]).not.toEqual([...rows]);
  });

  test('takes the keys of a batch in turn and goes round, also where a batch is longer', () => {
    const open = opened(5);
    for (const clips of [
      [1, 2, 3],
      [4, 5],
      [6, 7, 8],
    ])
      open.losses(batchOf(open, [rowsOf(...clips), rowsOf(...clips)]).batch);
    expect(clipsIn(open)).toEqual([6, 7, 8, 4, 5]);
    open.losses(batchOf(open, [rowsOf(0, 1, 2, 3, 4, 5, 6), rowsOf(0, 1, 2, 3, 4, 5, 6)]).batch);
    expect(new Set(clipsIn(open))).toEqual(new Set([2, 3, 4, 5, 6]));
  });

  test('of the own clip alone is no negative: there is nothing to learn', () => {
    const open = opened(2);
    const clip = [rowsOf(3, 3), rowsOf(3, 3)];
    open.losses(batchOf(open, clip).batch);
    const { batch, gradients } = batchOf(open, clip, 1);
    expect(open.losses(batch)).toMatchObject({ loss: 0 });
    expect(gradients.get('projection.2')!.every((value) => value === 0)).toBe(true);
  });

  test('stays as it is for held-out clips, which are told from each other', () => {
    const open = opened(4);
    const before = { rows: [...open.state!['queue']!], clips: clipsIn(open) };
    const { batch, outputs, targets } = batchOf(open, [rowsOf(0, 1, 2), rowsOf(0, 1, 2)], 3, false);
    const [queries, keys] = [outputs.get('projection.2')!, targets.get('projection.2')!];
    const others = (row: number, key: number): boolean => row !== key;
    const expected = infoNce(queries, keys, keys, others, 5, 0.2, new Float32Array(queries.length));
    expect(open.losses(batch)).toEqual({
      loss: expected.loss,
      alignment: expected.alignment,
      pairAccuracy: expected.accuracy,
    });
    expect({ rows: [...open.state!['queue']!], clips: clipsIn(open) }).toEqual(before);
  });
});
