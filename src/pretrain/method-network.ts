/**
 * The networks that a method trains: the online network, a target network where there is one, and the state that the
 * method keeps between steps. The optimizer step is that of every trained network. An error of a method from outside
 * names that method.
 */
import type { Backend, Parameters, Plan } from '../engine/core/backend.ts';
import type { ClipRecord } from '../dataset/types.ts';
import type { Losses, Method, MethodBatch, NetworkUse, OpenMethod, ViewRows } from '../methods/method.ts';
import { OUTPUTS } from '../models/heads.ts';
import { initialise } from '../models/initialise.ts';
import { namedTensors, restoreWeights, type TrainingState } from '../runs/checkpoint.ts';
import type { Config } from '../runs/config.ts';
import type { StartingWeights } from '../trainer/starting-weights.ts';
import { parameterGroups, TrainedNetwork } from '../trainer/trained-network.ts';
import { timesShown, viewCount } from '../views/clip-views.ts';
import type { ViewConfig } from '../views/config.ts';
import type { ClipPart } from '../views/work.ts';
import { checkedLosses, guarded, methodError, requireFilled, requireFinite } from './method-faults.ts';
import type { OpenedMethod } from './open-method.ts';

/** A batch as the step needs it. */
export interface StepBatch {
  /** Names for messages, of all streams. */
  readonly clipIds: readonly string[];
  /** Clips of the first stream. */
  readonly pairs: number;
  /** In the order of the images. */
  readonly views: readonly ViewRows[];
  /** [images, channels, size, size] normalised: view by view. */
  readonly images: Float32Array;
  /** Of the batch in the run, from 0. */
  readonly number: number;
  /** Share of the run's steps that lie behind. */
  readonly progress: number;
}

/**
 * The views of a batch with these clips in each stream, in the order of the images, which `drawn` says how they came
 * about.
 */
export function viewsOf(
  { open: { streams }, facts }: Pick<OpenedMethod, 'open' | 'facts'>,
  parts: readonly ClipPart[],
  labels: Int32Array | null,
  drawn: { readonly clips: readonly ClipRecord[]; readonly view: ViewConfig; readonly seed: number },
): readonly ViewRows[] {
  const numbers = (of: Int32Array | null, clips: readonly number[]): Int32Array =>
    Int32Array.from(clips, (clip) => of?.[clip] ?? -1);
  const rowsOf = (clips: readonly number[]): Omit<ViewRows, 'times'> => ({
    clips,
    labels: numbers(labels, clips),
    groups: numbers(facts.groups, clips),
    sources: numbers(facts.sources, clips),
  });
  const record = (clip: number): ClipRecord => drawn.clips[clip]!;
  return parts.flatMap(({ clips, partners = clips, epoch }, i) => {
    const { views } = streams[i]!;
    const own = rowsOf(clips);
    const others = partners === clips ? own : rowsOf(partners);
    const at = { seed: drawn.seed, epoch };
    const times = clips.map((clip, row) =>
      timesShown(record(clip), record(partners[row]!), drawn.view, views, at),
    );
    return Array.from({ length: viewCount(views) }, (_, view) => ({
      ...(view === 0 ? own : others),
      times: Float64Array.from(times, (ofClip) => ofClip[view]!),
    }));
  });
}

/** The parts that a network is made from. */
export interface Networked {
  readonly backend: Backend;
  readonly config: Config;
  readonly opened: Pick<OpenedMethod, 'method' | 'open'>;
  /** Weights of the backbone to start from. Default: random ones. */
  readonly start?: Pick<StartingWeights, 'weights' | 'record'> | null;
}

/** The networks of an opened method, in training. Owns native memory: dispose of it. */
export class MethodNetwork extends TrainedNetwork<StepBatch, Losses> {
  readonly method: Method;
  readonly open: OpenMethod;
  readonly #normPerView: boolean;
  readonly #target: Parameters | null;
  /** Of the batch that was seen last. */
  #progress = 0;

