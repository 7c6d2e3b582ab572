/**
 * What an earlier commit wrote is read, gone on with and judged as that commit did: datasets and runs of `7aadecc`, with
 * what it said of them itself (`test/fixtures/written-by-7aadecc/README.md`).
 */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { scratchFolder } from '../pretrain/support.ts';
import { compileProgram, type Finished, uscl } from './run.ts';

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'written-by-7aadecc');
const scratch = scratchFolder();
const at = (...path: readonly string[]): string => join(scratch, ...path);
const written = (...path: readonly string[]): Buffer => readFileSync(join(FIXTURE, ...path));

const numbers = z.array(z.number());
const scores = z.object({ clip: numbers, frame: numbers });
const readers = z.object({ linear: scores, knn: scores });
const expected = z
  .object({
    predict: z.array(z.object({ name: z.string(), mean: numbers, frames: z.array(numbers) })),
    neighbours: z.array(z.tuple([z.string(), z.number()])),
    probe: z.object({ pretrained: readers, random: z.array(readers) }),
    pretraining: z.object({
      steps: z.array(z.looseObject({})),
      metrics: z.looseObject({}),
      last: z.string(),
      best: z.string(),
    }),
    finetuning: z.object({
      epochs: z.array(z.looseObject({})),
      predictions: z.array(z.unknown()).min(1),
      model: z.string(),
    }),
  })
  .parse(JSON.parse(written('expected.json').toString('utf8')));

/** Runs `uscl ARGS` among copies of the folders, where the commit ran. */
const run = (...args: readonly string[]): Promise<Finished> => uscl(args, {}, scratch);

/** The object that `uscl ARGS --json` prints. */
async function told<Schema extends z.ZodType>(
  schema: Schema,
  ...args: readonly string[]
): Promise<z.infer<Schema>> {
  const { code, stdout, stderr } = await run(...args, '--json');
  expect(code, stderr).toBe(0);
  return schema.parse(JSON.parse(stdout));
}

async function succeeds(...args: readonly string[]): Promise<Finished> {
  const result = await run(...args);
  expect(result.code, result.stderr).toBe(0);
  return result;
}

const PLAIN = ['--backend', 'reference'];

beforeAll(() => {
  compileProgram();
  cpSync(FIXTURE, scratch, { recursive: true });
});

describe('datasets', () => {
  test.each([
    ['clips', { clips: 12, frames: 48, groups: 6 }],
    ['ingested', { clips: 3, frames: 14, groups: 3 }],
    ['masked', { clips: 4, frames: 4, groups: 4 }],
  ])('%s is looked over', async (name, counts) => {
    const schema = z.object({ clips: z.int(), frames: z.int(), groups: z.array(z.unknown()) });
    const { clips, frames, groups } = await told(schema, 'inspect', name);
    expect({ clips, frames, groups: groups.length }).toEqual(counts);
    expect(existsSync(at(name, 'contact-sheet.png'))).toBe(true);
  });

  test('fields are shown on the originals', async () => {
    await succeeds('inspect', 'ingested', '--no-sheet', '--source', 'source/clips', '--outlines', 'o.png');
    expect(existsSync(at('o.png'))).toBe(true);
  });

  test('splits are the same when they are made again, and are not replaced unasked', async () => {
    expect((await run('split', 'clips', '--folds', '3')).code).toBe(2);
    await succeeds('split', 'clips', '--folds', '3', '--overwrite');
    await succeeds('split', 'clips', '--test', '0.34', '--name', 'main', '--overwrite');
    for (const name of ['folds-3.json', 'main.json'])
      expect(JSON.parse(readFileSync(at('clips', 'splits', name), 'utf8'))).toEqual(
        JSON.parse(written('clips', 'splits', name).toString('utf8')),
      );
  });

  test('are merged byte for byte, masks too', async () => {
    await succeeds('merge', 'masked', 'ingested', 'unseen', '--out', 'merged');
    const frames = ['masked', 'ingested', 'unseen'].map((name) => written(name, 'frames.bin'));
    expect(readFileSync(at('merged', 'frames.bin')).equals(Buffer.concat(frames))).toBe(true);
    expect(readFileSync(at('merged', 'masks.bin')).equals(written('masked', 'masks.bin'))).toBe(true);
  });

  test('are audited: a copy is found by its hashes, other clips are not', async () => {
    expect((await run('audit', 'clips', 'tuning', '--no-sheet')).code).toBe(0);
    cpSync(join(FIXTURE, 'clips'), at('copied'), { recursive: true });
    const { code, stdout } = await run('audit', 'clips', 'copied', '--no-sheet');
    expect(code).toBe(3);
    expect(stdout).toContain('picture 12,');
  });

  test('come out of their sources again as they were, pixel by pixel', async () => {
    const ingest = (source: string, out: string, ...more: readonly string[]): Promise<Finished> =>
      succeeds('ingest', source, '--out', out, '--size', '32', '--overwrite', ...more);
    await ingest('source/clips', 'ingested', '--labels', 'source/labels.csv', '--fps', 'all');
    await ingest('source/busi', 'masked', '--recipe', 'busi');
    for (const path of ['ingested/frames.bin', 'masked/frames.bin', 'masked/masks.bin'])
      expect(readFileSync(at(path)).equals(written(path)), path).toBe(true);
    // Flags are remarks, of which today has more.
    const clips = (text: Buffer): unknown[] =>
      text
        .toString('utf8')
        .trim()
        .split('\n')
        .map((line) => ({ ...z.looseObject({}).parse(JSON.parse(line)), flags: null }));
    for (const path of ['ingested/clips.jsonl', 'masked/clips.jsonl'])
      expect(clips(readFileSync(at(path)))).toEqual(clips(written(path)));
  });
});

