/**
 * Learning from labelled clips and from clips without a label, by a method (`uscl methods`) whose network is a backbone and a
 * classifier. The method sees the clips of a fold run and no others: those that train, with their labels, and those that may
 * be shown without one. Clips that are tested or choose the epoch, and all clips of their patients, it never sees.
 */
import type { Dataset } from '../dataset/reader.ts';
import type { Backend, Parameters, Plan } from '../engine/core/backend.ts';
import { INPUT, type Network, parameterSpecs } from '../engine/core/network.ts';
import type { Losses, Method } from '../methods/method.ts';
import { methodNamed } from '../methods/registry.ts';
import { backboneOf } from '../models/backbone.ts';
import { OUTPUTS } from '../models/heads.ts';
import type { TrainingState } from '../runs/checkpoint.ts';
import { type Config, dataSchema } from '../runs/config.ts';
import type { Split } from '../runs/training-clips.ts';
import { classifierNetwork } from '../trainer/classifier.ts';
import { backboneAlone } from '../trainer/starting-weights.ts';
import type { TrainingLength } from '../trainer/loop.ts';
import { BatchSchedule, openFeed } from '../trainer/methods/batch-schedule.ts';
import { methodError } from '../trainer/methods/method-faults.ts';
import { MethodNetwork, type Networked } from '../trainer/methods/method-network.ts';
import { type MethodConfig, type OpenedMethod, openMethod } from '../trainer/methods/open-method.ts';
import type { StepBatch } from '../trainer/methods/step-batch.ts';
import { imageLength, viewSchema } from '../views/config.ts';
import { type FinetuneConfig, viewOf } from './config.ts';
import type { FoldPlan, FoldRunClips } from './fold-plan.ts';
import { FrozenPart } from './frozen-part.ts';
import type { FoldRun, Learner, Lessons } from './learner.ts';
import type { FinetuneSource } from './source.ts';
import { trainedLayers } from './tuned-network.ts';

/** A fold run with its method open on its clips. */
interface Opened {
  readonly method: OpenedMethod;
  readonly config: ReturnType<typeof methodConfig>;
  readonly batchSchedule: BatchSchedule;
}

export class MethodLearner implements Learner {
  readonly frozen: FrozenPart;
  readonly #backend: Backend;
  readonly #dataset: Dataset;
  readonly #config: FinetuneConfig;
  readonly #source: FinetuneSource;
  readonly #plan: FoldPlan;
  readonly #chosen: Config['method'];
  #started: (Opened & { readonly network: MethodNetwork }) | null = null;

  /** `chosen`: the method and its options. */
  constructor(
    backend: Backend,
    dataset: Dataset,
    config: FinetuneConfig,
    source: FinetuneSource,
    plan: FoldPlan,
    chosen: Config['method'],
  ) {
    this.#backend = backend;
    this.#dataset = dataset;
    this.#config = config;
    this.#source = source;
    this.#plan = plan;
    this.#chosen = chosen;
    // A method trains on images: nothing of the network is passed once and kept.
    const uncut = { cut: INPUT, cutLength: imageLength(config.view), below: () => null };
    this.frozen = new FrozenPart(dataset, uncut, config);
  }

  get size(): Learner['size'] {
    return this.#open.network.size;
  }

  get weights(): Parameters {
    return this.#open.network.left;
  }

  get training(): TrainingState {
    return this.#open.network.state;
  }

  /** Errors: those of `openMethod`; `METHOD_NOT_CLASSIFIER`. */
  lengthOf(foldRun: FoldRun): TrainingLength {
    return this.#opened(foldRun).batchSchedule;
  }

