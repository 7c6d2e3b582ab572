/** Files through a fine-tuned model: the numbers of an ingest and an evaluation, in order, and what is withheld. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openBackend } from '../../src/engine/open.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { initialise } from '../../src/models/initialise.ts';
import { saveCheckpoint } from '../../src/runs/checkpoint.ts';
import { openModel } from '../../src/trainer/classifier.ts';
import { backboneOf } from '../../src/models/backbone.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { concluded, filePredictionsSchema } from '../../src/predict/answers.ts';
import { InOrder, predictFiles, type PredictOptions } from '../../src/predict/predict.ts';
import type { ModelUse } from '../../src/trainer/opened-model.ts';
import { clipLines, failedLine, tableHeader } from '../../src/predict/write.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { parseCsv } from '../../src/formats/csv.ts';
import { nativeFile } from '../ingest/dicom-marked.ts';
import { makePicture, makeVideo } from '../ingest/media.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
const media = join(scratch, 'media');
const MARKER = 'ZQPHIKLM';
const SLOW: PredictOptions & ModelUse = { backend: 'reference', precision: 'f32' };
let model = '';

beforeAll(async () => {
  mkdirSync(media, { recursive: true });
  makeVideo(join(media, 'one.mp4'), { fps: 10, seconds: 3, size: '80x64' });
  makeVideo(join(media, 'two.avi'), { fps: 5, seconds: 2, size: '64x64', options: ['-c:v', 'ffv1'] });
  for (let i = 0; i < 5; i++) await makePicture(join(media, `still${i}.png`), i, 50 + i, 40);
  model = writeModel(scratch, { sharpness: 0.3, ingest: { fps: 5, size: 40, channels: 1, crop: 'auto' } });
});

const all = (): string[] =>
  ['still0.png', 'one.mp4', 'still1.png', 'two.avi', 'still2.png'].map((name) => join(media, name));

describe('numbers', () => {
  test('are those of the stored frames of an ingest with the settings that the model learned with', async () => {
    const out = join(scratch, 'set');
    await ingest({ source: media, out, size: 40 });
    using dataset = openDataset(out);
    using backend = openBackend({ kind: 'reference' });
    using opened = openModel(model, backend, { batch: 3, precision: 'f32' });
    const { clips, failed, reading } = await predictFiles(model, [media], SLOW);
    expect(failed).toEqual([]);
    expect(reading).toEqual({ fps: 5, size: 40, channels: 1, crop: 'auto', frames: 'all' });
    expect(clips.map(({ name }) => name)).toEqual(dataset.clips.map(({ id }) => join(media, id)));
    for (const [i, record] of dataset.clips.entries()) {
      const clip = clips[i]!;
      expect(clip.frames.map(({ frame }) => frame)).toEqual([...Array(record.frames).keys()]);
      for (const { frame, probabilities } of clip.frames) {
        fillWholeView(dataset.readFrame(record, frame), record, opened.view, opened.input, 0);
        const expected = opened.predict(1);
        for (const [c, p] of probabilities.entries()) expect(p).toBeCloseTo(expected[c]!, 6);
        expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
      }
    }
    // Different clips get different numbers, or the comparison shows nothing.
    expect(new Set(clips.map(({ mean }) => mean.probabilities[0]!.toFixed(5))).size).toBe(clips.length);
  });

  test('come in the order of the files, whatever shares a batch with what, and fit the schema', async () => {
    const together = await predictFiles(model, all(), SLOW);
    expect(filePredictionsSchema.parse(JSON.parse(JSON.stringify(together)))).toEqual(together);
    expect(together.clips.map(({ input, name }) => [input, name])).toEqual(
      all().map((path, i) => [i + 1, path]),
    );
    for (const [i, path] of all().entries()) {
      const { clips } = await predictFiles(model, [path], SLOW);
      const alone = { ...clips[0]!, input: i + 1 };
      expect(JSON.parse(JSON.stringify(together.clips[i]))).toMatchObject(
        JSON.parse(JSON.stringify(alone)) as object,
      );
    }
  });

  test('of a few frames are even in time, and the same as among all', async () => {
    const path = join(media, 'one.mp4');
    const { clips: every } = await predictFiles(model, [path], SLOW);
    const { clips: few } = await predictFiles(model, [path], { ...SLOW, frames: 4 });
    expect(every[0]!.frames).toHaveLength(15);
    expect(few[0]!.frames.map(({ frame }) => frame)).toEqual([1, 5, 9, 13]);
    expect(few[0]!.frames).toEqual([1, 5, 9, 13].map((frame) => every[0]!.frames[frame]));
    expect(few[0]!.frames.map(({ seconds }) => seconds)).toEqual([0.2, 1, 1.8, 2.6]);
    const { clips: still } = await predictFiles(model, [join(media, 'still0.png')], { ...SLOW, frames: 4 });
    expect(still[0]!.frames.map(({ frame, seconds }) => [frame, seconds])).toEqual([[0, null]]);
  });

  test('of every frame of the video are had by saying so', async () => {
    const { clips } = await predictFiles(model, [join(media, 'one.mp4')], { ...SLOW, fps: 'all' });
    expect(clips[0]!.frames).toHaveLength(30);
    expect(clips[0]!.frames.at(-1)!.seconds).toBeCloseTo(2.9, 6);
  });
});

describe('answers', () => {
  const raw = (probabilities: readonly (readonly number[])[]) => ({
    ...{ input: 1, name: 'x', field: null, dropped: 0, flags: [] },
    frames: probabilities.map((_, i) => i),
    seconds: probabilities.map(() => null),
    probabilities,
  });

  test('are withheld below the threshold, not at it, for frames and clips alike', () => {
    const clip = concluded(
      raw([
        [0.6, 0.4],
        [0.59, 0.41],
        [0.2, 0.8],
      ]),
      ['a', 'b'],
      0.6,
    );
    expect(clip.frames.map(({ answer }) => answer)).toEqual(['a', null, 'b']);
    expect(clip.frames[1]).toMatchObject({ likeliest: 'a', confidence: 0.59 });
    expect(clip.mean.likeliest).toBe('b');
    expect(clip.mean.confidence).toBeCloseTo(1.61 / 3, 12);
    expect(clip.mean.answer).toBeNull();
    expect(clip.vote).toEqual({ shares: [2 / 3, 1 / 3], likeliest: 'a' });
  });

  test('of tied votes go to the larger mean', () => {
    expect(
      concluded(
        raw([
          [0.6, 0.4],
          [0.1, 0.9],
        ]),
        ['a', 'b'],
        0,
      ).vote.likeliest,
    ).toBe('b');
  });

  test('are all withheld at 1 and none at 0', async () => {
    const answers = async (abstainBelow: number) =>
      (await predictFiles(model, all(), { ...SLOW, abstainBelow })).clips.map(({ mean }) => mean.answer);
    expect((await answers(0)).every((answer) => answer !== null)).toBe(true);
    expect((await answers(1)).every((answer) => answer === null)).toBe(true);
  });
});

describe('bad input', () => {
  test('a file that cannot be read is named in its place and the rest goes on', async () => {
    writeFileSync(join(scratch, 'broken.mp4'), 'no video');
    const files = [join(scratch, 'broken.mp4'), join(media, 'still0.png'), join(scratch, 'absent.png')];
    const { clips, failed } = await predictFiles(model, files, SLOW);
    expect(clips.map(({ input }) => input)).toEqual([2]);
    expect(failed.map(({ input, name, code }) => [input, name, code])).toEqual([
      [1, files[0], 'VIDEO_UNREADABLE'],
      [3, files[2], 'SOURCE_MISSING'],
    ]);
  });

  test('no file at all, impossible options and a model that is none are errors', async () => {
    const still = [join(media, 'still0.png')];
    const codeOf = async (files: readonly string[], options: PredictOptions, source = model) =>
      (await errorOf(() => predictFiles(source, files, { ...SLOW, ...options }))).code;
    expect(await codeOf([], {})).toBe('PREDICT_EMPTY');
    expect(await codeOf(still, { abstainBelow: 1.5 })).toBe('PREDICT_OPTION');
    expect(await codeOf(still, { abstainBelow: NaN })).toBe('PREDICT_OPTION');
    expect(await codeOf(still, { frames: 0 })).toBe('PREDICT_OPTION');
    expect(await codeOf(still, { size: 3 })).toBe('INGEST_OPTION');
    expect(await codeOf(still, {}, join(scratch, 'absent'))).toBe('MODEL_MISSING');
  });

  test('a backbone that was never fine-tuned says what to do', async () => {
    const path = join(scratch, 'backbone.safetensors');
    const config = resolveConfig({ overrides: { model: { width: 4 }, view: { size: 32 } } });
    using backend = openBackend({ kind: 'reference' });
    using parameters = backend.createParameters(backboneOf(config));
    initialise(parameters, 1);
    const where = { step: 0, epoch: 0, optimizerSteps: 0, configHash: '', datasetHash: '', best: null };
    const shape = { backbone: 'resnet18', width: 4, channels: 1, size: 32 } as const;
    saveCheckpoint(path, { ...where, model: shape }, parameters, null);
    const error = await errorOf(() => predictFiles(path, all(), SLOW));
    expect(error.code).toBe('MODEL_WITHOUT_CLASSES');
    expect(error.remedy).toContain('uscl finetune');
  });

  test('DICOM without a field is refused, and nothing written of DICOM names a file or a patient', async () => {
    const folder = join(scratch, `${MARKER} in`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'IM1'),
      nativeFile({ marker: MARKER, bars: 3, patient: `${MARKER} 4711`, study: '1.2.3', uid: '1.2.3.4' }),
    );
    await makePicture(join(folder, `${MARKER}.png`), 9);
    const result = await predictFiles(model, [folder], SLOW);
    expect(result.clips.map(({ name, field }) => [name.replace(/[0-9a-f]{16}$/, '#'), field?.from])).toEqual([
      ['dicom-#', 'declared'],
    ]);
    expect(result.failed.map(({ code }) => code)).toEqual(['UNMASKED']);
    const { classes } = result.model;
    const written = [
      JSON.stringify(result),
      ...result.clips.map((clip) => clipLines(clip, 'all')),
      ...result.failed.map((file) => failedLine(file, classes)),
    ].join('\n');
    expect(written).not.toContain(MARKER);
    const allowed = await predictFiles(model, [folder], { ...SLOW, allowUnmasked: true });
    expect([allowed.clips.length, allowed.failed]).toEqual([2, []]);
  });

  test('an abort ends it with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    const running = predictFiles(model, all(), {
      ...SLOW,
      signal: controller.signal,
      onProgress: () => {
        controller.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
  });
});

describe('the table', () => {
  test('has a row a clip, its votes, its frames, and files that failed, and can be read again', async () => {
    const { clips, model: about } = await predictFiles(model, [join(media, 'two.avi')], {
      ...SLOW,
      abstainBelow: 1,
    });
    const failed = { input: 2, name: 'a "b",\nc', code: 'X_Y', reason: 'it, is', remedy: '' };
    const text = tableHeader(about.classes) + clipLines(clips[0]!, 'all') + failedLine(failed, about.classes);
    const rows = parseCsv(Buffer.from(text), 'table', ['input', 'p:a']).map(({ cells }) => cells);
    expect(rows.map((cells) => cells.get('row'))).toEqual([
      ...['clip', 'vote'],
      ...new Array<string>(10).fill('frame'),
      'failed',
    ]);
    const { mean, frames } = clips[0]!;
    expect(Number(rows[0]!.get('p:b'))).toBeCloseTo(mean.probabilities[1]!, 6);
    expect([rows[0]!.get('answer'), rows[0]!.get('likeliest')]).toEqual(['', mean.likeliest]);
    expect(rows[3]!.get('frame')).toBe('1');
    expect(Number(rows[3]!.get('seconds'))).toBeCloseTo(frames[1]!.seconds!, 6);
    expect([rows.at(-1)!.get('name'), rows.at(-1)!.get('note')]).toEqual(['a "b",\nc', 'X_Y: it, is']);
    expect(clipLines(clips[0]!, 'clips').split('\n')).toHaveLength(3);
    expect(clipLines(clips[0]!, 'frames').split('\n')).toHaveLength(11);
  });
});

test('results wait for those before them', async () => {
  const got: number[] = [];
  const line = new InOrder<number>((value) => {
    got.push(value);
  });
  let first: number | null = null;
  line.promise(() => first);
  line.promise(() => 2);
  await line.drain();
  expect(got).toEqual([]);
  first = 1;
  await line.drain();
  expect(got).toEqual([1, 2]);
});

test('progress rises to the whole, by the share of a clip that has gone through the network', async () => {
  const steps: [number, number, string | undefined][] = [];
  const [clip, still] = [join(media, 'one.mp4'), join(media, 'still0.png')];
  await predictFiles(model, [clip, still], {
    ...SLOW,
    fps: 'all',
    onProgress: (done, total, note) => steps.push([done, total, note]),
  });
  // A batch is full with the 16th of the clip's 30 frames, which is one of two files.
  expect(steps).toEqual([
    [Math.floor((100 * 16) / 30 / 2), 100, clip],
    [50, 100, clip],
    [100, 100, still],
  ]);
});
