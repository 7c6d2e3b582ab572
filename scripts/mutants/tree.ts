/** A copy of the last commit with every drawn mutant behind its switch, and the tests that stand near each file. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Numbered, instrumented, SWITCH } from './instrument.ts';

/** Tests are taken in the order of `MUTANT_TESTS`; whatever begins or ends is noted in `MUTANT_PROGRESS`. */
const CONFIG = `import { appendFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

const order = (process.env['MUTANT_TESTS'] ?? '').split(',');
class Ordered extends BaseSequencer {
  async sort(files) {
    const place = (file) => order.findIndex((name) => file.moduleId.endsWith(name));
    return [...files].sort((a, b) => place(a) - place(b));
  }
}
const note = ({ moduleId }) => {
  appendFileSync(process.env['MUTANT_PROGRESS'], Date.now() + ' ' + moduleId + '\\n');
};
export default defineConfig({
  test: {
    reporters: [
      ['json', { outputFile: process.env['MUTANT_REPORT'] }],
      {
        onTestModuleQueued: note,
        onTestModuleStart: note,
        onTestModuleEnd: note,
        onTestCaseResult: (test) => {
          note(test.module);
        },
      },
    ],
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: Number(process.env['MUTANT_WORKERS'] ?? 1),
    testTimeout: 180_000,
    hookTimeout: 120_000,
    setupFiles: ['mutants-setup.ts'],
    sequence: { sequencer: Ordered },
    experimental: { fsModuleCache: true },
  },
});
`;

const SETUP = `import { expect } from 'vitest';
const folder = process.env['MUTANTS_FOLDER'];
const path = expect.getState().testPath ?? '';
if (folder !== undefined)
  process.env['MUTANTS_REACHED'] = folder + '/' + path.slice(path.indexOf('/test/') + 1).replaceAll('/', '+');
`;

/** Makes the copy in `folder`, which must not be there. */
export function copyTree(root: string, folder: string, mutants: readonly Numbered[]): void {
  mkdirSync(folder, { recursive: true });
  const archive = execFileSync('git', ['archive', 'HEAD'], { cwd: root, maxBuffer: 2 ** 30 });
  execFileSync('tar', ['-x'], { cwd: folder, input: archive });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'vitest.config.ts'), CONFIG);
  writeFileSync(join(folder, 'mutants-setup.ts'), SETUP);
  writeFileSync(join(folder, 'src', 'mutant-switch.ts'), SWITCH);
  for (const file of new Set(mutants.map((mutant) => mutant.file))) {
    const path = join(folder, file);
    const mine = mutants.filter((mutant) => mutant.file === file);
    const switchModule = relative(dirname(file), 'src/mutant-switch.ts');
    const name = switchModule.startsWith('.') ? switchModule : `./${switchModule}`;
    writeFileSync(path, instrumented(readFileSync(path, 'utf8'), mine, name));
  }
}

/**
 * Test files below `test`, relative to the root, with the sources that each imports by name. Left out are the slow suite,
 * the tests of the built program, in which no switch is, and those of the source text itself.
 */
export function testsOf(root: string): ReadonlyMap<string, ReadonlySet<string>> {
  const tests = new Map<string, ReadonlySet<string>>();
  for (const name of readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.test.ts') || /^(slow|cli|house)\//.test(name)) continue;
    const file = join('test', name);
    const text = readFileSync(join(root, file), 'utf8');
    const imported = [...text.matchAll(/from '(\.[^']+)'/g)].map(([, path]) => join(dirname(file), path!));
    tests.set(file, new Set(imported));
  }
  return tests;
}

/** The tests of a mutant's neighbourhood: its room's folder, and those that import its file. The latter first. */
export function neighbours(
  tests: ReadonlyMap<string, ReadonlySet<string>>,
  file: string,
  seconds: (test: string) => number,
): readonly string[] {
  const room = file.split('/')[1]!;
  const near = [...tests].filter(([test, imports]) => test.startsWith(`test/${room}/`) || imports.has(file));
  const distance = ([test, imports]: (typeof near)[number]): number =>
    seconds(test) * (imports.has(file) ? 1 : 3);
  return near.sort((a, b) => distance(a) - distance(b)).map(([test]) => test);
}