  start(foldRun: FoldRun): void {
    this[Symbol.dispose]();
    const opened = this.#opened(foldRun);
    const { open } = opened.method;
    const network = new MethodNetwork({
      ...{ backend: this.#backend, config: opened.config, opened: opened.method },
      start: this.#startingWeights,
      layers: trainedLayers(open.online.network, this.#config),
    });
    this.#started = { ...opened, network };
  }

  scoring(images: number): Plan {
    return this.#open.network.whole(images);
  }

  lessons(firstStep: number): Lessons {
    const { method: opened, config, batchSchedule, network } = this.#open;
    const feed = openFeed({
      ...{ dataset: this.#dataset, opened, config, batchSchedule },
      from: { step: firstStep },
    });
    let images = 0;
    const next = async (): Promise<StepBatch> => {
      const batch = await feed.next();
      images = batch.images.length / imageLength(config.view);
      return batch;
    };
    return {
      async step(learningRate) {
        const { losses, gradientNorm } = await network.step(next, 1, learningRate, config.training.clipNorm);
        const { loss, ...measured } = losses[0]! satisfies Losses;
        return { loss, correct: null, images, gradientNorm, measured };
      },
      [Symbol.asyncDispose]: () => feed[Symbol.asyncDispose](),
    };
  }

  [Symbol.dispose](): void {
    this.#started?.network[Symbol.dispose]();
    this.#started = null;
  }

  /** Of the backbone; null for random ones. */
  get #startingWeights(): NonNullable<Networked['start']> | null {
    const { record, weights } = this.#source;
    const { path } = record;
    if (weights === null || path === null) return null;
    const backbone = backboneOf({ ...this.#config, view: viewOf(this.#config) });
    return backboneAlone({ record: { ...record, path }, weights, ignored: [] }, backbone);
  }

  get #open(): Opened & { readonly network: MethodNetwork } {
    if (this.#started === null) throw new Error('No fold run has been started.');
    return this.#started;
  }

  #opened({ key, clips }: FoldRun): Opened {
    const config = methodConfig(this.#config, this.#chosen, key.seed);
    const { clips: all, manifest } = this.#dataset;
    const dataset = { clips: all, manifest: { ...manifest, classes: [...this.#plan.classes] } };
    const method = openMethod({ config, dataset }, splitOf(clips, this.#plan.labels));
    requireClassifier(method, this.#config, this.#plan.classes.length);
    const batchSchedule = new BatchSchedule({
      ...{ dataset, opened: method, config },
      evenClasses: this.#config.classWeights === 'balanced',
    });
    return { method, config, batchSchedule };
  }
}

/** The method of a configuration of fine-tuning; null where labels alone are learnt from. Error: `METHOD_MISSING`. */
export function unlabelledMethod({ unlabelled }: Pick<FinetuneConfig, 'unlabelled'>): Method | null {
  return unlabelled === null ? null : methodNamed(unlabelled.name);
}

/** What a method is opened and trained by, as a pretraining has it. */
function methodConfig(
  config: FinetuneConfig,
  method: Config['method'],
  seed: number,
): MethodConfig & Pick<Config, 'optimizer' | 'precision' | 'loader' | 'training' | 'data'> {
  const { optimizer, precision, loader, training } = config;
  return {
    ...{ method, seed, optimizer, precision, loader },
    training: { ...training, accumulate: 1 },
    view: viewSchema.parse(viewOf(config)),
    batch: { size: config.batch.size, lastBatch: 'keep', distinctGroups: false, oneSource: false },
    // Labelled and other images of a batch share its statistics.
    model: { ...config.model, normPerView: false, norms: 'rank' },
    data: dataSchema.parse({}),
  };
}

/** The clips of a fold run as a method is given them: labels of those that train, and of no others. */
function splitOf({ training, unlabelled }: FoldRunClips, labels: Int32Array): Split {
  const seen = [...training, ...unlabelled].sort((a, b) => a - b);
  const taught = new Set(training);
  return {
    ...{ training: seen, kept: seen, validation: [], duplicates: 0 },
    labels: labels.map((label, clip) => (taught.has(clip) ? label : -1)),
  };
}

/** The method's networks are a backbone and a classifier of the run's classes, on views of frames. */
function requireClassifier({ method, open }: OpenedMethod, config: FinetuneConfig, classes: number): void {
  const wanted = shapesOf(classifierNetwork(config.model, viewOf(config), classes));
  const left = open.leaves === 'target' ? open.target : open.online;
  const fits =
    left?.network.outputs.includes(OUTPUTS.logits) === true && shapesOf(open.online.network) === wanted;
  if (fits && open.streams.every(({ views }) => views !== 'pair')) return;
  throw methodError(
    'METHOD_NOT_CLASSIFIER',
    method,
    fits
      ? 'learns from mixed pairs of frames, which a fine-tuning does not make'
      : 'trains other networks than a backbone with one classifier, so fine-tuning cannot use it',
    'Choose a method that learns a classifier from labelled and other clips (`uscl methods` tells), or pretrain by this one first.',
  );
}

/** Names and shapes of all parameters. */
function shapesOf(network: Network): string {
  return parameterSpecs(network)
    .map(({ name, shape }) => `${name} ${shape.join('×')}`)
    .join();
}
