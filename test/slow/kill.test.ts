/** The program, killed over and over. The short form is `test/cli/kill.test.ts`. */
import { join } from 'node:path';
import { beforeAll, test } from 'vitest';
import { killFinetuning, killMoco, killPretraining } from '../cli/kills.ts';
import { compileProgram } from '../cli/run.ts';
import { scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
beforeAll(compileProgram);

test('20 kills of pretraining: each time --resume ends in the same bits', async () => {
  await killPretraining(join(scratch, 'pretrain'), 20);
});

test('8 kills of fine-tuning: each time --resume ends in the same bits', async () => {
  await killFinetuning(join(scratch, 'finetune'), 8);
});

test('20 kills of one run of MoCo: it ends in the same bits, following network and queue included', async () => {
  await killMoco(join(scratch, 'moco'), 20, 60);
});
