/** The tool behind `npm run test:mutants`: which places it finds, and that a mutant is nothing but the change it says. */
import { runInNewContext } from 'node:vm';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { instrumented } from '../../scripts/mutants/instrument.ts';
import { type MutantResult, tableOf } from '../../scripts/mutants/results.ts';
import { type Site, sitesOf } from '../../scripts/mutants/sites.ts';
import { importsOf, neighbours } from '../../scripts/mutants/tree.ts';

const SOURCE = `import { UsclError } from './errors.ts';
type Two = 2;
export function total(values: readonly number[], limit: number, twice = false): number {
  let sum = 0;
  for (const value of values) {
    if (value < 0) continue;
    sum += twice ? value * 2 : value;
  }
  if (!(sum <= limit)) throw new UsclError({ message: \`\${sum - 1} is too much\` });
  return Math.max(sum - 1, -0.5);
}
export const filled: number[] = [];
export function fill(): void {
  filled.push(1);
  filled.push(2);
}
`;

const sites = sitesOf('total.ts', SOURCE);
const told = ({ line, kind, before, after }: Site): string => `${line} ${kind}: ${before} → ${after}`;

interface Module {
  readonly total: (values: readonly number[], limit: number, twice?: boolean) => number;
  readonly fill: () => void;
  readonly filled: readonly number[];
}

/** The module with all mutants in it and one of them on; −1: none. */
function loaded(active: number): Module {
  const numbered = sites.map((site, id) => ({ ...site, id }));
  const text = instrumented(SOURCE, numbered, './switch.ts');
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const exported: Partial<Module> = {};
  const modules = { UsclError: RangeError, mutant: (id: number) => id === active };
  runInNewContext(outputText, { exports: exported, require: () => modules });
  return exported as Module;
}

/** All that the module does, as text; an endless loop or an error is told as well. */
function behaviour(active: number): string {
  const module = loaded(active);
  const tell = (action: () => unknown): unknown => {
    try {
      return action();
    } catch (thrown) {
      return String(thrown);
    }
  };
  return JSON.stringify([
    tell(() => module.total([1, 0, 0.5, -2, 3], 10)),
    tell(() => module.total([1, 3], 8, true)),
    tell(() => module.total([5], 4)),
    tell(() => module.total([], -3)),
    tell(() => module.total([-1], 0)),
    tell(() => {
      module.fill();
      return module.filled;
    }),
  ]);
}

describe('sites', () => {
  const found = sites.map(told);

  test('are found in code', () => {
    for (const site of [
      '3 boolean: false → true',
      '4 constant: 0 → 1',
      '6 boundary: value < 0 → value <= 0',
      '6 comparison: value < 0 → value >= 0',
      '6 condition: value < 0 → false',
      '6 statement: continue; → ',
      '7 statement: sum += twice ? value * 2 : value; → ',
      '7 arithmetic: value * 2 → value / 2',
      '9 boolean: !(sum <= limit) → (sum <= limit)',
      '10 arguments: Math.max(sum - 1, -0.5) → Math.max(-0.5, sum - 1)',
      '14 return:  → return;',
      '15 statement: filled.push(2); → ',
    ])
      expect(found).toContain(site);
  });

  test('are not found in types, in imports and in the words of errors', () => {
    expect(found.filter((site) => /^[12] |^9 .*1/.test(site))).toEqual([]);
  });

  test('are known by the same name when lines come before them', () => {
    const moved = sitesOf('total.ts', SOURCE.replace('type Two', '// A line.\nconst one = 1;\ntype Two'));
    expect(moved.map(({ key }) => key)).toEqual(expect.arrayContaining(sites.map(({ key }) => key)));
  });
});

