/**
 * Our step and PyTorch's, alternately in one go on one machine: `npm run bench:peers`. Every program is started once and
 * sits idle (its threads asleep) while another works; a round gives each its turn, so drift of the machine hits all
 * alike, and ratios are taken round by round. Prints a table and writes `bench/results/peers.json`.
 *
 *     npm run bench:peers -- [--rounds 5] [--python python3] [--out bench/results/peers.json]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Contestant, findPython, median, overRounds, type Ratio } from './contestants.ts';

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    python: { type: 'string' },
    out: { type: 'string', default: join(here, 'results', 'peers.json') },
  },
});
const rounds = Number(flags.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new RangeError(`--rounds ${flags.rounds} is no whole number above 0`);

const python = findPython(flags.python);
const tsx = join(here, '..', 'node_modules', '.bin', 'tsx');
const ours = (feeding: string, ...set: string[]): [string, string[]] => [
  tsx,
  [join(here, 'ours.ts'), feeding, 'threads=2', ...set],
];
const peer = (form: string): [string, string[]] => [
  python,
  [join(here, 'peers', 'uscl_step.py'), '--form', form, '--threads', '2'],
];

const programs: readonly (readonly [name: string, steps: number, command: readonly [string, string[]]])[] = [
  ['uscl, constant batch', 4, ours('constant')],
  ['uscl, with loader', 8, ours('loader')],
  ['uscl, constant, 3 channels', 4, ours('constant', 'view.channels=3')],
  ['PyTorch, best (bf16, channels_last, two passes)', 4, peer('best')],
  ['PyTorch, as published (f32, four passes)', 1, peer('published')],
];
const contestants: Contestant[] = [];
for (const [name, steps, [command, args]] of programs) {
  console.error(`starting ${name}`);
  contestants.push(await Contestant.start(name, steps, command, args));
}
for (let round = 0; round < rounds; round++)
  for (const contestant of contestants) {
    await contestant.turn();
    console.error(
      `round ${round + 1}/${rounds}: ${contestant.name}: ${contestant.seconds(round).toFixed(3)} s a step`,
    );
  }
for (const contestant of contestants) contestant.stop();

const [constant, loader, wide, best, published] = contestants as [
  Contestant,
  Contestant,
  Contestant,
  Contestant,
  Contestant,
];
const ratio = (a: Contestant, b: Contestant): Ratio =>
  overRounds(rounds, (round) => a.seconds(round) / b.seconds(round));
const total = (parts: Contestant['parts'][number]): number =>
  Object.values(parts).reduce((sum, part) => sum + part, 0);
const optimizerShare = median(constant.parts.map((parts) => parts.optimizer / total(parts)));
const results = {
  ratios: {
    'published / uscl with loader': ratio(published, loader),
    'best / uscl with loader': ratio(best, loader),
    'published / uscl constant, 3 channels': ratio(published, wide),
    'best / uscl constant, 3 channels': ratio(best, wide),
    'uscl with loader / uscl constant': ratio(loader, constant),
  },
  optimizerShare,
  contestants: contestants.map(({ name, about, rounds: seconds, peakBytes, parts }) => ({
    name,
    about,
    peakBytes,
    seconds,
    parts,
  })),
  machine: { processor: cpus()[0]?.model ?? 'unknown', processors: cpus().length, memoryBytes: totalmem() },
  date: new Date().toISOString().slice(0, 10),
};
for (const contestant of contestants)
  console.log(
    `${contestant.name.padEnd(50)} ${contestant.seconds().toFixed(3)} s a step, peak ${(contestant.peakBytes / 2 ** 30).toFixed(2)} GiB`,
  );
for (const [name, { median: middle, min, max }] of Object.entries(results.ratios))
  console.log(
    `${name.padEnd(50)} ${middle.toFixed(3)} (${min.toFixed(3)} to ${max.toFixed(3)} over ${rounds} rounds)`,
  );
console.log(`${'optimizer, share of our step'.padEnd(50)} ${(100 * optimizerShare).toFixed(2)} %`);
mkdirSync(dirname(flags.out), { recursive: true });
writeFileSync(flags.out, `${JSON.stringify(results)}\n`);
