/**
 * What each augmentation costs: milliseconds of processor time for an image of a stored frame of 256 × 256 pixels, beside
 * the preset `uscl`, for whole presets, and for the pairs that a step of pretraining wants. Medians over rounds in which
 * all take their turn. Then the stages of an image (`view-stages.ts`), and images a second that one processor makes.
 *
 *     npm run bench:views -- [--stages] [--beside CHECKOUT] [SIZE ...]
 *
 * `--stages` measures the stages alone. `--beside` measures images alone, by this code and by that of another checkout in turns.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { AUGMENT_PRESETS } from '../src/views/augment-presets.ts';
import { clipRenderer } from '../src/views/clip-views.ts';
import { type AugmentConfig, frameViewSchema, type SpgConfig, viewSchema } from '../src/views/config.ts';
import { frameRenderer } from '../src/views/frames.ts';
import { simulatedFrames } from './simulated-frames.ts';
import { STAGES, stagesOf, storeClips } from './view-stages.ts';

const IMAGES = 48;
const PAIRS = 16;
const ROUNDS = 7;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { stages: { type: 'boolean', default: false }, beside: { type: 'string' } },
});
const sizes = positionals.length > 0 ? positionals.map(Number) : [112, 224];
const { none, uscl, us } = AUGMENT_PRESETS;
const on = <Operation extends object>(operation: Operation) => ({ ...operation, probability: 1 });
const OPERATIONS = {
  insideField: { insideField: on(uscl.insideField), cropScale: us.cropScale },
  probe: { probe: on(uscl.probe) },
  depthGain: { depthGain: on(uscl.depthGain) },
  speckle: { speckle: on(uscl.speckle) },
  gain: { gain: on(uscl.gain) },
  gamma: { gamma: on(uscl.gamma) },
  clahe: { clahe: on(uscl.clahe) },
  fieldEdge: { fieldEdge: on(uscl.fieldEdge) },
  blur: { blur: on(uscl.blur) },
  cutout: { cutout: on(uscl.cutout) },
} satisfies Readonly<Record<string, Partial<AugmentConfig>>>;
const ALL = Object.assign({}, uscl, ...Object.values(OPERATIONS)) as AugmentConfig;
const EVERYTHING: AugmentConfig = {
  ...ALL,
  ...{ rotation: on(uscl.rotation), affine: on(uscl.affine), outPainting: on(uscl.outPainting) },
  ...{ sharpen: on(uscl.sharpen), nonLinearIntensity: on(uscl.nonLinearIntensity) },
};
const TAKEN: Readonly<Record<string, AugmentConfig>> = {
  uscl,
  ...Object.fromEntries(Object.entries(OPERATIONS).map(([name, one]) => [name, { ...uscl, ...one }])),
  us,
  'all of these': ALL,
  'all there are': EVERYTHING,
};
const ORDERS: readonly SpgConfig['order'][] = ['mix-then-augment', 'augment-then-mix'];

interface Measured {
  readonly name: string;
  /** Images or pairs that a call makes. */
  readonly count: number;
  readonly render: (epoch: number) => void;
}

console.log(`load of the machine at the start: ${loadavg()[0]!.toFixed(1)}`);
if (flags.beside !== undefined) await beside(flags.beside);
else {
  if (!flags.stages) costs();
  await stages();
}

/** What augmentations add to `uscl`. */
function costs(): void {
  for (const channels of [1, 3] as const)
    for (const size of sizes) {
      const images = Object.entries(TAKEN).map(([name, augment]) =>
        imagesOf(name, augment, size, channels, frameRenderer),
      );
      const pairs = ORDERS.flatMap((order) =>
        Object.entries({ uscl, us, 'all there are': EVERYTHING }).map(([name, augment]) =>
          pairsOf(
            `${name}, ${order}`,
            { augment, spg: { ...viewSchema.parse({}).spg, order } },
            size,
            channels,
          ),
        ),
      );
      const took = timed([...images, ...pairs]);
      console.log(`\n${size} px, ${channels === 1 ? 'grey' : 'colour'}: ms of processor time, beside uscl`);
      for (const [i, { name }] of images.entries()) {
        const more = took[i]! - took[0]!;
        console.log(
          `  ${name.padEnd(33)} ${took[i]!.toFixed(3)}  (${more >= 0 ? '+' : ''}${more.toFixed(3)})`,
        );
      }
      console.log('  a pair');
      for (const [i, { name }] of pairs.entries())
        console.log(`    ${name.padEnd(31)} ${took[images.length + i]!.toFixed(3)}`);
    }
}

