/**
 * What a step of a method costs, beside what its passes cost: the same images forward and backward through a bare backbone,
 * and forward alone for networks without gradients. Both are timed in turns, on one batch that stays in memory. What is
 * beyond the passes is the method's own: heads, losses, queues, averages, its update.
 */
import { Resources } from '../base/resources.ts';
import { openDataset } from '../dataset/reader.ts';
import { openBackend } from '../engine/open.ts';
import { median } from '../evaluation/scores/resampling.ts';
import type { Backend, Plan } from '../engine/core/backend.ts';
import type { Method } from '../methods/method.ts';
import { backboneOf } from '../models/backbone.ts';
import { initialise } from '../models/initialise.ts';
import { type Config, resolveConfig, settled } from '../runs/config.ts';
import { splitClips } from '../runs/training-clips.ts';
import { BatchSchedule, type FeedOptions, openFeed } from '../trainer/methods/batch-schedule.ts';
import { MethodNetwork, type StepBatch } from '../trainer/methods/method-network.ts';
import { openMethod } from '../trainer/methods/open-method.ts';

/** A method's step; times are medians over the measured ones, in seconds. */
export interface MethodCost {
  readonly method: string;
  /** Images of a step that go forward and backward, and those that go forward alone. */
  readonly trained: number;
  readonly looked: number;
  /** One view of every clip, forward and backward, is one pass; forward alone counts a third. */
  readonly passes: number;
  /** Of a step without waiting for data. */
  readonly seconds: number;
  /** Of the same images through bare backbones, and the optimizer's update. */
  readonly predicted: number;
  /** Shares of the step: losses and queues, without the passes that they ask for; and the update with moving averages. */
  readonly lossShare: number;
  readonly updateShare: number;
}

export interface MethodCostOptions {
  /** Folder of a labelled dataset whose groups have several clips. */
  readonly dataset: string;
  /** Configuration keys over each method's defaults. */
  readonly set: readonly string[];
  /** Measured turns; one more warms up. */
  readonly turns: number;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly signal?: AbortSignal;
}

/** Costs of methods, one after the other. Errors: those of `resolveConfig`, `openMethod` and of a step. */
export async function methodCosts(
  methods: readonly Method[],
  { onProgress, signal, ...options }: MethodCostOptions,
): Promise<readonly MethodCost[]> {
  const costs: MethodCost[] = [];
  for (const [i, method] of methods.entries()) {
    signal?.throwIfAborted();
    onProgress?.(i, methods.length, method.name);
    costs.push(await costOf(method, options));
  }
  onProgress?.(methods.length, methods.length);
  return costs;
}

async function costOf(
  { name }: Method,
  { dataset: folder, set, turns }: Pick<MethodCostOptions, 'dataset' | 'set' | 'turns'>,
): Promise<MethodCost> {
  using open = new Resources();
  const dataset = open.use(openDataset(folder));
  const { clips, manifest } = dataset;
  const wanted = resolveConfig({
    ...{ method: name, set, channels: manifest.channels },
    overrides: { data: { validation: { fraction: 0 } }, training: { steps: 1_000_000 } },
  });
  const backend = open.use(openBackend({ kind: wanted.backend, threads: wanted.threads }));
  const config = settled(wanted, backend);
  const split = splitClips(clips, manifest.classes, config.data, config.seed);
  const opened = openMethod({ config, dataset }, split);
  const network = open.use(new MethodNetwork({ backend, config, opened }));
  const batch = await firstBatch({
    ...{ dataset, opened, config },
    batchSchedule: new BatchSchedule({ dataset, opened, config }),
  });
  const rowsOf = (use: { readonly views: readonly number[] } | undefined): number =>
    (use?.views ?? []).reduce((sum, view) => sum + batch.views[view]!.clips.length, 0);
  const { online, target, look } = opened.open;
  const trained = rowsOf(online);
  const looks = [rowsOf(target), rowsOf(look)];
  const learning = bareBackbone(config, trained, true, backend, open);
  const looking = looks.map((images) =>
    images === 0 ? null : bareBackbone(config, images, false, backend, open),
  );

  const steps: { readonly seconds: number; readonly loss: number; readonly update: number }[] = [];
  const passes: { readonly all: number; readonly target: number }[] = [];
  for (let turn = 0; turn <= turns; turn++) {
    const { seconds } = await network.step(
      () => Promise.resolve({ ...batch, images: batch.images.slice() }),
      1,
      config.optimizer.learningRate,
      null,
    );
    const { forward, loss, backward, optimizer: update } = seconds;
    steps.push({ seconds: forward + loss + backward + update, loss, update });
    const began = performance.now();
    learning.forward();
    learning.backward();
    const learnt = performance.now();
    looking[0]?.forward();
    const targeted = performance.now();
    looking[1]?.forward();
    passes.push({ all: (performance.now() - began) / 1000, target: (targeted - learnt) / 1000 });
  }
  // The first turn compiles and touches memory.
  const measured = steps.slice(1);
  const seconds = median(measured.map((step) => step.seconds));
  const update = median(measured.map((step) => step.update));
  const looked = looks.reduce((sum, images) => sum + images, 0);
  return {
    method: name,
    ...{ trained, looked, seconds },
    passes: (trained + looked / 3) / batch.pairs,
    predicted: median(passes.slice(1).map(({ all }) => all)) + update,
    // A target network goes forward when a loss asks for its outputs.
    lossShare: Math.max(0, median(measured.map(({ loss }, i) => loss - passes[i + 1]!.target))) / seconds,
    updateShare: update / seconds,
  };
}

async function firstBatch(options: Omit<FeedOptions, 'from'>): Promise<StepBatch> {
  await using feed = openFeed({ ...options, from: { step: 0 } });
  const batch = await feed.next();
  // The loader overwrites its batches; this one has to last.
  return { ...batch, images: batch.images.slice() };
}

/** A backbone with an image in every place, in training mode. */
function bareBackbone(
  config: Config,
  images: number,
  trainable: boolean,
  backend: Backend,
  open: Resources,
): Plan {
  const network = backboneOf(config);
  const parameters = open.use(backend.createParameters(network));
  initialise(parameters, config.seed);
  const plan = backend.compile(network, parameters, {
    ...{ batch: images, mode: 'train', precision: config.precision === 'bf16' ? 'bf16' : 'f32' },
    ...(trainable ? {} : { trainable: () => false }),
  });
  plan.input.fill(0.1);
  return open.use(plan);
}
