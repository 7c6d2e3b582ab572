import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { recipeOf, RECIPES } from '../../src/ingest/recipes/recipes.ts';
import { makePicture } from '../ingest/media.ts';
import { readCheckpoint } from '../../src/runs/checkpoint.ts';
import { scratchFolder, TINY, tinyDataset } from '../pretrain/support.ts';
import { compileProgram, type Finished, finished, start, uscl } from './run.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const tiny = TINY.flatMap((set) => ['--set', set]);

beforeAll(async () => {
  compileProgram();
  await tinyDataset(dataset);
});

/** The one JSON object of `--json`; fails on anything beside it. */
function jsonOf({ stdout }: Finished): unknown {
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  return JSON.parse(stdout);
}

/** A failure a person can act on: one line that says what, one that says what to do, no stack. */
function expectPlainError(result: Finished, code: number): void {
  expect(result.code).toBe(code);
  expect(result.stderr).toMatch(/^error: .+/m);
  expect(result.stderr).not.toMatch(/^\s+at .+\d+\)?$/m);
  expect(result.stdout).toBe('');
}

describe('help and usage', () => {
  test('help is on stdout with exit code 0 and shows examples; no command shows it on stderr', async () => {
    const help = await uscl(['pretrain', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('Examples:');
    const nothing = await uscl([]);
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toContain('Usage: uscl');
  });

  test.each([
    [['pretrian'], 'pretrain'],
    [['pretrain'], "required option '--out <folder>'"],
    [['pretrain', 'd', '--out', 'x', '--resum'], '--resume'],
    [['ingest', 'x', '--out', 'y', '--recipe', 'imagenet'], 'pocus, covid-blues'],
    [['phantom', '--out', 'x', '--clips', 'many'], '--clips must be a whole number'],
    [['ingest', 'x', '--out', 'y', '--fps', '-3'], '--fps must be a number above 0'],
  ])('%j is a usage error with exit code 2 that says what is right', async (args, hint) => {
    const result = await uscl(args);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(hint);
    expect(result.stderr).not.toContain('node:internal');
  });
});

describe('recipes', () => {
  test('lists all, says everything of one, and as JSON', async () => {
    const all = await uscl(['recipes']);
    expect(all).toMatchObject({ code: 0, stderr: '' });
    for (const name of RECIPES) {
      const { licence, homepage, layout, commands } = recipeOf(name);
      const block = all.stdout.split('\n\n').find((text) => text.startsWith(`${name}: `));
      const words = block?.replaceAll(/\s+/g, ' ');
      for (const fact of [licence, homepage, layout]) expect(words).toContain(fact ?? '');
      expect(block).toContain(`ingest    ${commands.find((command) => command.startsWith('uscl '))!}`);
    }
    const one = await uscl(['recipes', 'covid-blues']);
    expect(one.stdout).toMatch(/CC BY-NC-ND[^]*JBHI[^]*--label severity\|a-lines\|b-lines/);
    const told = jsonOf(await uscl(['recipes', 'busi', '--json']));
    expect(told).toMatchObject({
      recipes: [{ name: 'busi', homepage: 'https://scholar.cu.edu.eg/?q=afahmy/pages/dataset', options: {} }],
    });
    expect((await uscl(['recipes', 'imagenet'])).code).toBe(2);
  });
});

describe('findings whose picture cannot be written are told all the same', () => {
  /** Two copies of one picture in two groups, and something in the way of the pictures. */
  const copies = join(scratch, 'copies');
  beforeAll(async () => {
    const source = join(scratch, 'twice');
    await makePicture(join(source, 'a.png'), 1);
    cpSync(join(source, 'a.png'), join(source, 'b.png'));
    const made = await uscl(['ingest', source, '--out', copies, '--crop', 'none', '--pictures', 'stills']);
    expect(made.code).toBe(0);
    for (const name of ['audit.png', 'contact-sheet.png']) mkdirSync(join(copies, name));
  });
  const said = /no picture was written\. Cannot write .*\.png: .*--sheet FILE, or say --no-sheet/;

  test('audit: the pair, why, and exit code 3; --no-sheet and another place give no word of it', async () => {
    const plain = await uscl(['audit', copies]);
    expect([plain.code, plain.stderr.includes('error:')]).toEqual([3, false]);
    expect(plain.stdout).toContain('a.png = b.png: same content');
    expect(plain.stdout).toMatch(said);
    const told = await uscl(['audit', copies, '--json']);
    expect(told.code).toBe(3);
    expect(jsonOf(told)).toMatchObject({ leaks: 1, sheet: null, sheetProblem: { code: 'WRITE_FAILED' } });
    const without = await uscl(['audit', copies, '--no-sheet', '--json']);
    expect(jsonOf(without)).toMatchObject({ leaks: 1, sheet: null, sheetProblem: null });
    const sheet = join(scratch, 'pairs.png');
    expect(jsonOf(await uscl(['audit', copies, '--sheet', sheet, '--json']))).toMatchObject({
      sheet,
      sheetProblem: null,
    });
    expect(existsSync(sheet)).toBe(true);
  });

  test('inspect: counts and problems, and why; only a sheet that was asked for makes it fail', async () => {
    const plain = await uscl(['inspect', copies]);
    expect(plain.code).toBe(0);
    expect(plain.stdout).toMatch(/2 clips \(2 stills\)[^]*more than one group/);
    expect(plain.stdout).toMatch(said);
    const told = jsonOf(await uscl(['inspect', copies, '--json']));
    expect(told).toMatchObject({ clips: 2, contactSheet: null, sheetProblem: { code: 'WRITE_FAILED' } });
    expect(jsonOf(await uscl(['inspect', copies, '--no-sheet', '--json']))).toMatchObject({
      sheetProblem: null,
    });
    const asked = await uscl(['inspect', copies, '--sheet', join(copies, 'audit.png')]);
    expect(asked.code).toBe(5);
    expect(asked.stdout).toMatch(said);
  });

  test('split --out writes elsewhere, and pretrain takes the path for a name', async () => {
    const file = join(scratch, 'parts.json');
    const parts = ['split', dataset, '--test', '0.3', '--out', file];
    expect((await uscl(parts)).code).toBe(0);
    expect(existsSync(join(dataset, 'splits'))).toBe(false);
    const run = [
      'pretrain',
      dataset,
      '--out',
      join(scratch, 'by-path'),
      ...tiny,
      '--set',
      'training.epochs=1',
    ];
    expect((await uscl([...run, '--set', `data.split=${file}`])).code).toBe(0);
    const { parts: made } = z
      .object({ parts: z.array(z.object({ name: z.string(), clips: z.array(z.string()) })) })
      .parse(JSON.parse(readFileSync(file, 'utf8')));
    const { clips } = z
      .object({ clips: z.array(z.object({ id: z.string(), role: z.string() })) })
      .parse(JSON.parse(readFileSync(join(scratch, 'by-path', 'dataset.json'), 'utf8')));
    const unused = clips.filter(({ role }) => role === 'unused').map(({ id }) => id);
    expect(unused).toEqual(made.find(({ name }) => name === 'test')?.clips);
  });
});

describe('bad input ends in one clear message and the right exit code', () => {
  test('unknown key: 2, with the nearest one', async () => {
    const out = join(scratch, 'never');
    const result = await uscl(['pretrain', dataset, '--out', out, '--set', 'training.epoch=3']);
    expectPlainError(result, 2);
    expect(result.stderr).toContain('"training.epochs"');
    expect(existsSync(out)).toBe(false);
  });

  test('missing dataset: 3, and as JSON', async () => {
    const result = await uscl([
      'pretrain',
      join(scratch, 'nothing'),
      '--out',
      join(scratch, 'never'),
      '--json',
    ]);
    expect(result.code).toBe(3);
    const schema = z.strictObject({
      error: z.strictObject({
        code: z.literal('DATASET_MISSING'),
        message: z.string(),
        where: z.string(),
        remedy: z.string(),
      }),
    });
    expect(schema.safeParse(jsonOf(result)).success).toBe(true);
    expect(result.stderr).toContain('error: ');
  });

  test('an output that cannot be written: 5', async () => {
    const file = join(scratch, 'file');
    writeFileSync(file, '');
    expectPlainError(await uscl(['pretrain', dataset, '--out', join(file, 'run'), ...tiny]), 5);
  });

  test('a probe of nothing: 3', async () => {
    expectPlainError(await uscl(['probe', scratch, dataset]), 3);
  });
});

describe('the engine that is not there', () => {
  const missing = { USCL_DNNL: '/no/such/libdnnl.so.2', USCL_TORCH: '/no/such' };
  const set = tiny.map((one) => (one === 'backend=reference' ? 'backend=auto' : one));

  test('auto falls back, loudly, and says how to mend it', async () => {
    const out = join(scratch, 'fallback');
    const result = await uscl(
      ['pretrain', dataset, '--out', out, ...set, '--set', 'training.epochs=1'],
      missing,
    );
    expect(result.code).toBe(0);
    expect(result.stderr).toMatch(/note: oneDNN was not found.*hundred times slower.*libdnnl2/s);
  });

  test('asked for by name it is a resource error: 5', async () => {
    const out = join(scratch, 'never');
    const result = await uscl(
      ['pretrain', dataset, '--out', out, ...set, '--set', 'backend=onednn'],
      missing,
    );
    expectPlainError(result, 5);
    expect(result.stderr).toContain('/no/such/libdnnl.so.2');
    expect(result.stderr).toContain('libdnnl2');
  });

  test('a library that is another one is said to be so', async () => {
    const libm = [
      '/lib/x86_64-linux-gnu/libm.so.6',
      '/usr/lib64/libm.so.6',
      '/lib/aarch64-linux-gnu/libm.so.6',
    ].find((path) => existsSync(path));
    const result = await uscl(
      ['pretrain', dataset, '--out', join(scratch, 'never'), ...set, '--set', 'backend=onednn'],
      { USCL_DNNL: libm ?? '/lib/libm.so.6' },
    );
    expectPlainError(result, 5);
    expect(result.stderr).toContain('libm.so.6');
  });

  test('doctor reports it with the way out and still exits with 0', async () => {
    const result = await uscl(['doctor', '--json'], missing);
    expect(result.code).toBe(0);
    const schema = z.object({
      backend: z.object({ name: z.literal('reference') }),
      findings: z.array(z.object({ part: z.string(), state: z.string(), mend: z.string().nullable() })),
    });
    const { findings } = schema.parse(jsonOf(result));
    const onednn = findings.find(({ part }) => part === 'oneDNN');
    expect(onednn?.state).toBe('missing');
    expect(onednn?.mend).toContain('libdnnl2');
  });
});

describe('signals', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s finishes the step, saves, exits with %i, and --resume goes on', async (signal, code) => {
    const out = join(scratch, `run-${signal}`);
    const args = ['pretrain', dataset, '--out', out, ...tiny, '--set', 'training.epochs=2000', '--json'];
    const child = start(args);
    const end = finished(child);
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('epoch 1:')) resolve();
      });
    });
    child.kill(signal);
    const result = await end;
    expect(result).toMatchObject({ code, signal: null });
    expect(result.stderr).toContain('--resume');
    const summary = z.object({ complete: z.literal(false), step: z.number().min(1) }).parse(jsonOf(result));
    expect(readCheckpoint(join(out, 'checkpoints', 'last.safetensors')).step).toBe(summary.step);
    expect(existsSync(join(out, 'run.lock'))).toBe(false);
  });

  test('a phantom that is stopped leaves nothing behind', async () => {
    const out = join(scratch, 'phantoms', 'set');
    const child = start(['phantom', '--out', out, '--clips', '2000', '--size', '32', '--frames', '2']);
    const end = finished(child);
    await new Promise<void>((resolve) => {
      child.stderr.once('data', () => {
        resolve();
      });
    });
    child.kill('SIGINT');
    expect(await end).toMatchObject({ code: 130 });
    expect(readdirSync(join(scratch, 'phantoms'))).toEqual([]);
  });
});

