import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Plan } from '../../src/engine/core/backend.ts';
import type * as Memory from '../../src/engine/native/memory.ts';
import type * as Placement from '../../src/engine/onednn/native/placement.ts';
import { openBackend } from '../../src/engine/open.ts';
import { fillNormal, fillParameters, oddNetwork, vectorNorms } from './helpers.ts';

/*
 * What a plan computes must not depend on what its memory held before. Every block that the engine allocates is seen
 * here, so that the arena can be filled with NaN; and buffers can be placed apart, so that those of the backward pass
 * are as dirty when they are first written.
 */
const seen = vi.hoisted(() => ({ blocks: [] as { address: number; bytes: number }[], apart: false }));

vi.mock('../../src/engine/native/memory.ts', async (load) => {
  const memory = await load<typeof Memory>();
  return {
    ...memory,
    allocateBlock: (bytes: number) => {
      const block = memory.allocateBlock(bytes);
      seen.blocks.push(block);
      return block;
    },
  };
});

vi.mock('../../src/engine/onednn/native/placement.ts', async (load) => {
  const placement = await load<typeof Placement>();
  return {
    place: (requests: Parameters<typeof placement.place>[0]) =>
      placement.place(seen.apart ? requests.map(({ bytes }) => ({ bytes, first: 0, last: 0 })) : requests),
  };
});

afterEach(() => {
  seen.apart = false;
});

/** Fills all memory that the plan calls its own for activations; 255 in every byte is NaN in f32 and bf16. */
async function fillArena(plan: Plan, byte: number): Promise<void> {
  const { byteView } = await import('../../src/engine/native/memory.ts');
  const arena = seen.blocks.findLast(({ bytes }) => bytes === plan.bytes)!;
  byteView(arena.address as Parameters<typeof byteView>[0], arena.bytes).fill(byte);
}

const NETWORKS = [1, 5, 8, 12, 16, 24].flatMap((width) => [
  [`every kind of node, width ${width}`, oddNetwork(width)] as const,
  [`norms of vectors, width ${width}`, vectorNorms(width)] as const,
]);

describe.each(NETWORKS)('a plan of %s', (_, network) => {
  it.each([
    ['f32', 'train'],
    ['bf16', 'train'],
    ['f32', 'infer'],
    ['f32', 'fold'],
    ['bf16', 'fold'],
    ['f32', 'winograd'],
  ] as const)('computes the same bits in memory full of NaN (%s, %s)', async (precision, mode) => {
    using backend = openBackend({ kind: 'onednn', threads: 2 });
    using parameters = backend.createParameters(network);
    const compile = (): Plan =>
      backend.compile(network, parameters, {
        batch: 2,
        precision,
        mode: mode === 'train' ? 'train' : 'infer',
        fold: mode === 'fold' || mode === 'winograd',
        winograd: mode === 'winograd',
      });
    const run = async (plan: Plan, byte: number): Promise<readonly Float32Array[]> => {
      fillParameters(parameters, 1);
      fillNormal(plan.input, 2, 'images');
      await fillArena(plan, byte);
      plan.forward();
      const outputs = network.outputs.map((name) => plan.output(name).slice());
      if (mode !== 'train') return outputs;
      for (const name of network.outputs) fillNormal(plan.outputGradient(name), 3, name);
      plan.backward();
      return [...outputs, parameters.gradients.read(), parameters.statistics.read()];
    };
    fillParameters(parameters, 1);
    using shared = compile();
    const clean = await run(shared, 0);
    expect(clean.every((values) => values.every(Number.isFinite))).toBe(true);
    expect(await run(shared, 255)).toEqual(clean);
    seen.apart = true;
    using apart = compile();
    expect(apart.bytes).toBeGreaterThan(shared.bytes);
    expect(await run(apart, 255)).toEqual(clean);
  });
});
