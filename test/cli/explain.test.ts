/** `uscl explain` as people run it: what it prints, where it writes, how it ends. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { explanationSchema, readExplanation } from '../../src/evaluation/explanations/explanation.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';
import { compileProgram, finished, start, uscl } from './run.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const run = join(scratch, 'run');
let model = '';

beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset);
  await tinyRun(dataset, run);
  mkdirSync(join(scratch, 'model'));
  model = writeModel(join(scratch, 'model'), { classes: ['a', 'b'] });
});

const plain = ['--backend', 'reference'];

describe('uscl explain', () => {
  test('with --json prints one object that is the explanation, and all else on stderr', async () => {
    const out = join(scratch, 'json');
    const result = await uscl([
      ...['explain', model, dataset, '--cam', '--map', '--neighbours', 'clip3', '--pictures', '2'],
      ...['--out', out, '--json', ...plain],
    ]);
    expect(result.code).toBe(0);
    const { folder, ...rest } = JSON.parse(result.stdout) as { folder: string };
    expect(folder).toBe(out);
    expect(explanationSchema.parse(rest)).toEqual(readExplanation(out));
    expect(result.stderr).toContain('Research use only, not a medical device.');
    expect(result.stderr).toMatch(/explain: .*10\/10/);
  });

  test('writes into the run, says what was trained on, and draws no clip for a map', async () => {
    const result = await uscl(['explain', run, dataset, '--map', ...plain]);
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(/note: \d+ of the 10 clips of stripes were trained on/);
    expect(existsSync(join(run, 'explain', 'map.csv'))).toBe(true);
    expect(existsSync(join(run, 'explain', 'cam'))).toBe(false);
    const again = await uscl(['explain', run, dataset, '--map', ...plain]);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('--overwrite');
  });

  test('--layer, --class, --pictures, --clip and --video mean --cam', async () => {
    for (const [i, option] of [
      ['--layer', 'layer2'],
      ['--class', 'b'],
      ['--pictures', '0'],
      ['--clip', 'clip3'],
    ].entries()) {
      const out = join(scratch, `implied${i}`);
      expect((await uscl(['explain', model, dataset, ...option, '--out', out, ...plain])).code).toBe(0);
      expect(readExplanation(out)!.cam).not.toBeNull();
    }
  });

  test('without a part named makes all three, and of a backbone what needs no class', async () => {
    const out = join(scratch, 'all');
    const result = await uscl(['explain', model, dataset, '--out', out, ...plain]);
    expect(result.code).toBe(0);
    const { cam, map, neighbours } = readExplanation(out)!;
    expect(cam?.entries.some(({ png }) => png !== null && existsSync(join(out, png)))).toBe(true);
    expect(map?.points).toHaveLength(10);
    // The first clip of every class is asked about.
    expect(neighbours.map(({ query }) => [query.label, query.clip])).toEqual([
      ['a', 'clip0'],
      ['b', 'clip1'],
    ]);
    const backbone = join(scratch, 'backbone');
    const bare = await uscl(['explain', run, dataset, '--out', backbone, ...plain]);
    expect(bare.code).toBe(0);
    expect(bare.stderr).toContain('note: No Grad-CAM: these weights were not fine-tuned');
    expect(readExplanation(backbone)).toMatchObject({ cam: null, map: {}, neighbours: [{}, {}] });
  });

  test('a setting of a part asks for that part alone', async () => {
    for (const [i, [option, part]] of (
      [
        [['--min-dist', '0.3'], 'map'],
        [['--map-neighbours', '4'], 'map'],
        [['--seed', '7'], 'map'],
        [['--count', '2'], 'neighbours'],
        [['--same-group'], 'neighbours'],
      ] as const
    ).entries()) {
      const out = join(scratch, `setting${i}`);
      expect((await uscl(['explain', model, dataset, ...option, '--out', out, ...plain])).code).toBe(0);
      const { cam, map, neighbours } = readExplanation(out)!;
      expect([cam !== null, map !== null, neighbours.length > 0]).toEqual([
        false,
        part === 'map',
        part === 'neighbours',
      ]);
    }
  });

  test.each([
    [['--cam'], 2, 'not fine-tuned'],
    [['--map', '--min-dist', '7'], 2, '--min-dist must be'],
    [['--map', '--frames', '100'], 2, '--frames must be'],
    [['--neighbours', 'nobody'], 2, 'no clip "nobody"'],
  ] as const)('%j of a pretrained run ends with a line that says what to do', async (args, code, text) => {
    const result = await uscl(['explain', run, dataset, ...args, '--out', join(scratch, 'bad'), ...plain]);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(/^error: /m);
    expect(result.stderr).toContain(text);
    expect(result.stderr).not.toMatch(/^\s+at /m);
  });

  test('stops on SIGINT with 130', async () => {
    const child = start([
      ...['explain', model, dataset, '--cam', '--frames', '64', '--pictures', '10', '--video', 'gif'],
      ...['--out', join(scratch, 'stopped'), ...plain],
    ]);
    const ended = finished(child);
    // Progress is told too seldom to time a signal by: the first picture on disk says that work is under way.
    await vi.waitUntil(() => existsSync(join(scratch, 'stopped', 'cam')), { timeout: 60_000, interval: 5 });
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect(readExplanation(join(scratch, 'stopped'))).toBeNull();
  });
});
