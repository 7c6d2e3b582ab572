/** A fine-tuned model on another dataset: predictions, scores, classes by a file, leaks, and what is left behind. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openBackend } from '../../src/engine/open.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import { evaluationSchema } from '../../src/evaluation/scores/evaluation-result.ts';
import { readPredictions } from '../../src/evaluation/scores/predictions.ts';
import {
  checkResultFolder,
  evaluateRun,
  type EvaluateRunOptions,
  writeResultFolder,
} from '../../src/evaluate/evaluate.ts';
import { evaluationText } from '../../src/evaluate/table.ts';
import { openModel } from '../../src/trainer/classifier.ts';
import { datasetHash } from '../../src/runs/run-folder.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { errorOf, scratchFolder, tinyDataset } from '../pretrain/support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'set');
const unlabelled = join(scratch, 'unlabelled');
const SLOW: EvaluateRunOptions = { backend: 'reference', precision: 'f32', resamples: 200 };
let model = '';
let three = '';

beforeAll(async () => {
  await tinyDataset(dataset, { clips: 8, frames: 5, size: 20 });
  await tinyDataset(unlabelled, { clips: 2, labelled: false });
  mkdirSync(join(scratch, 'three'));
  model = writeModel(scratch, { classes: ['b', 'a'], view: { size: 16 }, sharpness: 2 });
  three = writeModel(join(scratch, 'three'), { classes: ['x', 'y', 'z'], view: { size: 16 }, sharpness: 2 });
});

function map(content: string): string {
  const path = join(scratch, `map-${content.length}.yaml`);
  writeFileSync(path, content);
  return path;
}

describe('predictions', () => {
  test('are those of the model for the stored frames, labels by name in the order of the model', async () => {
    const { predictions, result } = await evaluateRun(model, dataset, SLOW);
    using stored = openDataset(dataset);
    using backend = openBackend({ kind: 'reference' });
    using opened = openModel(model, backend, { batch: 1, precision: 'f32' });
    expect(predictions).toMatchObject({ classes: ['b', 'a'], protocol: 'external' });
    expect(predictions.clips).toEqual(
      stored.clips.map(({ id, group, label }) => ({ id, group, label: label === 'b' ? 0 : 1 })),
    );
    expect(predictions.cells).toHaveLength(1);
    const { rows } = predictions.cells[0]!;
    for (const { clip, frames, probabilities } of rows) {
      const record = stored.clips[clip]!;
      expect(frames).toEqual([0, 1, 2, 3, 4]);
      for (const frame of frames) {
        fillWholeView(stored.readFrame(record, frame), record, opened.view, opened.input, 0);
        const expected = opened.predict(1);
        for (const [c, p] of probabilities[frame]!.entries()) expect(p).toBeCloseTo(expected[c]!, 6);
      }
    }
    // Clips differ, or the comparison shows nothing.
    expect(new Set(rows.map(({ probabilities }) => probabilities[0]![0]!.toFixed(6))).size).toBe(8);
    expect(result.evaluation).toEqual(evaluatePredictions(predictions, { resamples: 200 }));
    expect(result.clips).toEqual({ scored: 8, unlabelled: 0, leftOut: 0 });
  });

  test('of a few frames are even in time', async () => {
    const { predictions } = await evaluateRun(model, dataset, { ...SLOW, frames: 2 });
    expect(predictions.cells[0]!.rows.every(({ frames }) => frames.join() === '1,3')).toBe(true);
  });

  test('come with progress in frames, a batch of 16 at a time, with the clip that filled it', async () => {
    const seen: (string | number | undefined)[][] = [];
    await evaluateRun(model, dataset, { ...SLOW, onProgress: (...told) => seen.push(told) });
    // Five frames a clip: the 16th is of the fourth, the 32nd of the seventh.
    expect(seen).toEqual([
      [0, 40],
      [16, 40, 'clip3'],
      [32, 40, 'clip6'],
      [40, 40],
    ]);
  });
});

describe('classes by a file', () => {
  test('are renamed, left out and brought together; probabilities are added', async () => {
    const separate = await evaluateRun(three, dataset, { ...SLOW, map: map('classes: {a: x, b: z}') });
    const together = await evaluateRun(three, dataset, {
      ...SLOW,
      map: map('classes: {a: ill, b: z, c: y}\nmerge: {ill: [x, y]}'),
    });
    expect(separate.predictions.classes).toEqual(['x', 'y', 'z']);
    expect(together.predictions.classes).toEqual(['ill', 'z']);
    for (const [i, { probabilities }] of together.predictions.cells[0]!.rows.entries()) {
      for (const [frame, [ill, z]] of probabilities.entries()) {
        const [x, y, other] = separate.predictions.cells[0]!.rows[i]!.probabilities[frame]!;
        expect(ill).toBeCloseTo(x! + y!, 6);
        expect(z).toBeCloseTo(other!, 6);
      }
    }
    expect(together.result.mapping).toMatchObject({
      labels: { a: 'ill', b: 'z' },
      model: { x: 'ill', y: 'ill', z: 'z' },
      unused: ['c'],
    });
    const text = evaluationText(together.result);
    expect(text).toContain('a → ill');
    expect(text).toContain('x → ill, y → ill');
    expect(text).toContain('no clip has: c');
    expect(text).toContain('Research use only');
  });

  test('leave clips out, and the result counts them', async () => {
    const { result, predictions } = await evaluateRun(three, dataset, {
      ...SLOW,
      map: map('classes: {a: x, b: drop}'),
    });
    expect(result.clips).toEqual({ scored: 4, unlabelled: 0, leftOut: 4 });
    expect(predictions.clips.every(({ label }) => label === 0)).toBe(true);
    const text = evaluationText(result);
    expect(text).toContain(': 4 clips of 4 groups; not scored: 4 left out by the file of classes\n');
    expect(text).toContain('labels: a → x, b → left out\n');
    expect(text).not.toContain('no clip has');
    expect(text).not.toContain('brought together');
  });
});

describe('bad input', () => {
  test('a label that the model does not know is refused', async () => {
    const error = await errorOf(() => evaluateRun(three, dataset, SLOW));
    expect(error.code).toBe('LABEL_UNKNOWN');
    expect(error.message).toContain('"a" (4 clips), "b" (4 clips)');
    expect(error.remedy).toContain('--map');
  });

  test('no label at all, all left out, and an impossible number of frames are refused', async () => {
    const none = await errorOf(() => evaluateRun(model, unlabelled, SLOW));
    expect([none.code, none.remedy.includes('uscl predict')]).toEqual(['EVALUATE_EMPTY', true]);
    const out = { ...SLOW, map: map('classes: {a: drop, b: drop}') };
    expect((await errorOf(() => evaluateRun(model, dataset, out))).code).toBe('EVALUATE_EMPTY');
    expect((await errorOf(() => evaluateRun(model, dataset, { ...SLOW, frames: 0 }))).code).toBe(
      'EVALUATE_OPTION',
    );
  });

  test('an abort ends it with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    const running = evaluateRun(model, dataset, {
      ...SLOW,
      signal: controller.signal,
      onProgress: (done) => {
        if (done > 0) controller.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
  });
});

describe('leaks', () => {
  /** A run folder around the model that says which clips it trained on. */
  function runThatSaw(name: string, ids: readonly string[], labelled: boolean): string {
    const run = join(scratch, name);
    const path = join(run, 'checkpoints', 'best.safetensors');
    mkdirSync(dirname(path), { recursive: true });
    cpSync(model, path);
    using stored = openDataset(dataset);
    writeFileSync(join(run, 'config.json'), JSON.stringify({ task: 'finetune' }));
    const clips = stored.clips.map(({ id, sourceSha256, hashes }) => {
      const role = ids.includes(id) ? 'training' : 'unused';
      return { id, sourceSha256, hashes, role, labelled: labelled && ids.includes(id) };
    });
    writeFileSync(join(run, 'dataset.json'), JSON.stringify({ name: 's', hash: datasetHash(stored), clips }));
    return run;
  }

  test('of labels are refused, or allowed aloud', async () => {
    const run = runThatSaw('seen', ['clip2', 'clip3'], true);
    const error = await errorOf(() => evaluateRun(run, dataset, SLOW));
    expect([error.code, error.kind]).toEqual(['LEAK', 'data']);
    expect(error.message).toContain('clip2');
    expect(error.remedy).toContain('--allow-leaks');
    const { result } = await evaluateRun(run, dataset, { ...SLOW, allowLeaks: true });
    expect(result.overlap?.labelsSeen).toBeGreaterThanOrEqual(2);
    expect(result.leaks).toHaveLength(1);
    expect(evaluationText(result)).toContain('warning: leak allowed');
  });

  test('of pictures without labels are told, of nothing too, and what is not known as well', async () => {
    const { result } = await evaluateRun(runThatSaw('looked', ['clip1'], false), dataset, SLOW);
    expect(result.leaks).toEqual([]);
    expect(result.overlap).toMatchObject({ labelsSeen: 0 });
    expect(result.overlap!.seen).toBeGreaterThanOrEqual(1);
    expect(evaluationText(result)).toContain('were seen in training or pretraining, 0 with their label');
    const clean = await evaluateRun(runThatSaw('clean', [], true), dataset, SLOW);
    expect(evaluationText(clean.result)).toContain('none of these clips was found');
    const unknown = await evaluateRun(model, dataset, SLOW);
    expect(unknown.result.overlap).toBeNull();
    expect(evaluationText(unknown.result)).toContain('is not known');
  });
});

