/**
 * Inference and fine-tuning, ours and PyTorch's, alternately in one go on one machine: `npm run bench:finetune`. As in
 * `peers.ts` every program is started once and a round gives each its turn; ratios are taken round by round. Of
 * PyTorch's forms of inference the quickest of each round counts. PyTorch is the newest that installs (`pytorch.ts`), or
 * that of `--python`. Both sides have the same channels. Prints a table and writes `bench/results/finetune.json`.
 *
 *     npm run bench:finetune -- [--rounds 5] [--images 32] [--python python3] [--out bench/results/finetune.json]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Contestant, countOf, overRounds } from './contestants.ts';
import { newestPyTorch } from './pytorch.ts';

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    images: { type: 'string', default: '32' },
    python: { type: 'string' },
    out: { type: 'string', default: join(here, 'results', 'finetune.json') },
  },
});
const rounds = countOf('rounds', flags.rounds);
const images = countOf('images', flags.images);
if (images % 2 !== 0) throw new RangeError(`--images ${images} is odd: pretraining works on pairs`);

const FORMS = ['eager', 'fused', 'traced', 'graph', 'mkldnn'] as const;
/** As many images as in the other steps: pretraining takes two views of a clip. */
const pairs = images / 2;

const python = flags.python ?? newestPyTorch();
const tsx = join(here, '..', 'node_modules', '.bin', 'tsx');
const ours = (work: string, ...set: string[]): [string, string[]] => [
  tsx,
  [join(here, 'ours-tuning.ts'), work, String(images), 'threads=2', ...set],
];
const peer = (file: string, ...options: string[]): [string, string[]] => [
  python,
  [join(here, 'peers', file), ...options, '--threads', '2', '--images', String(images)],
];

interface Entry {
  readonly contestant: Contestant;
  readonly images: number;
}

async function start(
  name: string,
  steps: number,
  [command, args]: [string, string[]],
  count = images,
): Promise<Entry> {
  console.error(`starting ${name}`);
  return { contestant: await Contestant.start(name, steps, command, args), images: count };
}

const pretrain = await start('uscl, pretraining step, 1 channel', 2, [
  tsx,
  [join(here, 'ours.ts'), 'constant', 'threads=2', `batch.size=${pairs}`],
]);
const all = await start('uscl, fine-tuning, all layers, 1 channel', 3, ours('all'));
const lastBlock = await start('uscl, fine-tuning, last block, 1 channel', 5, ours('last-block'));
const inference = await start('uscl, inference, 1 channel', 8, ours('inference'));
const wide = 'view.channels=3';
const allWide = await start('uscl, fine-tuning, all layers, 3 channels', 3, ours('all', wide));
const lastBlockWide = await start('uscl, fine-tuning, last block, 3 channels', 5, ours('last-block', wide));
const inferenceWide = await start('uscl, inference, 3 channels', 8, ours('inference', wide));
const allPeer = await start('PyTorch, fine-tuning, all layers', 3, peer('finetune.py', '--layers', 'all'));
const lastBlockPeer = await start(
  'PyTorch, fine-tuning, last block',
  5,
  peer('finetune.py', '--layers', 'last-block'),
);
const forms: Entry[] = [];
for (const form of FORMS)
  forms.push(await start(`PyTorch, inference, ${form}`, 8, peer('inference.py', '--form', form)));
const narrow: Entry[] = [];
for (const form of ['traced', 'graph'])
  narrow.push(
    await start(
      `PyTorch, inference, ${form}, 1 channel`,
      8,
      peer('inference.py', '--form', form, '--channels', '1'),
    ),
  );
const channelsLast = forms.filter((_, index) => FORMS[index] !== 'mkldnn');
const entries: readonly Entry[] = [
  ...[pretrain, all, lastBlock, inference],
  ...[allWide, lastBlockWide, inferenceWide],
  ...[allPeer, lastBlockPeer],
  ...forms,
  ...narrow,
];

for (let round = 0; round < rounds; round++)
  for (const entry of entries) {
    await entry.contestant.turn();
    console.error(
      `round ${round + 1}/${rounds}: ${entry.contestant.name}: ${speed(entry, round).toFixed(1)} img/s`,
    );
  }
for (const { contestant } of entries) contestant.stop();

/** Images a second in a round, or over all of them. */
function speed({ contestant, images: count }: Entry, round?: number): number {
  return count / contestant.seconds(round);
}

const ratio = (above: Entry, below: Entry | readonly Entry[]): ReturnType<typeof overRounds> =>
  overRounds(
    rounds,
    (round) => speed(above, round) / Math.max(...[below].flat().map((entry) => speed(entry, round))),
  );
const ratios = {
  'inference, 3 channels / PyTorch, channels_last': ratio(inferenceWide, channelsLast),
  'inference, 3 channels / PyTorch, all forms': ratio(inferenceWide, forms),
  'inference, 1 channel / PyTorch, channels_last, 1 channel': ratio(inference, narrow),
  'all layers, 3 channels / PyTorch': ratio(allWide, allPeer),
  'last block, 3 channels / PyTorch': ratio(lastBlockWide, lastBlockPeer),
  'all layers / pretraining step, images a second': ratio(all, pretrain),
  'last block / pretraining step, images a second': ratio(lastBlock, pretrain),
};
for (const entry of entries)
  console.log(
    `${entry.contestant.name.padEnd(58)} ${speed(entry).toFixed(1).padStart(6)} img/s, peak ${(entry.contestant.peakBytes / 2 ** 30).toFixed(2)} GiB`,
  );
for (const [name, { median, min, max }] of Object.entries(ratios))
  console.log(
    `${name.padEnd(58)} ${median.toFixed(3)} (${min.toFixed(3)} to ${max.toFixed(3)} over ${rounds} rounds)`,
  );
const results = {
  ratios,
  contestants: entries.map((entry) => ({
    name: entry.contestant.name,
    about: entry.contestant.about,
    imagesPerSecond: speed(entry),
    peakBytes: entry.contestant.peakBytes,
    seconds: entry.contestant.rounds,
  })),
  machine: { processor: cpus()[0]?.model ?? 'unknown', processors: cpus().length, memoryBytes: totalmem() },
  date: new Date().toISOString().slice(0, 10),
};
mkdirSync(dirname(flags.out), { recursive: true });
writeFileSync(flags.out, `${JSON.stringify(results)}\n`);
