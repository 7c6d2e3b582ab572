/** The programs that benchmarks start know today's keys: each makes a step of a tiny network and says how long it took. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

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
