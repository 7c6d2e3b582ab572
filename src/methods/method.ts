/**
 * A way to pretrain, said in one declaration: its options, the views it wants of a clip, its networks, how a batch
 * becomes a loss and gradients, what it keeps between steps, and what it measures. Trainer, log, curves, reports,
 * configuration and command line read the declaration; none of them names a method. A method opens no file and knows
 * no other method.
 */
import type { z } from 'zod';
import { checkMethod } from './check.ts';
import type { Parameters } from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';
import type { ClipViews } from '../views/clip-views.ts';
import type { ViewConfig } from '../views/config.ts';

/** A number that describes a batch, beside its loss. */
export interface Measurement {
  /** Its key in the log: letters, the first one small. */
  readonly name: string;
  /** Over the batches of a step. Counts are summed. */
  readonly over: 'mean' | 'sum';
  /** Whether it is taken of held-out clips too: their mean over clips. */
  readonly heldOut?: boolean;
}

/** A panel of a run's curves. */
export interface Chart {
  readonly title: string;
  /** Of the vertical axis. */
  readonly axis: string;
  /** How it is read, in a sentence or two. */
  readonly caption: string;
  /** Measurements that share the panel. A single one is shown of held-out clips too. */
  readonly shows: readonly string[];
}

/** A source that a text about a run has to cite. */
export interface Reference {
  /** The same work has the same key. */
  readonly key: string;
  readonly text: string;
}

/** What a method is opened with. */
export interface MethodGiven {
  /** The backbone. A method's networks are made of it. */
  readonly trunk: Network;
  /** Classes whose labels may be read; 0 where none may. */
  readonly classes: number;
  /** The datasets that the clips were merged from, and the classes that labels of each may name. */
  readonly sources: readonly { readonly name: string; readonly classes: readonly number[] }[];
  /** How images of this run are made. */
  readonly view: ViewConfig;
  /** Clips in a full batch of the first stream. */
  readonly batchSize: number;
  /** Of the run; what a method draws is addressed by it. */
  readonly seed: number;
}

/** Clips that come into a batch together, and the images that are made of each. */
export interface Stream {
  /**
   * `training`: every training clip once an epoch. `labelled`: those with a label, over and over. The first stream is
   * `training`; it says how long an epoch is, and its last batch may be short.
   */
  readonly clips: 'training' | 'labelled';
  /** Clips in a full batch. Of the first stream: `batchSize`. */
  readonly count: number;
  readonly views: ClipViews;
  /**
   * Probability that all views of a clip but the first show its partner, another clip of its group (patient), where it has
   * one. Default 0. Held-out clips have no partners.
   */
  readonly partners?: number;
}

/** A network and which views it sees, counted over all streams. */
export interface NetworkUse {
  readonly network: Network;
  readonly views: readonly number[];
}

/** One view in a batch: the same clips, or partners of them, in the same order as the other views of its stream. */
export interface ViewRows {
  /** Indices into the dataset's clips, [N]. */
  readonly clips: readonly number[];
  /** [N] class indices; −1 where there is none or it may not be read. */
  readonly labels: Int32Array;
  /** [N] numbers of patients (groups): two clips of one number must not be told apart as two patients. */
  readonly groups: Int32Array;
  /** [N] indices into `MethodGiven.sources`. */
  readonly sources: Int32Array;
  /**
   * [N] seconds from the clip's first frame to the one that is shown, of a mixture to the one beside the anchor; NaN where a
   * clip of several frames has no frame rate.
   */
  readonly times: Float64Array;
}

/** A batch before its step, of which one look has been taken. */
export interface LookedBatch {
  /** By number. */
  readonly views: readonly ViewRows[];
  /** Number of the batch in the run, from 0: an address for what is drawn for it. */
  readonly number: number;
  /** [rows, …] of an output of the network that looked: the rows of its first view, then of its second, …. */
  readonly output: (name: string) => Float32Array;
  /** [N, channels, size, size] of all views, view by view. What is written here is what the networks of the step see. */
  readonly images: Float32Array;
}

/** A batch whose images have gone through the networks. */
export interface MethodBatch {
  /** By number; of held-out clips those of the first stream alone. */
  readonly views: readonly ViewRows[];
  /** False for held-out clips: no state may change, and gradients go nowhere. */
  readonly training: boolean;
  /** Share of the run's steps that lie behind, 0 to 1: what a ramp follows. */
  readonly progress: number;
  /** [rows, …] of an output of the online network: the rows of its first view, then of its second, …. */
  readonly output: (name: string) => Float32Array;
  /** To be filled with ∂loss/∂output, same shape. Every output of the online network needs one in training. */
  readonly gradient: (name: string) => Float32Array;
  /** [rows, …] of an output of the target network. */
  readonly target: (name: string) => Float32Array;
}