describe('the folder', () => {
  test('holds what later readers take, whole, and is not replaced unasked', async () => {
    const { result, predictions } = await evaluateRun(model, dataset, SLOW);
    const out = join(scratch, 'new', 'result');
    writeResultFolder(out, result, predictions, false);
    expect(readdirSync(out).sort()).toEqual(['evaluation.json', 'metrics.json', 'predictions.json']);
    expect(readdirSync(dirname(out))).toEqual(['result']);
    const json = (name: string): unknown => JSON.parse(readFileSync(join(out, name), 'utf8'));
    expect(evaluationSchema.parse(json('metrics.json'))).toEqual(
      JSON.parse(JSON.stringify(result.evaluation)),
    );
    expect(evaluatePredictions(readPredictions(out), { resamples: 200 })).toEqual(result.evaluation);
    expect(json('evaluation.json')).toMatchObject({ format: 'uscl-external-evaluation', overlap: null });
    // People open these: a value a line, indented.
    for (const name of ['evaluation.json', 'metrics.json'])
      expect(readFileSync(join(out, name), 'utf8')).toBe(`${JSON.stringify(json(name), null, 2)}\n`);
    const exists = await errorOf(() => {
      writeResultFolder(out, result, predictions, false);
    });
    expect(exists.code).toBe('EVALUATION_EXISTS');
    writeResultFolder(out, { ...result, leaks: ['one'] }, predictions, true);
    expect(json('evaluation.json')).toMatchObject({ leaks: ['one'] });
    expect(readdirSync(dirname(out))).toEqual(['result']);
  });

  test('is not written where something else is', async () => {
    const foreign = join(scratch, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'notes.txt'), 'mine');
    const refusal = async (folder: string): Promise<string> =>
      (
        await errorOf(() => {
          checkResultFolder(folder, true);
        })
      ).code;
    expect(await refusal(foreign)).toBe('OUTPUT_NOT_OURS');
    expect(await refusal(join(foreign, 'notes.txt'))).toBe('OUTPUT_NOT_OURS');
    mkdirSync(join(scratch, 'half'));
    writeFileSync(join(scratch, 'half', 'metrics.json'), '{}');
    expect(await refusal(join(scratch, 'half'))).toBe('OUTPUT_NOT_OURS');
  });
});