  /** Initialised from the seed of a settled configuration, the backbone from `start` where it is given. Error: `METHOD_INVALID`. */
  constructor({ backend, config, opened: { method, open }, start = null }: Networked) {
    super(backend, open.online.network, config);
    this.method = method;
    this.open = open;
    this.#normPerView = config.model.normPerView;
    initialise(this.parameters, config.seed);
    this.#target = open.target === undefined ? null : backend.createParameters(open.target.network);
    // Starts are addressed by seed and name: the target starts as the online network does.
    if (this.#target !== null) initialise(this.#target, config.seed);
    if (start !== null)
      for (const parameters of [this.parameters, this.#target])
        if (parameters !== null) startFrom(start, parameters, method);
    const names = this.parameters.specs.map(({ name }) => name);
    this.begin(parameterGroups(names, config.optimizer));
  }

  /** The weights that the run leaves: the online network's, or the target's where the method says so. */
  get left(): Parameters {
    return this.open.leaves === 'target' && this.#target !== null ? this.#target : this.parameters;
  }

  /** The training state beside the weights that are left, in a checkpoint that can be resumed. */
  get state(): TrainingState {
    const kept = Object.entries(this.open.state ?? {}).map(([name, data]) => {
      return { name: `method.${name}`, shape: [data.length], data };
    });
    const [prefix, other] =
      this.left === this.parameters
        ? (['target', this.#target] as const)
        : (['online', this.parameters] as const);
    const tensors = other === null ? [] : namedTensors(other);
    const others = tensors.map((tensor) => ({ ...tensor, name: `${prefix}.${tensor.name}` }));
    return { optimizer: this.optimizer, others: [...others, ...kept] };
  }

  /** The network that is left, for inference, as large as a full batch of held-out clips needs it. */
  get inference(): Plan {
    const { online, target } = this.open;
    return this.left === this.parameters || target === undefined
      ? this.#inference('online', online)
      : this.#inference('target', target);
  }

  /**
   * What the networks make of held-out clips, from `images` of the first stream's views: rows of a network's views one after
   * the other. Valid until the next call.
   */
  heldOut(views: readonly ViewRows[], images: Float32Array): HeldOutOutputs {
    const { online, target } = this.open;
    const seen = (part: 'online' | 'target', use: NetworkUse): Outputs => {
      const plan = this.#inference(part, use);
      const rows = fill(plan, use, views, images);
      plan.forward();
      // A plan is of one size; of a smaller batch only the first rows count.
      return byName(part, use, (name) =>
        plan.output(name).subarray(0, (plan.output(name).length / plan.batch) * rows),
      );
    };
    const outputs = {
      output: seen('online', online),
      target: target === undefined ? noTarget : seen('target', target),
    };
    const ofLeft = this.left === this.parameters ? outputs.output : outputs.target;
    return { ...outputs, features: ofLeft(OUTPUTS.features) };
  }

  /** The losses of held-out clips whose outputs these are. `progress` is that of the run. */
  heldOutLosses(
    views: readonly ViewRows[],
    { output, target }: Pick<HeldOutOutputs, 'output' | 'target'>,
    progress: number,
  ): Losses {
    const gradient = (name: string): Float32Array => new Float32Array(output(name).length);
    return this.#losses({ views, training: false, progress, output, target, gradient });
  }

  protected override load({ views, images, number }: StepBatch): Plan {
    this.#look(views, images, number);
    const plan = this.#training('online', this.open.online, views);
    fill(plan, this.open.online, views, images);
    return plan;
  }

  protected override lossesOf(plan: Plan, { views, images, progress }: StepBatch): Losses {
    const { online, target } = this.open;
    this.#progress = progress;
    const filled = new Set<string>();
    const losses = this.#losses({
      ...{ views, training: true, progress },
      output: byName('online', online, (name) => plan.output(name)),
      target: target === undefined ? noTarget : this.#targetOf(target, views, images),
      gradient: byName('online', online, (name) => {
        filled.add(name);
        return plan.outputGradient(name);
      }),
    });
    requireFilled(this.method, online.network.outputs, filled);
    // A loss that is not finite is for the step to tell.
    if (Number.isFinite(losses.loss))
      for (const name of online.network.outputs) {
        const gradient = plan.outputGradient(name);
        requireFinite(this.method, name, gradient, gradient.length / plan.batch);
      }
    return losses;
  }

  protected override updated(): void {
    const { afterUpdate } = this.open;
    guarded(this.method, 'afterUpdate', () => afterUpdate?.(this.parameters, this.#target, this.#progress));
  }

  protected override get changing(): readonly Float32Array[] {
    const target = this.#target === null ? [] : [this.#target.values, this.#target.statistics];
    return [...super.changing, ...target, ...Object.values(this.open.state ?? {})];
  }

  override [Symbol.dispose](): void {
    using _target = this.#target;
    super[Symbol.dispose]();
  }

  /** Lets a method that asks for it look at a batch and change its images. Running statistics stay what they were. */
  #look(views: readonly ViewRows[], images: Float32Array, number: number): void {
    const { look } = this.open;
    if (look === undefined) return;
    const plan = this.#training('look', look, views);
    fill(plan, look, views, images);
    const { statistics } = this.parameters;
    const before = statistics.slice();
    plan.forward();
    statistics.set(before);
    const output = byName('look', look, (name) => plan.output(name));
    guarded(this.method, 'look.change', () => {
      look.change({ views, number, output, images });
    });
  }

  /**
   * The target network's outputs on a training batch: batch statistics, no gradient. It goes forward when the first of them is
   * asked for.
   */
  #targetOf(use: NetworkUse, views: readonly ViewRows[], images: Float32Array): Outputs {
    const plan = this.#training('target', use, views);
    let seen = false;
    return byName('target', use, (name) => {
      if (!seen) {
        fill(plan, use, views, images);
        plan.forward();
      }
      seen = true;
      return plan.output(name);
    });
  }

  #training(part: Part, { network, views: seen }: NetworkUse, views: readonly ViewRows[]): Plan {
    const rows = seen.map((view) => views[view]!.clips.length);
    const even = this.#normPerView && rows.every((count) => count === rows[0]);
    return this.planOf(
      `${part} train`,
      network,
      {
        ...{ batch: total(rows), mode: 'train', normGroups: even ? rows.length : 1 },
        ...(part === 'online' ? {} : { trainable: () => false }),
      },
      this.#parametersOf(part),
    );
  }

  #inference(part: 'online' | 'target', { network, views }: NetworkUse): Plan {
    const [first] = this.open.streams;
    const own = views.filter((view) => view < viewCount(first!.views));
    const batch = own.length * first!.count;
    return this.planOf(`${part} infer`, network, { batch, mode: 'infer' }, this.#parametersOf(part));
  }

  #parametersOf(part: Part): Parameters {
    return part === 'target' && this.#target !== null ? this.#target : this.parameters;
  }

  #losses(batch: MethodBatch): Losses {
    return checkedLosses(
      this.method,
      guarded(this.method, 'losses', () => this.open.losses(batch)),
    );
  }
}

