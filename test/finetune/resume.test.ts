import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { FOLD_RUN_FILES, type FoldRunKey, readFoldRun } from '../../src/finetune/fold-runs.ts';
import { readEpochLog } from '../../src/finetune/epoch-log.ts';
import { errorOf, scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';
import { timeless, tune, TUNE_VENDOR } from './support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const whole = join(scratch, 'whole');
const SET = [...TUNE_VENDOR, 'layers=last-block', 'seeds=2', 'view.variants=2', 'earlyStopping=null'];
let count = 0;
const fresh = (): string => join(scratch, `run${++count}`);

beforeAll(async () => {
  await tinyDataset(dataset, { size: 32, clips: 20 });
  await tune('random', dataset, whole, SET);
});

/** The saved states of unfinished folds. */
const partials = (run: string): readonly string[] =>
  readdirSync(join(run, 'cells')).filter((name) => name.endsWith('.partial.safetensors'));

/** Starts a run and stops it after so many steps. */
async function stopped(run: string, steps: number, set: readonly string[] = []): Promise<void> {
  const controller = new AbortController();
  let made = 0;
  const { summary } = await tune('random', dataset, run, [...SET, ...set], {
    signal: controller.signal,
    onEvent: ({ kind }) => {
      if (kind === 'step' && ++made === steps) controller.abort();
    },
  });
  expect(summary.complete).toBe(false);
  expect(summary.evaluation).toBeNull();
}

describe('a run that was stopped', () => {
  // In an epoch, at the end of one, in the second fold, in the next seed, in the final model.
  for (const steps of [1, 4, 9, 20, 40, 55])
    test(`after ${steps} steps goes on to the same bits`, async () => {
      const run = fresh();
      await stopped(run, steps);
      expect(partials(run)).toHaveLength(1);
      const { summary } = await tune('random', dataset, run, SET, { resume: true });
      expect(summary.complete).toBe(true);
      expect(timeless(run)).toEqual(timeless(whole));
    });

  test('in an epoch that the number of steps cuts short goes on to the same bits', async () => {
    const cut = ['training.steps=5', 'seeds=1'];
    const uncut = fresh();
    await tune('random', dataset, uncut, [...SET, ...cut]);
    for (const steps of [3, 4]) {
      const run = fresh();
      await stopped(run, steps, cut);
      await tune('random', dataset, run, [...SET, ...cut], { resume: true });
      expect(timeless(run)).toEqual(timeless(uncut));
    }
  });

  test('may be resumed with other loader threads, less memory and more saves', async () => {
    const run = fresh();
    await stopped(run, 5);
    await tune('random', dataset, run, [...SET, 'cacheMegabytes=0', 'saveSeconds=0', 'loader.workers=1'], {
      resume: true,
    });
    expect(timeless(run)).toEqual(timeless(whole));
  });

  test('says so and repeats the fold where the state saved of it is damaged', async () => {
    const run = fresh();
    await stopped(run, 9);
    const partial = join(run, 'cells', partials(run)[0]!);
    const bytes = readFileSync(partial);
    bytes[bytes.length - 5]! ^= 1;
    writeFileSync(partial, bytes);
    const { notes } = await tune('random', dataset, run, SET, { resume: true });
    expect(notes.join()).toContain('damaged');
    expect(timeless(run)).toEqual(timeless(whole));
  });

  test('goes on from the state that an earlier version saved, under the name it had', async () => {
    const run = fresh();
    await stopped(run, 9);
    renameSync(join(run, 'cells', partials(run)[0]!), join(run, 'cells', 'partial.safetensors'));
    let steps = 0;
    await tune('random', dataset, run, SET, {
      resume: true,
      onEvent: ({ kind }) => {
        if (kind === 'step') steps++;
      },
    });
    const all = readEpochLog(whole).reduce((sum, entry) => sum + entry.steps, 0);
    expect(steps).toBe(all - 9);
    expect(timeless(run)).toEqual(timeless(whole));
  });

  test('repeats a fold whose result was removed, and no other', async () => {
    const run = fresh();
    await tune('random', dataset, run, SET);
    rmSync(join(run, 'cells', '1-s0-f1.json'));
    const { events } = await tune('random', dataset, run, SET, { resume: true });
    expect(events.flatMap((event) => (event.kind === 'fold-run' ? [event.number] : []))).toEqual([2]);
    expect(readEpochLog(run)).toHaveLength(readEpochLog(whole).length);
    expect(timeless(run)['predictions']).toBe(timeless(whole)['predictions']);
  });
});

describe('the result of a fold', () => {
  const key: FoldRunKey = { labelRate: 1, seed: 0, fold: 0 };

  test('is taken for what it is: not for that of another fold or of other settings', async () => {
    const { configHash } = JSON.parse(readFileSync(FOLD_RUN_FILES.done(whole, key), 'utf8')) as {
      readonly configHash: string;
    };
    expect(readFoldRun(whole, key, configHash)).toMatchObject(key);
    const other = fresh();
    const renamed = { ...key, fold: 1 };
    mkdirSync(join(other, 'cells'), { recursive: true });
    copyFileSync(FOLD_RUN_FILES.done(whole, key), FOLD_RUN_FILES.done(other, renamed));
    expect(readFoldRun(other, key, configHash)).toBeNull();
    for (const read of [
      () => readFoldRun(other, renamed, configHash),
      () => readFoldRun(whole, key, `${configHash}0`),
    ]) {
      const error = await errorOf(read);
      expect(error).toMatchObject({ code: 'RESUME_CHANGED', kind: 'usage' });
      expect(error.message).toMatch(/fold 1-s0-f[01] was trained under another configuration/);
    }
  });
});

describe('a run that is there', () => {
  test('is not written over, nor taken for one of pretraining', async () => {
    expect(await errorOf(() => tune('random', dataset, whole, SET))).toMatchObject({ code: 'RUN_EXISTS' });
    const pretrained = fresh();
    await tinyRun(dataset, pretrained, ['training.epochs=1']);
    const wrong = await errorOf(() => tune('random', dataset, pretrained, SET, { resume: true }));
    expect(wrong).toMatchObject({ code: 'RUN_KIND' });
    const reverse = await errorOf(() => tinyRun(dataset, whole, [], { resume: true }));
    expect(reverse).toMatchObject({ code: 'RUN_KIND' });
    expect(reverse.message).toContain('fine-tuning');
  });

  test('is replaced whole where that is asked for', async () => {
    const run = fresh();
    await tune('random', dataset, run, ['keepModels=true']);
    await tune('random', dataset, run, SET, { overwrite: true });
    expect(timeless(run)).toEqual(timeless(whole));
  });

  test('is not resumed under other settings, with other weights or on other clips', async () => {
    const run = fresh();
    await stopped(run, 3);
    for (const [setting, key] of [
      ['training.epochs=4', 'epochs'],
      ['layerRates={"layer4.*": 0.1}', 'layerRates'],
      ['earlyStopping={patience: 3}', 'earlyStopping'],
      ['labelRates=[0.5, 1]', 'labelRates'],
    ] as const) {
      const error = await errorOf(() => tune('random', dataset, run, [...SET, setting], { resume: true }));
      expect(error).toMatchObject({ code: 'RESUME_CHANGED', kind: 'usage' });
      expect(error.message).toContain(key);
    }
    const other = join(scratch, 'other');
    if (!existsSync(other)) await tinyDataset(other, { size: 32, clips: 12 });
    expect(await errorOf(() => tune('random', other, run, SET, { resume: true }))).toMatchObject({
      code: 'RESUME_CHANGED',
    });
  });
});
