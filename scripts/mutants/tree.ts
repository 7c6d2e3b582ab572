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

/** Of every source and test file, relative to the root, the files of ours that it needs when it runs. */
export type Imports = ReadonlyMap<string, ReadonlySet<string>>;

/** The imports of the tree at `root`; those of types alone are passed over. */
export function importsOf(root: string): Imports {
  const imports = new Map<string, ReadonlySet<string>>();
  for (const top of ['src', 'test'])
    for (const name of readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const file = join(top, name);
      const text = readFileSync(join(root, file), 'utf8');
      const named = text.matchAll(/^(?:import|export)(?! type\b)[^;']*\bfrom '(\.[^']+)'/gm);
      imports.set(file, new Set([...named].map(([, path]) => join(dirname(file), path!))));
    }
  return imports;
}

/**
 * Left out are the slow suite, the demonstration, which takes a minute, the tests of the built program, in which no
 * switch is, and those of the source text.
 */
function isTest(file: string): boolean {
  return file.endsWith('.test.ts') && !/^test\/(slow|demo|cli|house)\//.test(file);
}

/**
 * The tests of a mutant's neighbourhood: its room's folder, those that import its file, and those that reach it through
 * other files from the folder of a room directly above, one of whose files imports it or, of its room, a file that does. The
 * fewest imports between and the quickest first.
 */
export function neighbours(
  imports: Imports,
  file: string,
  seconds: (test: string) => number,
): readonly string[] {
  const steps = new Map([[file, 0]]);
  for (const [reached, count] of steps)
    for (const [importer, own] of imports)
      if (own.has(reached) && !steps.has(importer)) steps.set(importer, count + 1);
  const importers = [...steps].filter(([, count]) => count === 1).map(([importer]) => importer);
  const within = new Set([file]);
  const above = new Set<string>();
  for (const reached of within)
    for (const [importer, own] of imports)
      if (own.has(reached) && importer.startsWith('src/'))
        if (roomOf(importer) === roomOf(file)) within.add(importer);
        else above.add(roomOf(importer));
  const isNear = (test: string): boolean =>
    roomOf(test) === roomOf(file) || importers.includes(test) || (steps.has(test) && above.has(roomOf(test)));
  const distance = (test: string): number => seconds(test) * (steps.get(test) ?? imports.size);
  return [...imports.keys()]
    .filter((one) => isTest(one) && isNear(one))
    .sort((a, b) => distance(a) - distance(b));
}

/** The folder of `src` or `test` that a file lies in. */
function roomOf(file: string): string {
  return file.split('/')[1]!;
}
