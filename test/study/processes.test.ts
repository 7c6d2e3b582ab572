/** The short form of what `test/slow/study.test.ts` does twenty times. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { compileProgram, uscl } from '../cli/run.ts';
import { scratchFolder } from '../pretrain/support.ts';
import { killedStudy, resultsIn, twoProcesses } from './kills.ts';
import { smallStudy, studyData, writeStudy } from './support.ts';

const scratch = scratchFolder();
const data = join(scratch, 'data');
const whole = join(scratch, 'whole');

beforeAll(async () => {
  compileProgram();
  await studyData(data);
  const args = ['--data', data, '--out', join(whole, 'out'), '--work', join(whole, 'work'), '--threads', '1'];
  const { code, stdout } = await uscl(['study', writeStudy(whole, smallStudy()), ...args]);
  expect(code).toBe(0);
  expect(stdout).toContain('Endpoint, difference to random');
});

test('a study killed twice ends in the same results', async () => {
  expect(await killedStudy(join(scratch, 'killed'), data, 2)).toEqual(resultsIn(join(whole, 'out')));
});

test('two processes on one study share its jobs and end in the same results', async () => {
  expect(await twoProcesses(join(scratch, 'two'), data)).toEqual(resultsIn(join(whole, 'out')));
});

test('processes that start at once write the part of a target once', async () => {
  const folder = join(scratch, 'part');
  const study = smallStudy();
  study['seeds'] = 1;
  study['recipes'] = [{ name: 'random', weights: 'random' }];
  study['targets'] = [{ name: 'clinic', data: 'clinic', groups: { of: 2, part: 0 } }];
  study['protocols'] = { probe: { folds: 2, seeds: 1, framesPerClip: 1, k: 2 } };
  study['endpoint'] = { reader: 'linear', targets: ['clinic'] };
  const args = ['study', writeStudy(folder, study), '--data', data, '--threads', '1'];
  const places = ['--out', join(folder, 'out'), '--work', join(folder, 'work')];
  const ends = await Promise.all(Array.from({ length: 3 }, () => uscl([...args, ...places])));
  for (const { code, stderr } of ends) expect(code, stderr).toBe(0);
  expect(readdirSync(join(folder, 'work', 'targets'))).toHaveLength(1);
  expect(readdirSync(join(folder, 'work', 'claims'))).toEqual([]);
});

test('a study with a failed job ends with an error that names it, after table and page', async () => {
  const folder = join(scratch, 'failing');
  const study = smallStudy();
  study['seeds'] = 1;
  // More neighbours than clips to choose from.
  study['protocols'] = { probe: { folds: 2, seeds: 1, framesPerClip: 1, k: 17 } };
  study['endpoint'] = { reader: 'linear', targets: ['clinic'] };
  const path = writeStudy(folder, study);
  const args = ['study', path, '--data', data, '--work', join(folder, 'work'), '--threads', '1', '--json'];
  const { code, stdout, stderr } = await uscl(args);
  expect(code).toBe(3);
  const result = JSON.parse(stdout) as {
    error: { code: string };
    study: { jobs: { failed: { job: string }[] } };
  };
  expect(result.error.code).toBe('STUDY_FAILED');
  expect(result.study.jobs.failed.map(({ job }) => job)).toEqual(
    ['random', 'uscl', 'simclr'].map((recipe) => `${recipe}.s0.probe.clinic`),
  );
  expect(stderr).toContain('Then say --retry');
  // Without --out: beside the file, by its name.
  expect(stderr).toContain(`page: ${join(folder, 'study', 'report.html')}`);
});
