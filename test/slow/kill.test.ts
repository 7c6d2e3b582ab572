/** One run, killed over and over. The quick tests (`test/cli/kill.test.ts`) have runs that are killed once, and a short form of this. */
import { beforeAll, test } from 'vitest';
import { killMoco } from '../cli/kills.ts';
import { compileProgram } from '../cli/run.ts';
import { scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
beforeAll(compileProgram);

test('20 kills of one run of MoCo: it ends in the same bits, following network and queue included', async () => {
  await killMoco(scratch, 20, 60);
});
