/** What the README shows works as it stands there. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig } from '../../src/runs/config.ts';
import { compileProgram } from '../cli/run.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PAPERS = [
  'README.md',
  'docs/configuration.md',
  'docs/datasets.md',
  'docs/evaluation.md',
  'docs/engine.md',
];

interface Block {
  readonly language: string;
  readonly code: string;
}

function blocksOf(paper: string): Block[] {
  const text = readFileSync(join(ROOT, paper), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    language: language!,
    code: code!,
  }));
}

const scripts = blocksOf('README.md').filter(({ language }) => language === 'ts');
const scratch = mkdtempSync(join(tmpdir(), 'uscl-readme-'));

beforeAll(() => {
  compileProgram();
  // A project of somebody else: `uscl` and Node's types come from its node_modules.
  writeFileSync(join(scratch, 'package.json'), '{"type": "module"}');
  execFileSync('mkdir', ['-p', join(scratch, 'node_modules', '@types')]);
  symlinkSync(ROOT, join(scratch, 'node_modules', 'uscl'));
  symlinkSync(join(ROOT, 'node_modules', '@types', 'node'), join(scratch, 'node_modules', '@types', 'node'));
  scripts.forEach(({ code }, i) => {
    writeFileSync(join(scratch, `script${i}.ts`), code);
  });
  writeFileSync(
    join(scratch, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        lib: ['es2023', 'esnext.disposable'],
        module: 'nodenext',
        strict: true,
        types: ['node'],
        skipLibCheck: true,
        outDir: 'out',
        rootDir: '.',
      },
      include: ['*.ts'],
    }),
  );
});

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe('scripts', () => {
  test('there are two, and a training loop of one’s own takes fewer than 30 lines', () => {
    expect(scripts).toHaveLength(2);
    for (const { code } of scripts) expect(code.trimEnd().split('\n').length).toBeLessThan(30);
    expect(scripts[1]?.code).toContain('optimizer.update(');
  });

  test('compile against the published types and run, one after the other', { timeout: 300_000 }, () => {
    execFileSync(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', scratch], {
      stdio: 'pipe',
    });
    const run = (i: number): string =>
      execFileSync(process.execPath, [join(scratch, 'out', `script${i}.js`)], {
        cwd: scratch,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const [loss, pretrained, random] = run(0).trim().split(' ').map(Number);
    expect(loss).toBeGreaterThan(0);
    expect(pretrained).toBeGreaterThan(0.1);
    expect(random).toBeGreaterThan(0.1);
    const losses = run(1)
      .trim()
      .split('\n')
      .map((line) => line.split(' ').map(Number));
    expect(losses).toHaveLength(9);
    for (const [, value] of losses) expect(Number.isFinite(value)).toBe(true);
    expect(existsSync(join(scratch, 'weights.safetensors'))).toBe(true);
  });
});

describe.each(PAPERS)('%s', (paper) => {
  test('every YAML file shown holds', () => {
    for (const { language, code } of blocksOf(paper))
      if (language === 'yaml') resolveConfig({ file: { path: paper, text: code } });
  });

  test('every file it links to is there', () => {
    const text = readFileSync(join(ROOT, paper), 'utf8');
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g))
      expect(existsSync(join(ROOT, paper, '..', target!)), target).toBe(true);
  });
});
