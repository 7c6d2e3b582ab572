/**
 * The networks that a method trains: the online network, a target network where there is one, and the state that the
 * method keeps between steps. The optimizer step is that of every trained network. An error of a method from outside
 * names that method.
 */
import type { Backend, NormRanks, Parameters, Plan, Vector } from '../../engine/core/backend.ts';
import { HostVector } from '../../engine/core/host-vector.ts';
import { ALONE, type Ranks } from '../../engine/ranks/communicator.ts';
import type { Losses, Method, MethodBatch, NetworkUse, OpenMethod, ViewRows } from '../../methods/method.ts';
import { OUTPUTS } from '../../models/heads.ts';
import { initialise } from '../../models/initialise.ts';
import { type TrainingState } from '../../runs/checkpoint.ts';
import { type NamedVector, namedVectors, restoreWeights } from '../../runs/named-tensors.ts';
import type { Config } from '../../runs/config.ts';
import type { StartingWeights } from '../starting-weights.ts';
import { allLayers, type TrainedLayers, TrainedNetwork } from '../trained-network.ts';
import { viewCount, viewSizes } from '../../views/clip-views.ts';
import { checkedLosses, guarded, methodError, requireFilled, requireFinite } from './method-faults.ts';
import type { OpenedMethod } from './open-method.ts';
import { byName, type HeldOutOutputs, noTarget, type Outputs, type Part } from './outputs.ts';
import { fillPasses, type Pass, returnRows, rowsOf, total, totalRows, usesBySize } from './passes.ts';
import { RankBatch, sumStep } from './rank-batch.ts';
import type { StepBatch } from './step-batch.ts';

/** The parts that a network is made from. */
export interface Networked {
  readonly backend: Backend;
  readonly config: Pick<Config, 'seed' | 'optimizer' | 'precision' | 'view'> & {
    readonly model: Pick<Config['model'], 'normPerView' | 'norms'>;
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
  /** Those that share the statistics of batch norms. */
  readonly #normRanks: NormRanks | undefined;
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
    this.#normRanks = config.model.norms === 'synchronised' && this.#ranks.size > 1 ? this.#ranks : undefined;
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
      fillPasses(passes, views, this.#sizes, images);
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

  protected override load(batch: StepBatch): readonly Plan[] {
    const shared = new RankBatch(this.#ranks, batch.views);
    this.#look(batch, shared);
    const passes = this.#training('online', this.open.online, shared.own);
    fillPasses(passes, shared.own, this.#sizes, batch.images);
    return passes.map(({ plan }) => plan);
  }

  protected override lossesOf(_: readonly Plan[], { views, images, progress }: StepBatch): Losses {
    const { online, target } = this.open;
    const shared = new RankBatch(this.#ranks, views);
    const passes = this.#training('online', online, shared.own);
    this.#progress = progress;
    const read = (of: (plan: Plan, name: string) => Float32Array): Outputs => {
      return (name) => rowsOf(passes, online, shared.own, (plan) => of(plan, name));
    };
    const gradients = shared.gradients(
      online,
      read((plan, name) => plan.outputGradient(name)),
    );
    const outputs = shared.ofAll(
      online,
      read((plan, name) => plan.output(name)),
    );
    const losses = this.#losses({
      ...{ views, training: true, progress },
      output: byName('online', online, outputs),
      target: target === undefined ? noTarget : this.#targetOf(target, shared, images),
      gradient: byName('online', online, gradients.ofAll),
    });
    requireFilled(this.method, online.network.outputs, new Set(gradients.written.keys()));
    for (const [name, gradient] of gradients.written) {
      // A loss that is not finite is for the step to tell.
      if (Number.isFinite(losses.loss))
        requireFinite(this.method, name, gradient, gradient.length / totalRows(online, views));
      returnRows(gradients.own(name), passes, online, shared.own, (plan) => plan.outputGradient(name));
    }
    return losses;
  }

  protected override summed(): void {
    const { gradients, statistics } = this.parameters;
    const all = [statistics, ...(this.#target === null ? [] : [this.#target.statistics])];
    // Where norms are shared, so are statistics.
    sumStep(this.#ranks, gradients, this.#normRanks === undefined ? all : []);
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
  #look({ views, images, number }: StepBatch, shared: RankBatch): void {
    const { look } = this.open;
    if (look === undefined) return;
    const passes = this.#training('look', look, shared.own);
    fillPasses(passes, shared.own, this.#sizes, images);
    const { statistics } = this.parameters;
    using before = statistics.clone();
    for (const { plan } of passes) plan.forward();
    statistics.copyFrom(before);
    const outputs = shared.ofAll(look, (name) =>
      rowsOf(passes, look, shared.own, (plan) => plan.output(name)),
    );
    const output = byName('look', look, outputs);
    shared.changeImages(images, this.#sizes, (all) => {
      guarded(this.method, 'look.change', () => {
        look.change({ views, number, output, images: all });
      });
    });
  }

  /**
   * The target network's outputs on a training batch: batch statistics, no gradient. It goes forward when the first of them is
   * asked for.
   */
  #targetOf(use: NetworkUse, shared: RankBatch, images: Float32Array): Outputs {
    const passes = this.#training('target', use, shared.own);
    let seen = false;
    const outputs = shared.ofAll(use, (name) => {
      if (!seen) {
        fillPasses(passes, shared.own, this.#sizes, images);
        for (const { plan } of passes) plan.forward();
      }
      seen = true;
      return rowsOf(passes, use, shared.own, (plan) => plan.output(name));
    });
    return byName('target', use, outputs);
  }

  #training(part: Part, use: NetworkUse, views: readonly ViewRows[]): readonly Pass[] {
    return usesBySize(use, this.#sizes).map(({ size, network, views: seen }) => {
      const rows = seen.map((view) => views[view]!.clips.length);
      const even = this.#normPerView && rows.every((count) => count === rows[0]);
      const plan = this.planOf(
        `${part} train ${size}`,
        network,
        {
          ...{ batch: total(rows), mode: 'train', normGroups: even ? rows.length * this.#normParts : 1 },
          trainable: part === 'online' ? this.#layers.trainable : () => false,
          frozenNorms: this.#layers.frozenNorm,
          normRanks: this.#normRanks,
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
    const seen = { ...use, views: use.views.filter((view) => view < count) };
    return usesBySize(seen, this.#sizes).map(({ size, network, views }) => {
      const batch = views.length * first!.count;
      const parameters = this.#parametersOf(part);
      const plan = this.planOf(`${part} infer ${size}`, network, { batch, mode: 'infer' }, parameters);
      return { plan, views };
    });
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
