/** Clearing the folder of a run: what is a run's goes, what somebody put there stays. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clearRun, FINETUNE_FILES, requireOurs, RUN_FILES } from '../../src/runs/run-folder.ts';
import { failure } from '../failures.ts';
import { scratchFolder } from '../pretrain/support.ts';

const FOLDERS: readonly string[] = [
  ...[RUN_FILES.checkpoints, RUN_FILES.probes],
  ...[FINETUNE_FILES.foldRuns, FINETUNE_FILES.explain],
];

test('a run is cleared of all that a run is made of but its lock, and of nothing else', () => {
  const run = scratchFolder();
  const put = (name: string): void => {
    writeFileSync(join(run, name), 'x');
  };
  for (const name of [...Object.values(RUN_FILES), ...Object.values(FINETUNE_FILES)])
    if (FOLDERS.includes(name)) {
      mkdirSync(join(run, name));
      put(join(name, 'within'));
    } else put(name);
  for (const name of ['events.out.tfevents.1.host', '.log.jsonl.tmp', 'thesis.tex']) put(name);
  mkdirSync(join(run, 'pictures'));
  clearRun(run);
  expect(readdirSync(run).sort()).toEqual(['pictures', RUN_FILES.lock, 'thesis.tex']);
  const error = failure(() => requireOurs(run, 'a run', (name) => name === RUN_FILES.lock));
  expect(error).toMatchObject({ code: 'OUTPUT_NOT_OURS', where: run });
  expect(error.message).toContain('it holds "pictures"');
});
