/** Predictions written piece by piece: the same as all at once, whole, counted, and over nothing that was there. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseCsv } from '../../src/formats/csv.ts';
import type { FilePrediction, FilePredictions } from '../../src/predict/answers.ts';
import { Predictor } from '../../src/predict/predict.ts';
import { clipLines, failedLine, predictTo, predictToFile, tableHeader } from '../../src/predict/write.ts';
import { makePicture, makeVideo } from '../ingest/media.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
let predictor: Predictor;
let files: string[] = [];
let whole: FilePredictions;

beforeAll(async () => {
  makeVideo(at('clip.avi'), { fps: 5, seconds: 1, size: '64x48', options: ['-c:v', 'ffv1'] });
  await makePicture(at('still.png'), 3, 50, 40);
  writeFileSync(at('broken.mp4'), 'no video');
  files = ['clip.avi', 'broken.mp4', 'still.png'].map(at);
  const model = writeModel(scratch, { classes: ['a', 'b'], view: { size: 16 } });
  predictor = new Predictor(model, { backend: 'reference', precision: 'f32' });
  whole = await predictor.files(files, { abstainBelow: 1 });
});
afterAll(() => {
  predictor[Symbol.dispose]();
});

const COUNTS = { clips: 2, frames: 6, withheld: 2, failed: 1 };

describe('predictions piece by piece', () => {
  test('are as JSON the object that is had at once, a clip a line, and counted', async () => {
    const pieces: string[] = [];
    const heard: string[] = [];
    const counts = await predictTo(
      (text) => pieces.push(text),
      predictor,
      files,
      { abstainBelow: 1 },
      {
        format: 'json',
        visitor: {
          clip: ({ input }, path) => void heard.push(`${input} ${path}`),
          failed: ({ input }, path) => void heard.push(`${input} ${path} failed`),
        },
      },
    );
    const text = pieces.join('');
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(whole)));
    expect(whole.clips).toHaveLength(2);
    expect(text.split('\n').filter((line) => line.startsWith('{"input":'))).toHaveLength(2);
    expect(counts).toEqual(COUNTS);
    expect(heard).toEqual([`1 ${files[0]!}`, `2 ${files[1]!} failed`, `3 ${files[2]!}`]);
    expect(pieces.length).toBeGreaterThan(3);
    const answered = await predictTo(
      () => undefined,
      predictor,
      files,
      { abstainBelow: 0 },
      { format: 'json' },
    );
    expect(answered).toEqual({ ...COUNTS, withheld: 0 });
  });

  test('are as a table the rows of what is had at once, in the order of the files', async () => {
    const pieces: string[] = [];
    const counts = await predictTo(
      (text) => pieces.push(text),
      predictor,
      files,
      { abstainBelow: 1 },
      { format: 'csv' },
    );
    expect(counts).toEqual(COUNTS);
    const rows = parseCsv(Buffer.from(pieces.join('')), 'table', ['input', 'row', 'p:a']).map(
      ({ cells }) => cells,
    );
    expect(rows.map((cells) => [cells.get('input'), cells.get('row')])).toEqual([
      ...['clip', 'vote', 'frame', 'frame', 'frame', 'frame', 'frame'].map((row) => ['1', row]),
      ['2', 'failed'],
      ...['clip', 'vote', 'frame'].map((row) => ['3', row]),
    ]);
    for (const [row, { mean }] of [
      [0, whole.clips[0]!],
      [8, whole.clips[1]!],
    ] as const)
      for (const [c, name] of ['p:a', 'p:b'].entries())
        expect(Number(rows[row]!.get(name))).toBeCloseTo(mean.probabilities[c]!, 6);
    const lines = async (only: 'clips' | 'frames'): Promise<number> => {
      let text = '';
      await predictTo((piece) => (text += piece), predictor, files, {}, { format: 'csv', rows: only });
      return text.trimEnd().split('\n').length;
    };
    // A head, a failed file, and two rows a clip or one a frame.
    expect([await lines('clips'), await lines('frames')]).toEqual([2 + 4, 2 + 6]);
  });
});

test('a table says of a clip its answer, its votes and each frame; what is not known is left empty', () => {
  const said = (likeliest: string, a: number, answer: string | null = likeliest) => ({
    ...{ probabilities: [a, 1 - a], likeliest, confidence: Math.max(a, 1 - a), answer },
  });
  const clip: FilePrediction = {
    ...{ input: 3, name: ' a "b",c', dropped: 2, flags: ['damaged', 'no-field'], field: null },
    mean: said('b', 0.4375, null),
    vote: { shares: [2 / 3, 1 / 3], likeliest: 'a' },
    frames: [
      { frame: 0, seconds: null, ...said('a', 0.75) },
      { frame: 7, seconds: 1 / 3, ...said('b', 0.125) },
    ],
  };
  const ofClip = [
    '3," a ""b"",c",clip,,,,b,0.5625,0.4375,0.5625,damaged no-field',
    '3," a ""b"",c",vote,,,,a,0.6666667,0.6666667,0.3333333,',
  ];
  const ofFrames = [
    '3," a ""b"",c",frame,0,,a,a,0.75,0.75,0.25,',
    '3," a ""b"",c",frame,7,0.3333333,b,b,0.875,0.125,0.875,',
  ];
  const text = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join('');
  expect(clipLines(clip, 'all')).toBe(text([...ofClip, ...ofFrames]));
  expect(clipLines(clip, 'clips')).toBe(text(ofClip));
  expect(clipLines(clip, 'frames')).toBe(text(ofFrames));
  expect(tableHeader(['a', 'b,c'])).toBe(
    'input,name,row,frame,seconds,answer,likeliest,confidence,p:a,"p:b,c",note\n',
  );
  const failed = { input: 4, name: 'x', code: 'X_Y', reason: 'it is', remedy: 'mend it' };
  expect(failedLine(failed, ['a', 'b'])).toBe('4,x,failed,,,,,,,,X_Y: it is\n');
});

describe('a file of predictions', () => {
  const write = (path: string, options: { abstainBelow?: number } = {}, overwrite = false) =>
    predictToFile(path, predictor, files, options, { format: 'json', overwrite });

  test('holds all of it when it is done, and replaces another only where that is said', async () => {
    const path = at('out/answers.json');
    mkdirSync(at('out'));
    expect(await write(path, { abstainBelow: 1 })).toEqual(COUNTS);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(whole)));
    expect(readdirSync(at('out'))).toEqual(['answers.json']);
    const refused = await errorOf(() => write(path));
    expect([refused.code, refused.remedy.includes('--overwrite')]).toEqual(['OUTPUT_EXISTS', true]);
    await write(path, { abstainBelow: 0 }, true);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ abstainBelow: 0 });
    expect((await errorOf(() => write(at('out'), {}, true))).code).toBe('OUTPUT_EXISTS');
  });

  test('is not there where it could not be made', async () => {
    expect((await errorOf(() => write(at('none.json'), { abstainBelow: 2 }))).code).toBe('PREDICT_OPTION');
    expect(existsSync(at('none.json'))).toBe(false);
  });
});
