/**
 * Recipes that take their weights from a file of torchvision's form: the row is told as not given until the file is there, runs then
 * as a probe and a fine-tuning by hand do, and its numbers stay when the file is gone.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { finetune } from '../../src/finetune/finetune.ts';
import { readPredictions } from '../../src/evaluation/scores/predictions.ts';
import { probeRun } from '../../src/probe/probe-run.ts';
import { readRunConfig } from '../../src/runs/run-folder.ts';
import { Results } from '../../src/study/results.ts';
import { readStudy } from '../../src/study/study-file.ts';
import { importWeights } from '../../src/weights/import-weights.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';
import { type Ran, ran, smallStudy, studyData, writeStudy } from './support.ts';

const scratch = scratchFolder();
const data = join(scratch, 'data');
const folder = join(scratch, 'whole');
const golden = z
  .object({ checkpoints: z.array(z.object({ name: z.string(), base64: z.base64() })) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', 'golden', 'data', 'weights.json'), 'utf8')));
const brought = join(scratch, 'brought.pth');

/** Random weights, weights from a file, and a pretraining that starts from that file. */
function withFile(): Record<string, unknown> {
  const study = smallStudy();
  const pretraining = study['pretraining'] as { set: string[] };
  return {
    ...study,
    seeds: 1,
    pretraining: {
      ...pretraining,
      set: [...pretraining.set.filter((one) => !one.startsWith('model.width')), 'model.width=2'],
    },
    recipes: [
      { name: 'random', weights: 'random' },
      { name: 'imagenet', weights: 'imagenet.pth', normalise: 'imagenet' },
      { name: 'onward', method: 'simclr', weights: 'imagenet.pth', normalise: 'imagenet' },
    ],
  };
}

const jobsIn = (run: string): string[] => readdirSync(join(run, 'out', 'jobs')).sort();
const textOf = (one: Ran, file: 'table' | 'page'): string => readFileSync(one.outcome.files[file], 'utf8');

let without: Ran;
beforeAll(async () => {
  await studyData(data);
  const torchvision = golden.checkpoints.find(({ name }) => name === 'torchvision.pth')!;
  writeFileSync(brought, Buffer.from(torchvision.base64, 'base64'));
  without = await ran(folder, data, withFile());
});

