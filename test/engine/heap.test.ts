/** Memory that PyTorch's kernels free in a step stays with the process for the next one, unless the user says otherwise. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { TORCH } from './kinds.ts';

const PROGRAM = `
import { openTorch } from './src/engine/torch/backend.ts';
import { resnet } from './src/models/resnet.ts';
const network = resnet(18, { channels: 1, size: 64 });
const backend = openTorch({ device: 'cpu', threads: 1 });
const parameters = backend.createParameters(network);
const options = { batch: 16, mode: 'train', precision: 'f32' };
const pages = () => process.resourceUsage().minorPageFault;
const plan = backend.compile(network, parameters, options);
const step = () => {
  plan.forward();
  plan.backward();
};
for (let i = 0; i < 3; i++) step();
const before = pages();
for (let i = 0; i < 4; i++) step();
const taken = (pages() - before) / 4;
const held = process.memoryUsage.rss();
plan[Symbol.dispose]();
console.log(JSON.stringify({ taken, freed: held - process.memoryUsage.rss() }));
`;

/** Pages that a step gets anew, and bytes that go back with the plan. */
function measured(env: Readonly<Record<string, string>>): { readonly taken: number; readonly freed: number } {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', PROGRAM],
    { encoding: 'utf8', env: { ...process.env, ...env } },
  );
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { taken: number; freed: number };
}

describe.skipIf(process.platform !== 'linux' || TORCH === undefined)('memory that a step frees', () => {
  it('is used again by the next one and goes back with the plan', () => {
    const kept = measured({});
    const user = measured({ MALLOC_TRIM_THRESHOLD_: String(1 << 17) });
    // Some 20 MB of maps, in pages of 4 KiB.
    expect(user.taken).toBeGreaterThan(3000);
    expect(kept.taken).toBeLessThan(user.taken / 10);
    expect(kept.freed).toBeGreaterThan(10e6);
  });
});
