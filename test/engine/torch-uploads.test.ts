/**
 * What crosses between the host and a device, on a processor that is treated as one: every copy that libtorch is asked for is written
 * down. A GPU obeys the same calls; that it copies while it computes, only a GPU can show.
 */
import koffi from 'koffi';
import { describe, expect, test, vi } from 'vitest';
import type { Parameters, Plan } from '../../src/engine/core/backend.ts';
import type { Address } from '../../src/engine/native/memory.ts';
import { INPUT, type Network } from '../../src/engine/core/network.ts';
import { openBackend } from '../../src/engine/open.ts';
import { openDevice } from '../../src/engine/torch/native/device.ts';
import { type Library, loadTorch } from '../../src/engine/torch/native/library.ts';
import { permanent } from '../../src/engine/torch/native/scratch.ts';
import { Runtime } from '../../src/engine/torch/native/runtime.ts';
import { createTorchParameters } from '../../src/engine/torch/parameters.ts';
import { TorchPlan } from '../../src/engine/torch/plan.ts';
import { everyNode, fillNormal, fillParameters, vectorNorms } from './helpers.ts';
import { TORCH } from './kinds.ts';

const maps = everyNode(2, 16);

interface Opened extends Disposable {
  readonly plan: Plan;
  readonly parameters: Parameters;
  /** What has crossed since it was asked last, in order: numbers of each copy. */
  readonly crossed: () => readonly string[];
}

/** A training plan whose copies between host and device are told apart by the places they read and write. */
function open(network: Network): Opened {
  const library = loadTorch(1);
  const device = openDevice(library, 'cpu');
  const log: string[] = [];
  // Arrays of the host's that are there, by the address where they begin: their numbers.
  const arrays = new Map<number, number>();
  const slot = permanent(8);
  const addressOf = (tensor: Address): number => {
    expect(library.functions.dataPointer(tensor, slot.address)).toBe(0);
    return Number(new BigUint64Array(slot.buffer)[0]);
  };
  const functions: Library['functions'] = {
    ...library.functions,
    copy: (target, source, goesOn) => {
      const [to, from] = [arrays.get(addressOf(target)), arrays.get(addressOf(source))];
      if (from !== undefined) log.push(`${goesOn === 1 ? 'queue' : 'send'} ${from}`);
      else if (to !== undefined) log.push(`read ${to}`);
      return library.functions.copy(target, source, goesOn);
    },
  };
  const runtime = new Runtime({ ...library, functions }, device, device.type, false);
  const wait = runtime.synchronize.bind(runtime);
  runtime.synchronize = () => {
    log.push('wait');
    wait();
  };
  const host = runtime.host.bind(runtime);
  runtime.host = (length) => {
    const made = host(length);
    const address = addressOf(made.tensor.handle);
    arrays.set(address, length);
    return {
      ...made,
      [Symbol.dispose]: () => {
        arrays.delete(address);
        made[Symbol.dispose]();
      },
    };
  };
  const parameters = createTorchParameters(runtime, network);
  fillParameters(parameters, 1);
  const options = { batch: 4, mode: 'train', precision: 'bf16', taps: [INPUT] } as const;
  const plan = new TorchPlan(runtime, network, parameters, options, false);
  log.length = 0;
  return {
    plan,
    parameters,
    crossed: () => log.splice(0),
    [Symbol.dispose]: () => {
      using _parameters = parameters;
      plan[Symbol.dispose]();
    },
  };
}

const batches = [
  ['maps', maps, 4 * 2 * 16 * 16],
  ['vectors', vectorNorms(8), 4 * vectorNorms(8).input.reduce((product, side) => product * side, 1)],
] as const;

describe.skipIf(TORCH === undefined)('a step on a device', () => {
  test.each(batches)(
    'of %s queues its images, reads what is asked for and sends its gradients, nothing else',
    (_, network, images) => {
      using opened = open(network);
      const { plan, crossed } = opened;
      fillNormal(plan.input, 1, 'input');
      expect(crossed()).toEqual([]);
      plan.forward();
      expect(crossed()).toEqual([`queue ${images}`]);
      const lengths = network.outputs.map((name) => plan.output(name).length);
      for (const name of network.outputs) plan.output(name);
      expect(crossed()).toEqual(lengths.map((length) => `read ${length}`));
      for (const name of network.outputs) plan.outputGradient(name).fill(1);
      plan.backward();
      expect(crossed()).toEqual(lengths.map((length) => `send ${length}`));
    },
  );

  test('has its images when they are written over: the host waits only where it has read nothing since', () => {
    using opened = open(maps);
    const { plan, crossed } = opened;
    fillNormal(plan.input, 1, 'input');
    plan.forward();
    plan.output('head');
    crossed();
    fillNormal(plan.input, 2, 'input');
    expect(crossed()).toEqual([]);
    plan.forward();
    expect(crossed()).toEqual([`queue ${4 * 2 * 16 * 16}`]);
    const again = plan.input;
    expect(crossed()).toEqual(['wait']);
    expect(plan.input).toBe(again);
    expect(crossed()).toEqual([]);
  });

  test('is waited for by what any plan or vector reads, not by what is written', () => {
    using opened = open(maps);
    const { plan, parameters, crossed } = opened;
    plan.forward();
    parameters.values.write(Float32Array.of(1));
    crossed();
    expect([plan.input.length, ...crossed()]).toEqual([4 * 2 * 16 * 16, 'wait']);
    plan.forward();
    parameters.values.read(new Float32Array(1));
    crossed();
    expect([plan.input.length, ...crossed()]).toEqual([4 * 2 * 16 * 16]);
  });
});

test.skipIf(TORCH === undefined)('a step in the host’s memory makes no view of it', () => {
  using backend = openBackend({ kind: 'torch', device: 'cpu', threads: 1 });
  using parameters = backend.createParameters(maps);
  fillParameters(parameters, 1);
  const { values, gradients } = parameters;
  using first = backend.allocate(values);
  using second = backend.allocate(values);
  using plan = backend.compile(maps, parameters, { batch: 4, mode: 'train', precision: 'f32' });
  const step = (count: number): void => {
    fillNormal(plan.input, count, 'input');
    plan.forward();
    for (const name of maps.outputs) plan.outputGradient(name).set(plan.output(name));
    plan.backward();
    const ranges = [[0, values.length]] as const;
    const size = backend.sumOfSquares(gradients, ranges);
    // What processes sum over.
    using numbers = gradients.unordered();
    numbers.write(numbers.read());
    backend.adam({
      ...{ values, gradients, first, second, ranges, step: count, gradientScale: 1 / (1 + size) },
      ...{ learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decay: 'coupled' },
    });
  };
  step(1);
  const view = vi.spyOn(koffi, 'view');
  step(2);
  step(3);
  expect(view).not.toHaveBeenCalled();
  view.mockRestore();
});
