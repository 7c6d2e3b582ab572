/**
 * Both majors of oneDNN, as far as this machine has them: every layer and every update of weights against the reference. Each
 * works in a process of its own. The whole suite runs on another library with `USCL_DNNL` (`npm run test:matrix`).
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { lookAt } from '../../src/engine/onednn/native/loader.ts';
import { placesOf, search, thisMachine } from '../../src/engine/onednn/native/search.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const SWEEP = `import { openBackend } from './src/engine/open.ts';
import { edit, fillNormal, oddNetwork, relativeError, vectorNorms } from './test/engine/helpers.ts';
import { layerErrors } from './test/engine/layers.ts';
const backend = openBackend({ kind: 'onednn', threads: 2 });
const reference = openBackend({ kind: 'reference' });
const { library, precisions } = backend.describe();
const layers = [];
for (const width of [1, 8, 12, 16, 33])
  for (const network of [oddNetwork(width), vectorNorms(width)])
    for (const precision of precisions)
      layers.push({ width, precision, ...layerErrors(backend, network, { batch: 4, precision, normGroups: 2 }) });
const LENGTH = 300_000;
const weightsAfter = (one, update) => {
  const [values, gradients, first, second] = ['values', 'gradients', 'first', 'second'].map(() => one.allocate(LENGTH));
  edit(values, (data) => fillNormal(data, 1, 'values'));
  for (let step = 1; step <= 2; step++) {
    edit(gradients, (data) => fillNormal(data, step, 'gradients'));
    update(one, { values, gradients, first, second }, step);
  }
  return values.read();
};
const common = { ranges: [[0, LENGTH]], gradientScale: 0.5, learningRate: 0.01, weightDecay: 0.1 };
const updates = [
  (one, { values, gradients, first, second }, step) =>
    one.adam({ ...common, values, gradients, first, second, step, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 'decoupled' }),
  (one, { values, gradients, first }, step) =>
    one.sgd({ ...common, values, gradients, momentumBuffer: first, step, momentum: 0.9, nesterov: true }),
].map((update) => relativeError(weightsAfter(reference, update), weightsAfter(backend, update)));
console.log(JSON.stringify({ library, layers, updates }));`;

interface Sweep {
  readonly library: string;
  readonly layers: readonly {
    readonly width: number;
    readonly precision: string;
    readonly values: number;
    readonly passed: number;
    readonly parameters: number;
    readonly worst: string;
  }[];
  readonly updates: readonly number[];
}

describe.each([2, 3] as const)('oneDNN %i.x', (major) => {
  const { taken } = search(placesOf(thisMachine(), major), lookAt);
  it.skipIf(taken === undefined)('computes what the reference computes', () => {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', SWEEP],
      { cwd: root, env: { ...process.env, USCL_DNNL: taken!.path }, encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    const { library, layers, updates } = JSON.parse(stdout) as Sweep;
    expect(library).toBe(`oneDNN ${taken!.version.join('.')}`);
    for (const { width, precision, values, passed, parameters, worst } of layers) {
      const label = `width ${width}, ${precision}: ${worst}`;
      const gradient = precision === 'f32' ? 2e-4 : 1e-2;
      expect(values, label).toBeLessThan(precision === 'f32' ? 1e-5 : 1e-2);
      expect(passed, label).toBeLessThan(gradient);
      expect(parameters, label).toBeLessThan(width < 3 ? 10 * gradient : gradient);
    }
    for (const error of updates) expect(error).toBeLessThan(1e-6);
  });
});
