/**
 * The batch schedule of a pretraining: the clips in each batch, and the batches in each step. It is a function of
 * their numbers and has no state, so that training can begin at any step. An epoch is one pass over the training
 * clips. A step takes `accumulate` batches, and the last step of an epoch takes the rest. `openFeed` brings the
 * batches themselves from worker threads.
 */
import { groupBy } from '../../base/collect.ts';
import { type Random, randomAt } from '../../base/random.ts';
import type { Dataset } from '../../dataset/reader.ts';
import type { ClipRecord } from '../../dataset/types.ts';
import { ALONE } from '../../engine/ranks/communicator.ts';
import type { OpenMethod } from '../../methods/method.ts';
import type { Config } from '../../runs/config.ts';
import { epochClips, type Split } from '../../runs/training-clips.ts';
import type { TrainingLength } from '../loop.ts';
import { epochBatches } from '../../views/batches.ts';
import { ClipLoader, type ClipRequest } from '../../views/loaders.ts';
import type { ClipPart } from '../../views/work.ts';
import type { ClipFacts, OpenedMethod } from './open-method.ts';
import { drawPartners } from './partners.ts';
import { partsOfRank, type RankPlace } from './rank-rows.ts';
import { type StepBatch, viewsOf } from './step-batch.ts';

/** What a batch schedule is made from. */
export interface ScheduleOptions {
  readonly dataset: { readonly clips: readonly ClipRecord[] };
  readonly opened: {
    readonly split: Split;
    readonly open: Pick<OpenMethod, 'streams'>;
    readonly facts: Pick<ClipFacts, 'sources'>;
  };
  readonly config: Pick<Config, 'seed' | 'batch'> & {
    readonly data: Pick<Config['data'], 'rateMode'>;
    readonly training: Pick<Config['training'], 'epochs' | 'steps' | 'accumulate'>;
  };
  /** Whether streams of labelled clips bring every class equally often. Default: clips equally often. */
  readonly evenClasses?: boolean;
}

export class BatchSchedule implements TrainingLength {
  /** Optimizer steps in the whole run. */
  readonly steps: number;
  /** Epochs that the run begins; `training.steps` may cut the last one short. */
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Clips that fit no batch of an epoch; other ones in another epoch. */
  readonly leftOut: number;
  /** Sizes of the batches of an epoch, each once, largest first. */
  readonly sizes: readonly number[];
  readonly #batchesPerEpoch: number;
  readonly #accumulate: number;
  readonly #makeEpoch: (epoch: number) => readonly (readonly number[])[];
  readonly #others: readonly ((batch: number) => ClipPart)[];
  readonly #withPartners: (stream: number, part: ClipPart) => ClipPart;
  #remembered: { readonly epoch: number; readonly batches: readonly (readonly number[])[] };

