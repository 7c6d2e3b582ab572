/**
 * oneDNN 2.x and 3.x on the same work, alternately in one go on one machine: `npm run bench:onednn`. Each library works in a
 * process of its own that sleeps while the other one has its turn; ratios are taken round by round. A pretraining step, and
 * folded inference: as predictions make it, and the features of a probe (f32, by Winograd's filtering where the
 * library has it). ResNet-18, one channel. Prints a table and writes it to `--out`.
 *
 *     npm run bench:onednn -- [--rounds 5] [--images 32] [--sizes 112,224] [--precisions f32,bf16] [--out FILE]
 *
 * Libraries are those that the program would find of each major; `--two FILE` and `--three FILE` name others.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { lookAt } from '../src/engine/onednn/native/loader.ts';
import { placesOf, search, thisMachine, type Major } from '../src/engine/onednn/native/search.ts';
import { Contestant, countOf, median, overRounds } from './contestants.ts';

const here = dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    images: { type: 'string', default: '32' },
    sizes: { type: 'string', default: '112,224' },
    precisions: { type: 'string', default: 'f32,bf16' },
    two: { type: 'string' },
    three: { type: 'string' },
    out: { type: 'string' },
  },
});
const rounds = countOf('rounds', flags.rounds);
const images = countOf('images', flags.images);
if (images % 2 !== 0) throw new RangeError(`--images ${images} is odd: pretraining works on pairs`);

interface Library {
  readonly file: string;
  readonly name: string;
}

function libraryOf(major: Major, file: string | undefined): Library {
  const places = file === undefined ? placesOf(thisMachine(), major) : [{ file, from: 'the command' }];
  const { taken } = search(places, lookAt);
  if (taken?.version[0] !== major)
    throw new Error(`oneDNN ${major}.x is not at ${places.map((place) => place.file).join(', ')}`);
  return { file: taken.path, name: `oneDNN ${taken.version.join('.')}` };
}

const two = libraryOf(2, flags.two);
const three = libraryOf(3, flags.three);
const tsx = join(here, '..', 'node_modules', '.bin', 'tsx');

/** A program that works with one library. Training has two images a pair. */
function start(library: Library, script: string, args: readonly string[]): Promise<Contestant> {
  return Contestant.start(library.name, 2, 'env', [
    `USCL_DNNL=${library.file}`,
    ...[tsx, join(here, script), ...args, 'backend=onednn'],
  ]);
}

const lines: string[] = [];
function tell(line: string): void {
  lines.push(line);
  console.log(line);
}

const cells = (texts: readonly string[]): string =>
  texts.map((text, i) => (i === 0 ? text.padEnd(32) : text.padStart(20))).join('');

tell(
  `${cpus()[0]!.model.trim()}, ${availableParallelism()} threads, Node.js ${process.version}, ${new Date().toISOString().slice(0, 10)}`,
);
tell(`ResNet-18, one channel, ${images} images a step, ${rounds} rounds; images a second, medians`);
tell(cells(['', two.name, three.name, '3.x / 2.x (range)']));
for (const size of flags.sizes.split(','))
  for (const precision of flags.precisions.split(',')) {
    const set = [`view.size=${size}`, `precision=${precision}`];
    await compare(`training step, ${size} px, ${precision}`, 'ours.ts', [
      'constant',
      ...set,
      `batch.size=${images / 2}`,
    ]);
    await compare(`inference, ${size} px, ${precision}`, 'ours-tuning.ts', [
      'inference',
      String(images),
      ...set,
    ]);
    if (precision === 'f32' && images === 32)
      await compare(`features of a probe, ${size} px`, 'ours-tuning.ts', [
        'features',
        String(images),
        ...set,
      ]);
  }
if (flags.out !== undefined) writeFileSync(flags.out, `${lines.join('\n')}\n`);

async function compare(name: string, script: string, args: readonly string[]): Promise<void> {
  const both = [await start(two, script, args), await start(three, script, args)] as const;
  for (let round = 0; round < rounds; round++) for (const one of both) await one.turn();
  for (const one of both) one.stop();
  const [old, young] = both;
  const rate = (one: Contestant): string =>
    median(Array.from({ length: rounds }, (_, round) => images / one.seconds(round))).toFixed(1);
  const ratio = overRounds(rounds, (round) => old.seconds(round) / young.seconds(round));
  const figures = [ratio.median, ratio.min, ratio.max].map((value) => value.toFixed(2));
  tell(cells([name, rate(old), rate(young), `${figures[0]!} (${figures[1]!}–${figures[2]!})`]));
}