describe('a recipe with weights from a file', () => {
  test('is told as not given, and the study is whole without it', () => {
    expect(without.outcome.complete).toBe(true);
    expect(without.did).toEqual([
      'random.s0.probe.clinic',
      'random.s0.finetune.clinic',
      'random.s0.sources.pool',
    ]);
    expect(textOf(without, 'table')).toContain(
      'not done: imagenet.s0.probe.clinic: its weights are not given (imagenet.pth is not there; --weights imagenet=FILE gives them)',
    );
    expect(textOf(without, 'table')).toContain('not done: onward.s0.pretrain: its weights are not given');
    expect(textOf(without, 'page')).toContain('weights from a file that is not given');
  });

  test('is judged as soon as the file is there, as by hand, and stays when it is gone', async () => {
    const weights = [`imagenet=${brought}`, `onward=${brought}`];
    const given = await ran(folder, data, withFile(), { weights });
    expect(given.did.filter((job) => job.startsWith('random'))).toEqual([]);
    expect(given.did).toHaveLength(3 + 4);
    expect(given.outcome.complete).toBe(true);
    const sha256 = createHash('sha256').update(readFileSync(brought)).digest('hex');
    const read = (job: string) => new Results(join(folder, 'out')).read(job)!;
    for (const job of given.did)
      expect(read(job).weights, job).toEqual({ file: 'brought.pth', sha256, learntFrom: null });
    expect(read('random.s0.probe.clinic').weights).toBeUndefined();

    // By hand: the same file with its normalisation written into it, at the size of the study.
    const imported = join(scratch, 'imported.safetensors');
    await importWeights(brought, imported, { normalise: 'imagenet' });
    const { protocols } = smallStudy() as { protocols: { finetune: { set: string[] } } };
    const tuned = join(scratch, 'by-hand');
    await finetune({
      ...{ source: imported, dataset: join(data, 'clinic'), out: tuned },
      config: {
        set: [
          ...['view.size=32', ...protocols.finetune.set, 'optimizer.learningRate=0.003'],
          ...['labelRates=[0.5,1]', 'seeds=1', 'seed=0', 'finalModel=false'],
        ],
      },
    });
    expect(readPredictions(tuned)).toEqual(
      readPredictions(join(folder, 'work', 'finetune', 'imagenet.s0.finetune.clinic', 'high')),
    );
    const record = read('imagenet.s0.probe.clinic');
    if (record.format !== 'uscl-study-score') throw new Error('no score');
    const bare = join(scratch, 'sized.safetensors');
    writeFileSync(bare, sized(imported, 32));
    const { pretrained } = await probeRun(bare, join(data, 'clinic'), {
      ...{ folds: 2, seeds: 2, framesPerClip: 2, k: 3, randomInits: 0 },
    });
    for (const reader of ['linear', 'knn'] as const)
      expect(record.readings.find((one) => one.reader === reader)!.predicted).toEqual(
        pretrained[reader].clipPredictions.map((of) => of.join('')),
      );

    // The pretraining began with it, and its own features are others.
    expect(readRunConfig(join(folder, 'work', 'runs', 'onward.s0'))).toMatchObject({
      init: brought,
      view: { channels: 3, normalise: { mean: [0.485, 0.456, 0.406] } },
    });
    expect(textOf(given, 'page')).toContain('simclr, from weights of brought.pth, SHA-256');

    const moved = join(scratch, 'moved.pth');
    renameSync(brought, moved);
    const after = await ran(folder, data, withFile());
    expect(after.did).toEqual([]);
    expect(after.outcome.complete).toBe(true);
    expect(textOf(after, 'table')).toBe(textOf(given, 'table'));
    expect(textOf(after, 'page')).toBe(textOf(given, 'page'));
    renameSync(moved, brought);
  });

  test('is refused with other weights than those of its results', async () => {
    const before = jobsIn(folder);
    const other = join(scratch, 'other.pth');
    await importWeights(brought, other);
    const error = await errorOf(() => ran(folder, data, withFile(), { weights: [`imagenet=${other}`] }));
    expect(error.code).toBe('STUDY_CHANGED');
    expect(jobsIn(folder)).toEqual(before);
    rmSync(other);
  });

  test.each<[string, readonly string[], string, RegExp]>([
    [
      'a file that is not there',
      ['imagenet=nowhere.pth'],
      'STUDY_FILE',
      /there are no weights at .*nowhere\.pth/,
    ],
    ['a recipe that takes none', ['random=brought.pth'], 'OPTION_INVALID', /"random=brought\.pth"/],
    ['no file', ['imagenet='], 'OPTION_INVALID', /"imagenet="/],
    ['no recipe', ['brought.pth'], 'OPTION_INVALID', /"brought\.pth"/],
  ])('--weights is refused with %s', async (_, weights, code, message) => {
    const error = await errorOf(() => ran(join(scratch, 'refused'), data, withFile(), { weights }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a normalisation without weights',
      { method: 'simclr', normalise: 'imagenet' },
      /"x" has no weights from a file/,
    ],
    ['random weights and a method', { method: 'simclr', weights: 'random' }, /leave weights out/],
    [
      'weights alone that learn',
      { weights: 'x.pth', on: ['pool'] },
      /"x" has weights and learns from nothing/,
    ],
    ['a start among its settings', { method: 'simclr', set: ['init=x.pth'] }, /said by weights: FILE/],
  ])('is refused with %s', async (_, recipe, message) => {
    const study = {
      ...withFile(),
      recipes: [
        { name: 'random', weights: 'random' },
        { name: 'x', ...recipe },
      ],
    };
    const path = writeStudy(join(scratch, 'file'), study);
    const error = await errorOf(() => readStudy(path, () => []));
    expect(error.code).toBe('STUDY_FILE');
    expect(error.message).toMatch(message);
  });

  test('is refused with a normalisation that is none', async () => {
    const study = withFile();
    (study['recipes'] as Record<string, unknown>[])[1]!['normalise'] = 'somehow';
    const error = await errorOf(() => ran(join(scratch, 'somehow'), data, study));
    expect([error.code, error.where]).toEqual(['STUDY_FILE', expect.stringContaining('imagenet, normalise')]);
  });
});

/** A safetensors file of this program that says the size of its images too. */
function sized(path: string, size: number): Buffer {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = z
    .looseObject({ __metadata__: z.looseObject({ uscl: z.string() }) })
    .parse(JSON.parse(bytes.subarray(8, 8 + length).toString()));
  const said = z.looseObject({ view: z.looseObject({}) }).parse(JSON.parse(header.__metadata__.uscl));
  header.__metadata__.uscl = JSON.stringify({ ...said, view: { ...said.view, size } });
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([start, padded, bytes.subarray(8 + length)]);
}
