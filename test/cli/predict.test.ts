/** `uscl predict` and `uscl evaluate` as a person or a script calls them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { parseCsv } from '../../src/formats/csv.ts';
import { evaluationSchema } from '../../src/evaluation/scores/evaluation-result.ts';
import { filePredictionsSchema } from '../../src/predict/answers.ts';
import { predictFiles } from '../../src/predict/predict.ts';
import { nativeFile } from '../ingest/dicom-marked.ts';
import { makePicture, makeVideo } from '../ingest/media.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset } from '../pretrain/support.ts';
import { compileProgram, type Finished, finished, start, uscl } from './run.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'set');
const clip = join(scratch, 'clip.mp4');
const still = join(scratch, 'still.png');
const broken = join(scratch, 'broken.mp4');
const MARKER = 'ZQPHIKLM';
const HOW = ['--backend', 'reference', '--precision', 'f32'];
let model = '';

beforeAll(async () => {
  compileProgram();
  model = writeModel(scratch, { classes: ['a', 'b'], view: { size: 16 }, sharpness: 0.3 });
  await tinyDataset(dataset, { clips: 6, frames: 3 });
  makeVideo(clip, { fps: 10, seconds: 2, size: '64x48' });
  await makePicture(still, 3);
  writeFileSync(broken, 'no video');
});

const predict = (...args: readonly string[]): Promise<Finished> => uscl(['predict', model, ...args, ...HOW]);
const table = (text: string): (string | undefined)[][] =>
  parseCsv(Buffer.from(text), 'stdout', ['row', 'name', 'p:a', 'note']).map(({ cells }) =>
    ['row', 'name', 'answer'].map((name) => cells.get(name)),
  );

describe('predict', () => {
  test('gives as JSON the numbers of the library, alone on stdout', async () => {
    const result = await predict(clip, still, '--json', '--abstain', '0');
    expect(result.code).toBe(0);
    expect(result.stdout.trimEnd().split('\n')).toHaveLength(1);
    const said = filePredictionsSchema.parse(JSON.parse(result.stdout));
    const options = { backend: 'reference', precision: 'f32', abstainBelow: 0 } as const;
    expect(said).toEqual(JSON.parse(JSON.stringify(await predictFiles(model, [clip, still], options))));
    expect(result.stderr).toContain('Research use only; not a medical device.');
    expect((await predict(clip, still, '--format', 'json', '--abstain', '0')).stdout).toBe(result.stdout);
  });

  test('names what cannot be read, goes on, and ends with 3', async () => {
    const result = await predict(broken, clip, join(scratch, 'absent.mp4'));
    expect(result.code).toBe(3);
    expect(result.stdout).toMatch(/broken\.mp4: not read: .+/);
    expect(result.stdout).toMatch(/clip\.mp4: .+10 frames/);
    expect(result.stdout).toMatch(/absent\.mp4: not read: There is nothing/);
    expect(result.stderr).not.toMatch(/^\s+at .+\d+\)?$/m);
  });

  test('writes a table to stdout or to a file, which appears whole and is not replaced unasked', async () => {
    const printed = await predict(
      still,
      broken,
      clip,
      '--format',
      'csv',
      '--rows',
      'clips',
      '--abstain',
      '1',
    );
    expect(printed.code).toBe(3);
    expect(table(printed.stdout)).toEqual([
      ['clip', still, ''],
      ['vote', still, ''],
      ['failed', broken, ''],
      ['clip', clip, ''],
      ['vote', clip, ''],
    ]);
    const out = join(scratch, 'deep', 'out.csv');
    const written = await predict(still, clip, '--out', out, '--rows', 'clips');
    expect(written.code).toBe(0);
    expect(written.stdout).toContain('2 clips, 11 frames');
    expect(table(readFileSync(out, 'utf8'))).toHaveLength(4);
    const again = await predict(still, '--out', out);
    expect([again.code, again.stderr.includes('--overwrite')]).toEqual([2, true]);
    expect(table(readFileSync(out, 'utf8'))).toHaveLength(4);
    expect((await predict(still, '--out', out, '--rows', 'frames', '--overwrite')).code).toBe(0);
    expect(table(readFileSync(out, 'utf8'))).toHaveLength(1);
    const json = join(scratch, 'out.json');
    expect((await predict(still, broken, '--out', json)).code).toBe(3);
    const parsed = filePredictionsSchema.parse(JSON.parse(readFileSync(json, 'utf8')));
    expect([parsed.clips.length, parsed.failed.length]).toEqual([1, 1]);
  });

  test('of DICOM writes names of clips, and shows paths on the screen alone', async () => {
    const folder = join(scratch, `${MARKER} in`);
    mkdirSync(folder);
    const marking = { marker: MARKER, bars: 3, patient: `${MARKER} 1`, study: '1.2.3', uid: '1.2.3.4' };
    writeFileSync(join(folder, `${MARKER}.dcm`), nativeFile(marking));
    await makePicture(join(folder, 'other.png'), 5);
    const out = join(scratch, 'private.csv');
    const result = await predict(folder, '--out', out);
    expect(result.code).toBe(3);
    expect(result.stdout).toMatch(/\.dcm \(written as dicom-[0-9a-f]{16}\)/);
    expect(result.stdout).toContain('no ultrasound field');
    const text = readFileSync(out, 'utf8');
    expect(text).toMatch(/dicom-[0-9a-f]{16}/);
    expect(text).toContain('UNMASKED');
    expect(text).not.toContain(MARKER);
    expect((await predict(folder, '--json')).stdout).not.toContain(MARKER);
  });

  test.each([
    [[], "missing required argument 'file'"],
    [['x.mp4', '--abstain', '2'], '--abstain must be a number from 0 to 1'],
    [['x.mp4', '--frames', 'few'], '--frames must be a whole number'],
    [['x.mp4', '--rows', 'some'], 'clips, frames, all'],
  ])('%j is a usage error', async (args, hint) => {
    const result = await uscl(['predict', model, ...args]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(hint);
  });

  test('by a model that is not there, or not fine-tuned, says so', async () => {
    const absent = await uscl(['predict', join(scratch, 'absent'), clip, ...HOW]);
    expect([absent.code, absent.stdout]).toEqual([3, '']);
    expect(absent.stderr).toMatch(/^error: There is no fine-tuned model/m);
    const set = await uscl(['predict', dataset, clip, ...HOW]);
    expect(set.code).toBe(3);
  });

  test('that is interrupted leaves no file behind', async () => {
    const out = join(scratch, 'interrupted.csv');
    const long = join(scratch, 'long.mp4');
    makeVideo(long, { fps: 25, seconds: 60, size: '96x96' });
    const child = start(['predict', model, long, '--fps', 'all', '--out', out, ...HOW]);
    const end = finished(child);
    // Progress is told too seldom to time a signal by: the temporary file says that work is under way.
    const begun = (): boolean => readdirSync(scratch).some((name) => name.startsWith('.interrupted.csv'));
    await vi.waitUntil(begun, { timeout: 60_000, interval: 5 });
    child.kill('SIGINT');
    expect((await end).code).toBe(130);
    expect(readdirSync(scratch).filter((name) => name.includes('interrupted'))).toEqual([]);
  });
});

describe('evaluate', () => {
  const evaluate = (...args: readonly string[]): Promise<Finished> =>
    uscl(['evaluate', model, ...args, ...HOW, '--resamples', '100']);

  test('prints scores and leaves them in a folder that compare-runs reads', async () => {
    const out = join(scratch, 'result');
    const result = await evaluate(dataset, '--out', out);
    expect(result.code).toBe(0);
    expect(result.stdout).toContain('balanced accuracy');
    expect(result.stdout).toContain('Research use only');
    evaluationSchema.parse(JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')));
    const compared = await uscl(['compare-runs', out, join(out, 'predictions.json'), '--resamples', '100']);
    expect(compared.code).toBe(0);
    const again = await evaluate(dataset, '--out', out);
    expect([again.code, again.stderr.includes('--overwrite')]).toEqual([2, true]);
  });

  test('of labels that the model does not know, or of none, says what to do', async () => {
    const other = join(scratch, 'other');
    mkdirSync(other);
    const strange = writeModel(other, { classes: ['x', 'y'], view: { size: 16 } });
    const unknown = await uscl(['evaluate', strange, dataset, ...HOW]);
    expect([unknown.code, unknown.stdout]).toEqual([3, '']);
    expect(unknown.stderr).toContain('"a" (3 clips), "b" (3 clips)');
    const map = join(scratch, 'map.yaml');
    writeFileSync(map, 'classes: {a: y, b: x}');
    const mapped = await uscl(['evaluate', strange, dataset, '--map', map, ...HOW, '--json']);
    expect(mapped.code).toBe(0);
    expect(JSON.parse(mapped.stdout)).toMatchObject({ mapping: { labels: { a: 'y', b: 'x' } } });
  });
});
