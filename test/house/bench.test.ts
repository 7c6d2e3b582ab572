/** The programs that benchmarks start know today's keys: each makes a step of a tiny network and says how long it took. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TORCH } from '../engine/kinds.ts';

const root = join(import.meta.dirname, '..', '..');
const TINY = ['threads=1', 'view.size=32', 'model.width=8', 'precision=f32'];

test.each([
  ['ours.ts', ['constant', ...TINY, 'batch.size=4']],
  ['ours.ts', ['loader', ...TINY, 'batch.size=4']],
  ['ours-tuning.ts', ['all', '2', ...TINY]],
  ['ours-tuning.ts', ['last-block', '2', ...TINY]],
  ['ours-tuning.ts', ['inference', '2', ...TINY]],
])('bench/%s %j answers the step protocol', (file, args) => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join('bench', file), ...args],
    { cwd: root, input: 'step 1\nquit\n', encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const [about, answer] = stdout
    .trim()
    .split('\n')
    .map((line): Readonly<Record<string, unknown>> => JSON.parse(line) as Record<string, unknown>);
  expect(about).toMatchObject({ program: 'uscl', size: 32 });
  expect(answer?.['seconds']).toHaveLength(1);
  // Only a pretraining step has parts that are told apart.
  expect(answer?.['parts']).toEqual(
    file === 'ours.ts' ? [expect.objectContaining({ forward: expect.any(Number) as number })] : undefined,
  );
});

test.skipIf(TORCH === undefined)(
  'bench/torch-host.ts counts what a step asks of PyTorch, layer by layer',
  () => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', 'tsx', join('bench', 'torch-host.ts'), '--steps', '1'],
      { cwd: root, encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const [, operators, calls] = /(\d+) operators, (\d+) foreign calls; /.exec(stdout)!.map(Number);
    const counts: Readonly<Record<string, number>> = Object.fromEntries(
      [...stdout.matchAll(/(\w+) (\d+)(?=,|$)/gm)].map(([, name, count]) => [name!, Number(count)] as const),
    );
    // ResNet-18: 20 convolutions; two linear layers, each with a gradient of its weight and of what it reads.
    expect(counts).toMatchObject({
      aoti_torch_cpu_convolution: 20,
      aoti_torch_cpu_convolution_backward: 20,
      aoti_torch_cpu_addmm_out: 2,
      aoti_torch_cpu_mm_out: 4,
      aoti_torch_cpu_max_pool2d_with_indices: 1,
    });
    expect(operators).toBeGreaterThan(200);
    expect(calls).toBeGreaterThan(operators!);
  },
);