describe('the way of a clip', () => {
  test('audit and split: nothing leaks in a phantom, everything between it and itself copied', async () => {
    const [one, copy] = [join(scratch, 'audited'), join(scratch, 'audited-copy')];
    expect(
      (await uscl(['phantom', '--out', one, '--clips', '24', '--size', '48', '--frames', '6'])).code,
    ).toBe(0);
    cpSync(one, copy, { recursive: true });
    const within = await uscl(['audit', one, one, '--json']);
    expect(within.code).toBe(0);
    expect(jsonOf(within)).toMatchObject({ format: 'uscl-audit', second: null, leaks: 0, sheet: null });
    const between = await uscl(['audit', one, copy]);
    expect(between.code).toBe(3);
    expect(between.stdout).toContain('24 pairs leak');
    expect(existsSync(join(one, 'audit.png'))).toBe(true);
    const absent = await uscl(['audit', one, join(scratch, 'absent')]);
    expect([absent.code, absent.stderr]).toEqual([3, expect.stringMatching(/^error: .*absent/)]);

    const made = await uscl(['split', one, '--test', '0.4', '--name', 'main', '--json']);
    expect(made.code).toBe(0);
    expect(jsonOf(made)).toMatchObject({
      name: 'main',
      parts: [{ name: 'train' }, { name: 'test' }],
      joined: [],
    });
    expect(existsSync(join(one, 'splits', 'main.json'))).toBe(true);
    for (const args of [
      ['--test', '0.4', '--name', 'main'],
      ['--folds', '2', '--test', '0.2'],
      [],
      ['--test', '1.5'],
    ])
      expectPlainError(await uscl(['split', one, ...args]), 2);
    expectPlainError(await uscl(['split', one, '--folds', '20']), 3);
  });

  test('phantom → inspect → pretrain → probe, each with one JSON object', async () => {
    const clips = join(scratch, 'clips');
    const run = join(scratch, 'way');
    const made = await uscl([
      'phantom',
      '--out',
      clips,
      '--clips',
      '18',
      '--frames',
      '3',
      '--size',
      '32',
      '--json',
    ]);
    expect(made.code).toBe(0);
    expect(jsonOf(made)).toMatchObject({ manifest: { clips: 18 } });

    const looked = await uscl(['inspect', clips, '--json']);
    expect(looked.code).toBe(0);
    expect(jsonOf(looked)).toMatchObject({ clips: 18 });
    expect(existsSync(join(clips, 'contact-sheet.png'))).toBe(true);
    const { stdout } = await uscl(['inspect', clips]);
    expect(stdout).toContain('dropped at ingest: 0 black, 0 blank, 0 duplicate frames');
    expect(stdout).toContain('stored sizes: 32×32 (18); channels 1');

    const trained = await uscl(['pretrain', clips, '--out', run, ...tiny, '--json']);
    expect(trained.code).toBe(0);
    expect(jsonOf(trained)).toMatchObject({ complete: true, run });

    const probed = await uscl([
      'probe',
      run,
      clips,
      '--json',
      '--folds',
      '2',
      '--seeds',
      '2',
      '--k',
      '3',
      '--frames',
      '2',
      '--random-inits',
      '1',
      '--backend',
      'reference',
      // The way is walked on one dataset: what is tested was trained on.
      '--allow-leaks',
    ]);
    expect(probed.stderr).not.toContain('error');
    expect(probed.code).toBe(0);
    const result = z
      .object({
        overlap: z.object({ seen: z.number(), labelsSeen: z.number() }),
        random: z.array(z.unknown()).length(1),
        differences: z.array(z.unknown()).length(1),
      })
      .parse(jsonOf(probed));
    expect(result.overlap.seen).toBeGreaterThan(10);
    expect(result.overlap.labelsSeen).toBe(result.overlap.seen);
  });

  test('merge makes one dataset of two, and says what it cannot merge', async () => {
    const other = join(scratch, 'other');
    await tinyDataset(other);
    const both = join(scratch, 'both');
    expectPlainError(await uscl(['merge', dataset, '--out', both]), 2);
    const same = await uscl(['merge', dataset, other, '--out', both]);
    expectPlainError(same, 2);
    expect(same.stderr).toContain('--prefixes first,second');
    const args = ['merge', dataset, other, '--out', both, '--prefixes', 'a,b'];
    const merged = await uscl([...args, '--json']);
    expect(merged.code).toBe(0);
    const { parts } = z
      .object({ parts: z.array(z.object({ prefix: z.string(), clips: z.number() })) })
      .parse(jsonOf(merged));
    expect(parts.map(({ prefix }) => prefix)).toEqual(['a', 'b']);
    // The two hold the same clips.
    expect(merged.stderr).toContain('clips of two datasets and groups that look alike');
    const clips = parts.reduce((sum, part) => sum + part.clips, 0);
    expect(jsonOf(await uscl(['inspect', both, '--json']))).toMatchObject({ clips });
    expectPlainError(await uscl(args), 2);
    expectPlainError(await uscl([...args, '--unlabelled', '--separate-classes']), 2);
  });

  test('a run is not replaced unless told to', async () => {
    const run = join(scratch, 'kept');
    const args = ['pretrain', dataset, '--out', run, ...tiny, '--set', 'training.epochs=1'];
    expect((await uscl(args)).code).toBe(0);
    expectPlainError(await uscl(args), 2);
    expect((await uscl([...args, '--overwrite'])).code).toBe(0);
  });

  test('bench times so many steps of the run itself and leaves nothing behind', async () => {
    const temporary = join(scratch, 'temporary');
    mkdirSync(temporary);
    const schema = z.object({
      pairsPerSecond: z.number().positive(),
      secondsPerStep: z.number().positive(),
      dataWaitShare: z.number().min(0).max(1),
      // Bytes: a Node process takes tens of millions of them.
      peakMemory: z.number().min(3e7).max(1e11),
      secondsOfRun: z.number().positive().nullable(),
      steps: z.int(),
      config: z.object({ view: z.object({ size: z.int() }), batch: z.object({ size: z.int() }) }),
      environment: z.object({ uscl: z.string() }),
    });
    const measured = async (...args: readonly string[]) => {
      const set = [...tiny, '--set', 'batch.size=2', '--set', 'training.epochs=7'];
      const result = await uscl(['bench', '--json', '--steps', '3', ...set, ...args], { TMPDIR: temporary });
      expect(result.code).toBe(0);
      expect(readdirSync(temporary)).toEqual([]);
      const told = schema.parse(jsonOf(result));
      expect(told.steps).toBe(3);
      expect(told.pairsPerSecond * told.secondsPerStep).toBeCloseTo(2, 6);
      expect(told.config.batch.size).toBe(2);
      return told;
    };
    expect((await measured()).secondsOfRun).toBeNull();
    const { secondsOfRun, secondsPerStep } = await measured('--dataset', dataset);
    // Ten clips in groups of two, of which one group is held out: four steps of two pairs an epoch.
    expect(secondsOfRun! / secondsPerStep).toBeCloseTo(28, 6);
  });
});
