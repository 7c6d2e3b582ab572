/** What the protocols promise about the test clips, and what is refused because nothing could be promised. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { makeSplit, writeSplit } from '../../src/curation/splits.ts';
import { type FoldRunPredictions, readPredictions } from '../../src/evaluation/scores/predictions.ts';
import { writeSafetensors } from '../../src/formats/safetensors.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { finetuneTable } from '../../src/finetune/table.ts';
import { overlapWith } from '../../src/runs/provenance.ts';
import { errorOf, scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';
import { tune } from './support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const labelled = join(scratch, 'pretrained-with-labels');
const unlabelled = join(scratch, 'pretrained-without');
let count = 0;
const fresh = (): string => join(scratch, `run${++count}`);

beforeAll(async () => {
  await tinyDataset(dataset, { clips: 16 });
  await tinyRun(dataset, labelled, ['training.epochs=1', 'method.supervisedWeight=0.5']);
  await tinyRun(dataset, unlabelled, ['training.epochs=1', 'method.supervisedWeight=0']);
});

describe('labels of the test clips', () => {
  /** The dataset with a split, its test part labelled the other way round where `turned`. */
  async function splitDataset(turned: boolean): Promise<string> {
    const folder = join(scratch, turned ? 'turned' : 'straight');
    const clips = 24;
    const isTest = (clip: number): boolean => clip >= 16;
    await tinyDataset(folder, {
      clips,
      labelOf: (clip) => ((clip % 2 === 0) !== (turned && isTest(clip)) ? 'a' : 'b'),
    });
    using opened = openDataset(folder);
    const split = makeSplit(opened.clips, 'main', { kind: 'parts', test: 0.3, validation: 0 });
    const names = opened.clips.map(({ id }) => id);
    const parts = [
      { name: 'train', clips: names.filter((_, i) => !isTest(i)) },
      { name: 'test', clips: names.filter((_, i) => isTest(i)) },
    ];
    writeSplit(folder, { ...split, parts });
    return folder;
  }
  const foldRunsOf = async (
    turned: boolean,
    set: readonly string[],
  ): Promise<readonly FoldRunPredictions[]> => {
    const run = fresh();
    const folder = join(scratch, turned ? 'turned' : 'straight');
    if (!existsSync(folder)) await splitDataset(turned);
    await tune(
      'random',
      folder,
      run,
      ['layers=all', 'training.epochs=6', 'split=main', 'finalModel=false', ...set],
      {
        allowLeaks: true,
      },
    );
    return readPredictions(run).cells;
  };

  test('change nothing of an honest run but its score', async () => {
    const [straight, turned] = [await foldRunsOf(false, []), await foldRunsOf(true, [])];
    expect(straight[0]!.rows).toHaveLength(8);
    expect(turned).toEqual(straight);
  });
});

