/**
 * Two processes of one thread beside one process of two threads, on the same batches, in turns: `npm run bench:ranks`. Every turn is
 * a real run of the compiled program on simulated clips; of each the median time of a step counts, the first two left out. Prints
 * a table and writes `bench/results/ranks.json`.
 *
 *     npm run bench:ranks -- [--rounds 3] [--steps 8] [--mpirun mpirun] [--set key=value …] [--out bench/results/ranks.json]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makePhantom } from '../src/phantom/phantom.ts';
import { readLog } from '../src/runs/log.ts';
import { countOf } from './contestants.ts';

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', 'dist', 'cli', 'main.js');
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '8' },
    mpirun: { type: 'string', default: 'mpirun' },
    set: { type: 'string', multiple: true, default: ['batch.size=16', 'view.size=112'] },
    out: { type: 'string', default: join(here, 'results', 'ranks.json') },
  },
});
const rounds = countOf('rounds', flags.rounds);
const steps = countOf('steps', flags.steps);
const scratch = mkdtempSync(join(tmpdir(), 'uscl-bench-ranks-'));
const dataset = join(scratch, 'clips');

/** Median seconds of a step of one run. */
function secondsOf(name: string, program: string, before: readonly string[], set: readonly string[]): number {
  const out = join(scratch, name);
  const settings = [...flags.set, ...set, `training.steps=${steps}`, 'precision=f32'];
  execFileSync(
    program,
    [
      ...before,
      main,
      'pretrain',
      dataset,
      '--out',
      out,
      '--overwrite',
      ...settings.flatMap((one) => ['--set', one]),
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, OMPI_MCA_hwloc_base_binding_policy: 'none' },
    },
  );
  const seconds = readLog(out).flatMap((entry) => (entry.kind === 'step' ? [entry.seconds] : []));
  return median(seconds.slice(2));
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
}

try {
  await makePhantom({ out: dataset, clips: 60, framesPerClip: 3, size: 128, seed: 1 });
  const rows: { readonly threads: number; readonly ranks: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const shared = ['data.validation.fraction=0', 'batch.lastBatch=drop'];
    const threads = secondsOf('threads', process.execPath, [], [...shared, 'threads=2']);
    const ranks = secondsOf('ranks', flags.mpirun, ['-n', '2', process.execPath], [...shared, 'threads=1']);
    rows.push({ threads, ranks });
    console.log(
      `round ${round + 1}: one process of 2 threads ${threads.toFixed(3)} s a step, two processes of 1 thread ${ranks.toFixed(3)} s, ` +
        `ratio ${(ranks / threads).toFixed(3)}`,
    );
  }
  const ratios = rows.map(({ threads, ranks }) => ranks / threads);
  console.log(
    `two processes / two threads: ${median(ratios).toFixed(3)} (${Math.min(...ratios).toFixed(3)}–${Math.max(...ratios).toFixed(3)})`,
  );
  const processor = cpus()[0]?.model.trim() ?? 'unknown';
  mkdirSync(dirname(flags.out), { recursive: true });
  writeFileSync(
    flags.out,
    `${JSON.stringify({ processor, processors: cpus().length, steps, set: flags.set, rounds: rows }, null, 2)}\n`,
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
