/**
 * What several processes compute beside one, by the numbers: losses of each step, gradients, weights and shared running statistics of a
 * few steps, with both kinds of norms, by every launcher of MPI in `PATH` and the library that it finds. One process normalises as many
 * parts of each view as there are ranks, or whole views where ranks share their norms.
 *
 *     npx tsx bench/ranks-libraries.ts [--ranks 2,4] [--steps 3]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ALONE } from '../src/engine/ranks/communicator.ts';
import { makePhantom } from '../src/phantom/phantom.ts';
import { launched, launchers } from '../test/ranks/launchers.ts';
import { compute, type Computed, type Job } from '../test/ranks/steps.ts';
import { countOf } from './contestants.ts';

const { values: flags } = parseArgs({
  options: {
    ranks: { type: 'string', default: '2,4' },
    steps: { type: 'string', default: '3' },
  },
});
const counts = flags.ranks.split(',').map((count) => countOf('ranks', count));
const main = join(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'ranks', 'steps-main.ts');
const scratch = mkdtempSync(join(tmpdir(), 'uscl-ranks-libraries-'));
const dataset = join(scratch, 'clips');
const COMMON = [
  ...['backend=onednn', 'precision=f32', 'threads=1', 'view.size=64', 'model.width=16'],
  ...['method.projection={hidden: 64, dim: 32}', 'batch.size=16', 'batch.lastBatch=drop'],
  ...['loader.workers=0', 'schedule.warmup=none', 'optimizer.kind=sgd'],
];
const NORMS = ['rank', 'synchronised'] as const;

/** Largest difference beside the largest number. */
function difference(found: readonly number[], wanted: readonly number[]): string {
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const apart = found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
  return (apart / largest).toExponential(1);
}

try {
  await makePhantom({ out: dataset, clips: 48, framesPerClip: 3, size: 64, seed: 1 });
  const settings = NORMS.map((norms) => [...COMMON, `model.norms=${norms}`]);
  const job: Job = { dataset, settings, steps: countOf('steps', flags.steps) };
  const file = join(scratch, 'job.json');
  writeFileSync(file, JSON.stringify(job));
  console.log(`settings: ${COMMON.join(' ')}`);
  for (const launcher of launchers)
    for (const count of counts) {
      const { code, stdout, stderr } = await launched(launcher, count, ['--import', 'tsx', main, file]);
      if (code !== 0) throw new Error(`${launcher.name}: ${stderr}`);
      for (const [i, line] of stdout.trim().split('\n').entries()) {
        const found = JSON.parse(line) as Computed & { readonly size: number; readonly library: string };
        const wanted = await compute(job, settings[i]!, ALONE, NORMS[i] === 'rank' ? count : 1);
        console.log(`\n${found.library}, mpirun -n ${found.size}, model.norms=${NORMS[i]!}`);
        for (const [step, losses] of found.losses.entries())
          console.log(
            `  step ${step + 1}  losses ${losses.map((loss) => loss.toPrecision(9)).join(' ')}  one process ${wanted.losses[
              step
            ]!.map((loss) => loss.toPrecision(9)).join(' ')}`,
          );
        console.log(
          `  norms of gradients ${found.norms.map((norm) => norm.toPrecision(9)).join(' ')}  one process ${wanted.norms.map((norm) => norm.toPrecision(9)).join(' ')}`,
        );
        console.log(
          `  largest difference beside the largest number: gradients of the first step ${difference(found.gradients, wanted.gradients)}, ` +
            `weights ${difference(found.values, wanted.values)}` +
            (NORMS[i] === 'rank'
              ? ''
              : `, running statistics ${difference(found.statistics, wanted.statistics)}`),
        );
      }
    }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
