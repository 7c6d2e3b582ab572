/**
 * The networks that a method trains: the online network, a target network where there is one, and the state that the
 * method keeps between steps. The optimizer step is that of every trained network. An error of a method from outside
 * names that method.
 */
import { groupBy } from '../../base/collect.ts';
import type { Backend, Parameters, Plan, Vector } from '../../engine/core/backend.ts';
import { HostVector } from '../../engine/core/host-vector.ts';
import { ALONE, type Ranks } from '../../engine/ranks/communicator.ts';
import type { ClipRecord } from '../../dataset/types.ts';
import type { Losses, Method, MethodBatch, NetworkUse, OpenMethod, ViewRows } from '../../methods/method.ts';
import { OUTPUTS } from '../../models/heads.ts';
import { initialise } from '../../models/initialise.ts';
import { type TrainingState } from '../../runs/checkpoint.ts';
import { type NamedVector, namedVectors, restoreWeights } from '../../runs/named-tensors.ts';
import type { Config } from '../../runs/config.ts';
import type { StartingWeights } from '../starting-weights.ts';
import { allLayers, type TrainedLayers, TrainedNetwork } from '../trained-network.ts';
import { timesShown, viewCount, viewSizes } from '../../views/clip-views.ts';
import type { ViewConfig } from '../../views/config.ts';
import type { ClipPart } from '../../views/work.ts';
import { checkedLosses, guarded, methodError, requireFilled, requireFinite } from './method-faults.ts';
import type { OpenedMethod } from './open-method.ts';
import { type Pass, returnRows, rowsOf, total, totalRows } from './passes.ts';
import { ofAllRanks, ownOfAll, viewsOfRank } from './rank-rows.ts';

/** A batch as the step needs it. */
export interface StepBatch {
  /** Names for messages, of all streams. */
  readonly clipIds: readonly string[];
  /** Clips of the first stream. */
  readonly pairs: number;
  /** Of the whole batch. */
  readonly views: readonly ViewRows[];
  /** [channels, size, size] each, normalised: view by view, each view's of its own size. Of several ranks each has its own rows. */
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
  readonly config: Pick<Config, 'seed' | 'optimizer' | 'precision' | 'view'> & {
    readonly model: Pick<Config['model'], 'normPerView'>;
  };
  readonly opened: Pick<OpenedMethod, 'method' | 'open'>;
  /** Weights of the backbone to start from. Default: random ones. */
  readonly start?: Pick<StartingWeights, 'weights' | 'record'> | null;
  /** What trains. Default: everything. */
  readonly layers?: TrainedLayers;
  /** The processes that train it together. Default: this one alone. */
  readonly ranks?: Ranks;
  /** Equal consecutive parts of each view that batch norm sees as batches of their own: what so many ranks do. Default: 1. */
  readonly normParts?: number;
}

/** The networks of an opened method, in training. Owns native memory: dispose of it. */
export class MethodNetwork extends TrainedNetwork<StepBatch, Losses> {
  readonly method: Method;
  readonly open: OpenMethod;
  readonly #normPerView: boolean;
  /** Sides of the images of each view, over all streams. */
  readonly #sizes: readonly number[];
  readonly #layers: TrainedLayers;
  readonly #target: Parameters | null;
  readonly #ranks: Ranks;
  readonly #normParts: number;
  /** Of the batch that was seen last. */
  #progress = 0;