  /** Errors: `BATCHES_EMPTY` where no batch can be made. */
  constructor({ dataset: { clips }, opened: { split, open, facts }, config, evenClasses }: ScheduleOptions) {
    const { seed, data, batch, training } = config;
    this.#makeEpoch = (epoch) => {
      const indices = epochClips(split, clips, data, seed, epoch);
      const chosen = indices.map((index) => ({ ...clips[index]!, origin: facts.sources[index]! }));
      return epochBatches(chosen, batch, seed, epoch).map((rows) => rows.map((row) => indices[row]!));
    };
    this.#remembered = { epoch: 0, batches: this.#makeEpoch(0) };
    const partnersIn = open.streams.map((stream) => drawPartners(stream, split, clips, seed));
    this.#withPartners = (stream, part) => {
      const partners = partnersIn[stream]?.(part.clips, part.epoch);
      return partners === undefined ? part : { ...part, partners };
    };
    this.#others = open.streams
      .slice(1)
      .map((stream, i) => repeatedPasses(split, stream, { seed, stream: i + 1, evenClasses }));
    // The number and sizes of batches are the same in every epoch.
    this.#batchesPerEpoch = this.#remembered.batches.length;
    this.sizes = [...new Set(this.#remembered.batches.map(({ length }) => length))].sort((a, b) => b - a);
    this.leftOut = split.training.length - this.#remembered.batches.flat().length;
    this.#accumulate = training.accumulate;
    this.stepsPerEpoch = Math.ceil(this.#batchesPerEpoch / training.accumulate);
    this.steps = training.steps ?? training.epochs * this.stepsPerEpoch;
    this.epochs = Math.ceil(this.steps / this.stepsPerEpoch);
  }

  epochOf(step: number): number {
    return Math.floor(step / this.stepsPerEpoch);
  }

  /** Number of batches before this step. */
  firstBatch(step: number): number {
    const epoch = this.epochOf(step);
    return epoch * this.#batchesPerEpoch + (step - epoch * this.stepsPerEpoch) * this.#accumulate;
  }

  /** The step that a batch is part of. */
  stepOf(batch: number): number {
    const epoch = Math.floor(batch / this.#batchesPerEpoch);
    const within = Math.floor((batch - epoch * this.#batchesPerEpoch) / this.#accumulate);
    return epoch * this.stepsPerEpoch + within;
  }

  /** Batches that make this step, at least one. */
  batchesIn(step: number): number {
    return this.firstBatch(step + 1) - this.firstBatch(step);
  }

  /** The batch of this number, or null past the end of the run. */
  batch(number: number): ClipRequest | null {
    if (number >= this.firstBatch(this.steps)) return null;
    const epoch = Math.floor(number / this.#batchesPerEpoch);
    const index = number - epoch * this.#batchesPerEpoch;
    if (this.#remembered.epoch !== epoch) this.#remembered = { epoch, batches: this.#makeEpoch(epoch) };
    const first = { epoch, clips: this.#remembered.batches[index]! };
    const parts = [first, ...this.#others.map((partOf) => partOf(number))];
    return { epoch, index, parts: parts.map((part, stream) => this.#withPartners(stream, part)) };
  }
}

/**
 * The clips of a stream that repeats, cut into full batches: passes in seeded orders, one after the other, over all its clips
 * or, with even classes, over those of each class in turn. Draws of a clip are addressed by the batch, so that a clip that
 * occurs twice in an epoch is seen in two ways.
 */
function repeatedPasses(
  split: Split,
  { clips, count }: OpenMethod['streams'][number],
  at: { readonly seed: number; readonly stream: number; readonly evenClasses: boolean | undefined },
): (batch: number) => ClipPart {
  const { seed, stream } = at;
  const pool =
    clips === 'training' ? split.training : split.training.filter((clip) => split.labels[clip]! >= 0);
  const clipAt =
    at.evenClasses === true && clips === 'labelled'
      ? classesInTurn(pool, split.labels, seed, stream)
      : inPasses(pool, (pass) => randomAt(seed, 'stream', stream, pass));
  return (batch) => {
    return { epoch: batch, clips: Array.from({ length: count }, (_, i) => clipAt(batch * count + i)) };
  };
}

/** The clip at a place of endless passes over some clips, each in an order of its own. */
function inPasses(pool: readonly number[], drawOf: (pass: number) => Random): (place: number) => number {
  let remembered: { readonly pass: number; readonly order: readonly number[] } | null = null;
  return (place) => {
    const pass = Math.floor(place / pool.length);
    if (remembered?.pass !== pass) remembered = { pass, order: drawOf(pass).shuffled([...pool]) };
    return remembered.order[place % pool.length]!;
  };
}

/** The same where every class comes once before any comes again; within a class passes are as above. */
function classesInTurn(
  pool: readonly number[],
  labels: Int32Array,
  seed: number,
  stream: number,
): (place: number) => number {
  const members = groupBy(pool, (clip) => labels[clip]!);
  const classes = [...members.keys()].sort((a, b) => a - b);
  const turn = inPasses(classes, (round) => randomAt(seed, 'stream-classes', stream, round));
  const within = new Map(
    classes.map((c) => [
      c,
      inPasses(members.get(c)!, (pass) => randomAt(seed, 'stream-class', stream, c, pass)),
    ]),
  );
  return (place) => within.get(turn(place))!(Math.floor(place / classes.length));
}

/** The clips of a part, and partners that are none of their own. */
function shownIn({ clips, partners = [] }: ClipPart): readonly number[] {
  return [...clips, ...partners.filter((partner, i) => partner !== clips[i])];
}

/** A run, and the step from which its batches are wanted. */
export interface FeedOptions extends ScheduleOptions {
  readonly dataset: Pick<Dataset, 'clips' | 'folder'>;
  readonly opened: Pick<OpenedMethod, 'open' | 'split' | 'facts'>;
  readonly config: ScheduleOptions['config'] & Pick<Config, 'view' | 'loader'>;
  readonly batchSchedule: BatchSchedule;
  readonly from: { readonly step: number };
  /** The processes that train together: each makes the images of its own rows. Default: this one alone. */
  readonly ranks?: RankPlace;
}

/** Batches of a run, in order. */
export interface Feed extends AsyncDisposable {
  /** The next batch; its images are valid until the next call. */
  next(): Promise<StepBatch>;
}

/**
 * The batches of a run from a given step on, rendered by worker threads while the step before is computed. Labels are
 * those of the split and no others; `runs/training-clips.ts` decides which may be seen.
 */
export function openFeed({ dataset, opened, config, batchSchedule, from, ranks = ALONE }: FeedOptions): Feed {
  // Of the batches that are on their way: all clips, of which a rank makes the images of its own.
  const whole = new Map<number, readonly ClipPart[]>();
  const schedule = (batch: number): ClipRequest | null => {
    const request = batchSchedule.batch(batch);
    if (request === null) return null;
    whole.set(batch, request.parts);
    return { ...request, parts: partsOfRank(request.parts, ranks) };
  };
  const loader = ClipLoader.open(dataset.folder, config.view, {
    seed: config.seed,
    streams: opened.open.streams.map(({ views, count }) => ({ views, most: Math.ceil(count / ranks.size) })),
    schedule,
    firstStep: batchSchedule.firstBatch(from.step),
    workers: config.loader.workers,
    ahead: config.loader.ahead,
  });
  const drawn = { clips: dataset.clips, view: config.view, seed: config.seed };
  let number = batchSchedule.firstBatch(from.step);
  return {
    async next() {
      const { images } = await loader.next();
      const parts = whole.get(number)!;
      whole.delete(number);
      const progress = batchSchedule.stepOf(number) / batchSchedule.steps;
      return {
        ...{ progress, number: number++ },
        clipIds: parts.flatMap(shownIn).map((index) => dataset.clips[index]!.id),
        pairs: parts[0]!.clips.length,
        views: viewsOf(opened, parts, opened.split.labels, drawn),
        images,
      };
    },
    [Symbol.asyncDispose]: () => loader.close(),
  };
}
