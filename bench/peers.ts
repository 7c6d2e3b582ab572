/**
 * Our step and PyTorch's, alternately in one go on one machine: `npm run bench:peers`. Every program is started once and
 * sits idle (its threads asleep) while another works; a round gives each its turn, so drift of the machine hits all
 * alike, and ratios are taken round by round. First with one channel on both sides, then with three. PyTorch is the newest
 * that installs and, where it is there, Debian's (`pytorch.ts`). Prints a table and writes every second of every step.
 *
 *     npm run bench:peers -- [--rounds 3] [--channels 1,3] [--colour] [--compile] [--python python] [--out peers.json]
 *     npm run bench:peers -- --busy [--rounds 3]
 *
 * `--colour` adds our loader on frames stored in colour, `--python` is a Python with another PyTorch, `--compile` adds its
 * torch.compile (needs `--python` and a C++ compiler). `--busy` measures something else: what a step of 112 px and 16 pairs keeps
 * of its speed beside another busy process.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { besideBusy } from './busy.ts';
import { Contestant, countOf, median, overRounds, type Ratio } from './contestants.ts';
import { debianPyTorch, newestPyTorch } from './pytorch.ts';

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    channels: { type: 'string', default: '1,3' },
    colour: { type: 'boolean', default: false },
    compile: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
    python: { type: 'string' },
    out: { type: 'string' },
  },
});
const rounds = countOf('rounds', flags.rounds);
const channels = flags.channels.split(',').map((count) => countOf('channels', count));

if (flags.compile && flags.python === undefined) {
  console.error(
    'torch.compile imports what the PyTorch that is installed here is made to do without: give --python, the path of a Python ' +
      'with a whole PyTorch 2 and a C++ compiler.',
  );
  process.exit(2);
}
const newest = flags.python ?? newestPyTorch();
const debian = flags.python === undefined ? debianPyTorch() : null;
if (debian === null)
  console.error("without Debian's PyTorch (apt-get install python3-torch python3-torchvision)");

/** A program, the steps of its turn, and what is made warm first. */
type Entry = readonly [name: string, steps: number, warmUp: number, command: string, args: readonly string[]];

const ours = (feeding: string, ...set: string[]): readonly [string, readonly string[]] => [
  join(here, '..', 'node_modules', '.bin', 'tsx'),
  [join(here, 'ours.ts'), feeding, 'threads=2', ...set],
];
const peer = (python: string, form: string, ...more: string[]): readonly [string, readonly string[]] => [
  python,
  [join(here, 'peers', 'uscl_step.py'), '--form', form, '--threads', '2', ...more],
];

/** The best form in both precisions: which one is faster depends on the processor. */
const both = (
  key: string,
  steps: number,
  python: string,
  seen: readonly string[],
): Readonly<Record<string, Entry>> =>
  Object.fromEntries(
    (['bf16', 'f32'] as const).map((precision) => [
      `${key} ${precision}`,
      [`best form, ${precision}`, steps, steps, ...peer(python, 'best', '--precision', precision, ...seen)],
    ]),
  );

function programs(count: number): Record<string, Entry> {
  const set = `view.channels=${count}`;
  const seen = ['--channels', String(count)];
  return {
    constant: ['constant batch', 2, 2, ...ours('constant', set)],
    loader: ['with loader', 4, 2, ...ours('loader', set)],
    ...(flags.colour && count === 3
      ? { colour: ['with loader, frames in colour', 4, 2, ...ours('colour', set)] }
      : {}),
    ...both('best', 2, newest, seen),
    ...(flags.compile ? { compiled: ['torch.compile', 2, 2, ...peer(newest, 'compiled', ...seen)] } : {}),
    published: ['as published', 1, 1, ...peer(newest, 'published', ...seen)],
    ...(debian === null ? {} : both('debian', 1, debian, seen)),
  };
}

interface Measured {
  readonly channels: number;
  readonly ratios: Readonly<Record<string, Ratio>>;
  readonly optimizerShare: number;
  readonly contestants: readonly unknown[];
}

async function measure(count: number): Promise<Measured> {
  const contestants = new Map<string, Contestant>();
  for (const [key, [name, steps, warmUp, command, args]] of Object.entries(programs(count))) {
    console.error(`${count} channel(s): starting ${name}`);
    contestants.set(key, await Contestant.start(name, steps, command, args, warmUp));
  }
  for (let round = 0; round < rounds; round++)
    for (const contestant of contestants.values()) {
      await contestant.turn();
      console.error(
        `${count} channel(s), round ${round + 1}/${rounds}: ${contestant.version()}, ${contestant.name}: ` +
          `${contestant.seconds(round).toFixed(3)} s a step`,
      );
    }
  for (const contestant of contestants.values()) contestant.stop();
  return { channels: count, ...summary(contestants) };
}

