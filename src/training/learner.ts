/**
 * A network in training: parameters, optimizer and compiled plans of one backend, and the arithmetic of one optimizer
 * step. It knows batches, not datasets, epochs or files. Owns native memory: dispose of it.
 */
import { UsclError } from '../base/errors.ts';
import type { Backend, Parameters, Plan } from '../engine/backend.ts';
import type { Network } from '../engine/network.ts';
import { createOptimizer, type Optimizer, type ParameterGroup } from '../engine/optimizer.ts';
import type { Losses, Method } from '../methods/method.ts';
import { initialise } from '../models/initialise.ts';
import { resnet, type ResNetDepth } from '../models/resnet.ts';
import { uscl } from '../methods/uscl.ts';
import type { Config } from './config.ts';

/** A batch of pairs as the step needs it. */
export interface StepBatch {
  /** Names for messages, [N]. */
  readonly clipIds: readonly string[];
  /** [N] class indices, −1 for none. */
  readonly labels: Int32Array;
  /** [2N, channels, size, size] normalised: view 0 of all clips, then view 1. */
  readonly images: Float32Array;
}

/** Seconds of one step by what they were spent on. */
export interface StepSeconds {
  /** Waiting for batches. */
  data: number;
  forward: number;
  loss: number;
  backward: number;
  optimizer: number;
}

export interface StepResult {
  /** Means over the step's batches. */
  readonly losses: Losses;
  /** Norm of the averaged gradient before clipping. */
  readonly gradientNorm: number;
  /** Pairs in all batches of the step. */
  readonly pairs: number;
  readonly seconds: StepSeconds;
}

const DEPTHS: Readonly<Record<Config['model']['backbone'], ResNetDepth>> = {
  resnet18: 18,
  resnet34: 34,
  resnet50: 50,
};

