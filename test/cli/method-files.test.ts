/** The method of docs/methods.md, in a folder of its own, through the built program: trained, gone on with, read. */
import { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { scratchFolder, TINY, tinyDataset } from '../pretrain/support.ts';
import { compileProgram, uscl } from './run.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const scratch = scratchFolder();
const outside = scratchFolder();
const guide = readFileSync(join(ROOT, 'docs', 'methods.md'), 'utf8');
const [, code = ''] = /^```js\n([\s\S]*?)^```$/m.exec(guide) ?? [];
const METHOD = ['--method', './my-method.js'];
const SETTINGS = [
  ...TINY.filter((one) => !one.startsWith('method.')),
  'method.dim=4',
  'training.epochs=2',
].flatMap((set) => ['--set', set]);

const run = (...args: readonly string[]) => uscl(args, {}, scratch);

beforeAll(async () => {
  compileProgram();
  await tinyDataset(join(scratch, 'clips'));
  writeFileSync(join(scratch, 'package.json'), '{"type": "module"}');
  mkdirSync(join(scratch, 'node_modules'));
  symlinkSync(ROOT, join(scratch, 'node_modules', 'uscl'));
  writeFileSync(join(scratch, 'my-method.js'), code);
});

describe('a method from a file', () => {
  test('has its own options, log and curves', async () => {
    const { code: exit, stderr } = await run('pretrain', 'clips', '--out', 'mine', ...METHOD, ...SETTINGS);
    expect(exit, stderr).toBe(0);
    const config = z
      .object({ method: z.object({ name: z.string(), dim: z.int(), sha256: z.string() }) })
      .parse(JSON.parse(readFileSync(join(scratch, 'mine', 'config.json'), 'utf8')));
    expect(config.method).toMatchObject({ name: 'my-simclr', dim: 4 });
    expect(readFileSync(join(scratch, 'mine', 'log.jsonl'), 'utf8')).toContain('"found":');
    expect(readFileSync(join(scratch, 'mine', 'curves.svg'), 'utf8')).toContain('Views found');
  });

  test('is shown like those of this project', async () => {
    const { stdout } = await run('methods', './my-method.js');
    expect(stdout).toContain('method.temperature=0.2');
    expect(stdout).toContain('of the contrastive loss');
  });

  test('is told whether its gradients are those of its loss', async () => {
    const { stdout, code: exit } = await run('methods', './my-method.js');
    expect(exit).toBe(0);
    const lines = stdout.split('\n').map((text) => text.trim().replaceAll(/ +/g, ' '));
    expect(lines).toContain('features none, and the loss does not depend on it');
    expect(lines.find((text) => text.startsWith('projection'))).toMatch(
      / as the loss changes, at \d+ numbers/,
    );
    const turned = code.replace(
      'return { loss, found: accuracy };',
      'gradient.forEach((value, i) => (gradient[i] = -value));\n        return { loss, found: accuracy };',
    );
    writeFileSync(join(scratch, 'turned.js'), turned.replaceAll('my-simclr', 'my-turned'));
    const wrong = await run('methods', './turned.js', '--json');
    expect(wrong.code, wrong.stderr).toBe(2);
    expect(wrong.stderr).toContain('gives a gradient of "projection');
    expect(wrong.stderr).toMatch(/it is (-?)[\d.e-]+, and the loss changes by (?!\1)/);
    const { methods } = z
      .object({ methods: z.array(z.object({ gradients: z.array(z.looseObject({ verdict: z.string() })) })) })
      .parse(JSON.parse(wrong.stdout.split('\n')[0]!));
    expect(methods[0]!.gradients.map(({ verdict }) => verdict).sort()).toEqual(['unused', 'wrong']);
  });

  test('has its gradients checked with the options that are given', async () => {
    const turned = code
      .replace(
        'return { loss, found: accuracy };',
        'if (temperature < 0.1) gradient.forEach((value, i) => (gradient[i] = -value));\n        return { loss, found: accuracy };',
      )
      .replaceAll('my-simclr', 'my-cold');
    writeFileSync(join(scratch, 'cold.js'), turned);
    const usual = await run('methods', './cold.js', '--set', 'method.temperature=0.3');
    expect(usual.code, usual.stderr).toBe(0);
    expect(usual.stdout).toContain('gradients of outputs, with method.temperature=0.3:');
    const cold = await run('methods', './cold.js', '--set', 'method.temperature=0.05');
    expect(cold.code).toBe(2);
    expect(cold.stderr).toContain('gives a gradient of "projection');
    const typo = await run('methods', './cold.js', '--set', 'method.temprature=0.05');
    expect(typo.code).toBe(2);
    expect(typo.stderr).toContain('method.temperature');
    const unnamed = await run('methods', '--set', 'method.temperature=0.05');
    expect(unnamed.code).toBe(2);
    expect(unnamed.stderr).toContain('uscl methods NAME --set');
    const own = await run('methods', 'simclr', '--preset', 'meta-uscl');
    expect(own.code, own.stderr).toBe(0);
    expect(own.stdout).toContain('gradients of outputs, with preset meta-uscl:');
  });

  test.each([
    ['gone on with', ['pretrain', 'clips', '--out', 'mine', '--resume']],
    [
      'probed',
      [
        'probe',
        'mine',
        'clips',
        '--folds',
        '2',
        '--seeds',
        '1',
        '--k',
        '2',
        '--random-inits',
        '0',
        '--backend',
        'reference',
      ],
    ],
    ['reported', ['report', 'mine', '--out', 'mine.html']],
    [
      'fine-tuned',
      [
        'finetune',
        'mine',
        'clips',
        '--out',
        'tuned',
        '--set',
        'folds=2',
        '--set',
        'seeds=1',
        '--set',
        'training.epochs=1',
        '--set',
        'backend=reference',
      ],
    ],
    ['explained', ['explain', 'mine', 'clips', '--map', '--backend', 'reference']],
  ])('is needed by name where its run is %s, and never loaded unasked', async (_, args) => {
    const without = await run(...args);
    expect(without.code).toBe(2);
    expect(without.stderr).toContain('was pretrained by the method "my-simclr", which is not installed');
    expect(without.stderr).toContain('Name the file that defines it: --method FILE');
    const { code: exit, stderr } = await run(...args, ...METHOD);
    expect(exit, stderr).toBe(0);
  });

  test('is named and cited in the report of its run', () => {
    const page = readFileSync(join(scratch, 'mine.html'), 'utf8');
    expect(page).toContain('was pretrained from random weights by SimCLR [2] at a temperature of 0.2.');
    expect(page).toContain('A Simple Framework for Contrastive Learning. ICML 2020.');
  });

  test('goes on with the text it was begun with, and no other', async () => {
    appendFileSync(join(scratch, 'my-method.js'), '// changed\n');
    const { code: exit, stderr } = await run('pretrain', 'clips', '--out', 'mine', '--resume', ...METHOD);
    expect(exit).toBe(2);
    expect(stderr).toContain('method.sha256');
    expect(stderr).toContain('The file of the method "my-simclr" is not what it was');
  });

  test.each([
    ['nowhere.js', null, 'cannot be used', 'uscl methods'],
    ['broken.js', 'export default {', 'cannot be used', 'ES module'],
    ['empty.js', 'export const nothing = 1;', 'it has no default export', 'defineMethod'],
    [
      'preset.js',
      code.replace('spg: {', 'spgg: {').replaceAll('my-simclr', 'my-preset'),
      '"view.spgg"',
      'view.spg',
    ],
    ['throws.js', 'throw new Error("at once");', 'at once', 'ES module'],
    [
      'names.js',
      "import { ntxent } from 'uscl/methods';",
      "does not provide an export named 'ntxent'",
      'Mend the import',
    ],
    ['imports.js', "import 'never-installed';", "'never-installed'", 'Install the package'],
  ])('%s is refused with the reason and the way out', async (file, text, said, way) => {
    if (text !== null) writeFileSync(join(scratch, file), text);
    const { code: exit, stderr } = await run('pretrain', 'clips', '--out', 'none', '--method', `./${file}`);
    expect(exit).toBe(2);
    expect(stderr).toContain(said);
    if (file !== 'preset.js') expect(stderr).toContain(file);
    expect(stderr).toContain(way);
  });

  test('in a folder without the package is told how to install it', async () => {
    const elsewhere = join(outside, 'mine.mjs');
    writeFileSync(elsewhere, code);
    const { code: exit, stderr } = await run('methods', elsewhere);
    expect(exit).toBe(2);
    expect(stderr).toContain(`type npm install ${ROOT} in its folder`);
  });

  test('that throws is named with the line of its file, also where this program throws for it', async () => {
    const asking = code
      .replace('batch.output(OUTPUTS.projection)', "batch.output('nope')")
      .replaceAll('my-simclr', 'my-asking');
    writeFileSync(join(scratch, 'asking.js'), asking);
    const lines = asking.split('\n');
    const line = lines.findIndex((text) => text.includes("batch.output('nope')")) + 1;
    const method = ['--method', './asking.js'];
    const { code: exit, stderr } = await run('pretrain', 'clips', '--out', 'none', ...method, ...SETTINGS);
    expect(exit).toBe(2);
    expect(stderr).toContain(
      'The method "my-asking" failed in losses: The outputs of the online network are',
    );
    expect(stderr).toContain(`Mend the method at asking.js:${line}:`);
  });

  test('a name that is no method is told which there are', async () => {
    const { code: exit, stderr } = await run('pretrain', 'clips', '--out', 'none', '--method', 'usc');
    expect(exit).toBe(2);
    expect(stderr).toContain('"usc" is not installed; there are uscl');
    expect(stderr).toContain('or give the path of a file that defines it');
    expect((await run('methods', 'usc')).stderr).not.toContain('--method');
  });
});

test('a run folder is written by one process at a time', async () => {
  const lock = join(scratch, 'busy');
  mkdirSync(lock);
  writeFileSync(join(lock, 'run.lock'), String(process.pid));
  const { code: exit, stderr } = await run(
    'pretrain',
    'clips',
    '--out',
    'busy',
    '--set',
    'backend=reference',
  );
  expect(exit).toBe(5);
  expect(stderr).toContain(`process ${process.pid}`);
});
