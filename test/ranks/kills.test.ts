/** One of two ranks is killed while it waits in a sum, and between the writing of a checkpoint and its rename. The long form kills twenty times. */
import { beforeAll, expect, test } from 'vitest';
import { compileProgram } from '../cli/run.ts';
import { scratchFolder } from '../pretrain/support.ts';
import { EPOCH, killRanks } from './kills.ts';
import { launchers } from './launchers.ts';

const [launcher] = launchers;
const scratch = scratchFolder();
beforeAll(compileProgram);

test.skipIf(launcher === undefined || process.platform !== 'linux')(
  'a rank is killed in an all-reduce, and before the rename of a checkpoint: all end, the file is whole, and it ends in the bits of a run left alone',
  { timeout: 240_000 },
  async () => {
    const deaths = await killRanks(launcher!, scratch, 4, [
      { place: 'waits in a sum', victim: 1, at: EPOCH.sums + 1 },
      { place: 'before the rename', victim: 0, at: 2 },
    ]);
    expect(deaths.map(({ step }) => step)).toEqual([EPOCH.steps, 2 * EPOCH.steps]);
  },
);
