/**
 * Seeded mutants of the code against the tests of their neighbourhood: which changes does no test notice?
 *
 *     npm run test:mutants -- --count 400 --seed 1 --out bench/results/mutants.json
 *
 * Works on a copy of the last commit. Stopped at any moment it goes on where it was: mutants whose outcome is in the
 * output file are not run again, unless `--again survived` asks for those that no test noticed.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { writeFileAtomic } from '../../src/base/files.ts';
import { drawSites } from './draw.ts';
import type { Numbered } from './instrument.ts';
import { type MutantResult, readResults, type Results, tableOf, writeResults } from './results.ts';
import { copyTree, importsOf, neighbours } from './tree.ts';
import { runTests } from './vitest.ts';

/** Rooms that train, judge or report. */
const ROOMS =
  'runs,trainer,pretrain,finetune,probe,predict,evaluate,explain,methods,objectives,views,evaluation,report';

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '400' },
    seed: { type: 'string', default: '1' },
    rooms: { type: 'string', default: ROOMS },
    out: { type: 'string', default: 'bench/results/mutants.json' },
    again: { type: 'string' },
    folder: { type: 'string' },
    minutes: { type: 'string', default: 'Infinity' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (options.help) {
  console.log(`Seeded mutants of the code, each against the tests of its neighbourhood.

  --count N      mutants, spread over the rooms (400)
  --seed N       of the draw (1)
  --rooms A,B    folders of src (all that train, judge or report)
  --out FILE     outcomes; a call that was stopped goes on from them (bench/results/mutants.json)
  --again survived   run again those that no test noticed
  --folder DIR   keep the copy there, so that a later call on the same commit need not find out what reaches what
  --minutes N    stop after so long; the next call goes on
  --list         print the mutants and run none`);
  process.exit(0);
}

const reachSchema = z.object({
  /** Of the commit and the mutants. */
  stamp: z.string(),
  /** Tests that pass without a mutant, how long each takes and says nothing, and which mutants it reaches. */
  tests: z.array(
    z.object({ test: z.string(), seconds: z.number(), pause: z.number(), mutants: z.array(z.int()) }),
  ),
});
type Reach = z.infer<typeof reachSchema>;

const root = process.cwd();
const [count, seed] = [Number(options.count), Number(options.seed)];
const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
const rooms = options.rooms.split(',');
const mutants: readonly Numbered[] = drawSites(root, rooms, count, seed).map((site, id) => ({ ...site, id }));
if (options.list) {
  for (const { file, line, kind, before, after } of mutants)
    console.log(`${file}:${line} ${kind}: ${short(before)} → ${short(after)}`);
  process.exit(0);
}

const known = new Map(readResults(options.out)?.mutants.map((result) => [result.key, result]));
const done = new Map<string, MutantResult>();
for (const { key } of mutants) {
  const result = known.get(key);
  const unnoticed = result?.outcome === 'survived' || result?.outcome === 'unreached';
  if (result !== undefined && !(unnoticed && options.again === 'survived')) done.set(key, result);
}
const todo = mutants.filter(({ key }) => !done.has(key));
console.log(`${mutants.length} mutants of seed ${seed} at ${commit.slice(0, 7)}, ${todo.length} to run`);

const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'uscl-mutants-'));
const tree = join(folder, 'tree');
if (options.folder === undefined)
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
// An exit of its own lets tests be stopped and the copy be removed.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => process.exit(code));
await campaign();

