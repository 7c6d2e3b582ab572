/** A disk that fills up, or turns read-only, at any write of a run: one clear error, nothing lost, and resuming works. */
import type * as fs from 'node:fs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { isRun } from '../../src/runs/run-folder.ts';
import { errorOf, scratchFolder, tinyDataset, tinyRun } from './support.ts';

/** Calls that write are counted; from number `failAt` on they fail with `code`. */
const disk = vi.hoisted(() => ({ calls: 0, failAt: Infinity, code: 'ENOSPC' }));

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const failing = <T extends unknown[], R>(action: (...args: T) => R) => {
    return (...args: T): R => {
      if (disk.calls++ >= disk.failAt) throw Object.assign(new Error(disk.code), { code: disk.code });
      return action(...args);
    };
  };
  return {
    ...real,
    writeSync: failing(real.writeSync as (...args: unknown[]) => number),
    writeFileSync: failing(real.writeFileSync),
    appendFileSync: failing(real.appendFileSync),
    fsyncSync: failing(real.fsyncSync),
    renameSync: failing(real.renameSync),
    linkSync: failing(real.linkSync),
    mkdirSync: failing(real.mkdirSync as (...args: unknown[]) => unknown),
  };
});

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const set = ['training.epochs=1'];
let calls = 0;

const lastOf = (run: string): Buffer => readFileSync(join(run, 'checkpoints', 'last.safetensors'));

beforeAll(async () => {
  await tinyDataset(dataset);
  disk.calls = 0;
  await tinyRun(dataset, whole, set);
  calls = disk.calls;
});

describe.each([
  ['ENOSPC', 'DISK_FULL', 7],
  ['EROFS', 'WRITE_FAILED', 23],
])('%s', (code, expected, stride) => {
  test(`at every ${stride}th write`, { timeout: 300_000 }, async () => {
    expect(calls).toBeGreaterThan(40);
    for (let failAt = 0; failAt < calls; failAt += stride) {
      const run = join(scratch, `${code}${failAt}`);
      Object.assign(disk, { calls: 0, failAt, code });
      const error = await errorOf(() => tinyRun(dataset, run, set)).finally(() => {
        disk.failAt = Infinity;
      });
      expect(error).toMatchObject({ code: expected, kind: 'resource', exitCode: 5 });
      expect(error.message).toContain(run);
      // Whatever is there is whole: a run that goes on, or none yet.
      const resumed = isRun(run);
      await tinyRun(dataset, run, set, resumed ? { resume: true } : {});
      expect(lastOf(run).equals(lastOf(whole))).toBe(true);
    }
  });
});
