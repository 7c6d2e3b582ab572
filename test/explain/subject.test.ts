/** What is explained is the weights that were given, in a field that is known or found with confidence. */
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { openBackend } from '../../src/engine/open.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { namedTensors } from '../../src/runs/named-tensors.ts';
import { fieldRegion } from '../../src/explain/cam-picture.ts';
import { poolClips } from '../../src/explain/clip-pool.ts';
import { openSubject } from '../../src/explain/opened-data.ts';
import { OpenedModel } from '../../src/trainer/opened-model.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';
import { fieldedDataset } from './support.ts';

const found = vi.hoisted(() => ({ confidence: 1 }));
vi.mock('../../src/ingest/field/find.ts', () => ({
  findField: () => {
    if (found.confidence === 0) return null;
    const outlines = [
      [
        [0, 0],
        [15, 0],
        [15, 20],
        [0, 20],
      ],
    ];
    return { shape: 'rectangle', outlines, confidence: found.confidence, from: 'found' };
  },
}));

const scratch = scratchFolder();

test('the weights of a pretraining run, those of the checkpoint that is asked for', async () => {
  const run = join(scratch, 'run');
  await tinyRun(await tinyDataset(join(scratch, 'clips')), run, ['training.epochs=2']);
  using backend = openBackend({ kind: 'reference' });
  for (const which of ['best', 'last'] as const) {
    using subject = await openSubject(run, backend, which);
    const { tensors, step } = readCheckpoint(join(run, 'checkpoints', `${which}.safetensors`));
    for (const { name, data } of namedTensors(subject.parameters))
      expect([...data], name).toEqual([...tensors.get(name)!.data]);
    expect(subject).toMatchObject({ classes: null, weights: { file: `${which}.safetensors`, step } });
  }
});

describe('a field that is not stored', () => {
  test.each([
    [1, true],
    [0.8, true],
    [0.79, false],
    [0, false],
  ])('found with confidence %d: used %s', async (confidence, used) => {
    const folder = join(scratch, `fielded-${confidence}`);
    await fieldedDataset(folder, [{ id: 'one' }]);
    using dataset = openDataset(folder);
    found.confidence = confidence;
    const region = fieldRegion(poolClips([dataset])[0]!);
    expect(region?.foundNow ?? false).toBe(used);
    if (region !== null) expect(region.inside.filter((inside) => inside === 1)).toHaveLength(15 * 20);
  });
});

test('who predicts is told of a slow backend, in a sentence', () => {
  vi.stubEnv('USCL_DNNL', 'nowhere/libdnnl.so.2');
  vi.stubEnv('USCL_TORCH', 'nowhere');
  const notes: string[] = [];
  using opened = new OpenedModel(writeModel(scratch), 1, {
    backend: 'auto',
    onNote: (text) => notes.push(text),
  });
  vi.unstubAllEnvs();
  expect(opened.identity()).toMatchObject({ classes: ['a', 'b', 'c'], precision: 'f32' });
  expect(notes).toHaveLength(1);
  expect(notes[0]).toContain('about a hundred times slower');
});
