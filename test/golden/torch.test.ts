/** A training step of the backend `torch` has the very bits of PyTorch's own, which a Python process computes by autograd. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, Parameters, Plan } from '../../src/engine/core/backend.ts';
import type { Network } from '../../src/engine/core/network.ts';
import { openTorch } from '../../src/engine/torch/backend.ts';
import { resnet } from '../../src/models/resnet.ts';
import { withHeads } from '../../src/models/heads.ts';
import { everyNode, fillNormal, fillParameters } from '../engine/helpers.ts';
import { pythonOfTorch } from '../engine/kinds.ts';

const python = pythonOfTorch();
const UPDATE = { learningRate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 } as const;
const THREADS = 2;

const NETWORKS: readonly (readonly [string, Network])[] = [
  [
    'a ResNet-18 with its heads',
    withHeads(resnet(18, { channels: 3, size: 64 }), {
      projection: { hidden: 64, dim: 32 },
      classifier: null,
    }),
  ],
  ['every kind of node at odd widths', everyNode(2, 33, 12, 7)],
];

const CASES = NETWORKS.flatMap(([name, network], index) =>
  (['f32', 'bf16'] as const).flatMap((precision) =>
    [1, 2].map((normGroups) => ({
      name,
      network,
      precision,
      normGroups,
      folder: `${index}-${precision}-${normGroups}`,
    })),
  ),
);
type Case = (typeof CASES)[number];
const BATCH = 4;

const scratch = mkdtempSync(join(tmpdir(), 'uscl-torch-step-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

const bytes = (data: Float32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** How many numbers differ. */
function differing(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length);
  // −0 and 0 are the same number.
  return found.reduce((count, value, i) => count + (value === expected[i] ? 0 : 1), 0);
}

/** Parameters, images and gradients of a case: the same whenever they are made. */
function prepare(
  backend: Backend,
  { network, precision, normGroups }: Case,
): {
  readonly parameters: Parameters;
  readonly plan: Plan;
} {
  const parameters = backend.createParameters(network);
  fillParameters(parameters, 7);
  const plan = backend.compile(network, parameters, { batch: BATCH, mode: 'train', precision, normGroups });
  fillNormal(plan.input, 7, 'images');
  for (const name of network.outputs) fillNormal(plan.outputGradient(name), 7, name);
  return { parameters, plan };
}

/** What Python reads. */
function writeCase(one: Case): void {
  const folder = join(scratch, one.folder);
  mkdirSync(folder);
  const write = (name: string, data: Float32Array): void => {
    writeFileSync(join(folder, `${name}.bin`), bytes(data));
  };
  using backend = openTorch({ device: 'cpu', threads: THREADS });
  const { parameters, plan } = prepare(backend, one);
  using _both = {
    [Symbol.dispose]: () => {
      plan[Symbol.dispose]();
      parameters[Symbol.dispose]();
    },
  };
  write('values', parameters.values.read());
  write('statistics', parameters.statistics.read());
  write('input', plan.input);
  for (const name of one.network.outputs) write(`gradient-${name}`, plan.outputGradient(name));
  const { specs, statisticSpecs: statistics } = parameters;
  const { network, precision, normGroups } = one;
  const step = { network, precision, normGroups, batch: BATCH, threads: THREADS, specs, statistics };
  writeFileSync(join(folder, 'step.json'), JSON.stringify({ ...step, update: UPDATE }));
}

describe.skipIf(python === undefined)('a step has the bits of PyTorch’s', () => {
  beforeAll(() => {
    CASES.forEach(writeCase);
    // One process for all: importing PyTorch takes most of the time.
    const folders = CASES.map(({ folder }) => join(scratch, folder));
    const peer = spawnSync(python!, [join(import.meta.dirname, 'torch_step.py'), ...folders], {
      encoding: 'utf8',
    });
    expect(peer.status, peer.stderr).toBe(0);
  });

  test.each(
    CASES.flatMap((one) =>
      [false, true].map((staged) => [one.name, one.precision, one.normGroups, staged, one] as const),
    ),
  )('%s in %s with %i norm groups (copies as for a GPU: %s)', (_name, _precision, _groups, staged, one) => {
    const read = (name: string): Float32Array =>
      new Float32Array(new Uint8Array(readFileSync(join(scratch, one.folder, `out-${name}.bin`))).buffer);
    using backend = openTorch({ device: 'cpu', threads: THREADS, staged });
    const prepared = prepare(backend, one);
    using parameters = prepared.parameters;
    using plan = prepared.plan;
    plan.forward();
    for (const name of one.network.outputs) expect(differing(plan.output(name), read(name)), name).toBe(0);
    plan.backward();
    expect(differing(parameters.statistics.read(), read('statistics')), 'statistics').toBe(0);
    const [ours, theirs] = [parameters.gradients.read(), read('gradients')];
    for (const { name, offset, length } of parameters.specs)
      expect(
        differing(ours.subarray(offset, offset + length), theirs.subarray(offset, offset + length)),
        name,
      ).toBe(0);
    using first = backend.allocate(ours.length);
    using second = backend.allocate(ours.length);
    backend.adam({
      ...{ values: parameters.values, gradients: parameters.gradients, first, second },
      ...{ ranges: [[0, ours.length]], decay: 'decoupled', step: 1, gradientScale: 1 },
      ...{ beta1: UPDATE.betas[0], beta2: UPDATE.betas[1] },
      ...UPDATE,
    });
    expect(differing(parameters.values.read(), read('values')), 'values').toBe(0);
  });
});
