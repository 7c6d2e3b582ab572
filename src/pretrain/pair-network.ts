/**
 * The network that is pretrained: a backbone with the heads of its method, and what they make of a batch of pairs. The
 * step itself is that of every trained network.
 */
import type { Backend, Plan } from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';
import type { Losses, Method } from '../methods/method.ts';
import { uscl } from '../methods/uscl.ts';
import { initialise } from '../models/initialise.ts';
import { backboneOf } from '../models/backbone.ts';
import type { Config } from '../runs/config.ts';
import { parameterGroups, TrainedNetwork } from '../trainer/trained-network.ts';

/** A batch of pairs as the step needs it. */
export interface StepBatch {
  /** Names for messages, [N]. */
  readonly clipIds: readonly string[];
  /** [N] class indices, −1 for none. */
  readonly labels: Int32Array;
  /** [2N, channels, size, size] normalised: view 0 of all clips, then view 1. */
  readonly images: Float32Array;
}

/** The method of a configuration for a dataset of so many classes; no classifier where no label would be read. */
export function methodOf(config: Config, classes: number): Method {
  const { projection, classifierInput } = config.model;
  const { temperature, supervisedWeight, supervisedReduction } = config.objective;
  const reads = supervisedWeight > 0 && config.data.labelRate > 0 && classes > 0;
  return uscl({
    projection,
    classes: reads ? classes : null,
    classifierInput,
    temperature,
    supervisedWeight,
    supervisedReduction,
  });
}

export class PairNetwork extends TrainedNetwork<StepBatch, Losses> {
  readonly method: Method;
  readonly #network: Network;
  readonly #normPerView: boolean;

  /** Initialised from the seed of a settled configuration. `classes`: how many the dataset has. */
  constructor(backend: Backend, config: Config, classes: number) {
    const method = methodOf(config, classes);
    const network = method.network(backboneOf(config));
    super(backend, network, config);
    this.method = method;
    this.#network = network;
    this.#normPerView = config.model.normPerView;
    initialise(this.parameters, config.seed);
    const names = this.parameters.specs.map(({ name }) => name);
    this.begin(parameterGroups(names, config.optimizer));
  }

  /** Plan of `images` images; made once, then kept (a short last batch has a plan of its own). */
  plan(mode: 'train' | 'infer', images: number): Plan {
    const normGroups = mode === 'train' && this.#normPerView ? 2 : 1;
    return this.planOf(mode, this.#network, { batch: images, mode, normGroups });
  }

  protected override load({ labels, images }: StepBatch): Plan {
    const plan = this.plan('train', 2 * labels.length);
    plan.input.set(images);
    return plan;
  }

  protected override lossesOf(plan: Plan, { labels }: StepBatch): Losses {
    return this.method.lossAndGradients(plan, { pairs: labels.length, labels });
  }
}

/** Means over batches, each batch counting once; counts are summed. In the order of the log. */
export function meanLosses(losses: readonly Losses[]): Losses {
  const sum = (part: keyof Losses): number => losses.reduce((total, one) => total + one[part], 0);
  const mean = (part: keyof Losses): number => sum(part) / losses.length;
  return {
    loss: mean('loss'),
    contrastive: mean('contrastive'),
    supervised: mean('supervised'),
    labelled: sum('labelled'),
    correct: sum('correct'),
    alignment: mean('alignment'),
    uniformity: mean('uniformity'),
    accuracy: mean('accuracy'),
  };
}
