/**
 * How fast a real training step is on this machine: the step of `pretrain` itself, once fed by the loader and once
 * with a batch that stays in memory, in alternating blocks so that a busy machine disturbs both alike.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomAt } from '../base/random.ts';
import { openDataset } from '../dataset/reader.ts';
import { createDataset } from '../dataset/writer.ts';
import type { KernelTime } from '../engine/backend.ts';
import { openBackend } from '../engine/open.ts';
import { type Config } from './config.ts';
import { describeEnvironment, type Environment } from './environment.ts';
import { openFeed } from './feed.ts';
import { Itinerary } from './itinerary.ts';
import { Learner, type StepBatch, type StepSeconds } from './learner.ts';
import { type ConfigSources, resolveConfig } from './resolve.ts';
import { settled } from './settle.ts';
import { splitClips } from './splits.ts';

export interface BenchOptions {
  readonly config?: Omit<ConfigSources, 'base' | 'channels'>;
  /** Dataset for the loader; default: a made-up one of frames with a shorter side of 256 pixels. */
  readonly dataset?: string;
  /** Measured steps of each kind. Default 8. */
  readonly steps?: number;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface BenchResult {
  /** Clips (pairs of views) a second, loader included. */
  readonly pairsPerSecond: number;
  /** The same with a batch that stays in memory. */
  readonly pairsPerSecondConstant: number;
  /** Median seconds of a step with the loader. */
  readonly secondsPerStep: number;
  /** Where the time of a step with the loader goes; sums to 1. */
  readonly shares: Readonly<Record<keyof StepSeconds, number>>;
  /** Largest resident memory of the process, in bytes. */
  readonly peakMemory: number;
  /** Every kernel of the training plan, seconds a step, slowest first. */
  readonly kernels: readonly KernelTime[];
  readonly steps: number;
  readonly config: Pick<Config, 'precision' | 'backend' | 'threads' | 'loader' | 'model' | 'batch'> & {
    readonly size: number;
    readonly channels: number;
  };
  readonly environment: Environment;
}

/** Steps before measuring: plans are made and memory is touched in them. */
const WARM_UP = 2;
/** Steps of one kind in a row. */
const BLOCK = 4;

/** Measures. Errors: those of `resolveConfig`, `openBackend` and `openDataset`. */
export async function bench(options: BenchOptions = {}): Promise<BenchResult> {
  const scratch = options.dataset === undefined ? mkdtempSync(join(tmpdir(), 'uscl-bench-')) : null;
  try {
    const asked = resolveConfig(options.config);
    const folder =
      options.dataset ??
      (await madeUpDataset(join(scratch!, 'dataset'), asked.view.channels, asked.batch.pairs));
    return await measure(folder, options);
  } finally {
    if (scratch !== null) rmSync(scratch, { recursive: true, force: true });
  }
}