/** What the tests reach while no mutant is on; of an earlier call where the folder has it. */
async function prepared(): Promise<Reach> {
  const kept = join(folder, 'reach.json');
  const stamp = createHash('sha256')
    .update(JSON.stringify([commit, mutants.map(({ key }) => key)]))
    .digest('hex');
  if (existsSync(kept)) {
    const reach = reachSchema.parse(JSON.parse(readFileSync(kept, 'utf8')));
    if (reach.stamp === stamp) return reach;
  }
  for (const part of ['tree', 'reached']) rmSync(join(folder, part), { recursive: true, force: true });
  copyTree(root, tree, mutants);
  const imports = importsOf(tree);
  const wanted = [...new Set(mutants.flatMap(({ file }) => neighbours(imports, file, () => 1)))];
  console.log(`which of ${wanted.length} test files reach which mutant, and do all pass?`);
  const reached = join(folder, 'reached');
  mkdirSync(reached);
  const env = { MUTANTS_FOLDER: reached, MUTANT_WORKERS: '2' };
  const { files, seconds } = await runTests(tree, wanted, env, { bail: false, limit: 3600 });
  if (files === null) throw new Error('The tests could not be run on the copy.');
  for (const { file, good, failed } of files)
    if (!good) console.log(`left out, for it fails without a mutant: ${file} (${failed ?? ''})`);
  const reach = {
    stamp,
    tests: files
      .filter(({ good }) => good)
      .map((one) => {
        const path = join(reached, one.file.replaceAll('/', '+'));
        const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
        return { test: one.file, seconds: one.seconds, pause: one.pause, mutants: lines.map(Number) };
      }),
  };
  writeFileAtomic(kept, [JSON.stringify(reach)]);
  console.log(`${seconds.toFixed(0)} s`);
  return reach;
}

async function campaign(): Promise<void> {
  const began = performance.now();
  const { tests: usual } = await prepared();
  const imports = importsOf(tree);
  const good = new Map(usual.map((one) => [one.test, one]));
  const reachedBy = new Map(usual.map((one) => [one.test, new Set(one.mutants)]));
  for (const [i, mutant] of todo.entries()) {
    if (performance.now() - began > 60_000 * Number(options.minutes)) break;
    const own = neighbours(imports, mutant.file, (test) => 1 + (good.get(test)?.seconds ?? 0)).filter(
      (test) => reachedBy.get(test)?.has(mutant.id) === true,
    );
    const judged = await judge(mutant, own, good);
    const before = known.get(mutant.key)?.outcome;
    const isMended =
      (before === 'survived' || before === 'unreached') &&
      (judged.outcome === 'killed' || judged.outcome === 'timeout');
    const result = isMended ? { ...judged, mended: true } : judged;
    done.set(mutant.key, result);
    writeResults(options.out, resultsOf());
    const by = result.by === null ? '' : ` by ${short(result.by)}`;
    console.log(
      `${i + 1}/${todo.length} ${result.outcome} ${mutant.file}:${mutant.line} ${mutant.kind}: ` +
        `${short(mutant.before)} → ${short(mutant.after)} (${result.seconds.toFixed(1)} s)${by}`,
    );
  }
  writeResults(options.out, resultsOf());
  console.log(tableOf(resultsOf()));
}

async function judge(
  mutant: Numbered,
  tests: readonly string[],
  usual: ReadonlyMap<string, { readonly pause: number }>,
): Promise<MutantResult> {
  const { key, file, line, kind, before, after } = mutant;
  const base = { key, room: file.split('/')[1]!, file, line, kind, before, after, commit };
  if (tests.length === 0) return { ...base, outcome: 'unreached', by: null, seconds: 0 };
  // A test that never ends is a test that notices; a busy neighbour is not.
  const limit = 15 + 3 * Math.max(...tests.map((test) => usual.get(test)?.pause ?? 0));
  const { files, timedOut, seconds } = await runTests(
    tree,
    tests,
    { MUTANT: String(mutant.id) },
    { bail: true, limit },
  );
  if (timedOut) return { ...base, outcome: 'timeout', by: null, seconds };
  const failed = files?.find((one) => one.failed !== null && one.failed !== 'the file itself');
  const broken = failed ?? files?.find((one) => !one.good);
  if (files === null) return { ...base, outcome: 'killed', by: 'the process, which died', seconds };
  if (broken === undefined) return { ...base, outcome: 'survived', by: null, seconds };
  return { ...base, outcome: 'killed', by: `${broken.file}: ${broken.failed ?? ''}`, seconds };
}

function resultsOf(): Results {
  const results = mutants.flatMap(({ key }) => done.get(key) ?? []);
  const command = `npm run test:mutants -- --count ${count} --seed ${seed} --rooms ${options.rooms}`;
  return { command, seed, drawn: mutants.length, run: results.length, commit, mutants: results };
}

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 57)}…` : line;
}
