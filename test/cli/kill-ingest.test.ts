/**
 * kill -9 at any moment of an ingest: the same command, given again, ends in the very bytes of an ingest left alone.
 * Each round starts the real program, kills it at a random moment, and lets a second call finish.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { makePicture, makeVideo } from '../ingest/media.ts';
import { scratchFolder } from '../training/support.ts';
import { compileProgram, start } from './run.ts';

const ROUNDS = 5;
const CLIPS = 12;
const scratch = scratchFolder();
const source = join(scratch, 'media');
const whole = join(scratch, 'whole', 'set');

/** When to kill: so many sources are noted, and so many milliseconds more have passed. */
interface Moment {
  readonly noted: number;
  readonly delay: number;
}

/** Runs `uscl ingest` into `out`, killed at a moment or left alone. Resolves to the exit code or signal. */
async function ingestUntil(out: string, moment: Moment | null): Promise<number | NodeJS.Signals | null> {
  const child = start(['ingest', source, '--out', out, '--json', '--jobs', '2']);
  child.stdout.resume();
  child.stderr.resume();
  const state = { running: true };
  const exit = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('exit', (code, signal) => {
      state.running = false;
      resolve(code ?? signal);
    });
  });
  if (moment !== null) {
    while (state.running && notedFor(out) < moment.noted) await delay(1);
    await Promise.race([delay(moment.delay), exit]);
    child.kill('SIGKILL');
  }
  return exit;
}

/** Lines in the journal beside the dataset to be. */
function notedFor(out: string): number {
  const parent = join(out, '..');
  try {
    const [hidden] = readdirSync(parent).filter((name) => name.startsWith('.set.'));
    return readFileSync(join(parent, hidden ?? '', 'ingest.jsonl'), 'utf8').split('\n').length - 1;
  } catch {
    return 0;
  }
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

test(`${ROUNDS} random kills: the next call ends in the same bytes and leaves nothing else`, async () => {
  let killed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const out = join(scratch, `round${round}`, 'set');
    const random = randomAt(3, 'kill-ingest', round);
    const moment = { noted: random.integer(CLIPS), delay: random.between(0, 30) };
    if ((await ingestUntil(out, moment)) === 'SIGKILL') killed++;
    expect(await ingestUntil(out, null)).toBe(0);
    expect(bytesOf(out)).toEqual(bytesOf(whole));
    expect(readdirSync(join(out, '..'))).toEqual(['set']);
  }
  expect(killed).toBeGreaterThan(ROUNDS / 2);
});
