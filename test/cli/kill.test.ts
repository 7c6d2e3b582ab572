/**
 * kill -9 at any moment leaves a run that goes on to the very bits of one left alone: the real program on the vendor's kernels,
 * killed a few times. `test/slow/kill.test.ts` kills it often.
 */
import { join } from 'node:path';
import { beforeAll, test } from 'vitest';
import { scratchFolder } from '../pretrain/support.ts';
import { killFinetuning, killMoco, killPretraining } from './kills.ts';
import { compileProgram } from './run.ts';

const scratch = scratchFolder();
beforeAll(compileProgram);

test('6 kills of pretraining: each time --resume ends in the same bits', { timeout: 600_000 }, async () => {
  await killPretraining(join(scratch, 'pretrain'), 6);
});

test('3 kills of fine-tuning: each time --resume ends in the same bits', { timeout: 600_000 }, async () => {
  await killFinetuning(join(scratch, 'finetune'), 3);
});

test('two kills of one run of MoCo: it ends in the same bits, following network and queue included', async () => {
  await killMoco(join(scratch, 'moco'), 2, 10);
});
