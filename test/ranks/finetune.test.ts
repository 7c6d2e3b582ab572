/** A fine-tuning by several processes: what one process would leave, to the bit; how it stops, fails, dies and goes on. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { isRunning } from '../../src/base/processes.ts';
import { compileProgram, finished, uscl } from '../cli/run.ts';
import { timeless, TUNE_ONEDNN } from '../finetune/support.ts';
import { scratchFolder, tinyDataset } from '../pretrain/support.ts';
import {
  byRank,
  launch,
  launched,
  launchedApart,
  launchers,
  MAIN,
  onFullDisk,
  ranksBelow,
} from './launchers.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const [launcher] = launchers;
/** Three folds at two label rates, and the final model: seven trainings. */
const SETTINGS = [
  ...TUNE_ONEDNN,
  'layers=last-block',
  'folds=3',
  'labelRates=[0.5, 1]',
  'earlyStopping=null',
];
const LONG = ['training.epochs=12', 'labelRates=[1]', 'folds=2', 'finalModel=false'];

function argsOf(
  out: string,
  more: readonly string[] = [],
  source = 'random',
  data = dataset,
): readonly string[] {
  const set = [...SETTINGS, ...more].flatMap((setting) => ['--set', setting]);
  return [MAIN, 'finetune', source, data, '--out', out, '--resume', ...set];
}

const cells = (run: string, ending: string): readonly string[] =>
  existsSync(join(run, 'cells'))
    ? readdirSync(join(run, 'cells')).filter((name) => name.endsWith(ending) && !name.startsWith('.'))
    : [];
beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset, { size: 32, clips: 24 });
});

