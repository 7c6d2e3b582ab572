/** What every network in training has: groups of parameters by name, and native memory that is given back. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Backend, Plan } from '../../src/engine/core/backend.ts';
import type * as Memory from '../../src/engine/native/memory.ts';
import type * as Tensors from '../../src/engine/torch/native/tensor.ts';
import { resolveFinetune } from '../../src/finetune/config.ts';
import { randomSource } from '../../src/finetune/source.ts';
import { TunedNetwork } from '../../src/finetune/tuned-network.ts';
import { moco } from '../../src/methods/moco.ts';
import { backboneOf } from '../../src/models/backbone.ts';
import { MethodNetwork } from '../../src/trainer/methods/method-network.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { randomBackbone } from '../../src/trainer/backbone.ts';
import { parameterGroups } from '../../src/trainer/trained-network.ts';
import { openTested, VENDORS } from '../backend.ts';
import { tuneOn } from '../finetune/support.ts';
import { tinyOn } from '../pretrain/support.ts';

/** What is held of native memory: bytes by their block, and 1 for each handle of a tensor of PyTorch's, which keeps its own memory. */
const held = vi.hoisted(() => new Map<object, number>());
vi.mock('../../src/engine/native/memory.ts', async (load) => {
  const memory = await load<typeof Memory>();
  const counted = (allocate: typeof memory.allocateBlock) => (bytes: number) => {
    const block = allocate(bytes);
    held.set(block, block.bytes);
    return {
      ...block,
      [Symbol.dispose]() {
        held.delete(block);
        block[Symbol.dispose]();
      },
    };
  };
  return {
    ...memory,
    allocateBlock: counted(memory.allocateBlock),
    allocateZeros: counted(memory.allocateZeros),
  };
});

vi.mock('../../src/engine/torch/native/tensor.ts', async (load) => {
  const { Tensor } = await load<typeof Tensors>();
  class Counted extends Tensor {
    constructor(...given: ConstructorParameters<typeof Tensor>) {
      super(...given);
      held.set(this, 1);
    }

    override [Symbol.dispose](): void {
      held.delete(this);
      super[Symbol.dispose]();
    }
  }
  return { Tensor: Counted };
});

afterEach(() => {
  held.clear();
});

const inUse = (): number => [...held.values()].reduce((sum, bytes) => sum + bytes, 0);

describe.each(VENDORS)('native memory on %s', (vendor) => {
  const open = () => openTested(vendor);

  test('of a network in training is given back, and that of its optimizer at each new start', () => {
    using backend = open();
    const before = inUse();
    const config = resolveFinetune({ set: [...tuneOn(vendor), 'layers=all'] });
    {
      using network = new TunedNetwork(backend, config, randomSource(1), 2);
      network.start(1);
      const started = inUse();
      network.start(2);
      expect(inUse()).toBe(started);
      network.training(2);
      expect(inUse()).toBeGreaterThan(started);
    }
    expect(inUse()).toBe(before);
  });

  const makers: Readonly<Record<string, (backend: Backend) => readonly [Disposable, Plan]>> = {
    'that is fine-tuned': (backend) => {
      const config = resolveFinetune({ set: [...tuneOn(vendor), 'layers=all'] });
      const network = new TunedNetwork(backend, config, randomSource(1), 2);
      network.start(1);
      return [network, network.training(2)];
    },
    'with a target network': (backend) => {
      const config = resolveConfig({ set: [...tinyOn(vendor), 'method.name=moco'] });
      const { view } = config;
      const given = { trunk: backboneOf(config), classes: 0, sources: [], view, batchSize: 4, seed: 0 };
      const opened = { method: moco, open: moco.open(config.method, given) };
      const network = new MethodNetwork({ backend, config, opened });
      return [network, network.inference];
    },
  };

  test.each(Object.entries(makers))(
    'of a network %s is given back also where a plan of it fails to close',
    (_, make) => {
      using backend = open();
      const before = inUse();
      const [network, plan] = make(backend);
      const release = plan[Symbol.dispose].bind(plan);
      vi.spyOn(plan, Symbol.dispose).mockImplementation(() => {
        release();
        throw new Error('stuck');
      });
      expect(inUse()).toBeGreaterThan(before);
      expect(() => {
        network[Symbol.dispose]();
      }).toThrow('stuck');
      expect(inUse()).toBe(before);
    },
  );

  test('of a network that is only looked through is given back', () => {
    using backend = open();
    const before = inUse();
    {
      using backbone = randomBackbone(backend, resolveConfig({ set: tinyOn(vendor) }), 1);
      expect(inUse() - before).toBeGreaterThan(vendor === 'onednn' ? backbone.plan.bytes : 0);
    }
    expect(inUse()).toBe(before);
  });
});

test('parameters train at the rate of the run, with weight decay unless a pattern spares them', () => {
  const names = ['conv1.weight', 'bn1.weight', 'bn1.bias', 'fc.bias'];
  const { optimizer } = resolveConfig({ set: ['optimizer.weightDecay=0.1', 'optimizer.noDecay=["bn*"]'] });
  expect(parameterGroups(names, optimizer)).toEqual([
    { parameters: ['conv1.weight', 'fc.bias'], learningRateFactor: 1, weightDecay: 0.1 },
    { parameters: ['bn1.weight', 'bn1.bias'], learningRateFactor: 1, weightDecay: 0 },
  ]);
  expect(parameterGroups(names, { ...optimizer, noDecay: ['*'] })).toHaveLength(1);
});