function summary(contestants: ReadonlyMap<string, Contestant>): Omit<Measured, 'channels'> {
  const one = (key: string): Contestant => contestants.get(key)!;
  const quicker = (key: string): string => {
    const [bf16, f32] = [`${key} bf16`, `${key} f32`];
    return one(bf16).seconds() < one(f32).seconds() ? bf16 : f32;
  };
  const ratio = (a: string, b: string): Ratio =>
    overRounds(rounds, (round) => one(a).seconds(round) / one(b).seconds(round));
  const best = quicker('best');
  const newestName = one(best).version();
  const ratios: Record<string, Ratio> = {
    [`${newestName}, ${one(best).name} / uscl with loader`]: ratio(best, 'loader'),
    [`${newestName}, as published / uscl with loader`]: ratio('published', 'loader'),
    'uscl with loader / uscl constant': ratio('loader', 'constant'),
  };
  if (contestants.has('colour'))
    ratios['uscl with loader, colour / uscl constant'] = ratio('colour', 'constant');
  if (contestants.has('compiled'))
    ratios[`${newestName}, torch.compile / uscl with loader`] = ratio('compiled', 'loader');
  if (contestants.has('debian f32')) {
    const old = quicker('debian');
    ratios[`${one(old).version()}, ${one(old).name} / uscl with loader`] = ratio(old, 'loader');
  }
  const total = (parts: Contestant['parts'][number]): number =>
    Object.values(parts).reduce((sum, part) => sum + part, 0);
  return {
    ratios,
    optimizerShare: median(one('constant').parts.map((parts) => parts.optimizer / total(parts))),
    contestants: [...contestants.values()].map((contestant) => ({
      name: `${contestant.version()}, ${contestant.name}`,
      about: contestant.about,
      secondsPerStep: contestant.seconds(),
      peakBytes: contestant.peakBytes,
      seconds: contestant.rounds,
      parts: contestant.parts,
    })),
  };
}

function tell(name: string, { median: middle, min, max }: Ratio): void {
  console.log(
    `${name.padEnd(62)} ${middle.toFixed(3)} (${min.toFixed(3)} to ${max.toFixed(3)} over ${rounds} rounds)`,
  );
}

const machine = {
  processor: cpus()[0]?.model ?? 'unknown',
  processors: cpus().length,
  memoryBytes: totalmem(),
};
const loadBefore = loadavg();
const results: unknown[] = [];
if (flags.busy) {
  const small = ['--size', '112', '--pairs', '16', '--channels', '1'];
  const kept = await besideBusy(
    [
      ['constant batch', ...ours('constant', 'view.size=112', 'batch.size=16')],
      ...(['bf16', 'f32'] as const).map(
        (precision) =>
          [`best form, ${precision}`, ...peer(newest, 'best', '--precision', precision, ...small)] as const,
      ),
    ],
    rounds,
  );
  for (const { name, kept: share } of kept) tell(`${name}: speed kept beside one busy process`, share);
  results.push(...kept);
} else
  for (const count of channels) {
    const measured = await measure(count);
    console.log(
      `\n${count} channel(s) on both sides, ${machine.processor}, ${machine.processors} processors`,
    );
    for (const contestant of measured.contestants as readonly {
      name: string;
      secondsPerStep: number;
      peakBytes: number;
    }[])
      console.log(
        `${contestant.name.padEnd(62)} ${contestant.secondsPerStep.toFixed(3)} s a step, peak ${(contestant.peakBytes / 2 ** 30).toFixed(2)} GiB`,
      );
    for (const [name, value] of Object.entries(measured.ratios)) tell(name, value);
    console.log(
      `${'optimizer, share of our step'.padEnd(62)} ${(100 * measured.optimizerShare).toFixed(2)} %`,
    );
    results.push(measured);
  }
const out = flags.out ?? join(here, 'results', flags.busy ? 'peers-busy.json' : 'peers.json');
mkdirSync(dirname(out), { recursive: true });
const date = new Date().toISOString().slice(0, 10);
writeFileSync(out, `${JSON.stringify({ results, rounds, machine, loadBefore, date })}\n`);
