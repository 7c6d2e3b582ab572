/**
 * A classifier in training, made again for every fold: starting weights, compiled plans of one backend, and the
 * arithmetic of one optimizer step. What is frozen below the lowest trained layer is a plan of its own, folded, that
 * runs forward only; the part above is trained on its values. Knows batches of numbers, not clips, epochs or files.
 * Owns native memory: dispose of it.
 */
import type { Backend, Parameters, Plan, Precision } from '../../engine/backend.ts';
import { cutNetwork, frozenPrefix } from '../../engine/cut.ts';
import { inferShapes, INPUT, type Network } from '../../engine/network.ts';
import { createOptimizer, type Optimizer, rangesOf } from '../../engine/optimizer.ts';
import { initialise } from '../../models/initialise.ts';
import { OUTPUTS } from '../../models/heads.ts';
import { softCrossEntropy } from '../../objectives/soft-cross-entropy.ts';
import { restoreWeights } from '../checkpoint.ts';
import { nonFinite } from '../learner.ts';
import { type FinetuneConfig, viewOf } from './config.ts';
import { trainedLayers, type TrainedLayers } from './layers.ts';
import { classifierNetwork } from './model.ts';
import type { FinetuneSource } from './source.ts';

/** One batch as the step needs it: `targets` [N, classes], `weights` [N] or null. */
export interface TuneBatch {
  /** For messages. */
  readonly clipIds: readonly string[];
  readonly targets: Float32Array;
  readonly weights: Float64Array | null;
}

export interface TuneResult {
  readonly loss: number;
  readonly correct: number;
  /** Before clipping. */
  readonly gradientNorm: number;
}

/** All that a fold changes: parameters and running statistics. */
export interface Snapshot {
  readonly values: Float32Array;
  readonly statistics: Float32Array;
}

/**
 * Values at the cut pass through the host, so a cut pays only where they are few: the first convolution of a ResNet
 * makes sixteen times the numbers of a grey image, its first stage four times.
 */
const WORTH_CUTTING = 4;

function lengthAt(network: Network, value: string): number {
  return inferShapes(network)
    .get(value)!
    .reduce((product, side) => product * side, 1);
}

export class Tuner implements Disposable {
  readonly network: Network;
  readonly parameters: Parameters;
  readonly layers: TrainedLayers;
  /** The value at which the network is cut; `input` where nothing below it is frozen. */
  readonly cut: string;
  /** Numbers of one image at the cut. */
  readonly cutLength: number;
  readonly #backend: Backend;
  readonly #config: FinetuneConfig;
  readonly #source: FinetuneSource;
  readonly #classes: number;
  readonly #below: Network;
  readonly #above: Network;
  readonly #plans = new Map<string, Plan>();
  #optimizer: Optimizer | null = null;
  #startedFrom: number | null = null;

  constructor(backend: Backend, config: FinetuneConfig, source: FinetuneSource, classes: number) {
    this.#backend = backend;
    this.#config = config;
    this.#source = source;
    this.#classes = classes;
    const whole = classifierNetwork(config.model, viewOf(config), classes);
    this.network = { ...whole, outputs: [OUTPUTS.logits] };
    this.layers = trainedLayers(this.network, config);
    const highest = frozenPrefix(this.network, this.layers.trainable, this.layers.frozenNorm);
    const worth = lengthAt(this.network, highest) <= WORTH_CUTTING * lengthAt(this.network, INPUT);
    this.cut = worth ? highest : INPUT;
    const { below, above } = cutNetwork(this.network, this.cut);
    this.#below = below;
    this.#above = above;
    this.cutLength = lengthAt(this.network, this.cut);
    this.parameters = backend.createParameters(this.network);
  }