describe.skipIf(launcher === undefined)(
  `folds over several processes (${launcher?.name ?? 'no mpirun: install mpich'})`,
  () => {
    beforeAll(async () => {
      const { code, stderr } = await uscl(argsOf(whole).slice(1));
      expect(code, stderr).toBe(0);
    });

    test.each([2, 3])(
      '%i processes leave what one leaves, to the bit',
      { timeout: 120_000 },
      async (size) => {
        const out = join(scratch, `shared-${size}`);
        const { code, stdout, stderr } = await launched(launcher!, size, [...argsOf(out), '--json']);
        expect(code, stderr).toBe(0);
        // One voice, which tells of all.
        expect(stdout.trim().split('\n')).toHaveLength(1);
        expect(JSON.parse(stdout)).toMatchObject({ complete: true, foldRuns: 7, foldRunsDone: 7 });
        const told = [...stderr.matchAll(/^training (\d)\/7 /gm)].map(([, number]) => Number(number));
        expect(told.sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
        expect(stderr).toContain(`${size} processes share 7 trainings; each process has 1 thread.`);
        expect(timeless(out)).toEqual(timeless(whole));
        for (const name of ['config.json', 'folds.json', 'source.json', 'dataset.json'])
          expect(readFileSync(join(out, name), 'utf8'), name).toBe(readFileSync(join(whole, name), 'utf8'));
        const environment: unknown = JSON.parse(readFileSync(join(out, 'environment.json'), 'utf8'));
        expect(environment).toMatchObject({ ranks: { size }, backend: { threads: 1 } });
      },
    );

    test('more processes than trainings: some have nothing to do, and the first says so', async () => {
      const out = join(scratch, 'idle');
      const few = ['labelRates=[1]', 'folds=2', 'finalModel=false'];
      const { code, stderr } = await launched(launcher!, 3, argsOf(out, few));
      expect(code, stderr).toBe(0);
      expect(stderr.match(/1 of them has nothing to do/g)).toHaveLength(1);
      expect(cells(out, '.json')).toHaveLength(2);
      expect(existsSync(join(out, 'ranks'))).toBe(false);
    });

    test(
      'a signal to any of them stops all; any number of processes goes on to the same bits',
      { timeout: 240_000 },
      async () => {
        const out = join(scratch, 'stopped');
        const child = launch(launcher!, 2, argsOf(out, [...LONG, 'saveSeconds=0']));
        const end = finished(child);
        while (cells(out, '.partial.safetensors').length < 2) await delay(10);
        process.kill(ranksBelow(child.pid!)[1]!, 'SIGINT');
        const { code, stderr } = await end;
        expect(code).toBe(130);
        expect(stderr.match(/Stopped after 0 of 2 trainings/g)).toHaveLength(1);
        // Both have saved where they were, and told it.
        expect(cells(out, '.partial.safetensors')).toHaveLength(2);
        expect(existsSync(join(out, 'ranks'))).toBe(false);
        const gone = await uscl(argsOf(out, LONG).slice(1));
        expect(gone.code, gone.stderr).toBe(0);
        const alone = join(scratch, 'long');
        expect((await launched(launcher!, 2, argsOf(alone, LONG))).code).toBe(0);
        expect(timeless(out)).toEqual(timeless(alone));
      },
    );

    test(
      'a killed process ends the others; what is done stays, the rest goes on to the same bits',
      { timeout: 240_000 },
      async () => {
        const out = join(scratch, 'killed');
        const often = ['saveSeconds=0'];
        for (const kill of [1, 0]) {
          const child = launch(launcher!, 2, argsOf(out, often));
          const end = finished(child);
          const before = cells(out, '.json').length;
          while (cells(out, '.json').length === before || cells(out, '.partial.safetensors').length === 0)
            await delay(2);
          const ranks = ranksBelow(child.pid!);
          process.kill(ranks[kill]!, 'SIGKILL');
          expect((await end).code).not.toBe(0);
          await vi.waitFor(() => {
            expect(ranks.filter(isRunning)).toEqual([]);
          }, 20_000);
        }
        expect(existsSync(join(out, 'ranks'))).toBe(true);
        const done = cells(out, '.json').length;
        const { code, stderr } = await launched(launcher!, 3, argsOf(out));
        expect(code, stderr).toBe(0);
        expect(stderr).toContain(`7 trainings, ${done} of them done`);
        expect(timeless(out)).toEqual(timeless(whole));
      },
    );

    test('an error of one ends all: one line, its exit code, and what is done stays', async () => {
      const out = join(scratch, 'failing');
      // A folder stands where rank 1 would write a fold that it has trained.
      const before = `
        const fs = await import('node:fs');
        const { syncBuiltinESMExports } = await import('node:module');
        const { renameSync } = fs.default;
        fs.default.renameSync = (from, to) => {
          if (!/cells.*json$/.test(to)) return renameSync(from, to);
          throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        };
        syncBuiltinESMExports();`;
      const args = argsOf(out, ['training.epochs=20']);
      const { code, stdout, stderr } = await launched(
        launcher!,
        2,
        byRank(scratch, [...args, '--json'], [...args, '--json'], before),
      );
      expect(code, stderr).toBe(5);
      expect(stderr.match(/^error/gm), stderr).toHaveLength(1);
      expect(stderr).toMatch(/error: .*disk is full.*\[rank 1, .*cells/s);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'DISK_FULL' } });
      // The other one has saved its training.
      expect(cells(out, '.partial.safetensors').length).toBeGreaterThan(0);
      const gone = await launched(launcher!, 2, args);
      expect(gone.code, gone.stderr).toBe(0);
    });

    test('a disk that is full for rank 0 ends all with one line; with space again it ends in the same bits', async () => {
      const out = join(scratch, 'full');
      // From the moment on at which it keeps the first of its trainings.
      const first = onFullDisk(scratch, argsOf(out), { pattern: /cells.*json$/ });
      const { code, stderr } = await launchedApart(launcher!, first, argsOf(out));
      expect(code, stderr).toBe(5);
      expect(stderr.match(/^error/gm), stderr).toHaveLength(1);
      expect(stderr).toMatch(/^error: Cannot write \S*cells\S*: the disk is full\./m);
      const gone = await launched(launcher!, 2, argsOf(out));
      expect(gone.code, gone.stderr).toBe(0);
      expect(timeless(out)).toEqual(timeless(whole));
    });

    test('processes that would train something else are told apart, before anything is written', async () => {
      const out = join(scratch, 'differ');
      const folds = byRank(scratch, argsOf(out), argsOf(out, ['training.epochs=4']));
      const { code, stderr } = await launched(launcher!, 2, folds);
      expect(stderr).toContain('Rank 1 of 2 has another value of training.epochs than rank 0: 4 in');
      expect(code).toBe(2);
      // The same name in two folders, and one label that is another one.
      const there = join(scratch, 'there');
      await tinyDataset(join(there, 'dataset'), {
        ...{ size: 32, clips: 24 },
        labelOf: (clip) => (clip % 2 === 0 && clip !== 4 ? 'a' : 'b'),
      });
      const relabelled = argsOf(out, [], 'random', join(there, 'dataset'));
      const labels = await launchedApart(launcher!, argsOf(out), relabelled);
      expect(labels.stderr).toContain('Rank 1 of 2 has another dataset than rank 0.');
      expect(labels.code).toBe(2);
      const missing = byRank(scratch, argsOf(out), argsOf(out, [], join(scratch, 'nowhere')));
      const other = await launched(launcher!, 2, missing);
      expect(other.stderr).toContain('error (rank 1): ');
      expect(other.stderr).toContain('Rank 1 of 2 has failed');
      expect(existsSync(out)).toBe(false);
    });
  },
);