const likely = z.object({ probabilities: numbers });

describe('trained networks', () => {
  test('predict files as they did', async () => {
    const schema = z.object({
      clips: z.array(z.object({ name: z.string(), frames: z.array(likely), mean: likely })),
    });
    const { clips } = await told(schema, 'predict', 'tuned', 'source/clips', ...PLAIN, '--precision', 'f32');
    expect(
      clips.map(({ name, mean, frames }) => ({
        name,
        mean: mean.probabilities,
        frames: frames.map(({ probabilities }) => probabilities),
      })),
    ).toEqual(expected.predict);
  });

  test('predict a dataset as they did, and its scores can be compared with those of then', async () => {
    const how = [...PLAIN, '--precision', 'f32', '--resamples', '100'];
    await succeeds('evaluate', 'tuned', 'unseen', ...how, '--out', 'now');
    const predictions = z.object({ clips: z.array(z.unknown()).min(9), cells: z.array(z.unknown()).min(1) });
    expect(predictions.parse(JSON.parse(readFileSync(at('now', 'predictions.json'), 'utf8')))).toEqual(
      predictions.parse(JSON.parse(written('evaluated', 'predictions.json').toString('utf8'))),
    );
    const metrics = z.object({ labelRates: z.array(z.unknown()).min(1), data: z.looseObject({}) });
    // Today's have more in them.
    expect(metrics.parse(JSON.parse(readFileSync(at('now', 'metrics.json'), 'utf8')))).toMatchObject(
      metrics.parse(JSON.parse(written('evaluated', 'metrics.json').toString('utf8'))),
    );
    await succeeds('compare-runs', 'evaluated', 'now', '--resamples', '100');
  });

  test('are probed as they were', async () => {
    const score = z.object({ balancedAccuracy: z.object({ perSeed: numbers }) });
    const reader = z.object({ clip: score, frame: score });
    const result = z.object({ linear: reader, knn: reader });
    const schema = z.object({ pretrained: result, random: z.array(z.object({ result })) });
    const few = ['--folds', '3', '--seeds', '2', '--k', '3', '--random-inits', '1'];
    const said = await told(schema, 'probe', 'pretrained', 'tuning', ...few, ...PLAIN);
    const perSeed = ({ clip, frame }: z.infer<typeof reader>): z.infer<typeof scores> => ({
      clip: clip.balancedAccuracy.perSeed,
      frame: frame.balancedAccuracy.perSeed,
    });
    const of = ({ linear, knn }: z.infer<typeof result>): z.infer<typeof readers> => ({
      linear: perSeed(linear),
      knn: perSeed(knn),
    });
    expect({ pretrained: of(said.pretrained), random: said.random.map((one) => of(one.result)) }).toEqual(
      expected.probe,
    );
  });

  test('are explained as they were, beside the explanation of then', async () => {
    const query = ['--neighbours', 'patient-001-b-lines-1', '--count', '4'];
    const answer = z.object({ clip: z.string(), similarity: z.number() });
    const schema = z.object({ neighbours: z.array(z.object({ answers: z.array(answer) })) });
    // Into the folder that holds heat and map already: parts of the same weights and clips join those.
    const said = await told(schema, 'explain', 'tuned', 'unseen', ...query, ...PLAIN);
    expect(said.neighbours[0]!.answers.map(({ clip, similarity }) => [clip, similarity])).toEqual(
      expected.neighbours,
    );
    const parts = z.object({ cam: z.looseObject({}), map: z.looseObject({}) });
    expect(parts.parse(JSON.parse(readFileSync(at('tuned', 'explain', 'explain.json'), 'utf8')))).toEqual(
      parts.parse(JSON.parse(written('tuned', 'explain', 'explain.json').toString('utf8'))),
    );
  });

  test('are told of on one page, with their mistakes and their explanation', async () => {
    const runs = ['pretrained', 'tuned', 'evaluated'];
    await succeeds('report', ...runs, '--out', 'page.html', '--dataset', 'tuning', '--mistakes', '2');
    const page = readFileSync(at('page.html'), 'utf8');
    for (const text of [...runs, 'Grad-CAM', 'data:image/']) expect(page).toContain(text);
  });
});