/** Where the time of an image goes. */
async function stages(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'uscl-views-'));
  try {
    const folder = join(scratch, 'clips');
    await storeClips(folder);
    for (const size of sizes) {
      console.log(
        `\n${size} px, grey: µs of processor time an image, by stage; images a second of one processor`,
      );
      console.log(`  ${'preset'.padEnd(20)}${STAGES.map((stage) => stage.padStart(11)).join('')}   images/s`);
      for (const [name, augment] of Object.entries({ none, ...TAKEN })) {
        const took = await stagesOf(folder, augment, size, 2 * ROUNDS);
        const cells = STAGES.map((stage) => took[stage].toFixed(0).padStart(11)).join('');
        console.log(`  ${name.padEnd(20)}${cells} ${(1e6 / took.thread).toFixed(0).padStart(10)}`);
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Images by this code and by another checkout's, in turns. */
async function beside(checkout: string): Promise<void> {
  const file = pathToFileURL(resolve(checkout, 'src/views/frames.ts')).href;
  const other = (await import(file)) as { readonly frameRenderer: typeof frameRenderer };
  for (const size of sizes) {
    const taken = Object.entries({ none, ...TAKEN }).flatMap(([name, augment]) =>
      [frameRenderer, other.frameRenderer].map((renderer) => imagesOf(name, augment, size, 1, renderer)),
    );
    const rounds = roundsOf(taken, 2 * ROUNDS);
    console.log(
      `\n${size} px, grey: ms of processor time an image, median (range); the other checkout's over ours`,
    );
    for (let i = 0; i < taken.length; i += 2) {
      const [ours, theirs] = [rounds[i]!, rounds[i + 1]!];
      const ratios = theirs.map((time, round) => time / ours[round]!);
      const told = [theirs, ours].map((times) => spread(times, 3).padEnd(22)).join('');
      console.log(`  ${taken[i]!.name.padEnd(16)} other ${told} ${spread(ratios, 2)}`);
    }
  }
}

function spread(values: readonly number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, middle, high] = [0, sorted.length >> 1, sorted.length - 1].map((at) =>
    sorted[at]!.toFixed(digits),
  );
  return `${middle} (${low}–${high})`;
}

/** Milliseconds of processor time for one image or pair of each: medians of rounds, after one to warm up. */
function timed(measured: readonly Measured[]): number[] {
  return roundsOf(measured, ROUNDS).map((of) => of.toSorted((a, b) => a - b)[of.length >> 1]!);
}

/** The same, round by round. */
function roundsOf(measured: readonly Measured[], rounds: number): number[][] {
  const times = measured.map((): number[] => []);
  for (let round = 0; round <= rounds; round++)
    for (const [i, { count, render }] of measured.entries()) {
      const before = process.cpuUsage();
      render(round);
      const { user, system } = process.cpuUsage(before);
      if (round > 0) times[i]!.push((user + system) / 1000 / count);
    }
  return times;
}

function imagesOf(
  name: string,
  augment: AugmentConfig,
  size: number,
  channels: 1 | 3,
  renderer: typeof frameRenderer,
): Measured {
  const view = { ...frameViewSchema.parse({ size, channels }), augment };
  const render = renderer(simulatedFrames(['convex', 'linear', 'sector'], 256, channels), view);
  const length = channels * size * size;
  const images = new Float32Array(length);
  return {
    ...{ name, count: IMAGES },
    render: (epoch) => {
      for (let i = 0; i < IMAGES; i++) render([{ clip: i % 3, frame: 0 }], 1, epoch * IMAGES + i, images);
    },
  };
}

function pairsOf(
  name: string,
  part: { readonly augment: AugmentConfig; readonly spg: SpgConfig },
  size: number,
  channels: 1 | 3,
): Measured {
  const view = { ...viewSchema.parse({ size, channels }), ...part };
  const source = simulatedFrames(['convex', 'linear', 'sector'], 256, channels);
  // Frames of a clip are alike here; what counts is that there are three to read and to mix.
  const clips = source.clips.map((clip) => ({ ...clip, frames: 8 }));
  const readFrame = (clip: (typeof clips)[number], _frame: number, target?: Uint8Array): Uint8Array =>
    source.readFrame(source.clips[clips.indexOf(clip)]!, 0, target);
  const render = clipRenderer({ ...source, clips, readFrame }, view, 'pair');
  const images = new Float32Array(2 * channels * size * size);
  return {
    ...{ name, count: PAIRS },
    render: (epoch) => {
      for (let i = 0; i < PAIRS; i++) render([i % 3], 1, epoch * PAIRS + i, images);
    },
  };
}
