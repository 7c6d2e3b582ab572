/** One study, killed over and over, and two processes on one. The short form is `test/study/processes.test.ts`. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { compileProgram } from '../cli/run.ts';
import { scratchFolder } from '../pretrain/support.ts';
import { killedStudy, twoProcesses } from '../study/kills.ts';
import { studyData } from '../study/support.ts';

const scratch = scratchFolder();
const data = join(scratch, 'data');

beforeAll(async () => {
  compileProgram();
  await studyData(data);
});

test('20 kills of a study: it ends in the results of two processes that were left alone', async () => {
  const killed = await killedStudy(join(scratch, 'killed'), data, 20);
  expect(killed).toEqual(await twoProcesses(join(scratch, 'two'), data));
});