/** The loss of one batch and every measurement that the method declares. */
export type Losses = Readonly<Record<string, number>> & { readonly loss: number };

/** A method at work in one run. */
export interface OpenMethod {
  readonly streams: readonly Stream[];
  /** What trains. */
  readonly online: NetworkUse;
  /** What is compared with and gets no gradient. It starts as a copy of the online network's parameters. */
  readonly target?: NetworkUse;
  /** Whether `times` are read: a run with a clip of several frames whose rate nobody knows is refused. Default false. */
  readonly needsTimes?: boolean;
  /** Which network's weights a run leaves: those of `best`, of `last` and of held-out features. Default: the online one's. */
  readonly leaves?: 'online' | 'target';
  /**
   * What comes before a step of training: the online network, or a part of it, looks at some views, with batch statistics and
   * without gradients, and `change` may then change the images.
   */
  readonly look?: NetworkUse & { readonly change: (batch: LookedBatch) => void };
  /**
   * What is kept between steps beside parameters, by name. Arrays keep their length; they are saved with checkpoints, and
   * put back where a step fails.
   */
  readonly state?: Readonly<Record<string, Float32Array>>;
  /** Reads outputs, writes gradients, may change `state` in training. */
  readonly losses: (batch: MethodBatch) => Losses;
  /**
   * Whether a held-out clip of this class and source is scored by its label. Where it is given, `losses` sees the held-out
   * clips that it names and whose label may be read, all in one batch, with those labels. Without it `losses` sees all
   * held-out clips, batch by batch, and no label.
   */
  readonly scoresLabel?: (label: number, source: number) => boolean;
  /**
   * After each update of the online network: the place of moving averages. The target is null where there is none;
   * `progress` is that of the step's batches.
   */
  readonly afterUpdate?: (online: Parameters, target: Parameters | null, progress: number) => void;
}

/** What a sentence about a run is made of. */
export interface RunFacts {
  /** Whether any label entered the loss. */
  readonly labelsRead: boolean;
  readonly view: ViewConfig;
  /** Takes a reference up into the list and returns its mark, as `[1]`. */
  readonly cite: (reference: Reference) => string;
}

/** Everything about a method. `Options` is what its schema makes of the keys under `method`. */
export interface MethodDeclaration<Options> {
  /** As people write it in a configuration: small letters, digits, hyphens. */
  readonly name: string;
  /** As people say it. */
  readonly title: string;
  /** One line for lists. */
  readonly summary: string;
  readonly reference: Reference;
  /** Of the keys under `method`, each with a default and a `describe` text. */
  readonly options: z.ZodObject & z.ZodType<Options>;
  /** Partial configurations of whole runs by name; `default` is what a run starts from. */
  readonly presets: Readonly<Record<string, Readonly<Record<string, unknown>>>> & {
    readonly default: Readonly<Record<string, unknown>>;
  };
  /** In the order of the log. */
  readonly measurements: readonly Measurement[];
  readonly charts: readonly Chart[];
  /**
   * What of held-out clips chooses the checkpoint `best`: `loss` or a measurement that is taken of them. Null: nothing
   * does.
   */
  readonly chooses: { readonly by: string; readonly better: 'lower' | 'higher' } | null;
  /** Whether a run without any label that may be read is refused. Default false. */
  readonly needsLabels?: boolean;
  /** Whether labels can change the loss. */
  readsLabels(options: Options): boolean;
  /** Opens the method for one run. */
  open(options: Options, given: MethodGiven): OpenMethod;
  /** For a methods section: how a run was pretrained, what the loss was. Goes on after "was pretrained from random weights". */
  describe(options: Options, facts: RunFacts): string;
}

/** A declaration with its options behind its own schema. */
export interface Method extends Omit<
  MethodDeclaration<unknown>,
  'options' | 'readsLabels' | 'open' | 'describe'
> {
  readonly options: z.ZodObject;
  /** Of the file that it came from; undefined for one of this project or of a program. */
  readonly sha256?: string;
  readsLabels(options: unknown): boolean;
  open(options: unknown, given: MethodGiven): OpenMethod;
  describe(options: unknown, facts: RunFacts): string;
}

/**
 * The method that a declaration describes: its options are parsed by its own schema wherever they come in. Error:
 * `METHOD_INVALID` for a declaration that does not hold.
 */
export function defineMethod<Options>(declaration: MethodDeclaration<Options>): Method {
  checkMethod(declaration, `the method ${declaration.name}`);
  const parsed = (given: unknown): Options => declaration.options.parse(given);
  return {
    ...declaration,
    readsLabels: (given) => declaration.readsLabels(parsed(given)),
    open: (given, opened) => declaration.open(parsed(given), opened),
    describe: (given, facts) => declaration.describe(parsed(given), facts),
  };
}