describe('runs that were stopped', () => {
  const entries = (path: string): Record<string, unknown>[] =>
    readFileSync(at(path), 'utf8')
      .trim()
      .split('\n')
      .map((line) => z.record(z.string(), z.unknown()).parse(JSON.parse(line)));

  /** What a log has gained over the one of the fixture, as far as that commit's words of it go. */
  function gained(path: string, like: readonly Readonly<Record<string, unknown>>[]): unknown[] {
    const before = written(path).toString('utf8').trim().split('\n').length;
    return entries(path)
      .slice(before)
      .map((entry, i) => Object.fromEntries(Object.keys(like[i] ?? entry).map((key) => [key, entry[key]])));
  }

  /** The digest of all tensors, which the file itself holds. */
  function digest(path: string): string {
    const file = readFileSync(at(path));
    const header = JSON.parse(
      file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString('utf8'),
    ) as unknown;
    return z.object({ __metadata__: z.object({ sha256: z.string() }) }).parse(header).__metadata__.sha256;
  }

  // First: going on with the pretraining finds another best epoch, so other weights than this one started from.
  test('a fine-tuning goes on to the very predictions and weights', async () => {
    await succeeds('finetune', 'pretrained', 'tuning', '--out', 'tuned-stopped', '--resume');
    const { epochs, predictions, model } = expected.finetuning;
    expect(gained('tuned-stopped/log.jsonl', epochs)).toEqual(epochs);
    const said = z.object({ cells: z.array(z.unknown()) });
    const path = at('tuned-stopped', 'predictions.json');
    expect(said.parse(JSON.parse(readFileSync(path, 'utf8'))).cells).toEqual(predictions);
    expect(digest('tuned-stopped/checkpoints/best.safetensors')).toBe(model);
  });

  test('a pretraining goes on in the middle of its epoch to the very losses and weights', async () => {
    await succeeds('pretrain', 'clips', '--out', 'pretrained', '--resume');
    const { steps, metrics, last, best } = expected.pretraining;
    expect(steps.length).toBeGreaterThan(13);
    expect(gained('pretrained/log.jsonl', steps)).toEqual(steps);
    expect(JSON.parse(readFileSync(at('pretrained', 'metrics.json'), 'utf8'))).toEqual(metrics);
    expect(['last', 'best'].map((name) => digest(`pretrained/checkpoints/${name}.safetensors`))).toEqual([
      last,
      best,
    ]);
  });
});
