/**
 * A network in training: its parameters, optimizer and compiled plans on one backend, and one optimizer step. It
 * knows batches, not datasets, methods, epochs or files. It owns native memory and must be disposed of.
 */
import { usageError, UsclError } from '../base/errors.ts';
import { Resources } from '../base/resources.ts';
import type {
  Backend,
  Parameters,
  Plan,
  PlanOptions,
  Precision,
  Ranges,
  Vector,
} from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';
import { createOptimizer, type Optimizer, type ParameterGroup, rangesOf } from '../engine/core/optimizer.ts';
import type { Config } from '../runs/config.ts';

/** Seconds of one step by what they were spent on. */
export interface StepSeconds {
  /** Waiting for batches. */
  data: number;
  forward: number;
  loss: number;
  backward: number;
  optimizer: number;
}

/** What one optimizer step did. */
export interface StepResult<Losses> {
  /** Of each batch of the step. */
  readonly losses: readonly Losses[];
  /** Norm of the averaged gradient before clipping. */
  readonly gradientNorm: number;
  readonly seconds: StepSeconds;
}

/**
 * Parameters, optimizer and plans of one network in training; a subclass says what a batch and its loss
 * are.
 */
export abstract class TrainedNetwork<
  Batch extends { readonly clipIds: readonly string[] },
  Losses extends { readonly loss: number },
