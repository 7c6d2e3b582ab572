/**
 * kill -9 at any moment of an ingest: the same command, given again, ends in the very bytes of an ingest left alone.
 * Each round starts the real program, kills it at a random moment, and lets a second call finish; one killed when its
 * dataset was there already has its second call refused, and the dataset stays as it is.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { makePicture, makeVideo } from '../ingest/media.ts';
import { scratchFolder } from '../pretrain/support.ts';
import { compileProgram, linesIn, runUntil, type Moment } from './run.ts';

const ROUNDS = 5;
const CLIPS = 12;
/** Exit code of an ingest that finds its dataset there already. */
const DATASET_EXISTS = 2;
const scratch = scratchFolder();
const source = join(scratch, 'media');
const whole = join(scratch, 'whole', 'set');

/** Runs `uscl ingest` into `out`, killed at a moment or left alone. */
function ingestUntil(out: string, moment: Moment | null): Promise<number | NodeJS.Signals | null> {
  return runUntil(['ingest', source, '--out', out, '--json', '--jobs', '2'], moment);
}

/** Lines in the journal beside the dataset to be. */
function notedFor(out: string): number {
  const parent = join(out, '..');
  const hidden = existsSync(parent)
    ? readdirSync(parent).find((name) => name.startsWith('.set.'))
    : undefined;
  return hidden === undefined ? 0 : linesIn(join(parent, hidden, 'ingest.jsonl'));
}

const bytesOf = (out: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(out)
      .sort()
      .map((name) => [name, readFileSync(join(out, name)).toString('base64')]),
  );

beforeAll(async () => {
  compileProgram();
  for (let i = 0; i < CLIPS - 3; i++) makeVideo(join(source, `v${i}.mp4`), { seconds: 1 + (i % 3), fps: 10 });
  for (let i = 0; i < 2; i++) await makePicture(join(source, `p${i}.png`), i, 64, 48);
  writeFileSync(join(source, 'v5b.mp4'), 'broken');
  expect(await ingestUntil(whole, null)).toBe(0);
});

test(`${ROUNDS} random kills and one at the very end: the next call ends in the same bytes and leaves nothing else`, async () => {
  let killed = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const out = join(scratch, `round${round}`, 'set');
    const random = randomAt(3, 'kill-ingest', round);
    const noted = random.integer(CLIPS);
    const isLast = round === ROUNDS;
    const moment = {
      isDue: () => (isLast ? existsSync(out) : notedFor(out) >= noted),
      delay: isLast ? 0 : random.between(0, 30),
    };
    const exit = await ingestUntil(out, moment);
    // Killed between the renaming of the finished folder and its own end, it has left nothing to complete.
    const isWhole = existsSync(out);
    if (exit === 'SIGKILL' && !isWhole) killed++;
    expect(await ingestUntil(out, null)).toBe(isWhole ? DATASET_EXISTS : 0);
    expect(bytesOf(out)).toEqual(bytesOf(whole));
    expect(readdirSync(join(out, '..'))).toEqual(['set']);
  }
  expect(killed).toBeGreaterThan(ROUNDS / 2);
});
