import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Every layer at some widths, in a process of its own: the instruction set is read once, when the library loads. */
const SWEEP = `import { openBackend } from './src/engine/open.ts';
import { fillNormal, fillParameters, oddNetwork, relativeError, vectorNorms } from './test/engine/helpers.ts';
import { layerErrors } from './test/engine/layers.ts';
const backend = openBackend({ kind: 'onednn', threads: 1, profile: true });
const { instructionSet, precisions } = backend.describe();
const found = [];
const networks = [1, 3, 4, 8, 9, 12, 16, 20, 24, 33].flatMap((width) => [
  { width, batch: 2, network: oddNetwork(width) },
  { width, batch: 7, network: vectorNorms(width) },
]);
for (const { width, batch, network } of networks)
  for (const precision of precisions) {
    const parameters = backend.createParameters(network);
    const plan = backend.compile(network, parameters, { batch, mode: 'train', precision });
    plan.forward();
    plan.backward();
    const plain = plan.profile().filter(({ kernel }) => kernel.includes(' ref')).map(({ node, kernel }) => node + ' ' + kernel);
    found.push({ width, precision, plain, ...layerErrors(backend, network, { batch, precision }) });
  }
const reference = openBackend({ kind: 'reference' });
const inferred = [8, 16, 48].map((width) => {
  const network = oddNetwork(width);
  const [truth, quick] = [reference, backend].map((one) => {
    const parameters = one.createParameters(network);
    fillParameters(parameters, 5);
    const plan = one.compile(network, parameters, { batch: 3, mode: 'infer', precision: 'f32', fold: true, winograd: true });
    fillNormal(plan.input, 6, 'images');
    plan.forward();
    return plan.output('head').slice();
  });
  return relativeError(truth, quick);
});
console.log(JSON.stringify({ instructionSet, found, inferred }));`;

interface Sweep {
  readonly instructionSet: string;
  readonly found: readonly {
    readonly width: number;
    readonly precision: string;
    readonly plain: readonly string[];
    readonly values: number;
    readonly passed: number;
    readonly parameters: number;
    readonly worst: string;
  }[];
  /** Errors of inference by Winograd's filtering, where the instructions have it. */
  readonly inferred: readonly number[];
}

/** The output of a script in a process whose oneDNN uses no instructions beyond the limit. */
function runUpTo(limit: string, script: string): { readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: root,
    env: { ...process.env, ONEDNN_MAX_CPU_ISA: limit },
    encoding: 'utf8',
  });
}

describe.each([
  ['SSE41', 'sse4.1'],
  ['AVX', 'avx'],
  ['AVX2', 'avx2'],
  ['AVX512_CORE', 'avx512_core'],
  ['ALL', undefined],
])('with instructions up to %s', (limit, name) => {
  it('every layer is right at every kind of width, in a kernel of its own', () => {
    const { stdout, stderr } = runUpTo(limit, SWEEP);
    expect(stderr).toBe('');
    const { instructionSet, found, inferred } = JSON.parse(stdout) as Sweep;
    // A processor may have less than is allowed, never more.
    if (name !== undefined) expect([name, 'sse4.1', 'avx', 'avx2']).toContain(instructionSet);
    for (const { width, precision, plain, values, passed, parameters, worst } of found) {
      const label = `width ${width}, ${precision}: ${worst}`;
      const gradient = precision === 'f32' ? 2e-4 : 1e-2;
      // The library's plain loops are right, and a hundred times slower.
      expect(plain).toEqual([]);
      expect(values, label).toBeLessThan(precision === 'f32' ? 1e-5 : 1e-2);
      expect(passed, label).toBeLessThan(gradient);
      expect(parameters, label).toBeLessThan(width < 3 ? 10 * gradient : gradient);
    }
    for (const error of inferred) expect(error).toBeLessThan(1e-5);
  });
});

const TRY_BF16 = `import { openBackend } from './src/engine/open.ts';
import { oddNetwork } from './test/engine/helpers.ts';
const backend = openBackend({ kind: 'onednn', threads: 1 });
const network = oddNetwork(8);
const parameters = backend.createParameters(network);
try {
  backend.compile(network, parameters, { batch: 2, mode: 'train', precision: 'bf16' });
} catch ({ kind, code, message, remedy }) {
  console.log(JSON.stringify({ kind, code, message, remedy }));
}`;

it('without AVX-512, bf16 is refused with the way out', () => {
  const { stdout, stderr } = runUpTo('AVX2', TRY_BF16);
  expect(stderr).toBe('');
  const { kind, code, message, remedy } = JSON.parse(stdout) as Readonly<Record<string, string>>;
  expect([kind, code]).toEqual(['resource', 'PRECISION']);
  expect(message).toMatch(/f32 only: oneDNN [23]\.[.0-9]* needs AVX-512 for bf16, and finds avx2\.$/);
  expect(remedy).toContain('--set precision=f32');
});
