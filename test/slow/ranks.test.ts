/** One run of two processes, of which one is killed over and over: in a step, in a sum over both, in a save. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { readLog } from '../../src/runs/log.ts';
import { compileProgram, finished, linesIn } from '../cli/run.ts';
import { scratchFolder, TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import { launch, launched, launchers, ranksBelow } from '../ranks/launchers.ts';

const KILLS = 20;
const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');
const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const SETTINGS = [
  ...TINY_ONEDNN.filter((setting) => !/^(batch|threads|training)/.test(setting)),
  ...['batch.size=4', 'batch.lastBatch=drop', 'training.epochs=200', 'method.name=moco', 'method.queue=12'],
];
const argsOf = (out: string): readonly string[] => [
  ...[MAIN, 'pretrain', dataset, '--out', out, '--resume'],
  ...SETTINGS.flatMap((setting) => ['--set', setting]),
];

beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset, { size: 32, clips: 16 });
});

/** Whether a checkpoint has been begun and not yet taken its name. */
function isSaving(run: string): boolean {
  const folder = join(run, 'checkpoints');
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.tmp'));
}

test.skipIf(launchers.length === 0)(
  `${KILLS} kills of one of two processes: it ends in the bits of a run left alone`,
  { timeout: 900_000 },
  async () => {
    const [launcher] = launchers;
    const [whole, out] = [join(scratch, 'whole'), join(scratch, 'killed')];
    expect((await launched(launcher!, 2, argsOf(whole))).code).toBe(0);
    const random = randomAt(7, 'kill-ranks');
    const entries = linesIn(join(whole, 'log.jsonl'));
    let killed = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const child = launch(launcher!, 2, argsOf(out));
      const end = finished(child);
      const place = Math.floor((0.8 * entries * (kill + random.uniform())) / KILLS);
      // Every fourth dies while a checkpoint is being written, the others wherever they are.
      const isDue = (): boolean =>
        linesIn(join(out, 'log.jsonl')) > place && (kill % 4 !== 3 || isSaving(out));
      while (child.exitCode === null && !isDue()) await delay(1);
      if (kill % 4 !== 3) await delay(random.between(0, 30));
      const ranks = ranksBelow(child.pid!);
      const rank = ranks[kill % 2];
      if (rank !== undefined) process.kill(rank, 'SIGKILL');
      if ((await end).code !== 0) killed++;
    }
    expect(killed).toBeGreaterThan(KILLS / 2);
    expect((await launched(launcher!, 2, argsOf(out))).code).toBe(0);
    const outcome = (run: string): unknown => ({
      losses: readLog(run).map((entry) => [entry.kind, entry.step, 'loss' in entry ? entry.loss : null]),
      last: readFileSync(join(run, 'checkpoints', 'last.safetensors')).toString('base64'),
    });
    expect(outcome(out)).toEqual(outcome(whole));
  },
);