describe('the copy with every mutant in it', () => {
  test('does what the source does while none is on, on the same lines', () => {
    expect(behaviour(-1)).toBe(
      JSON.stringify([3.5, 7, 'RangeError: [object Object]', 'RangeError: [object Object]', -0.5, [1, 2]]),
    );
    const text = instrumented(
      SOURCE,
      sites.map((site, id) => ({ ...site, id })),
      './switch.ts',
    );
    expect(text.split('\n')).toHaveLength(SOURCE.split('\n').length);
  });

  test('leaves an else with its if where the statement before it may be left out', () => {
    const source = `export const told: string[] = [];
export function tell(x: number): void {
  if (x > 0) told.push('above');
  else told.push('below');
}
`;
    const numbered = sitesOf('src/views/x.ts', source).map((site, id) => ({ ...site, id }));
    const { outputText } = ts.transpileModule(instrumented(source, numbered, './switch.ts'), {
      compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
    });
    const exported: { told?: string[]; tell?: (x: number) => void } = {};
    runInNewContext(outputText, { exports: exported, require: () => ({ mutant: () => false }) });
    exported.tell!(1);
    exported.tell!(-1);
    expect([...exported.told!]).toEqual(['above', 'below']);
  });

  test('does something else with any of them, but for those that change nothing', () => {
    const same = sites.filter((_, id) => behaviour(id) === behaviour(-1));
    expect(same.map(told)).toEqual([
      // A value of 0 adds nothing.
      '6 boundary: value < 0 → value <= 0',
      '10 arguments: Math.max(sum - 1, -0.5) → Math.max(-0.5, sum - 1)',
    ]);
  });
});

describe('the neighbourhood of a file', () => {
  const tree: Readonly<Record<string, readonly string[]>> = {
    'src/low/loop.ts': [],
    'src/middle/train.ts': ['src/low/loop.ts'],
    'src/high/page.ts': ['src/middle/train.ts'],
    'src/cli/main.ts': ['src/low/loop.ts'],
    'test/middle/support.ts': ['src/middle/train.ts'],
    'test/low/other.test.ts': [],
    'test/high/loop.test.ts': ['src/low/loop.ts'],
    'test/high/page.test.ts': ['src/high/page.ts'],
    'test/middle/far.test.ts': ['test/middle/support.ts'],
    'test/middle/near.test.ts': ['src/middle/train.ts'],
    'test/middle/apart.test.ts': [],
    'test/cli/main.test.ts': ['src/cli/main.ts'],
  };
  const imports = new Map(Object.entries(tree).map(([file, own]) => [file, new Set(own)]));

  test('is its room, those that import it and the rooms directly above, the nearest first', () => {
    expect(neighbours(imports, 'src/low/loop.ts', () => 1)).toEqual([
      'test/high/loop.test.ts',
      'test/middle/near.test.ts',
      'test/middle/far.test.ts',
      'test/low/other.test.ts',
    ]);
  });

  test('begins with a quick test that is further away before a slow one', () => {
    const seconds = (name: string): number => (name.endsWith('far.test.ts') ? 1 : 10);
    expect(neighbours(imports, 'src/low/loop.ts', seconds)[0]).toBe('test/middle/far.test.ts');
  });

  test('of the step of every training has the tests of both trainings', () => {
    const found = neighbours(importsOf('.'), 'src/trainer/trained-network.ts', () => 1);
    expect(found).toEqual(
      expect.arrayContaining(['test/pretrain/pretrain.test.ts', 'test/finetune/step.test.ts']),
    );
  });
});

test('scores count what was noticed, by error or by time, of all in the room', () => {
  const result = (room: string, outcome: MutantResult['outcome']): MutantResult => ({
    ...{ key: '', file: '', line: 1, kind: '', before: '', after: '', by: null, seconds: 0, commit: '' },
    ...{ room, outcome },
  });
  const table = tableOf({
    mutants: [
      ...[result('views', 'killed'), result('views', 'timeout'), result('views', 'survived')],
      ...[{ ...result('report', 'killed'), mended: true }, result('views', 'unreached')],
    ],
  });
  expect(table).toContain('| views | 4 | 2 | 1 | 1 | 1 | 50.0 % | 50.0 % |');
  expect(table).toContain('| report | 1 | 1 | 0 | 0 | 0 | 0.0 % | 100.0 % |');
  expect(table).toContain('| all | 5 | 3 | 1 | 1 | 1 | 40.0 % | 60.0 % |');
});
