/**
 * What a step of a method costs, beside what its passes cost: the same images forward and backward through a bare backbone,
 * and forward alone for networks without gradients. Both are timed in turns, on one batch that stays in memory. What is
 * beyond the passes is the method's own: heads, losses, queues, averages, its update.
 */
import { groupBy } from '../base/collect.ts';
import { Resources } from '../base/resources.ts';
import { openDataset } from '../dataset/reader.ts';
import { openBackend } from '../engine/open.ts';
import { median } from '../evaluation/scores/resampling.ts';
import type { Backend, Plan } from '../engine/core/backend.ts';
import type { Method, NetworkUse } from '../methods/method.ts';
import { backboneOf } from '../models/backbone.ts';
import { initialise } from '../models/initialise.ts';
import { type Config, resolveConfig, settled } from '../runs/config.ts';
import { splitClips } from '../runs/training-clips.ts';
import { viewSizes } from '../views/clip-views.ts';
import { BatchSchedule, type FeedOptions, openFeed } from '../trainer/methods/batch-schedule.ts';
import { MethodNetwork } from '../trainer/methods/method-network.ts';
import { openMethod } from '../trainer/methods/open-method.ts';
import type { StepBatch } from '../trainer/methods/step-batch.ts';

/** A method's step; times are medians over the measured ones, in seconds. */
export interface MethodCost {
  readonly method: string;
  /** Images of a step that go forward and backward, and those that go forward alone. */
  readonly trained: number;
  readonly looked: number;
  /** One view of every clip, forward and backward, is one pass; forward alone counts a third, a smaller image as its area. */
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
  const backend = open.use(
    openBackend({ kind: wanted.backend, device: wanted.device, threads: wanted.threads }),
  );
  const config = settled(wanted, backend);
  const split = splitClips(clips, manifest.classes, config.data, config.seed);
  const opened = openMethod({ config, dataset }, split);
  const network = open.use(new MethodNetwork({ backend, config, opened }));
  const batch = await firstBatch({
    ...{ dataset, opened, config },
    batchSchedule: new BatchSchedule({ dataset, opened, config }),
  });
  const { online, target, look, streams } = opened.open;
  const sizes = streams.flatMap(({ views }) => viewSizes(views, config.view));
  const rowsIn = (views: readonly number[]): number =>
    views.reduce((sum, view) => sum + batch.views[view]!.clips.length, 0);
  const bare = (use: NetworkUse | undefined, trainable: boolean): readonly Plan[] =>
    [...groupBy(use?.views ?? [], (view) => sizes[view]!)].map(([size, views]) =>
      bareBackbone({ ...config, view: { ...config.view, size } }, rowsIn(views), trainable, backend, open),
    );
  const learning = bare(online, true);
  const looking = [target, look].map((use) => bare(use, false));

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
    for (const plan of learning) {
      plan.forward();
      plan.backward();
    }
    const learnt = performance.now();
    for (const plan of looking[0]!) plan.forward();
    const targeted = performance.now();
    for (const plan of looking[1]!) plan.forward();
    passes.push({ all: (performance.now() - began) / 1000, target: (targeted - learnt) / 1000 });
  }
  // The first turn compiles and touches memory.
  const measured = steps.slice(1);
  const seconds = median(measured.map((step) => step.seconds));
  const update = median(measured.map((step) => step.update));
  const trained = rowsIn(online.views);
  const looked = rowsIn([...(target?.views ?? []), ...(look?.views ?? [])]);
  /** Images of a network as if all had the size of the view: by area. */
  const whole = (use: NetworkUse | undefined): number =>
    (use?.views ?? []).reduce(
      (sum, view) => sum + rowsIn([view]) * (sizes[view]! / config.view.size) ** 2,
      0,
    );
  return {
    method: name,
    ...{ trained, looked, seconds },
    passes: (whole(online) + (whole(target) + whole(look)) / 3) / batch.pairs,
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
