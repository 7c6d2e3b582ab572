/** A study by several processes: the results of one, one voice, one end. */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { compileProgram, finished, uscl } from '../cli/run.ts';
import { scratchFolder } from '../pretrain/support.ts';
import { resultsIn } from '../study/kills.ts';
import { smallStudy, studyData, writeStudy } from '../study/support.ts';
import { launch, launched, launchedApart, launchers, MAIN, ranksBelow } from './launchers.ts';

const scratch = scratchFolder();
const data = join(scratch, 'data');
const whole = join(scratch, 'whole');
const [launcher] = launchers;

/** One seed and one candidate: eleven jobs, among them pretrainings that others wait for. */
function study(): Record<string, unknown> {
  const small = smallStudy();
  const protocols = small['protocols'] as { finetune: { candidates: unknown[] } };
  protocols.finetune.candidates.pop();
  return { ...small, seeds: 1 };
}

function argsOf(folder: string, more: readonly string[] = []): readonly string[] {
  const places = ['--out', join(folder, 'out'), '--work', join(folder, 'work'), '--threads', '1'];
  return [MAIN, 'study', writeStudy(folder, study()), '--data', data, ...places, ...more];
}

const jobsIn = (folder: string): number => {
  const jobs = join(folder, 'out', 'jobs');
  return existsSync(jobs) ? readdirSync(jobs).filter((name) => !name.startsWith('.')).length : 0;
};

describe.skipIf(launcher === undefined)(
  `a study over several processes (${launcher?.name ?? 'no mpirun: install mpich'})`,
  () => {
    beforeAll(async () => {
      compileProgram();
      await studyData(data);
      const { code, stderr } = await uscl(argsOf(whole).slice(1));
      expect(code, stderr).toBe(0);
    });

    test('ends in the same results, told by one of them', { timeout: 120_000 }, async () => {
      const folder = join(scratch, 'shared');
      const { code, stdout, stderr } = await launched(launcher!, 3, argsOf(folder, ['--json']));
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ complete: true, jobs: { done: 11, total: 11 } });
      expect([...stderr.matchAll(/^done: (\S+) in/gm)].map(([, job]) => `${job!}.json`).sort()).toEqual(
        Object.keys(resultsIn(join(folder, 'out'))),
      );
      expect(stderr).toContain('3 processes share 11 jobs; each process has 1 thread.');
      expect(resultsIn(join(folder, 'out'))).toEqual(resultsIn(join(whole, 'out')));
      expect(readdirSync(join(folder, 'work', 'ranks'))).toEqual([]);
      expect(readdirSync(join(folder, 'work', 'claims'))).toEqual([]);
      // Once more there is nothing to do.
      const again = await launched(launcher!, 2, argsOf(folder));
      expect(again.code, again.stderr).toBe(0);
      expect(again.stderr).toContain('11 jobs, 11 done');
    });

    test(
      'a killed process ends the others; what is done stays, and any number goes on',
      { timeout: 240_000 },
      async () => {
        const folder = join(scratch, 'killed');
        const child = launch(launcher!, 2, argsOf(folder));
        const end = finished(child);
        while (jobsIn(folder) < 2) await delay(5);
        process.kill(ranksBelow(child.pid!)[1]!, 'SIGKILL');
        expect((await end).code).not.toBe(0);
        const done = jobsIn(folder);
        expect(done).toBeLessThan(11);
        const { code, stderr } = await launched(launcher!, 3, argsOf(folder));
        expect(code, stderr).toBe(0);
        expect(stderr).toContain(`11 jobs, ${done} done`);
        expect(resultsIn(join(folder, 'out'))).toEqual(resultsIn(join(whole, 'out')));
        expect(readdirSync(join(folder, 'work', 'ranks'))).toEqual([]);
      },
    );

    test('a signal to any of them stops all', { timeout: 120_000 }, async () => {
      const folder = join(scratch, 'stopped');
      const child = launch(launcher!, 2, argsOf(folder));
      const end = finished(child);
      while (jobsIn(folder) < 1) await delay(5);
      process.kill(ranksBelow(child.pid!)[1]!, 'SIGTERM');
      const { code, stderr } = await end;
      expect([130, 143]).toContain(code);
      expect(stderr.match(/Stopped; what was done is saved/g)).toHaveLength(1);
      expect(existsSync(join(folder, 'out', 'table.txt'))).toBe(true);
    });

    test('failed jobs are told once, with the exit code of the first', { timeout: 120_000 }, async () => {
      const folder = join(scratch, 'failing');
      const args = argsOf(folder);
      // More neighbours than clips to choose from.
      const failing = { ...study(), protocols: { probe: { folds: 2, seeds: 1, framesPerClip: 1, k: 17 } } };
      writeStudy(folder, { ...failing, endpoint: { reader: 'linear', targets: ['clinic'] } });
      const { code, stderr } = await launched(launcher!, 2, args);
      expect(code, stderr).toBe(3);
      expect(stderr.match(/3 of 8 jobs failed/g)).toHaveLength(1);
      expect(stderr.match(/^failed: /gm)).toHaveLength(3);
    });

    test('processes with other studies, folders or data are told apart, before anything is written', async () => {
      const folder = join(scratch, 'differ');
      const first = argsOf(folder);
      const b = join(folder, 'b.yaml');
      writeFileSync(b, readFileSync(first[2]!, 'utf8').replace('seeds: 1', 'seeds: 2'));
      const changed = (before: string, after: string): readonly string[] =>
        first.map((argument) => (argument === before ? after : argument));
      const refused = async (args: readonly string[], said: string, lines = 1): Promise<void> => {
        const { code, stderr } = await launchedApart(launcher!, first, args);
        expect(stderr).toContain(said);
        expect(stderr.match(/^error/gm), stderr).toHaveLength(lines);
        expect(code).toBe(2);
      };
      const [out, work, other] = ['out', 'work', 'other'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      const than = 'Rank 1 of 2 has another';
      await refused(changed(first[2]!, b), `${than} study than rank 0: ${b} in place of ${first[2]!}.`);
      await refused(
        changed(out, other),
        `${than} output folder (--out) than rank 0: ${other} in place of ${out}.`,
      );
      await refused(
        changed(work, other),
        `${than} work folder (--work) than rank 0: ${other} in place of ${work}.`,
      );
      expect(readdirSync(folder).sort()).toEqual(['b.yaml', basename(first[2]!)].sort());
      // What is known only when the data are open: the work folder is there by then, and no job has begun.
      const missing = changed(data, join(scratch, 'nowhere'));
      await refused(missing, 'error (rank 1): There is no dataset pool in', 2);
      cpSync(data, other, { recursive: true });
      const clips = join(other, 'clinic', 'clips.jsonl');
      writeFileSync(clips, readFileSync(clips, 'utf8').replace(/"label":"[^"]*"/, '"label":null'));
      await refused(changed(data, other), `${than} set of jobs (is the data the same?) than rank 0.`);
      expect(readdirSync(join(out, 'jobs'))).toEqual([]);
    });
  },
);
