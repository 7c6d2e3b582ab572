/** The doors of the library: what stands behind each, that a stranger's project can use it, and that it is enough to train. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { pretrain } from '../../src/pretrain/pretrain.ts';
import { readLog } from '../../src/runs/log.ts';
import { compileProgram } from '../cli/run.ts';
import { tinyDataset } from '../pretrain/support.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const { exports: declared } = z
  .object({ exports: z.record(z.string(), z.unknown()) })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));
const doors = Object.keys(declared).filter((door) => door !== './package.json');
const sourceOf = (door: string): string =>
  door === '.' ? 'src/index.ts' : `src/exports/${door.slice(2)}.ts`;
const moduleOf = (door: string): string => `uscl${door.slice(1)}`;

describe('package.json', () => {
  test('opens every file of src/exports, and no other, to imports with types', () => {
    const files = readdirSync(join(ROOT, 'src', 'exports')).map((name) => `./${name.replace('.ts', '')}`);
    expect([...doors].sort()).toEqual(['.', ...files].sort());
    for (const door of doors) {
      const built = sourceOf(door).replace(/^src(.*)\.ts$/, './dist$1');
      expect(declared[door], door).toEqual({ types: `${built}.d.ts`, default: `${built}.js` });
    }
  });
});

describe('names', () => {
  /** Of each door, what every name leads to in the end. */
  let named: ReadonlyMap<string, ReadonlyMap<string, ts.Symbol>>;

  beforeAll(() => {
    const options = ts.parseJsonConfigFileContent(
      ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
      ts.sys,
      ROOT,
    ).options;
    const program = ts.createProgram(
      doors.map((door) => join(ROOT, sourceOf(door))),
      options,
    );
    const checker = program.getTypeChecker();
    named = new Map(
      doors.map((door) => {
        const file = program.getSourceFile(join(ROOT, sourceOf(door)));
        const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file);
        const names = symbol === undefined ? [] : checker.getExportsOfModule(symbol);
        return [
          door,
          new Map(
            names.map((one) => [
              one.name,
              (one.flags & ts.SymbolFlags.Alias) === 0 ? one : checker.getAliasedSymbol(one),
            ]),
          ),
        ];
      }),
    );
  }, 120_000);

  test('at the top are at most 70, values and types', () => {
    const { size } = named.get('.')!;
    expect(size).toBeGreaterThan(40);
    expect(size).toBeLessThanOrEqual(70);
  });

  test('that stand behind two doors are one thing', () => {
    const met = new Map<string, ts.Symbol>();
    const double: string[] = [];
    for (const [door, names] of named)
      for (const [name, symbol] of names) {
        if ((met.get(name) ?? symbol) !== symbol) double.push(`${name} of ${moduleOf(door)}`);
        met.set(name, symbol);
      }
    expect(double).toEqual([]);
    expect(met.size).toBeGreaterThan(200);
  });
});

/** The training of a method by a loop of one's own: nothing but the parts, no run folder. */
const SCRIPT = `
import { openBackend, openDataset, resolveConfig, type Config } from 'uscl';
import type { Method } from 'uscl/methods';
import { methodNamed } from 'uscl/methods';
import { BatchSchedule, learningRateAt, MethodNetwork, openFeed, openMethod, settled, splitClips } from 'uscl/training';

const set = [
  ...['view.size=16', 'model.width=4', 'model.backbone=resnet18', 'batch.size=4', 'batch.lastBatch=drop'],
  ...['method.projection.hidden=8', 'method.projection.dim=8', 'method.predictor.hidden=4'],
  ...['training.epochs=2', 'loader.workers=0', 'backend=reference', 'data.validation.fraction=0'],
];
const method: Method = methodNamed('simsiam');
using backend = openBackend({ kind: 'reference' });
const config: Config = settled(resolveConfig({ method: method.name, set }), backend);
using dataset = openDataset('clips');
const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
const opened = openMethod({ config, dataset }, split);
using network = new MethodNetwork({ backend, config, opened });
const batchSchedule = new BatchSchedule({ dataset, opened, config });
await using feed = openFeed({ dataset, opened, config, batchSchedule, from: { step: 0 } });
for (let step = 0; step < batchSchedule.steps; step++) {
  const rate = learningRateAt({ step, epoch: batchSchedule.epochOf(step) }, batchSchedule, config);
  const { losses } = await network.step(() => feed.next(), batchSchedule.batchesIn(step), rate, config.training.clipNorm);
  console.log(losses[0]?.loss);
}
`;

describe('a project of somebody else', () => {
  let scratch: string;
  const node = (script: string): string =>
    execFileSync(process.execPath, [join(scratch, 'out', script)], { cwd: scratch, encoding: 'utf8' });

  beforeAll(async () => {
    compileProgram();
    scratch = mkdtempSync(join(tmpdir(), 'uscl-library-'));
    writeFileSync(join(scratch, 'package.json'), '{"type": "module"}');
    mkdirSync(join(scratch, 'node_modules', '@types'), { recursive: true });
    symlinkSync(ROOT, join(scratch, 'node_modules', 'uscl'));
    symlinkSync(
      join(ROOT, 'node_modules', '@types', 'node'),
      join(scratch, 'node_modules', '@types', 'node'),
    );
    await tinyDataset(join(scratch, 'clips'));
    const imports = doors.map((door, i) => `import * as door${i} from '${moduleOf(door)}';`);
    const counts = doors.map((door, i) => `['${door}', Object.keys(door${i}).length]`);
    writeFileSync(
      join(scratch, 'doors.ts'),
      `${imports.join('\n')}\nconst counts: [string, number][] = [${counts.join(', ')}];\n` +
        'console.log(JSON.stringify(counts));\n',
    );
    writeFileSync(join(scratch, 'train.ts'), SCRIPT);
    writeFileSync(
      join(scratch, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          ...{ target: 'es2022', lib: ['es2023', 'esnext.disposable'], module: 'nodenext', strict: true },
          ...{ types: ['node'], skipLibCheck: true, outDir: 'out', rootDir: '.' },
        },
        include: ['*.ts'],
      }),
    );
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout, status } = spawnSync(process.execPath, [compiler, '-p', scratch], { encoding: 'utf8' });
    expect(status, stdout).toBe(0);
  }, 300_000);

  afterAll(() => {
    rmSync(scratch, { recursive: true, force: true });
  });

  test('imports every door, with types, as ES modules', () => {
    const counts = z.array(z.tuple([z.string(), z.int()])).parse(JSON.parse(node('doors.js')));
    expect(counts.map(([door]) => door)).toEqual(doors);
    for (const [door, values] of counts) expect(values, door).toBeGreaterThan(3);
  });

  test(
    'trains a method with the parts alone, to the losses of `pretrain`',
    { timeout: 120_000 },
    async () => {
      const losses = node('train.js').trim().split('\n').map(Number);
      const out = join(scratch, 'run');
      const set = [...SCRIPT.matchAll(/'([a-z]+(?:\.[A-Za-z]+)*=[^']+)'/g)].map(([, one]) => one!);
      await pretrain({ dataset: join(scratch, 'clips'), out, config: { method: 'simsiam', set } });
      const logged = readLog(out).flatMap((entry) => (entry.kind === 'step' ? [entry.loss] : []));
      expect(logged).toHaveLength(4);
      expect(losses).toEqual(logged);
    },
  );
});
