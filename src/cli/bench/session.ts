/**
 * The training step of `pretrain` on call, fed by the loader or by a batch that stays in memory: what benchmarks
 * time. The step is the product's own, not a copy.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomAt } from '../../base/random.ts';
import { openDataset } from '../../dataset/reader.ts';
import { createDataset } from '../../curation/create-dataset.ts';
import type { BackendDescription, KernelTime } from '../../engine/core/backend.ts';
import { openBackend } from '../../engine/open.ts';
import { openTuningStep, type TuningStep, type TuningWork } from './tuning.ts';
import { type Config, type ConfigSources, resolveConfig, settled } from '../../runs/config.ts';
import { BatchSchedule, openFeed } from '../../pretrain/batch-schedule.ts';
import { PairNetwork, type StepBatch } from '../../pretrain/pair-network.ts';
import { splitClips } from '../../runs/training-clips.ts';
import type { StepSeconds } from '../../trainer/trained-network.ts';

export interface SessionOptions {
  readonly config?: Omit<ConfigSources, 'base' | 'channels'>;
  /** Dataset for the loader; default: a made-up one of frames with a shorter side of 256 pixels. */
  readonly dataset?: string;
  /** Whether the made-up frames have colour, for a network of three channels. Default: grey, as `ingest` stores them. */
  readonly colour?: boolean;
  readonly onNote?: (text: string) => void;
}

export type Feeding = 'loader' | 'constant';

export interface BenchSession extends AsyncDisposable {
  readonly config: Config;
  readonly backend: BackendDescription;
  /** One optimizer step; what its parts took. */
  step(feeding: Feeding): Promise<StepSeconds>;
  /** What comes after pretraining, of the same network, precision and images a step; lives as long as the session. */
  tuningStep(work: TuningWork): TuningStep;
  /** Seconds per kernel of the training plan since the session began. */
  kernels(): readonly KernelTime[];
}

/** More than anyone measures: the loader must never run dry. */
const ENDLESS = 1_000_000;

/** Opens a session. Errors: those of `resolveConfig`, `openBackend` and `openDataset`. */
export async function openBenchSession(options: SessionOptions = {}): Promise<BenchSession> {
  const releases: (() => void | Promise<void>)[] = [];
  const release = async (): Promise<void> => {
    for (let last = releases.pop(); last !== undefined; last = releases.pop()) await last();
  };
  const own = <T extends Disposable>(resource: T): T => {
    releases.push(() => {
      resource[Symbol.dispose]();
    });
    return resource;
  };
  try {
    const asked = resolveConfig(options.config);
    let folder = options.dataset;
    if (folder === undefined) {
      const scratch = mkdtempSync(join(tmpdir(), 'uscl-bench-'));
      releases.push(() => {
        rmSync(scratch, { recursive: true, force: true });
      });
      folder = await madeUpDataset(
        join(scratch, 'dataset'),
        options.colour === true ? 3 : 1,
        asked.batch.pairs,
      );
    }
    const dataset = own(openDataset(folder));
    const wanted = resolveConfig({
      ...options.config,
      channels: dataset.manifest.channels,
      overrides: {
        data: { validation: { fraction: 0 } },
        batch: { lastBatch: 'drop' },
        training: { steps: ENDLESS },
      },
    });
    const backend = own(
      openBackend({
        kind: wanted.backend,
        threads: wanted.threads,
        profile: true,
        onFallback: options.onNote,
      }),
    );
    const config = settled(wanted, backend);
    const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
    const batchSchedule = new BatchSchedule(dataset.clips, split, config);
    const pairNetwork = own(new PairNetwork(backend, config, dataset.manifest.classes.length));
    const feed = openFeed(dataset, split, config, batchSchedule, 0);
    releases.push(async () => {
      await feed[Symbol.asyncDispose]();
    });
    const constant = await copyOf(feed.next());
    const sources = { loader: () => feed.next(), constant: () => Promise.resolve(constant) };
    return {
      config,
      backend: backend.describe(),
      step: async (feeding) =>
        (await pairNetwork.step(sources[feeding], 1, config.optimizer.learningRate, null)).seconds,
      tuningStep: (work) => own(openTuningStep(backend, config, work, 2 * config.batch.pairs)),
      kernels: () => pairNetwork.plan('train', 2 * config.batch.pairs).profile(),
      [Symbol.asyncDispose]: release,
    };
  } catch (thrown) {
    await release();
    throw thrown;
  }
}

/** The loader overwrites its batches; this one has to last. */
async function copyOf(batch: Promise<StepBatch>): Promise<StepBatch> {
  const { clipIds, labels, images } = await batch;
  return { clipIds, labels, images: images.slice() };
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
        dropped: { black: 0, blank: 0, duplicate: 0 },
        flags: [],
      },
      shown,
    );
  }
  writer.finish();
  return folder;
}
