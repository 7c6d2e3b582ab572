/** A disk that fills up, or a read-only mount, at any moment of writing a dataset. */
import type * as fs from 'node:fs';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { scratchFolder, writeSmallDataset } from './helpers.ts';

/** Calls that write are counted; the one with number `failAt` fails with `code`. */
const disk = vi.hoisted(() => ({ calls: 0, failAt: Infinity, code: 'ENOSPC' }));

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  // A full disk stays full for writes; a rename fails once, or the old dataset could never be put back.
  const failing = <T extends unknown[], R>(action: (...args: T) => R, once = false) => {
    return (...args: T): R => {
      const call = disk.calls++;
      if (once ? call === disk.failAt : call >= disk.failAt)
        throw Object.assign(new Error(disk.code), { code: disk.code });
      return action(...args);
    };
  };
  return {
    ...real,
    writeSync: failing(real.writeSync as (...args: unknown[]) => number),
    fsyncSync: failing(real.fsyncSync),
    renameSync: failing(real.renameSync, true),
    mkdirSync: failing(real.mkdirSync as (...args: unknown[]) => unknown),
  };
});

const scratch = scratchFolder();
let count = 0;

beforeEach(() => {
  disk.failAt = Infinity;
});

async function writesOfASmallDataset(): Promise<number> {
  const parent = join(scratch, `count${++count}`);
  disk.calls = 0;
  await writeSmallDataset(join(parent, 'set'));
  return disk.calls;
}

describe.each([
  ['ENOSPC', 'DISK_FULL'],
  ['EROFS', 'WRITE_FAILED'],
])('%s at any write', (code, expected) => {
  test('is one resource error, and nothing is left behind', async () => {
    const calls = await writesOfASmallDataset();
    expect(calls).toBeGreaterThan(10);
    for (let failAt = 0; failAt < calls; failAt++) {
      const parent = join(scratch, `fail${++count}`);
      mkdirSync(parent);
      Object.assign(disk, { calls: 0, failAt, code });
      const error: unknown = await writeSmallDataset(join(parent, 'set')).catch((thrown: unknown) => thrown);
      disk.failAt = Infinity;
      // The last sync comes after the rename: the dataset is then whole.
      const left = existsSync(parent) ? readdirSync(parent) : [];
      if (failAt === calls - 1) expect(left).toEqual(['set']);
      else expect(left).toEqual([]);
      expect(error).toBeInstanceOf(UsclError);
      expect(error).toMatchObject({ code: expected, exitCode: 5 });
    }
  });

  test('keeps the dataset that was to be replaced', async () => {
    const parent = join(scratch, `keep${++count}`);
    const folder = join(parent, 'set');
    await writeSmallDataset(folder);
    const before = readFileSync(join(folder, 'clips.jsonl'));
    disk.calls = 0;
    await writeSmallDataset(folder, true);
    // Without the last call, the sync that follows the rename: by then the new dataset is in place.
    const calls = disk.calls - 1;
    for (let failAt = 0; failAt < calls; failAt++) {
      Object.assign(disk, { calls: 0, failAt, code });
      await expect(writeSmallDataset(folder, true)).rejects.toBeInstanceOf(UsclError);
      disk.failAt = Infinity;
      expect(readdirSync(parent)).toEqual(['set']);
      openDataset(folder)[Symbol.dispose]();
      expect(readFileSync(join(folder, 'clips.jsonl')).equals(before)).toBe(true);
    }
  });
});
