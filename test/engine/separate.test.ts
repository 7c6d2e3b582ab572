/** Memory of its own: numbers as without it, copies where a device needs them and nowhere else, NaN where an array is out of date. */
import { describe, expect, test } from 'vitest';
import { openOneDnn } from '../../src/engine/onednn/backend.ts';
import { openTorch } from '../../src/engine/torch/backend.ts';
import { openReference } from '../../src/engine/reference/backend.ts';
import { separateMemory } from '../../src/engine/separate/backend.ts';
import { HostVector } from '../../src/engine/core/host-vector.ts';
import { INPUT } from '../../src/engine/core/network.ts';
import { createOptimizer } from '../../src/engine/core/optimizer.ts';
import { everyNode, execute, fillNormal, fillParameters } from './helpers.ts';
import { TORCH } from './kinds.ts';

const network = everyNode(2, 32);
const OPTIONS = { batch: 4, mode: 'train', precision: 'f32', taps: [INPUT, 'sum'] } as const;
const KINDS = [
  ['reference', () => openReference(false)],
  ['onednn', () => openOneDnn(1, false)],
  ...(TORCH === undefined ? [] : [['torch', () => openTorch({ device: 'cpu', threads: 1 })] as const]),
] as const;

describe.each(KINDS)('on %s', (_, open) => {
  test('outputs, gradients, statistics and updates have the bits of the backend inside', () => {
    const [shared, separate] = [open(), separateMemory(open())].map((backend) => {
      using own = backend;
      using parameters = own.createParameters(network);
      fillParameters(parameters, 1);
      using average = own.createParameters(network);
      using plan = own.compile(network, parameters, OPTIONS);
      using optimizer = createOptimizer(
        ...([own, parameters, { kind: 'adam', beta1: 0.9, beta2: 0.99, epsilon: 1e-8 }] as const),
        [{ parameters: parameters.specs.map(({ name }) => name), learningRateFactor: 1, weightDecay: 0.1 }],
      );
      const passed = execute(plan, network, parameters, 1);
      const norm = own.sumOfSquares(parameters.gradients, [[0, parameters.gradients.length]]);
      const tapped = [plan.value('sum').slice(), plan.valueGradient(INPUT).slice()];
      optimizer.update(0.1);
      average.follow(parameters, 0.5);
      return { passed, norm, tapped, values: parameters.values.read(), average: average.values.read() };
    });
    expect(separate).toEqual(shared);
    expect(separate!.norm).toBeGreaterThan(0);
  });

  test('what a pass has made out of date is NaN until it is asked for again', () => {
    using backend = separateMemory(open());
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 1);
    using plan = backend.compile(network, parameters, OPTIONS);
    fillNormal(plan.input, 1, 'input');
    plan.forward();
    const held = plan.output('head');
    expect(held.every(Number.isFinite)).toBe(true);
    plan.forward();
    expect(held.every(Number.isNaN)).toBe(true);
    expect(plan.output('head')).toBe(held);
    expect(held.every(Number.isFinite)).toBe(true);
    for (const name of network.outputs) plan.outputGradient(name).fill(1);
    plan.backward();
    const slope = plan.valueGradient('sum');
    expect(slope.every(Number.isFinite)).toBe(true);
    plan.forward();
    plan.backward();
    expect(slope.every(Number.isNaN)).toBe(true);
  });

  test('images that are written to an array from before the last pass are an error', () => {
    using backend = separateMemory(open());
    using parameters = backend.createParameters(network);
    using plan = backend.compile(network, parameters, OPTIONS);
    const held = plan.input;
    fillNormal(held, 1, 'input');
    plan.forward();
    // The same images once more are not written.
    plan.forward();
    held[3]! += 1;
    expect(() => {
      plan.forward();
    }).toThrow('asked for before the last pass');
    expect(plan.input).toBe(held);
    plan.forward();
  });

  test('a step copies its input, the outputs it reads and their gradients, each once', () => {
    using backend = separateMemory(open());
    using parameters = backend.createParameters(network);
    using plan = backend.compile(network, parameters, OPTIONS);
    plan.forward();
    for (const name of network.outputs) plan.outputGradient(name).set(plan.output(name));
    expect(plan.output('head')).toHaveLength(4 * 5);
    plan.backward();
    const [images, pooled, head] = [4 * 4 * 2 * 32 * 32, 4 * 4 * 32, 4 * 4 * 5];
    const copies = new Map([
      ['write input', { calls: 1, bytes: images }],
      ['read output pooled', { calls: 1, bytes: pooled }],
      ['read output head', { calls: 1, bytes: head }],
      ['write gradient of output pooled', { calls: 1, bytes: pooled }],
      ['write gradient of output head', { calls: 1, bytes: head }],
    ]);
    expect(backend.transfers).toEqual(copies);
    const told = plan.profile().flatMap(({ kernel, calls }) => (copies.has(kernel) ? [calls] : []));
    expect(told).toEqual([1, 1, 1, 1, 1]);
  });
});

test('vectors are copied without the host where both lie in one memory', () => {
  using backend = separateMemory(openReference(false));
  using a = backend.allocate(3);
  a.write(Float32Array.of(1, 2, 3));
  using b = a.clone();
  using c = backend.allocate(3);
  c.copyFrom(b);
  expect(backend.transfers).toEqual(new Map([['write a vector', { calls: 1, bytes: 12 }]]));
  c.copyFrom(new HostVector(Float32Array.of(4, 5, 6)));
  expect([...c.read(), ...b.read(new Float32Array(2), 1)]).toEqual([4, 5, 6, 2, 3]);
  expect(backend.transfers.get('write a vector')).toEqual({ calls: 2, bytes: 24 });
  expect(backend.transfers.get('read a vector')).toEqual({ calls: 2, bytes: 4 * (3 + 2) });
});

test('vectors and parameters of another backend are refused', () => {
  using backend = separateMemory(openReference(false));
  using other = openReference(false);
  using foreign = other.createParameters(network);
  expect(() => backend.compile(network, foreign, OPTIONS)).toThrow('another backend');
  expect(() => backend.sumOfSquares(foreign.values, [])).toThrow('another backend');
});

test.each([
  ['read', 3, 1],
  ['read', 1, -1],
  ['write', 4, 0],
] as const)('a place outside of a vector is refused (%s %d numbers from %d)', (what, count, start) => {
  using vector = new HostVector(new Float32Array(3));
  expect(() => vector[what](new Float32Array(count), start)).toThrow(RangeError);
});
