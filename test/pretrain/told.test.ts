/** What a run says beside its losses: when, how fast, how long in all, and what a person may not have meant. */
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { readLog } from '../../src/runs/log.ts';
import { scratchFolder, tinyDataset, tinyRun } from './support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
let count = 0;
const fresh = (): string => join(scratch, `run${++count}`);

beforeAll(async () => {
  await tinyDataset(dataset);
});
afterEach(() => {
  vi.restoreAllMocks();
});

test('a step takes the time of the step: a score of a quarter of an hour counts for the run alone', async () => {
  const clock = performance.now.bind(performance);
  let late = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + late);
  const run = fresh();
  const began = Date.now() / 1000;
  const { summary, events } = await tinyRun(dataset, run, [], {
    onEvent: ({ kind }) => {
      if (kind === 'score') late += 900_000;
    },
  });
  const ended = Date.now() / 1000;
  const log = readLog(run);
  expect(log.filter(({ kind }) => kind === 'validation')).toHaveLength(3);
  expect(summary.seconds).toBeGreaterThan(3 * 900);
  expect(summary.seconds).toBeLessThan(3 * 900 + ended - began + 1);
  for (const event of events)
    if (event.kind === 'step') {
      const { seconds, pairs, pairsPerSecond, dataWaitShare } = event.entry;
      expect(seconds).toBeLessThan(900);
      expect(event.secondsLeft).toBeLessThan(900);
      expect(pairsPerSecond).toBeCloseTo(pairs / seconds, 6);
      expect(dataWaitShare).toBeLessThanOrEqual(1);
    }
  let last = began;
  for (const { time } of log) {
    expect(time).toBeGreaterThanOrEqual(last);
    expect(time).toBeLessThanOrEqual(ended);
    last = time;
  }
});

describe('what a person may not have meant', () => {
  const notesOf = async (set: readonly string[]): Promise<readonly string[]> => {
    const { events } = await tinyRun(dataset, fresh(), ['training.epochs=2', ...set]);
    return events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
  };

  test.each([
    ['schedule={warmup: none, warmupLength: 9}'],
    ['schedule={warmup: hold, warmupLength: 9}'],
    ['schedule={warmup: linear, warmupLength: 1, unit: epoch}'],
    ['schedule={warmup: linear, warmupLength: 3, unit: step}'],
  ])('is not thought of with %s', async (set) => {
    expect(await notesOf([set])).toEqual([]);
  });

  test.each([
    ['epoch', 2],
    ['step', 4],
  ])('is said of a warm-up as long as the run, by %s', async (unit, length) => {
    const [note, ...others] = await notesOf([
      `schedule={warmup: linear, warmupLength: ${length}, unit: ${unit}}`,
    ]);
    expect(note).toContain(`The warm-up (${length} ${unit}s) is not shorter than the run (${length})`);
    expect(others).toEqual([]);
  });

  // 8 clips train: batches of 7 leave one, batches of 4 none, and whoever says drop means it.
  test.each([
    ['batch.size=7', '1 of 8 training clips is left out of each epoch'],
    ['batch.size=4', null],
    ['batch={size: 7, lastBatch: drop}', null],
  ])('is said of clips that no batch takes, with %s', async (set, said) => {
    const notes = await notesOf([set]);
    if (said === null) expect(notes).toEqual([]);
    else expect(notes.join()).toContain(said);
  });

  test('is said of a single clip held out, which scores nothing', async () => {
    const single = join(scratch, 'single');
    await tinyDataset(single, { groupSize: 1 });
    const run = fresh();
    const { events, summary } = await tinyRun(single, run, ['data.validation.fraction=0.1']);
    expect(events.find(({ kind }) => kind === 'start')).toMatchObject({ validationClips: 1 });
    const notes = events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
    expect(notes.join()).toContain('Only one clip is held out');
    expect(summary.best).toBeNull();
  });
});
