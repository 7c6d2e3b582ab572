/** What the package promises to those who install it, and what must never be in the repository. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..', '..');
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const manifest = z
  .object({
    name: z.literal('uscl'),
    version: z.string(),
    type: z.literal('module'),
    license: z.literal('MIT'),
    engines: z.object({ node: z.string() }),
    bin: z.strictObject({ uscl: z.string() }),
    files: z.array(z.string()),
    scripts: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(text('package.json')));

describe('package.json', () => {
  test('pins every dependency to one version, as the lockfile has it', () => {
    const lock = z
      .object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) })
      .parse(JSON.parse(text('package-lock.json')));
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(lock.packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });

  test('the lockfile is whole: `npm ci` refuses one that lacks another platform’s optional parts', () => {
    const lock = z
      .object({
        packages: z.record(
          z.string(),
          z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() }),
        ),
      })
      .parse(JSON.parse(text('package-lock.json')));
    for (const [place, { optionalDependencies = {} }] of Object.entries(lock.packages))
      for (const name of Object.keys(optionalDependencies))
        expect(
          [`node_modules/${name}`, `${place}/node_modules/${name}`].some((key) => key in lock.packages),
          `${name} of ${place}`,
        ).toBe(true);
  });

  test('the command is compiled from a source that starts with its interpreter', () => {
    const source = manifest.bin.uscl.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts');
    expect(text(source).split('\n')[0]).toBe('#!/usr/bin/env node');
  });

  test('publishes the program and the papers, no sources, tests or data', () => {
    expect([...manifest.files].sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist']);
    for (const file of ['LICENSE', 'README.md', 'CHANGELOG.md'])
      expect(existsSync(join(ROOT, file)), file).toBe(true);
    expect(text('CHANGELOG.md')).toContain(`## ${manifest.version}`);
  });

  test('every dependency has its reason in docs/dependencies.md, and nothing else stands there', () => {
    const reasons = [...text('docs/dependencies.md').matchAll(/^\| `([^`]+)` *\|/gm)].map(
      (match) => match[1]!,
    );
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(reasons.sort()).toEqual(names.sort());
  });

  test('the scripts of the README exist', () => {
    for (const [, name] of text('README.md').matchAll(/\bnpm run ([a-z:]+)/g))
      expect(manifest.scripts).toHaveProperty([name!]);
    expect(manifest.scripts).toHaveProperty('start');
    expect(manifest.scripts).toHaveProperty('test');
  });
});

describe('the repository', () => {
  const tracked = execFileSync('git', ['-C', ROOT, 'ls-files', '-z'], { encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);
  const isText = (path: string): boolean =>
    /\.(ts|mjs|js|json|md|sh|py|ya?ml|svg|csv|txt)$|(^|\/)[^.]+$|^\.[a-z]+(rc|ignore)?$/.test(path);
  const present = tracked.filter((path) => existsSync(join(ROOT, path)));

  /** Tracked files whose text matches, the lockfile and this test aside. */
  const matching = (pattern: RegExp): string[] =>
    present.filter(
      (path) =>
        path !== 'package-lock.json' &&
        !path.endsWith('package.test.ts') &&
        isText(path) &&
        pattern.test(text(path)),
    );

  test('has no path of one machine in it', () => {
    expect(matching(/["'` (=](\/home\/|\/root\/|\/work\/|\/Users\/|[A-Z]:\\Users)/)).toEqual([]);
  });

  test('names no package registry or mirror', () => {
    expect(matching(/https?:\/\/[a-z.-]*(registry|pypi|pythonhosted|debian)[a-z.-]*\//)).toEqual([]);
  });

  test('has no switched-off rule, test or check', () => {
    const code = (pattern: RegExp): string[] =>
      matching(pattern).filter((path) => /^(src|test|bench|scripts)\/.*\.(ts|mjs)$/.test(path));
    expect(code(/eslint-disable|@ts-(ignore|expect-error|nocheck)|prettier-ignore/)).toEqual([]);
    expect(code(/\b(describe|test|it)\.(only|todo)\b|\b(test|it)\.skip\(/)).toEqual([]);
    expect(code(/\b(TODO|FIXME|XXX)\b/)).toEqual([]);
  });

  test('holds no large file and no weights or frames of real data', () => {
    const large = present.filter((path) => statSync(join(ROOT, path)).size > 2_000_000);
    expect(large).toEqual([]);
    const media = present.filter((path) => /\.(mp4|mov|avi|mpe?g|dcm|pkl|pth?)$/i.test(path));
    expect(media).toEqual([]);
  });

  test('a method is one file of at most 160 lines, and no file outside of methods and objectives names it', () => {
    const methods = present.filter((one) => /^src\/methods\/(?!check|method|registry)/.test(one));
    for (const path of methods)
      expect(text(path).trimEnd().split('\n').length, path).toBeLessThanOrEqual(160);
    const names = methods
      .map((path) => path.replace(/^.*\/(.*)\.ts$/, '$1'))
      .filter((name) => name !== 'uscl');
    const elsewhere = present.filter((one) => /^src\/(?!methods\/|objectives\/).*\.ts$/.test(one));
    // A comment may cite the paper of a method, and a loss may be called as its method is.
    const code = (path: string): string =>
      text(path)
        .replaceAll(/\/\*[\s\S]*?\*\//g, '')
        .replaceAll(/^\s*\/\/.*$/gm, '')
        .replaceAll(/'[^']*\/objectives\/[^']*'/g, '');
    for (const name of names)
      for (const path of elsewhere) expect(code(path), path).not.toMatch(new RegExp(`\\b${name}\\b`, 'i'));
  });
});