test('a legacy run says at every figure that it is optimistic, and takes the best epoch on the test', async () => {
  const run = fresh();
  const { summary, notes } = await tune('random', dataset, run, [
    'protocol=legacy',
    'layers=all',
    'training.epochs=4',
    'seeds=null',
  ]);
  expect(summary.evaluation).toMatchObject({ protocol: 'legacy', optimistic: true });
  expect(readPredictions(run).protocol).toBe('legacy');
  const table = finetuneTable(summary.evaluation!);
  expect(table.split('\n')[0]).toContain('OPTIMISTIC');
  expect(table).toContain('(optimistic)');
  expect(notes.join()).toContain('optimistic');
  const { cells, clips } = readPredictions(run);
  // Intervals are over groups all the same, though folds part them.
  expect(clips.map(({ group }) => group)).toEqual(clips.map((_, i) => `group${Math.floor(i / 2)}`));
  expect(new Set(cells.map(({ seed }) => seed))).toEqual(new Set([0]));
  for (const { fold, epoch, rows } of cells) {
    const log = readFileSync(join(run, 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as { fold: number | null; epoch: number; innerAccuracy: number; chosenOn: string },
      )
      .filter((entry) => entry.fold === fold);
    expect(log.every(({ chosenOn }) => chosenOn === 'test')).toBe(true);
    const best = Math.max(...log.map(({ innerAccuracy }) => innerAccuracy));
    expect(log[epoch!]!.innerAccuracy).toBe(best);
    const right = rows.flatMap(({ clip, probabilities }) =>
      probabilities.map(([a, b]): number => ((a! >= b! ? 0 : 1) === clips[clip]!.label ? 1 : 0)),
    );
    expect(right.reduce((sum, one) => sum + one, 0) / right.length).toBeCloseTo(best, 10);
  }
});

describe('a pretraining that knew the tested clips', () => {
  test('by their labels is refused, and said where it is allowed', async () => {
    const run = fresh();
    const error = await errorOf(() => tune(labelled, dataset, run));
    expect(error).toMatchObject({ code: 'LEAK', kind: 'data' });
    expect(error.message).toContain('labels of');
    expect(error.remedy).toContain('--allow-leaks');
    expect(existsSync(run)).toBe(false);
    const { summary } = await tune(labelled, dataset, run, [], { allowLeaks: true });
    expect(summary.leaks.join()).toContain('labels of');
    expect(JSON.parse(readFileSync(join(run, 'folds.json'), 'utf8'))).toMatchObject({ leaks: summary.leaks });
  });

  test('by their pictures alone is said', async () => {
    const { notes } = await tune(unlabelled, dataset, fresh(), ['finalModel=false']);
    expect(notes.join()).toMatch(/Pretraining has seen \d+ of the tested clips, without their labels/);
  });

  test('is still known after fine-tuning on other clips', async () => {
    const other = join(scratch, 'other');
    await tinyDataset(other, { clips: 12, frames: 3 });
    const run = fresh();
    await tune(labelled, other, run, [], { allowLeaks: true });
    using opened = openDataset(dataset);
    expect(overlapWith(run, opened)!.labelsSeen).toBeGreaterThan(0);
    const again = await errorOf(() => tune(run, dataset, fresh()));
    expect(again).toMatchObject({ code: 'LEAK' });
  });
});

describe('weights', () => {
  test('of a run are what training starts from, with its network and view', async () => {
    const run = fresh();
    await tune(unlabelled, dataset, run, ['layers=head', 'training.epochs=1']);
    const [before, after] = [unlabelled, run].map((folder) =>
      readCheckpoint(join(folder, 'checkpoints', 'best.safetensors')),
    );
    for (const [name, { data }] of after!.tensors) {
      if (name.startsWith('classifier.')) continue;
      expect(data, name).toEqual(before!.tensors.get(name)!.data);
    }
    expect(after!.tensors.get('classifier.weight')!.shape).toEqual([2, 16]);
  });

  test('of another network than is asked for are refused', async () => {
    for (const setting of ['model.width=4', 'model.backbone=resnet34', 'view.channels=3']) {
      const error = await errorOf(() => tune(unlabelled, dataset, fresh(), [setting]));
      expect(error).toMatchObject({ code: 'WEIGHTS_MISMATCH', kind: 'usage' });
      expect(error.message).toContain(setting.split('=')[0]);
    }
  });

  test('in a file that is no such network, or lacks a tensor, are refused before anything is written', async () => {
    const path = join(scratch, 'strange.safetensors');
    writeSafetensors(path, [{ name: 'fc.weight', shape: [2], data: new Float32Array(2) }], {});
    expect(await errorOf(() => tune(path, dataset, fresh(), ['model.width=64']))).toMatchObject({
      code: 'WEIGHTS_UNKNOWN',
    });
    const { tensors } = readCheckpoint(join(unlabelled, 'checkpoints', 'best.safetensors'));
    const some = [...tensors].filter(([name]) => name !== 'layer3.0.bn1.bias');
    writeSafetensors(
      path,
      some.map(([name, { shape, data }]) => ({ name, shape, data })),
      {},
    );
    const run = fresh();
    const error = await errorOf(() => tune(path, dataset, run));
    expect(error).toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
    expect(error.message).toContain('layer3.0.bn1.bias');
    expect(existsSync(run)).toBe(false);
  });

  test('brought by a person are used, and it is said that leaks cannot be looked for', async () => {
    const path = join(scratch, 'brought.safetensors');
    const { tensors } = readCheckpoint(join(unlabelled, 'checkpoints', 'best.safetensors'));
    writeSafetensors(
      path,
      [...tensors].map(([name, { shape, data }]) => ({ name, shape, data })),
      {},
    );
    const { notes, summary } = await tune(path, dataset, fresh(), ['training.epochs=1']);
    expect(summary.complete).toBe(true);
    expect(notes.join()).toContain('not known what');
  });

  test('that are not there are refused, as is a dataset that is not there', async () => {
    expect(await errorOf(() => tune(join(scratch, 'nowhere'), dataset, fresh()))).toMatchObject({
      code: 'RUN_MISSING',
    });
    expect(await errorOf(() => tune('random', join(scratch, 'nowhere'), fresh()))).toMatchObject({
      code: 'DATASET_MISSING',
    });
  });
});