async function measure(folder: string, options: BenchOptions): Promise<BenchResult> {
  const measured = options.steps ?? 8;
  using dataset = openDataset(folder);
  const asked = resolveConfig({
    ...options.config,
    channels: dataset.manifest.channels,
    overrides: { data: { validation: { fraction: 0 } }, batch: { lastBatch: 'drop' } },
  });
  using backend = openBackend({
    kind: asked.backend,
    ...(asked.threads === null ? {} : { threads: asked.threads }),
    profile: true,
    ...(options.onNote === undefined ? {} : { onFallback: options.onNote }),
  });
  const total = 2 * measured + 2 * WARM_UP;
  const config: Config = {
    ...settled(asked, backend),
    training: { ...asked.training, steps: measured + WARM_UP },
  };
  const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
  const itinerary = new Itinerary(dataset.clips, split, config);
  using learner = new Learner(backend, config, dataset.manifest.classes.length);
  await using feed = openFeed(dataset, split, config, itinerary, 0);
  const constant = await copyOf(feed.next());
  const sources = { loader: () => feed.next(), constant: () => Promise.resolve(constant) };
  const times = { loader: [] as StepSeconds[], constant: [] as StepSeconds[] };
  let done = 0;
  const run = async (kind: 'loader' | 'constant', record: boolean): Promise<void> => {
    options.signal?.throwIfAborted();
    const { seconds } = await learner.step(sources[kind], 1, config.optimizer.learningRate, null);
    if (record) times[kind].push(seconds);
    options.onProgress?.(
      ++done,
      total,
      record ? `${kind}: ${wholeOf(seconds).toFixed(2)} s a step` : 'warming up',
    );
  };
  for (let i = 0; i < WARM_UP; i++) await run('constant', false);
  // The first batch was taken as the constant one, so the loader has one step fewer to give.
  for (let i = 0; i < WARM_UP - 1; i++) await run('loader', false);
  while (times.loader.length < measured) {
    const block = Math.min(BLOCK, measured - times.loader.length);
    for (let i = 0; i < block; i++) await run('constant', true);
    for (let i = 0; i < block; i++) await run('loader', true);
  }
  const { pairs } = config.batch;
  const secondsPerStep = median(times.loader.map(wholeOf));
  const sum = times.loader.map(wholeOf).reduce((a, b) => a + b, 0);
  const share = (part: keyof StepSeconds): number =>
    times.loader.reduce((total_, seconds) => total_ + seconds[part], 0) / sum;
  const plan = learner.plan('train', 2 * pairs);
  return {
    pairsPerSecond: pairs / secondsPerStep,
    pairsPerSecondConstant: pairs / median(times.constant.map(wholeOf)),
    secondsPerStep,
    shares: {
      data: share('data'),
      forward: share('forward'),
      loss: share('loss'),
      backward: share('backward'),
      optimizer: share('optimizer'),
    },
    // Node counts kilobytes here.
    peakMemory: process.resourceUsage().maxRSS * 1024,
    kernels: [...plan.profile()]
      .map((kernel) => ({ ...kernel, seconds: kernel.seconds / done }))
      .sort((a, b) => b.seconds - a.seconds),
    steps: measured,
    config: {
      precision: config.precision,
      backend: config.backend,
      threads: config.threads,
      loader: config.loader,
      model: config.model,
      batch: config.batch,
      size: config.view.size,
      channels: config.view.channels,
    },
    environment: describeEnvironment(backend.describe()),
  };
}

/** The loader overwrites its batches; this one has to last. */
async function copyOf(batch: Promise<StepBatch>): Promise<StepBatch> {
  const { clipIds, labels, images } = await batch;
  return { clipIds, labels, images: images.slice() };
}

function wholeOf(seconds: StepSeconds): number {
  return seconds.data + seconds.forward + seconds.loss + seconds.backward + seconds.optimizer;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Clips of noise, as large as ingested ones: reading and augmenting cost what they cost on real clips. */
async function madeUpDataset(folder: string, channels: 1 | 3, pairs: number): Promise<string> {
  const [width, height, frames] = [340, 256, 6];
  const length = width * height * channels;
  const random = randomAt(0, 'bench');
  const noise = Uint8Array.from({ length: length + 4096 }, () => random.integer(256));
  using writer = createDataset(folder, {
    name: 'bench',
    licence: null,
    citation: null,
    homepage: null,
    classes: ['a', 'b'],
    channels,
    size: height,
    made: { command: 'bench' },
  });
  for (let clip = 0; clip < 2 * pairs; clip++) {
    const shown = Array.from({ length: frames }, () => {
      const from = random.integer(4096);
      return noise.subarray(from, from + length);
    });
    await writer.addClip(
      {
        id: `clip${clip}`,
        group: `clip${clip}`,
        label: clip % 2 === 0 ? 'a' : 'b',
        source: `clip${clip}`,
        sourceSha256: null,
        width,
        height,
        fps: 5,
        original: { width, height, fps: 5, frames },
        crop: null,
        dropped: { black: 0, duplicate: 0 },
        flags: [],
      },
      shown,
    );
  }
  writer.finish();
  return folder;
}