  get optimizer(): Optimizer {
    if (this.#optimizer === null) throw new Error('The tuner has not been started.');
    return this.#optimizer;
  }

  /** How many numbers train, of how many. */
  get size(): { readonly trained: number; readonly parameters: number } {
    const trained = this.#ranges.reduce((sum, [from, to]) => sum + to - from, 0);
    return { trained, parameters: this.parameters.values.length };
  }

  /**
   * Starts a fold: the source's weights (random ones and the new classifier drawn from `seed`), a new optimizer. Says
   * whether what lies below the cut is other than before, so that nothing computed of it may be kept.
   */
  start(seed: number): { readonly belowChanged: boolean } {
    const { weights, path } = this.#source;
    initialise(this.parameters, seed);
    if (weights !== null)
      restoreWeights(weights, this.parameters, path ?? '', (name) => !name.startsWith(`${OUTPUTS.logits}.`));
    const first = this.#startedFrom === null;
    const belowChanged = first || (weights === null && this.#startedFrom !== seed);
    // Folded weights are prepared when a plan is compiled.
    if (belowChanged) this.#dropPlans('below');
    this.#startedFrom = seed;
    this.#optimizer?.[Symbol.dispose]();
    this.#optimizer = createOptimizer(
      this.#backend,
      this.parameters,
      this.#config.optimizer,
      this.layers.groups,
    );
    return { belowChanged };
  }

  /** The frozen part for so many images; null where there is none. Its output is called `cut`. */
  below(images: number): Plan | null {
    if (this.cut === INPUT) return null;
    return this.#plan('below', images, () =>
      this.#backend.compile(this.#below, this.parameters, {
        batch: images,
        mode: 'infer',
        precision: this.#precision,
        fold: true,
      }),
    );
  }

  /** The part above the cut for prediction; reads the weights as they are. */
  scoring(images: number): Plan {
    return this.#plan('scoring', images, () =>
      this.#backend.compile(this.#above, this.parameters, {
        batch: images,
        mode: 'infer',
        precision: this.#precision,
      }),
    );
  }

  /** The part above the cut in training. The batch goes to its `input`, values at the cut. */
  training(images: number): Plan {
    const known = this.#plans.get(`training ${images}`);
    if (known !== undefined) return known;
    // The activations of a training plan are large: one size at a time.
    this.#dropPlans('training');
    return this.#plan('training', images, () =>
      this.#backend.compile(this.#above, this.parameters, {
        batch: images,
        mode: 'train',
        precision: this.#precision,
        trainable: this.layers.trainable,
        frozenNorms: this.layers.frozenNorm,
      }),
    );
  }

  /**
   * One optimizer step on what is in the input of `training(N)`. Throws `NON_FINITE` before any parameter has changed.
   */
  step(batch: TuneBatch, learningRate: number): TuneResult {
    const { clipNorm } = this.#config;
    const plan = this.training(batch.clipIds.length);
    const statistics = this.parameters.statistics.slice();
    try {
      plan.forward();
      const { loss, correct } = softCrossEntropy(
        plan.output(OUTPUTS.logits),
        batch.targets,
        this.#classes,
        batch.weights,
        plan.outputGradient(OUTPUTS.logits),
      );
      if (!Number.isFinite(loss)) throw nonFinite('loss', loss, batch.clipIds);
      plan.backward();
      const { gradients } = this.parameters;
      const norm = Math.sqrt(this.#backend.sumOfSquares(gradients, this.#ranges));
      if (!Number.isFinite(norm)) throw nonFinite('gradient norm', norm, batch.clipIds);
      this.optimizer.update(learningRate, clipNorm === null || norm <= clipNorm ? 1 : clipNorm / norm);
      return { loss, correct, gradientNorm: norm };
    } catch (thrown) {
      this.parameters.statistics.set(statistics);
      throw thrown;
    }
  }

  snapshot(): Snapshot {
    return { values: this.parameters.values.slice(), statistics: this.parameters.statistics.slice() };
  }

  restore({ values, statistics }: Snapshot): void {
    this.parameters.values.set(values);
    this.parameters.statistics.set(statistics);
  }

  [Symbol.dispose](): void {
    for (const plan of this.#plans.values()) plan[Symbol.dispose]();
    this.#plans.clear();
    this.#optimizer?.[Symbol.dispose]();
    this.parameters[Symbol.dispose]();
  }

  get #precision(): Precision {
    return this.#config.precision === 'bf16' ? 'bf16' : 'f32';
  }

  get #ranges(): ReturnType<typeof rangesOf> {
    return rangesOf(
      this.parameters,
      this.layers.groups.flatMap(({ parameters }) => parameters),
    );
  }

  #plan(part: string, images: number, compile: () => Plan): Plan {
    const key = `${part} ${images}`;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const plan = compile();
    this.#plans.set(key, plan);
    return plan;
  }

  #dropPlans(part: string): void {
    for (const [key, plan] of this.#plans) {
      if (!key.startsWith(`${part} `)) continue;
      plan[Symbol.dispose]();
      this.#plans.delete(key);
    }
  }
}