> implements Disposable {
  readonly parameters: Parameters;
  readonly #backend: Backend;
  readonly #config: Pick<Config, 'optimizer' | 'precision'>;
  readonly #plans = new Map<string, Plan>();
  #optimizer: Optimizer | null = null;
  /** Places of the parameters that train. */
  #ranges: Ranges = [];

  protected constructor(backend: Backend, network: Network, config: Pick<Config, 'optimizer' | 'precision'>) {
    this.#backend = backend;
    this.#config = config;
    this.parameters = backend.createParameters(network);
  }

  /** The training plans for a batch, at least one, with the batch in their inputs: one for images of each size. */
  protected abstract load(batch: Batch): readonly Plan[];
  /** The losses of these plans, which have run forward; writes every output gradient. */
  protected abstract lossesOf(plans: readonly Plan[], batch: Batch): Losses;

  /** What follows the last backward pass of a step, before its gradient is looked at. */
  protected summed(): void {
    return;
  }

  /** What follows an update of the parameters. */
  protected updated(): void {
    return;
  }

  /** What changes in a step before its update. */
  protected get changing(): readonly Vector[] {
    return [this.parameters.statistics];
  }

  get optimizer(): Optimizer {
    if (this.#optimizer === null) throw new Error('The training has not been started.');
    return this.#optimizer;
  }

  /** Counts of parameters: those that train, and all. */
  get size(): { readonly trained: number; readonly parameters: number } {
    const trained = this.#ranges.reduce((sum, [from, to]) => sum + to - from, 0);
    return { trained, parameters: this.parameters.values.length };
  }

  /**
   * One optimizer step on the mean gradient of `count` batches, each asked for when the one before has been used.
   * Throws `NON_FINITE` before any parameter has changed; running statistics, and whatever else forward passes change, are
   * put back as well, so that the state is that of the last good step.
   */
  async step(
    next: () => Promise<Batch>,
    count: number,
    learningRate: number,
    clipNorm: number | null,
  ): Promise<StepResult<Losses>> {
    const seconds: StepSeconds = { data: 0, forward: 0, loss: 0, backward: 0, optimizer: 0 };
    const lap = stopwatch(seconds);
    const { gradients } = this.parameters;
    using copies = new Resources();
    const before = this.changing.map((vector) => copies.use(vector.clone()));
    const losses: Losses[] = [];
    const clipIds: string[] = [];
    try {
      while (losses.length < count) {
        const batch = await next();
        lap('data');
        clipIds.push(...batch.clipIds);
        const plans = this.load(batch);
        for (const plan of plans) plan.forward();
        lap('forward');
        const found = this.lossesOf(plans, batch);
        if (!Number.isFinite(found.loss)) throw nonFinite('loss', found.loss, batch.clipIds);
        lap('loss');
        for (const [i, plan] of plans.entries()) plan.backward({ accumulate: losses.length > 0 || i > 0 });
        lap('backward');
        losses.push(found);
      }
      this.summed();
      lap('backward');
      const gradientNorm = Math.sqrt(this.#backend.sumOfSquares(gradients, this.#ranges)) / count;
      if (!Number.isFinite(gradientNorm)) throw nonFinite('gradient norm', gradientNorm, clipIds);
      const clip = clipNorm === null || gradientNorm <= clipNorm ? 1 : clipNorm / gradientNorm;
      this.optimizer.update(learningRate, clip / count);
      this.updated();
      lap('optimizer');
      return { losses, gradientNorm, seconds };
    } catch (thrown) {
      for (const [i, vector] of this.changing.entries()) vector.copyFrom(before[i]!);
      throw thrown;
    }
  }

  [Symbol.dispose](): void {
    using _parameters = this.parameters;
    using _optimizer = this.#optimizer;
    this.dropPlans('');
  }

  /** A new optimizer for the parameters of `groups`, which are those that train. */
  protected begin(groups: readonly ParameterGroup[]): void {
    this.#optimizer?.[Symbol.dispose]();
    this.#optimizer = createOptimizer(this.#backend, this.parameters, this.#config.optimizer, groups);
    this.#ranges = rangesOf(
      this.parameters,
      groups.flatMap(({ parameters }) => parameters),
    );
  }

  /** The plan of `images` images of a part; made once, then kept until the part is dropped. */
  protected planOf(
    part: string,
    network: Network,
    options: Omit<PlanOptions, 'precision'>,
    parameters: Parameters = this.parameters,
  ): Plan {
    const key = `${part} ${options.batch}`;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const precision: Precision = this.#config.precision === 'bf16' ? 'bf16' : 'f32';
    const plan = this.#backend.compile(network, parameters, { ...options, precision });
    this.#plans.set(key, plan);
    return plan;
  }

  /** Frees the plans of a part but those of `images` images. */
  protected dropPlans(part: string, images?: number): void {
    using dropped = new Resources();
    for (const [key, plan] of this.#plans) {
      if (!key.startsWith(part) || key === `${part} ${images ?? ''}`) continue;
      dropped.use(plan);
      this.#plans.delete(key);
    }
  }
}

/** Which part of a network trains. */
export interface TrainedLayers {
  /** Whether a parameter trains. */
  readonly trainable: (parameter: string) => boolean;
  /** Whether a batch norm (by node) normalises with running statistics that never change. */
  readonly frozenNorm: (node: string) => boolean;
  readonly groups: readonly ParameterGroup[];
}

/** All of it. */
export function allLayers(names: readonly string[], optimizer: Config['optimizer']): TrainedLayers {
  return { trainable: () => true, frozenNorm: () => false, groups: parameterGroups(names, optimizer) };
}

/** Parameters with weight decay and without, by the patterns of `optimizer.noDecay`. */
export function parameterGroups(
  names: readonly string[],
  { noDecay, weightDecay }: Config['optimizer'],
): readonly ParameterGroup[] {
  const spared = new Set(noDecay.flatMap((pattern) => namesLike(names, pattern, 'optimizer.noDecay')));
  return [
    { parameters: names.filter((name) => !spared.has(name)), learningRateFactor: 1, weightDecay },
    { parameters: names.filter((name) => spared.has(name)), learningRateFactor: 1, weightDecay: 0 },
  ].filter((group) => group.parameters.length > 0);
}

/** The parameters that fit a pattern, in which * stands for any letters. Error: `CONFIG_INVALID` where none does. */
export function namesLike(names: readonly string[], pattern: string, key: string): readonly string[] {
  const escaped = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  const glob = new RegExp(`^${escaped.join('.*')}$`);
  const found = names.filter((name) => glob.test(name));
  if (found.length > 0) return found;
  throw usageError(
    'CONFIG_INVALID',
    `No parameter has a name like "${pattern}".`,
    `Names look like ${names[0] ?? ''}, ${names.at(-4) ?? ''}, ${names.at(-1) ?? ''}; * stands for any letters.`,
    { where: `key ${key}` },
  );
}

/** Adds the time since the last call to a part. */
function stopwatch(seconds: StepSeconds): (part: keyof StepSeconds) => void {
  let mark = performance.now();
  return (part) => {
    const now = performance.now();
    seconds[part] += (now - mark) / 1000;
    mark = now;
  };
}

/** `NON_FINITE`: training has left the range of numbers. */
function nonFinite(what: string, value: number, clipIds: readonly string[]): UsclError {
  return new UsclError({
    kind: 'numeric',
    code: 'NON_FINITE',
    message: `The ${what} is ${value}.`,
    where: `clips ${clipIds.join(', ')}`,
    remedy:
      'Try a lower optimizer.learningRate, training.clipNorm=1, a longer warm-up or precision=f32; look at those clips ' +
      'with `uscl inspect`.',
  });
}