/** Writes weights of the backbone over random ones. Error: `METHOD_INVALID` for a network that is not made of the backbone. */
function startFrom(
  { weights, record }: NonNullable<Networked['start']>,
  parameters: Parameters,
  method: Method,
): void {
  const own = new Set(namedTensors(parameters).map(({ name }) => name));
  const lacking = [...weights.keys()].find((name) => !own.has(name));
  if (lacking !== undefined)
    throw methodError(
      'METHOD_INVALID',
      method,
      `is to start from ${record.given}, and its network has no ${lacking}: it is not made of the trunk that open is given`,
      'Build the network on given.trunk, or leave init out.',
    );
  restoreWeights(weights, parameters, record.path, (name) => weights.has(name));
}

/** What a network is used for: a step, its target, a look before it. */
export type Part = 'online' | 'target' | 'look';

/** An output of a network by name. */
export type Outputs = (name: string) => Float32Array;

/** Outputs of the online network and, where there is one, of the target network. */
export interface HeldOutOutputs {
  readonly output: Outputs;
  readonly target: Outputs;
  /** Of the network whose weights the run leaves. */
  readonly features: Float32Array;
}

/** Copies the views that a network sees into a plan's input; returns their rows. */
function fill(
  plan: Plan,
  { views: seen }: NetworkUse,
  views: readonly ViewRows[],
  images: Float32Array,
): number {
  const length = images.length / total(views.map(({ clips }) => clips.length));
  let rows = 0;
  for (const view of seen.filter((number) => number < views.length)) {
    const before = total(views.slice(0, view).map(({ clips }) => clips.length));
    const count = views[view]!.clips.length;
    plan.input.set(images.subarray(before * length, (before + count) * length), rows * length);
    rows += count;
  }
  return rows;
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Outputs that are asked for by name. Error: `RangeError` for a name that is none of the network's outputs. */
export function byName(part: Part, { network: { outputs } }: NetworkUse, read: Outputs): Outputs {
  return (name) => {
    if (outputs.includes(name)) return read(name);
    throw new RangeError(
      `The outputs of the ${part === 'look' ? 'looking' : part} network are ${outputs.join(', ')}; there is no "${name}".`,
    );
  };
}

/** Outputs of the target network of a method that has none. Error: `RangeError`. */
export function noTarget(name: string): never {
  throw new RangeError(`There is no target network to read "${name}" from: open returns none.`);
}
