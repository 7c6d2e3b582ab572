/** The real program in several processes: what it writes, how it stops, fails, dies and goes on. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { isRunning } from '../../src/base/processes.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { readLog } from '../../src/runs/log.ts';
import { isRun } from '../../src/runs/run-folder.ts';
import { compileProgram, finished, linesIn, uscl } from '../cli/run.ts';
import { scratchFolder, TINY, TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
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
const [launcher] = launchers;
const SETTINGS = [
  ...TINY_ONEDNN.filter((setting) => !/^(batch|threads)/.test(setting)),
  ...['batch.size=4', 'batch.lastBatch=drop', 'training.epochs=4'],
];

beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset, { size: 32, clips: 16 });
});

function argsOf(out: string, more: readonly string[] = [], data = dataset): readonly string[] {
  const set = [...SETTINGS, ...more].flatMap((setting) => ['--set', setting]);
  return [MAIN, 'pretrain', data, '--out', out, '--resume', ...set];
}

const losses = (run: string): readonly unknown[] =>
  readLog(run).flatMap((entry) => (entry.kind === 'step' ? [[entry.step, entry.loss]] : []));
const weights = (run: string): Buffer => readFileSync(join(run, 'checkpoints', 'last.safetensors'));

describe.skipIf(launcher === undefined)(
  `several processes (${launcher?.name ?? 'no mpirun: install mpich'})`,
  () => {
    const whole = join(scratch, 'whole');

    beforeAll(async () => {
      const { code, stderr } = await launched(launcher!, 2, argsOf(whole));
      expect(code, stderr).toBe(0);
    });

    test('one folder is written by one of them, one voice is heard, and the environment names them', async () => {
      const out = join(scratch, 'voice');
      const { code, stdout } = await launched(launcher!, 2, [...argsOf(out), '--json']);
      expect(code).toBe(0);
      expect(stdout.trim().split('\n').length).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ complete: true, step: 12 });
      // Each of the steps once; a step counts the clips of all.
      const steps = readLog(out).filter((entry) => entry.kind === 'step');
      expect(steps.map(({ step, pairs }) => [step, pairs])).toEqual(
        Array.from({ length: 12 }, (_, i) => [i + 1, 4]),
      );
      const environment = JSON.parse(readFileSync(join(out, 'environment.json'), 'utf8')) as Record<
        string,
        unknown
      >;
      expect(environment).toMatchObject({ ranks: { size: 2 }, backend: { threads: 1 } });
      expect(existsSync(join(out, 'run.lock'))).toBe(false);
      // The same run twice gives the same bits.
      expect(losses(out)).toEqual(losses(whole));
      expect(weights(out).equals(weights(whole))).toBe(true);
    });

    test(
      'a signal to any of them stops all after the same step; another number of processes goes on in the same order',
      { timeout: 120_000 },
      async () => {
        const out = join(scratch, 'stopped');
        const child = launch(launcher!, 2, argsOf(out, ['training.epochs=400']));
        const end = finished(child);
        while (linesIn(join(out, 'log.jsonl')) < 2) await delay(10);
        const ranks = ranksBelow(child.pid!);
        expect(ranks.length).toBe(2);
        process.kill(ranks[1]!, 'SIGINT');
        const { code, stderr } = await end;
        expect(code).toBe(130);
        expect(stderr).toContain('the checkpoint is saved');
        const before = readLog(out).filter((entry) => entry.kind === 'step');
        // As long as two epochs more.
        const epochs = Math.ceil(before.length / 3) + 2;
        const more = ['training.epochs=400', `training.steps=${3 * epochs}`];
        const gone = await uscl(argsOf(out, more).slice(1));
        expect(gone.code, gone.stderr).toBe(0);
        const after = readLog(out).filter((entry) => entry.kind === 'step');
        expect(after.map(({ step }) => step)).toEqual(Array.from({ length: 3 * epochs }, (_, i) => i + 1));
        expect(after.slice(0, before.length)).toEqual(before);
      },
    );

    test(
      'two processes go on with what four have begun, and four with what two have: in the very order of the data',
      { timeout: 240_000 },
      async () => {
        const data = join(scratch, 'more-clips');
        await tinyDataset(data, { size: 16, clips: 24 });
        // The weights stay what they are, so the losses tell of the clips of a step, their views, and how many share its norms.
        const still = [
          'schedule.kind=constant',
          'optimizer.kind=sgd',
          'optimizer.learningRate=1e-30',
          'optimizer.weightDecay=0',
        ];
        const settings = [...TINY.filter((setting) => !/^(batch|training)/.test(setting)), ...still];
        const runOf = async (name: string, size: number, steps: number): Promise<readonly unknown[]> => {
          const out = join(scratch, name);
          const more = [
            'batch.size=8',
            'batch.lastBatch=drop',
            'training.epochs=5',
            `training.steps=${steps}`,
          ];
          const set = [...settings, ...more].flatMap((setting) => ['--set', setting]);
          const args = [MAIN, 'pretrain', data, '--out', out, '--resume', ...set];
          const { code, stderr } = await launched(launcher!, size, args);
          expect(code, stderr).toBe(0);
          return losses(out);
        };
        const [two, four] = [await runOf('always-two', 2, 7), await runOf('always-four', 4, 7)];
        // Each loss of each is another, so none stands for its neighbour.
        expect(new Set([...two, ...four].map((entry) => (entry as readonly number[])[1])).size).toBe(14);
        // Two of these begin within an epoch of two steps.
        await runOf('mixed', 2, 3);
        await runOf('mixed', 4, 5);
        const mixed = await runOf('mixed', 2, 7);
        expect(mixed).toEqual([...two.slice(0, 3), ...four.slice(3, 5), ...two.slice(5)]);
      },
    );

    test(
      'a killed process ends the others; --resume ends in the bits of a run left alone',
      { timeout: 240_000 },
      async () => {
        const out = join(scratch, 'killed');
        for (const [kill, place] of [2, 7].entries()) {
          const child = launch(launcher!, 2, argsOf(out));
          const end = finished(child);
          while (linesIn(join(out, 'log.jsonl')) < place) await delay(2);
          const ranks = ranksBelow(child.pid!);
          expect(ranks.length).toBe(2);
          process.kill(ranks[kill]!, 'SIGKILL');
          expect((await end).code).not.toBe(0);
          await vi.waitFor(() => {
            expect(ranks.filter(isRunning)).toEqual([]);
          }, 20_000);
        }
        const { code, stderr } = await launched(launcher!, 2, argsOf(out));
        expect(code, stderr).toBe(0);
        expect(losses(out)).toEqual(losses(whole));
        expect(weights(out).equals(weights(whole))).toBe(true);
      },
    );

    test('a batch that they cannot share evenly is refused once, before anything is written', async () => {
      const out = join(scratch, 'uneven');
      const { code, stderr } = await launched(launcher!, 3, argsOf(out));
      expect(code).toBe(2);
      expect(stderr.match(/A batch of 4 clips cannot be shared evenly by 3 processes/g)).toHaveLength(1);
      const kept = await launched(launcher!, 3, argsOf(out, ['batch.lastBatch=keep', 'batch.size=9']));
      expect(kept.stderr).toContain('last batches of an epoch');
      expect(kept.code).toBe(2);
      expect(existsSync(out)).toBe(false);
    });

    test('processes that would train something else are told apart', async () => {
      const other = join(scratch, 'other-dataset');
      await tinyDataset(other, { size: 32, clips: 16, seed: 1, frames: 5 });
      const out = join(scratch, 'differ');
      const rate = argsOf(out, ['optimizer.learningRate=0.01']);
      const one = await launched(launcher!, 2, byRank(scratch, argsOf(out), rate));
      expect(one.stderr).toContain(
        'Rank 1 of 2 has another value of optimizer.learningRate than rank 0: 0.01 in',
      );
      expect(one.code).toBe(2);
      const data = argsOf(out, [], other);
      const two = await launched(launcher!, 2, byRank(scratch, argsOf(out), data));
      expect(two.stderr).toContain('Rank 1 of 2 has another dataset than rank 0.');
      // A rank that cannot begin tells it itself, and the others end.
      const missing = argsOf(out, [], join(scratch, 'nowhere'));
      const three = await launched(launcher!, 2, byRank(scratch, argsOf(out), missing));
      expect(three.stderr).toContain('error (rank 1): ');
      expect(three.stderr).toContain('Rank 1 of 2 has failed');
      expect(three.code).toBe(3);
      expect(existsSync(out)).toBe(false);
    });

    test.each([
      ['of all alike', ['data.validation.fraction=0']],
      ['of the one that scores', []],
    ])('an error %s is told once and ends all with its exit code', { timeout: 60_000 }, async (_, more) => {
      const out = join(scratch, `limit-${more.length}`);
      const diverging = ['optimizer.kind=sgd', 'optimizer.learningRate=100', 'optimizer.weightDecay=10'];
      const args = argsOf(out, [...diverging, 'training.epochs=40', ...more]);
      const { code, stderr } = await launched(launcher!, 2, args);
      expect(code).toBe(4);
      expect(stderr.match(/a lower optimizer\.learningRate/g), stderr).toHaveLength(1);
    });

    test(
      'a disk that is full for rank 0 ends all with one line; with space again it ends in the bits of a run left alone',
      { timeout: 120_000 },
      async () => {
        const out = join(scratch, 'full');
        const failed = async (pattern: RegExp, time: number): Promise<void> => {
          const first = onFullDisk(scratch, argsOf(out), { pattern, time });
          const { code, stderr } = await launchedApart(launcher!, first, argsOf(out));
          expect(code, stderr).toBe(5);
          expect(stderr.match(/^error/gm), stderr).toHaveLength(1);
          expect(stderr).toMatch(/^error: Cannot write \S*full\S*: the disk is full\./m);
        };
        // Before it is a run, in the second checkpoint, and when all steps are done and rank 1 waits at its end.
        await failed(/config\.json/, 1);
        expect(isRun(out)).toBe(false);
        await failed(/last\.safetensors/, 3);
        expect(readCheckpoint(join(out, 'checkpoints', 'last.safetensors')).step).toBe(3);
        await failed(/metrics\.json/, 1);
        expect(readCheckpoint(join(out, 'checkpoints', 'last.safetensors')).step).toBe(12);
        const { code, stderr } = await launched(launcher!, 2, argsOf(out));
        expect(code, stderr).toBe(0);
        expect(losses(out)).toEqual(losses(whole));
        expect(weights(out).equals(weights(whole))).toBe(true);
      },
    );

    test('a process that breaks down says why, and none waits for it', { timeout: 60_000 }, async () => {
      const endless = argsOf(join(scratch, 'broken'), ['training.epochs=100000']);
      const breaks = "setTimeout(() => { throw new Error('broken on purpose'); }, 3000);";
      const { code, stderr } = await launched(launcher!, 2, byRank(scratch, endless, endless, breaks));
      expect(code).not.toBe(0);
      expect(stderr).toContain('broken on purpose');
      expect(readLog(join(scratch, 'broken')).length).toBeGreaterThan(0);
    });

    test('other commands refuse', async () => {
      const { code, stderr } = await launched(launcher!, 2, [MAIN, 'doctor']);
      expect(code).toBe(2);
      expect(stderr.match(/uscl doctor is one process/g)).toHaveLength(1);
    });
  },
);
