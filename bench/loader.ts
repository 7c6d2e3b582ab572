/**
 * What the loader takes from a training step: pretraining steps on one batch that stays in memory, and on batches of the loader
 * with the augmentation of the presets `uscl` and `us` and with everything there is at probability 1, in turns. The loader's
 * threads share the processors with the step. With everything on a step should take at most 1.05 times as long.
 *
 *     npm run bench:loader -- [--rounds N] [--steps N] [--threads N] [key=value ...]
 */
import { join } from 'node:path';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Contestant, countOf, overRounds } from './contestants.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    steps: { type: 'string', default: '6' },
    threads: { type: 'string', default: '2' },
  },
});
const rounds = countOf('rounds', flags.rounds);
const steps = countOf('steps', flags.steps);
const common = ['precision=bf16', `threads=${countOf('threads', flags.threads)}`];

const OPERATIONS = [
  ...['insideField', 'probe', 'rotation', 'affine', 'depthGain', 'speckle', 'gain', 'gamma', 'clahe'],
  ...['fieldEdge', 'nonLinearIntensity', 'blur', 'sharpen', 'cutout', 'outPainting'],
];
const everything = OPERATIONS.map((name) => `view.augment.${name}.probability=1`);
const FEEDINGS: readonly (readonly [name: string, feeding: string, set: readonly string[]])[] = [
  ['constant batch', 'constant', []],
  ['loader, uscl', 'loader', ['view.augment.preset=uscl']],
  ['loader, us', 'loader', ['view.augment.preset=us']],
  ['loader, all there are', 'loader', everything],
];
/** Pairs of a step at each size. */
const SIZES: readonly (readonly [size: number, pairs: number])[] = [
  [112, 16],
  [224, 16],
];

console.log(
  `load of the machine at the start: ${loadavg()[0]!.toFixed(1)}; ${rounds} rounds of ${steps} steps`,
);
const program = join(import.meta.dirname, 'ours.ts');
for (const [size, pairs] of SIZES) {
  const contestants: Contestant[] = [];
  for (const [name, feeding, set] of FEEDINGS) {
    const settings = [...common, `view.size=${size}`, `batch.size=${pairs}`, ...set, ...positionals];
    contestants.push(
      await Contestant.start(name, steps, process.execPath, [
        '--import',
        'tsx',
        program,
        feeding,
        ...settings,
      ]),
    );
  }
  for (let round = 0; round < rounds; round++) for (const contestant of contestants) await contestant.turn();
  console.log(
    `\n${size} px, ${pairs} pairs: seconds a step, median; over that of the constant batch, median (range)`,
  );
  const [constant] = contestants;
  for (const contestant of contestants) {
    const { median, min, max } = overRounds(
      rounds,
      (round) => contestant.seconds(round) / constant!.seconds(round),
    );
    const ratio = `${median.toFixed(3)} (${min.toFixed(3)}–${max.toFixed(3)})`;
    console.log(`  ${contestant.name.padEnd(24)}${contestant.seconds().toFixed(4)}   ${ratio}`);
    contestant.stop();
  }
}
