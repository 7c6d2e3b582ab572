/**
 * Learning from labels alone: frames of the labelled clips in batches of one size, weighted by class and mixed where that is
 * asked for. Where layers are frozen and images come again, what those layers make of them is computed once.
 */
import type { Dataset } from '../dataset/reader.ts';
import type { Backend, Parameters, Plan } from '../engine/core/backend.ts';
import { INPUT } from '../engine/core/network.ts';
import { classWeights, rowWeights, softTargets } from '../objectives/targets.ts';
import type { TrainingState } from '../runs/checkpoint.ts';
import type { TrainingLength } from '../trainer/loop.ts';
import type { FrameRow } from '../views/frames.ts';
import { FrameLoader } from '../views/loaders.ts';
import type { Mixing } from '../views/mixup.ts';
import { type FinetuneConfig, viewOf } from './config.ts';
import type { FoldPlan } from './fold-plan.ts';
import { drawOf, FrameSchedule } from './frame-schedule.ts';
import { FrozenPart } from './frozen-part.ts';
import type { FoldRun, Learner, Lessons } from './learner.ts';
import type { FinetuneSource } from './source.ts';
import { type FinetuneBatch, TunedNetwork } from './tuned-network.ts';

export class LabelLearner implements Learner {
  readonly frozen: FrozenPart;
  readonly #network: TunedNetwork;
  readonly #dataset: Dataset;
  readonly #config: FinetuneConfig;
  readonly #plan: FoldPlan;
  #foldRun: FoldRun | null = null;

  constructor(
    backend: Backend,
    dataset: Dataset,
    config: FinetuneConfig,
    source: FinetuneSource,
    plan: FoldPlan,
  ) {
    this.#network = new TunedNetwork(backend, config, source, plan.classes.length);
    this.#dataset = dataset;
    this.#config = config;
    this.#plan = plan;
    this.frozen = new FrozenPart(dataset, this.#network, config);
  }

  get size(): Learner['size'] {
    return this.#network.size;
  }

  get weights(): Parameters {
    return this.#network.parameters;
  }

  get training(): TrainingState {
    return { optimizer: this.#network.optimizer, others: [] };
  }

  lengthOf(foldRun: FoldRun): TrainingLength {
    return this.#scheduleOf(foldRun);
  }

  start(foldRun: FoldRun): void {
    if (this.#network.start(foldRun.key.seed).belowChanged) this.frozen.clear();
    this.#foldRun = foldRun;
  }

  scoring(images: number): Plan {
    return this.#network.scoring(images);
  }

  lessons(firstStep: number): Lessons {
    if (this.#foldRun === null) throw new Error('No fold run has been started.');
    const { key, clips } = this.#foldRun;
    const batchSchedule = this.#scheduleOf(this.#foldRun);
    const feed = this.#feed(key.seed, batchSchedule, firstStep);
    const { classWeights: asked, training } = this.#config;
    const labels = Int32Array.from(clips.training, (clip) => this.#plan.labels[clip]!);
    const weights = asked === 'none' ? null : classWeights(labels, this.#plan.classes.length, asked);
    const next = async (): Promise<FinetuneBatch> => this.#batchOf(await feed.next(), weights);
    return {
      step: async (learningRate) => {
        const { losses, gradientNorm } = await this.#network.step(next, 1, learningRate, training.clipNorm);
        return { ...losses[0]!, images: batchSchedule.size, gradientNorm, measured: {} };
      },
      [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
    };
  }

  [Symbol.dispose](): void {
    this.#network[Symbol.dispose]();
  }

  #scheduleOf({ key, clips }: FoldRun): FrameSchedule {
    return new FrameSchedule(this.#dataset.clips, clips.training, this.#config, key.seed);
  }

  #batchOf({ rows, mixing }: FrameBatch, weights: Float64Array | null): FinetuneBatch {
    const labels = Int32Array.from(rows, ({ clip }) => this.#plan.labels[clip]!);
    const smoothing = this.#config.labelSmoothing;
    return {
      clipIds: rows.map(({ clip }) => this.#dataset.clips[clip]!.id),
      targets: softTargets(labels, this.#plan.classes.length, { smoothing, mixing }),
      weights: weights === null ? null : rowWeights(labels, weights, mixing),
    };
  }

  /**
   * Batches of the fold run. Values at the cut come from what is kept where layers below it are frozen and images repeat
   * (numbered draws, or no augmentation). Otherwise loader threads render images, which pass through the frozen part.
   */
  #feed(seed: number, batchSchedule: FrameSchedule, firstStep: number): Feed {
    const config = this.#config;
    const { frozen } = this;
    const { stepsPerEpoch, size } = batchSchedule;
    const { augment, variants } = config.view;
    const place = (step: number): { epoch: number; index: number } => ({
      epoch: Math.floor(step / stepsPerEpoch),
      index: step % stepsPerEpoch,
    });
    const network = this.#network;
    if (frozen.cut !== INPUT && (augment === null || variants !== null) && config.mixup === 0) {
      let step = firstStep;
      return {
        next() {
          const { epoch, index } = place(step++);
          const rows = batchSchedule.epoch(epoch)[index]!;
          frozen.fill(
            rows,
            augment === null ? 'whole' : drawOf(config, seed, epoch).number,
            network.training(size).input,
          );
          return Promise.resolve({ rows, mixing: null });
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    }
    const loader = FrameLoader.open(this.#dataset.folder, viewOf(config), {
      seed: drawOf(config, seed, 0).seed,
      schedule: (step) => {
        const { epoch, index } = place(step);
        if (step >= batchSchedule.steps) return null;
        return { epoch: drawOf(config, seed, epoch).number, index, rows: batchSchedule.epoch(epoch)[index]! };
      },
      firstStep,
      rows: size,
      mixup: config.mixup === 0 ? null : config.mixup,
      workers: config.loader.workers,
      ahead: config.loader.ahead,
    });
    return {
      async next() {
        const { rows, images, mixing } = await loader.next();
        network.training(size).input.set(frozen.pass(images, rows.length));
        return { rows, mixing };
      },
      [Symbol.asyncDispose]: () => loader.close(),
    };
  }
}

/** Frames of a batch, and how they were mixed. */
interface FrameBatch {
  readonly rows: readonly FrameRow[];
  readonly mixing: Mixing | null;
}

/** Delivers batches. Their values at the cut are then in the training plan's input. */
interface Feed extends AsyncDisposable {
  next(): Promise<FrameBatch>;
}