  /** Initialised from the seed of a settled configuration, the backbone from `start` where it is given. Error: `METHOD_INVALID`. */
  constructor({ backend, config, opened: { method, open }, start = null, layers, ...of }: Networked) {
    super(backend, open.online.network, config);
    this.#ranks = of.ranks ?? ALONE;
    this.#normParts = of.normParts ?? 1;
    this.method = method;
    this.open = open;
    this.#normPerView = config.model.normPerView;
    this.#sizes = open.streams.flatMap(({ views }) => viewSizes(views, config.view));
    const names = this.parameters.specs.map(({ name }) => name);
    this.#layers = layers ?? allLayers(names, config.optimizer);
    this.#target = open.target === undefined ? null : backend.createParameters(open.target.network);
    // Starts are addressed by seed and name: the target starts as the online network does.
    for (const parameters of [this.parameters, this.#target]) {
      if (parameters === null) continue;
      initialise(parameters, config.seed);
      if (start !== null) startFrom(start, parameters, method);
    }
    this.begin(this.#layers.groups);
  }

  /** The weights that the run leaves: the online network's, or the target's where the method says so. */
  get left(): Parameters {
    return this.open.leaves === 'target' && this.#target !== null ? this.#target : this.parameters;
  }

  /** The training state beside the weights that are left, in a checkpoint that can be resumed. */
  get state(): TrainingState {
    const kept = Object.entries(this.open.state ?? {}).map(([name, data]): NamedVector => {
      const { length } = data;
      const tensors = [{ name: `method.${name}`, shape: [length], offset: 0, length }];
      return { vector: new HostVector(data), tensors };
    });
    const [prefix, other] =
      this.left === this.parameters
        ? (['target', this.#target] as const)
        : (['online', this.parameters] as const);
    const others = (other === null ? [] : namedVectors(other)).map(({ vector, tensors }): NamedVector => {
      return { vector, tensors: tensors.map((place) => ({ ...place, name: `${prefix}.${place.name}` })) };
    });
    return { optimizer: this.optimizer, others: [...others, ...kept] };
  }

  /** The network that is left, for inference, as large as a full batch of held-out clips needs it. */
  get inference(): Plan {
    const { online, target } = this.open;
    const [plan] =
      this.left === this.parameters || target === undefined
        ? this.#inference('online', online)
        : this.#inference('target', target);
    return plan!.plan;
  }

  /** The network that is left, for inference on `images` images, in the order that they are given in. */
  whole(images: number): Plan {
    const { online, target } = this.open;
    const isTarget = this.left !== this.parameters && target !== undefined;
    const { network } = isTarget ? target : online;
    return this.planOf('whole', network, { batch: images, mode: 'infer' }, this.left);
  }

  /**
   * What the networks make of held-out clips, from `images` of the first stream's views: rows of a network's views one after
   * the other. Valid until the next call.
   */
  heldOut(views: readonly ViewRows[], images: Float32Array): HeldOutOutputs {
    const { online, target } = this.open;
    const seen = (part: 'online' | 'target', use: NetworkUse): Outputs => {
      const passes = this.#inference(part, use);
      this.#fill(passes, views, images);
      for (const { plan } of passes) plan.forward();
      return byName(part, use, (name) => rowsOf(passes, use, views, (plan) => plan.output(name)));
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

  protected override load({ views, images, number }: StepBatch): readonly Plan[] {
    const own = viewsOfRank(views, this.#ranks);
    this.#look({ views, own, images, number });
    const passes = this.#training('online', this.open.online, own);
    this.#fill(passes, own, images);
    return passes.map(({ plan }) => plan);
  }

  /** Every rank computes the loss of the whole batch, and keeps the gradients of its own rows. */
  protected override lossesOf(_: readonly Plan[], { views, images, progress }: StepBatch): Losses {
    const { online, target } = this.open;
    const own = viewsOfRank(views, this.#ranks);
    const passes = this.#training('online', online, own);
    this.#progress = progress;
    const read = (name: string): Float32Array =>
      rowsOf(passes, online, own, (plan) => plan.outputGradient(name));
    const filled = new Map<string, Float32Array>();
    const losses = this.#losses({
      ...{ views, training: true, progress },
      output: this.#ofAll('online', online, own, (name) =>
        rowsOf(passes, online, own, (plan) => plan.output(name)),
      ),
      target: target === undefined ? noTarget : this.#targetOf(target, own, images),
      gradient: byName('online', online, (name) => {
        const { size } = this.#ranks;
        const known =
          filled.get(name) ?? (size === 1 ? read(name) : new Float32Array(size * read(name).length));
        filled.set(name, known);
        return known;
      }),
    });
    requireFilled(this.method, online.network.outputs, new Set(filled.keys()));
    for (const [name, gradient] of filled) {
      // A loss that is not finite is for the step to tell.
      if (Number.isFinite(losses.loss))
        requireFinite(this.method, name, gradient, gradient.length / totalRows(online, views));
      const mine = this.#ranks.size === 1 ? gradient : read(name);
      ownOfAll(this.#ranks, gradient, mine, lengthsOf(online, own, mine));
      returnRows(mine, passes, online, own, (plan) => plan.outputGradient(name));
    }
    return losses;
  }

  /** The loss is that of the whole batch: its gradient is the sum over ranks. Running statistics become their mean. */
  protected override summed(): void {
    const { size } = this.#ranks;
    if (size === 1) return;
    this.#ranks.sum(this.parameters.gradients);
    for (const { statistics } of [this.parameters, ...(this.#target === null ? [] : [this.#target])]) {
      this.#ranks.sum(statistics);
      statistics.write(statistics.read().map((sum) => sum / size));
    }
  }

  protected override updated(): void {
    const { afterUpdate } = this.open;
    guarded(this.method, 'afterUpdate', () => afterUpdate?.(this.parameters, this.#target, this.#progress));
  }

  protected override get changing(): readonly Vector[] {
    // Weights that follow change after the update alone.
    const target = this.#target === null ? [] : [this.#target.statistics];
    const kept = Object.values(this.open.state ?? {}).map((data) => new HostVector(data));
    return [...super.changing, ...target, ...kept];
  }

  override [Symbol.dispose](): void {
    using _target = this.#target;
    super[Symbol.dispose]();
  }

  /**
   * Lets a method that asks for it look at a batch and change its images, which are those of all ranks. Running statistics stay
   * what they were.
   */
  #look({ views, own, images, number }: Omit<StepBatch, 'clipIds' | 'pairs' | 'progress'> & OwnRows): void {
    const { look } = this.open;
    if (look === undefined) return;
    const passes = this.#training('look', look, own);
    this.#fill(passes, own, images);
    const { statistics } = this.parameters;
    using before = statistics.clone();
    for (const { plan } of passes) plan.forward();
    statistics.copyFrom(before);
    const output = this.#ofAll('look', look, own, (name) =>
      rowsOf(passes, look, own, (plan) => plan.output(name)),
    );
    const areas = own.map(({ clips }, view) => clips.length * this.#sizes[view]! ** 2);
    const lengths = areas.map((area) => (area / total(areas)) * images.length);
    const all = ofAllRanks(this.#ranks, images, lengths);
    guarded(this.method, 'look.change', () => {
      look.change({ views, number, output, images: all });
    });
    ownOfAll(this.#ranks, all, images, lengths);
  }

  /**
   * The target network's outputs on a training batch: batch statistics, no gradient. It goes forward when the first of them is
   * asked for.
   */
  #targetOf(use: NetworkUse, own: readonly ViewRows[], images: Float32Array): Outputs {
    const passes = this.#training('target', use, own);
    let seen = false;
    return this.#ofAll('target', use, own, (name) => {
      if (!seen) {
        this.#fill(passes, own, images);
        for (const { plan } of passes) plan.forward();
      }
      seen = true;
      return rowsOf(passes, use, own, (plan) => plan.output(name));
    });
  }

  /** Outputs of all ranks, of which `read` gives a rank's own. Ranks ask for them in the same order. */
  #ofAll(part: Part, use: NetworkUse, own: readonly ViewRows[], read: Outputs): Outputs {
    if (this.#ranks.size === 1) return byName(part, use, read);
    const gathered = new Map<string, Float32Array>();
    return byName(part, use, (name) => {
      const known = gathered.get(name);
      if (known !== undefined) return known;
      const mine = read(name);
      const all = ofAllRanks(this.#ranks, mine, lengthsOf(use, own, mine));
      gathered.set(name, all);
      return all;
    });
  }

  #training(part: Part, use: NetworkUse, views: readonly ViewRows[]): readonly Pass[] {
    return this.#bySize(use).map(({ size, network, views: seen }) => {
      const rows = seen.map((view) => views[view]!.clips.length);
      const even = this.#normPerView && rows.every((count) => count === rows[0]);
      const plan = this.planOf(
        `${part} train ${size}`,
        network,
        {
          ...{ batch: total(rows), mode: 'train', normGroups: even ? rows.length * this.#normParts : 1 },
          trainable: part === 'online' ? this.#layers.trainable : () => false,
          frozenNorms: this.#layers.frozenNorm,
        },
        this.#parametersOf(part),
      );
      return { plan, views: seen };
    });
  }

  /** Plans for views of the first stream alone. */
  #inference(part: 'online' | 'target', use: NetworkUse): readonly Pass[] {
    const [first] = this.open.streams;
    const count = viewCount(first!.views);
    return this.#bySize({ ...use, views: use.views.filter((view) => view < count) }).map(
      ({ size, network, views }) => {
        const batch = views.length * first!.count;
        const parameters = this.#parametersOf(part);
        const plan = this.planOf(`${part} infer ${size}`, network, { batch, mode: 'infer' }, parameters);
        return { plan, views };
      },
    );
  }

  /** The views that a network sees by the size of their images, and the network for each. */
  #bySize({ network, views }: NetworkUse): readonly (NetworkUse & { readonly size: number })[] {
    return [...groupBy(views, (view) => this.#sizes[view]!)].map(([size, own]) => {
      const [channels, ...sides] = network.input;
      // What takes vectors takes one length.
      const input = sides.length === 0 ? network.input : ([channels, size, size] as const);
      return { size, views: own, network: { ...network, input } };
    });
  }

  /** Copies the views that each pass sees into its plan's input. */
  #fill(passes: readonly Pass[], views: readonly ViewRows[], images: Float32Array): void {
    for (const { plan, views: seen } of passes) {
      const length = plan.input.length / plan.batch;
      let at = 0;
      for (const view of seen) {
        const from = this.#numbersBefore(view, views, length);
        const count = views[view]!.clips.length * length;
        plan.input.set(images.subarray(from, from + count), at);
        at += count;
      }
    }
  }

  /** Where the images of a view begin, whose own are `length` long: images of a size are as long as their area. */
  #numbersBefore(view: number, views: readonly ViewRows[], length: number): number {
    const area = this.#sizes[view]! ** 2;
    const areas = views.slice(0, view).map(({ clips }, i) => clips.length * this.#sizes[i]! ** 2);
    return (total(areas) / area) * length;
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

/** A rank's rows of a batch. */
interface OwnRows {
  readonly own: readonly ViewRows[];
}

/** Numbers of each view that a network sees, in an array of all its rows. */
function lengthsOf(use: NetworkUse, views: readonly ViewRows[], rows: Float32Array): readonly number[] {
  const dim = rows.length / totalRows(use, views);
  return use.views.map((view) => views[view]!.clips.length * dim);
}

/** Writes weights of the backbone over random ones. Error: `METHOD_INVALID` for a network that is not made of the backbone. */
function startFrom(
  { weights, record }: NonNullable<Networked['start']>,
  parameters: Parameters,
  method: Method,
): void {
  const own = new Set([...parameters.specs, ...parameters.statisticSpecs].map(({ name }) => name));
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
