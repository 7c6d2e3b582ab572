/**
 * PyTorch eager, its kernels from TypeScript (backend `torch`) and oneDNN on the same training step, alternately in one go on one
 * machine: `npm run bench:torch`. Each works in a process of its own with as many threads, and sleeps while another one has its turn;
 * ratios are taken round by round. PyTorch runs the best form of `peers/uscl_step.py` (channels_last, fused Adam, bf16 by autocast), and the
 * backend drives the libraries of that very Python. ResNet-18, one channel, one constant batch on the processor.
 *
 *     npm run bench:torch -- [--python python3] [--rounds 5] [--images 32] [--sizes 112,224] [--precisions f32,bf16] [--threads N]
 *         [--before FOLDER] [--out bench/results/torch.txt]
 *
 * `--before` is another checkout of this project with its packages: its oneDNN takes turns too. Then what a step of the backend
 * asks of PyTorch, and how long the host takes for it (`torch-host.ts`). Prints tables; `--out` writes them with the seconds of every step.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Contestant, countOf, median, overRounds } from './contestants.ts';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '5' },
    images: { type: 'string', default: '32' },
    sizes: { type: 'string', default: '112,224' },
    precisions: { type: 'string', default: 'f32,bf16' },
    threads: { type: 'string', default: String(availableParallelism()) },
    before: { type: 'string' },
    out: { type: 'string' },
  },
});
const rounds = countOf('rounds', flags.rounds);
const images = countOf('images', flags.images);
const threads = countOf('threads', flags.threads);
if (images % 2 !== 0) throw new RangeError(`--images ${images} is odd: pretraining works on pairs`);

const here = import.meta.dirname;
const tsx = join(here, '..', 'node_modules', '.bin', 'tsx');
const FIND = "import importlib.util as u, os; print(os.path.dirname(u.find_spec('torch').origin))";
const library = join(execFileSync(flags.python, ['-c', FIND], { encoding: 'utf8' }).trim(), 'lib');
const withLibrary = `USCL_TORCH=${library}`;

/** Steps of a contestant's turn. */
const STEPS = 2;

interface Work {
  readonly size: string;
  readonly precision: string;
}

/** Our own step of a checkout. */
function ours(
  name: string,
  folder: string,
  { size, precision }: Work,
  set: readonly string[],
): Promise<Contestant> {
  const work = [
    `view.size=${size}`,
    `precision=${precision}`,
    `batch.size=${images / 2}`,
    `threads=${threads}`,
  ];
  const script = join(folder, 'bench', 'ours.ts');
  return Contestant.start(name, STEPS, 'env', [withLibrary, tsx, script, 'constant', ...work, ...set]);
}

function eager({ size, precision }: Work): Promise<Contestant> {
  const work = ['--size', size, '--precision', precision, '--pairs', String(images / 2), '--channels', '1'];
  const script = join(here, 'peers', 'uscl_step.py');
  const args = [script, '--form', 'best', '--threads', String(threads), ...work];
  return Contestant.start('PyTorch eager', STEPS, flags.python, args);
}

const lines: string[] = [];
function tell(line: string): void {
  lines.push(line);
  console.log(line);
}

const cells = (texts: readonly string[]): string =>
  texts.map((text, i) => (i === 0 ? text.padEnd(16) : text.padStart(26))).join('');

const raw: unknown[] = [];
const root = join(here, '..');
tell(
  `${cpus()[0]!.model.trim()}, ${threads} threads each, Node.js ${process.version}, ${new Date().toISOString().slice(0, 10)}`,
);
tell(
  `A training step of ResNet-18, one channel, ${images} images, ${rounds} rounds; images a second, medians; ratios of speeds, with their range`,
);
for (const size of flags.sizes.split(','))
  for (const precision of flags.precisions.split(',')) await compare({ size, precision });
tell('');
for (const line of hostLines()) tell(line);
if (flags.out !== undefined)
  writeFileSync(
    flags.out,
    `${lines.join('\n')}\n\nSeconds of every step, by round:\n${raw.map((one) => JSON.stringify(one)).join('\n')}\n`,
  );

async function compare(work: Work): Promise<void> {
  const peer = await eager(work);
  const torch = await ours('torch backend', root, work, ['backend=torch', 'device=cpu']);
  const onednn = await ours('oneDNN', root, work, ['backend=onednn']);
  const before =
    flags.before === undefined
      ? null
      : await ours('oneDNN before', resolve(flags.before), work, ['backend=onednn']);
  const all = [peer, torch, onednn, ...(before === null ? [] : [before])];
  // Each round begins with another one: what follows on a busy moment is not always the same.
  for (let round = 0; round < rounds; round++)
    for (const turn of all.keys()) await all[(round + turn) % all.length]!.turn();
  for (const one of all) one.stop();
  const rate = (one: Contestant): string =>
    median(Array.from({ length: rounds }, (_, round) => images / one.seconds(round))).toFixed(1);
  const faster = (one: Contestant, other: Contestant): string => {
    const ratio = overRounds(rounds, (round) => other.seconds(round) / one.seconds(round));
    const [middle, least, most] = [ratio.median, ratio.min, ratio.max].map((value) => value.toFixed(2));
    return `${middle!} (${least!}–${most!})`;
  };
  const ratios = [
    [`torch backend / PyTorch`, faster(torch, peer)],
    [`oneDNN / PyTorch`, faster(onednn, peer)],
    ...(before === null ? [] : [['oneDNN / before', faster(onednn, before)]]),
  ] as const;
  tell('');
  tell(
    cells([
      `${work.size} px, ${work.precision}`,
      ...all.map((one) => (one === peer ? one.version() : one.name)),
      ...ratios.map(([name]) => name),
    ]),
  );
  tell(cells(['', ...all.map(rate), ...ratios.map(([, figures]) => figures)]));
  for (const one of all) raw.push({ ...work, name: one.name, about: one.about, rounds: one.rounds });
}

/** What the step asks of PyTorch, and the host's part of it. */
function hostLines(): readonly string[] {
  const script = join(here, 'torch-host.ts');
  const text = execFileSync(tsx, [script], {
    encoding: 'utf8',
    env: { ...process.env, USCL_TORCH: library },
  });
  return text.trim().split('\n');
}
