/** Going on with a run whose latest checkpoint is not sound. */
import { readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { errorOf, scratchFolder, tinyDataset, tinyRun } from './support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const file = (run: string, name: string): string => join(run, 'checkpoints', `${name}.safetensors`);

beforeAll(async () => {
  await tinyDataset(dataset);
  await tinyRun(dataset, whole);
});

/** A finished run of three epochs, its checkpoints of the last and the last but one. */
async function finished(name: string): Promise<string> {
  const run = join(scratch, name);
  await tinyRun(dataset, run);
  expect(readCheckpoint(file(run, 'previous')).step).toBe(4);
  return run;
}

/** Goes on to the end; what is said on the way. */
async function wentOn(run: string): Promise<string> {
  const { summary, events } = await tinyRun(dataset, run, [], { resume: true });
  expect(summary.complete).toBe(true);
  expect(readFileSync(file(run, 'last')).equals(readFileSync(file(whole, 'last')))).toBe(true);
  return events.flatMap((event) => (event.kind === 'note' ? [event.text] : [])).join();
}

test('a damaged one gives way to the one before, which is said, and the end is the same to the bit', async () => {
  const run = await finished('damaged');
  truncateSync(file(run, 'last'), 1000);
  const said = await wentOn(run);
  expect(said).toContain('damaged');
  expect(said).toContain('one before');
});

test('a missing one gives way as well', async () => {
  const run = await finished('missing');
  rmSync(file(run, 'last'));
  expect(await wentOn(run)).toContain('one before');
});

test('with no sound one left there is an error, and what is there is kept', async () => {
  const run = await finished('both');
  for (const name of ['last', 'previous']) truncateSync(file(run, name), 100);
  expect(await errorOf(() => tinyRun(dataset, run, [], { resume: true }))).toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    where: file(run, 'previous'),
  });
  expect(statSync(file(run, 'last')).size).toBe(100);
  rmSync(file(run, 'previous'));
  expect(await errorOf(() => tinyRun(dataset, run, [], { resume: true }))).toMatchObject({
    code: 'CHECKPOINT_DAMAGED',
    where: file(run, 'last'),
  });
});
