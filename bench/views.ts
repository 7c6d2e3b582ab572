/**
 * What each augmentation costs: milliseconds of processor time for an image of a stored frame of 256 × 256 pixels, beside
 * the preset `uscl`, for whole presets, and for the pairs that a step of pretraining wants. Medians over rounds in which
 * all take their turn.
 *
 *     npm run bench:views -- [SIZE ...]
 */
import { AUGMENT_PRESETS } from '../src/views/augment-presets.ts';
import { clipRenderer } from '../src/views/clip-views.ts';
import { type AugmentConfig, frameViewSchema, type SpgConfig, viewSchema } from '../src/views/config.ts';
import { frameRenderer } from '../src/views/frames.ts';
import { simulatedFrames } from './simulated-frames.ts';

const IMAGES = 48;
const PAIRS = 16;
const ROUNDS = 7;

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [112, 224];
const { uscl, us } = AUGMENT_PRESETS;
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

for (const channels of [1, 3] as const)
  for (const size of sizes) {
    const images = Object.entries(TAKEN).map(([name, augment]) => imagesOf(name, augment, size, channels));
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
      console.log(`  ${name.padEnd(33)} ${took[i]!.toFixed(3)}  (${more >= 0 ? '+' : ''}${more.toFixed(3)})`);
    }
    console.log('  a pair');
    for (const [i, { name }] of pairs.entries())
      console.log(`    ${name.padEnd(31)} ${took[images.length + i]!.toFixed(3)}`);
  }

/** Milliseconds of processor time for one image or pair of each: medians of rounds, after one to warm up. */
function timed(measured: readonly Measured[]): number[] {
  const times = measured.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, { count, render }] of measured.entries()) {
      const before = process.cpuUsage();
      render(round);
      const { user, system } = process.cpuUsage(before);
      if (round > 0) times[i]!.push((user + system) / 1000 / count);
    }
  return times.map((of) => of.toSorted((a, b) => a - b)[ROUNDS >> 1]!);
}

function imagesOf(name: string, augment: AugmentConfig, size: number, channels: 1 | 3): Measured {
  const view = { ...frameViewSchema.parse({ size, channels }), augment };
  const render = frameRenderer(simulatedFrames(['convex', 'linear', 'sector'], 256, channels), view);
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
