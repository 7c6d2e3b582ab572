/** What weights went through before, told from the folders of their runs: latest first, and what nobody knows as not known. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { makeSplit, writeSplit } from '../../src/curation/splits.ts';
import { labelLeaks, overlapWith, trainedOn } from '../../src/runs/provenance.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';
import { tune } from '../finetune/support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
const quick = ['training.epochs=1', 'finalModel=true'];

beforeAll(async () => {
  await tinyDataset(at('data'));
  await tinyDataset(at('other'), { clips: 12, size: 18 });
  await tinyRun(at('data'), at('pretrained'), ['training.epochs=1']);
});

const madeBy = (run: string): readonly (string | null)[] | undefined =>
  trainedOn(at(run))?.map(({ by }) => by);

describe('what went before', () => {
  test('is told of pretraining and of fine-tuning, latest first', async () => {
    expect(madeBy('pretrained')).toEqual(['uscl']);
    await tune(at('pretrained'), at('other'), at('tuned'), quick);
    expect(madeBy('tuned')).toEqual(['finetuning', 'uscl']);
    await tune('random', at('other'), at('scratch'), quick);
    expect(madeBy('scratch')).toEqual(['finetuning']);
  });

  test('of weights from outside stays unknown after a fine-tuning, unless something was found', () => {
    const outside = at('outside');
    mkdirSync(outside);
    const clip = { id: 'x', sourceSha256: null, hashes: [], role: 'training', labelled: true };
    const write = (file: string, value: unknown): void => {
      writeFileSync(join(outside, file), JSON.stringify(value));
    };
    write('config.json', { task: 'finetune' });
    write('dataset.json', { name: 'elsewhere', hash: 'abc', clips: [clip] });
    write('source.json', { kind: 'weights', given: 'downloads/imagenet.safetensors', trainedOn: null });
    // The first was written by an earlier version, which did not say by what.
    expect(madeBy('outside')).toEqual(['finetuning', 'unknown']);
    expect(trainedOn(outside)?.[1]).toMatchObject({ name: 'imagenet.safetensors', clips: [] });
    using dataset = openDataset(at('data'));
    expect(overlapWith(outside, dataset)).toBeNull();
    write('source.json', { kind: 'random', given: 'random', trainedOn: null });
    expect(overlapWith(outside, dataset)).toMatchObject({ seen: 0, labelsSeen: 0 });
  });
});

test('clips that a split keeps for the test are not recorded as trained on', async () => {
  {
    using dataset = openDataset(at('other'));
    writeSplit(at('other'), makeSplit(dataset.clips, 'main', { kind: 'parts', test: 0.3, validation: 0 }));
  }
  await tune('random', at('other'), at('kept'), [...quick, 'split=main']);
  const roles = trainedOn(at('kept'))![0]!.clips;
  const unused = roles.filter(({ role }) => role === 'unused');
  expect(unused.length).toBeGreaterThan(1);
  expect(unused.length).toBeLessThan(roles.length / 2);
  expect(unused.every(({ labelled }) => !labelled)).toBe(true);
});

test('labels that training has seen are counted, and the first three clips are named', () => {
  const found = (count: number): readonly string[] => {
    const labelled = Array.from({ length: count }, (_, i) => `clip${i}`);
    return labelLeaks({ seen: 9, labelsSeen: count, labelled });
  };
  expect(found(0)).toEqual([]);
  expect(labelLeaks(null)).toEqual([]);
  const said = 'pretraining was given the labels of';
  expect(found(2)).toEqual([`${said} 2 of the tested clips (clip0, clip1)`]);
  expect(found(3)).toEqual([`${said} 3 of the tested clips (clip0, clip1, clip2)`]);
  expect(found(4)).toEqual([`${said} 4 of the tested clips (clip0, clip1, clip2, …)`]);
});