/** The bare backbone of a configuration, with the batch-norm momentum it asks for. */
export function backboneOf(config: {
  readonly model: Pick<Config['model'], 'backbone' | 'width' | 'normMomentum'>;
  readonly view: Pick<Config['view'], 'channels' | 'size'>;
}): Network {
  const { backbone, width, normMomentum } = config.model;
  const trunk = resnet(DEPTHS[backbone], { channels: config.view.channels, size: config.view.size, width });
  return {
    ...trunk,
    nodes: trunk.nodes.map((node) =>
      node.kind === 'batchNorm' ? { ...node, momentum: normMomentum } : node,
    ),
  };
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

/** Parameters with weight decay and without, by the patterns of `optimizer.noDecay`. */
export function parameterGroups(
  names: readonly string[],
  optimizer: Config['optimizer'],
): readonly ParameterGroup[] {
  const patterns = optimizer.noDecay.map(globPattern);
  const spared = names.filter((name) => patterns.some((pattern) => pattern.test(name)));
  const unused = optimizer.noDecay.find((_, i) => !names.some((name) => patterns[i]!.test(name)));
  if (unused !== undefined)
    throw new UsclError({
      kind: 'usage',
      code: 'CONFIG_INVALID',
      message: `No parameter has a name like "${unused}".`,
      where: 'key optimizer.noDecay',
      remedy: `Names look like ${names.slice(0, 3).join(', ')}; * stands for any letters.`,
    });
  const decayed = names.filter((name) => !spared.includes(name));
  return [
    { parameters: decayed, learningRateFactor: 1, weightDecay: optimizer.weightDecay },
    { parameters: spared, learningRateFactor: 1, weightDecay: 0 },
  ].filter((group) => group.parameters.length > 0);
}

/** A name pattern in which * stands for any letters. */
export function globPattern(glob: string): RegExp {
  const escaped = glob.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${escaped.join('.*')}$`);
}

export class Learner implements Disposable {
  readonly method: Method;
  readonly network: Network;
  readonly parameters: Parameters;
  readonly optimizer: Optimizer;
  readonly #backend: Backend;
  readonly #config: Config;
  readonly #plans = new Map<string, Plan>();

  /** Initialised from the seed of a settled configuration. `classes`: how many the dataset has. */
  constructor(backend: Backend, config: Config, classes: number) {
    this.#backend = backend;
    this.#config = config;
    this.method = methodOf(config, classes);
    this.network = this.method.network(backboneOf(config));
    this.parameters = backend.createParameters(this.network);
    initialise(this.parameters, config.seed);
    const names = this.parameters.specs.map((spec) => spec.name);
    const groups = parameterGroups(names, config.optimizer);
    this.optimizer = createOptimizer(backend, this.parameters, config.optimizer, groups);
  }

  /** Plan of `images` images; made once, then kept (a short last batch has a plan of its own). */
  plan(mode: 'train' | 'infer', images: number): Plan {
    const key = `${mode} ${images}`;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const plan = this.#backend.compile(this.network, this.parameters, {
      batch: images,
      mode,
      precision: this.#config.precision === 'bf16' ? 'bf16' : 'f32',
      normGroups: mode === 'train' && this.#config.model.normPerView ? 2 : 1,
    });
    this.#plans.set(key, plan);
    return plan;
  }

  /**
   * One optimizer step on the mean gradient of `count` batches, each asked for when the one before has been used.
   * Throws `NON_FINITE` before any parameter has changed; running statistics are put back as well, so that the state
   * is that of the last good step.
   */
  async step(
    next: () => Promise<StepBatch>,
    count: number,
    learningRate: number,
    clipNorm: number | null,
  ): Promise<StepResult> {
    const seconds: StepSeconds = { data: 0, forward: 0, loss: 0, backward: 0, optimizer: 0 };
    const lap = stopwatch(seconds);
    const statistics = this.parameters.statistics.slice();
    const losses: Losses[] = [];
    const clipIds: string[] = [];
    let pairs = 0;
    try {
      while (losses.length < count) {
        const batch = await next();
        lap('data');
        clipIds.push(...batch.clipIds);
        pairs += batch.labels.length;
        losses.push(this.#accumulate(batch, losses.length > 0, lap));
      }
      const { gradients } = this.parameters;
      const norm = Math.sqrt(this.#backend.sumOfSquares(gradients, [[0, gradients.length]])) / count;
      if (!Number.isFinite(norm)) throw nonFinite('gradient norm', norm, clipIds);
      const clip = clipNorm === null || norm <= clipNorm ? 1 : clipNorm / norm;
      this.optimizer.update(learningRate, clip / count);
      lap('optimizer');
      return { losses: meanLosses(losses), gradientNorm: norm, pairs, seconds };
    } catch (thrown) {
      this.parameters.statistics.set(statistics);
      throw thrown;
    }
  }

  #accumulate(batch: StepBatch, accumulate: boolean, lap: (part: keyof StepSeconds) => void): Losses {
    const pairs = batch.labels.length;
    const plan = this.plan('train', 2 * pairs);
    plan.input.set(batch.images);
    plan.forward();
    lap('forward');
    const losses = this.method.lossAndGradients(plan, { pairs, labels: batch.labels });
    if (!Number.isFinite(losses.loss)) throw nonFinite('loss', losses.loss, batch.clipIds);
    lap('loss');
    plan.backward({ accumulate });
    lap('backward');
    return losses;
  }

  [Symbol.dispose](): void {
    for (const plan of this.#plans.values()) plan[Symbol.dispose]();
    this.#plans.clear();
    this.optimizer[Symbol.dispose]();
    this.parameters[Symbol.dispose]();
  }
}

/** Means over batches, each batch counting once; counts are summed. */
export function meanLosses(losses: readonly Losses[]): Losses {
  const mean = (part: (one: Losses) => number): number =>
    losses.reduce((sum, one) => sum + part(one), 0) / losses.length;
  const sum = (part: (one: Losses) => number): number => losses.reduce((total, one) => total + part(one), 0);
  return {
    loss: mean((one) => one.loss),
    contrastive: mean((one) => one.contrastive),
    supervised: mean((one) => one.supervised),
    alignment: mean((one) => one.alignment),
    uniformity: mean((one) => one.uniformity),
    accuracy: mean((one) => one.accuracy),
    labelled: sum((one) => one.labelled),
    correct: sum((one) => one.correct),
  };
}

/** Adds the time since the last call to the part that is named. */
function stopwatch(seconds: StepSeconds): (part: keyof StepSeconds) => void {
  let mark = performance.now();
  return (part) => {
    const now = performance.now();
    seconds[part] += (now - mark) / 1000;
    mark = now;
  };
}

/** `NON_FINITE`: training has left the range of numbers. */
export function nonFinite(what: string, value: number, clipIds: readonly string[]): UsclError {
  return new UsclError({
    kind: 'numeric',
    code: 'NON_FINITE',
    message: `The ${what} is ${value}.`,
    where: `clips ${clipIds.join(', ')}`,
    remedy:
      'Try a lower optimizer.learningRate, training.clipNorm=1, a longer warm-up, precision=f32, or a higher ' +
      'objective.temperature; look at those clips with `uscl inspect`.',
  });
}
