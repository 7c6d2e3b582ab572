/** What an explanation is asked for, what it works with, and which class of each clip is explained. */
import { usageError } from '../base/errors.ts';
import type { Backend, BackendChoice, DeviceChoice, Precision } from '../engine/core/backend.ts';
import { largestAt } from '../evaluation/features/matrix.ts';
import type { WhichCheckpoint } from '../trainer/backbone.ts';
import type { PooledClip } from './clip-pool.ts';
import type { VideoFormat } from '../video/encode.ts';
import type { FileOptions, Subject } from './opened-data.ts';

/** Which clips get heat, of which class and layer, and how many pictures are made. */
export interface CamOptions {
  /** A value or a stage of the network. Default `layer4`. */
  readonly layer?: string;
  /** `predicted` (default), `label`, or the name of a class. */
  readonly target?: string;
  /** Clips drawn at most, an even share of every class. Default 24; 0 for numbers only. */
  readonly pictures?: number;
  /** Draw these clips (ids, or parts of ids that only one clip has) and no others. */
  readonly clips?: readonly string[];
  /** Videos of the drawn clips that move. Default none. */
  readonly video?: VideoFormat;
}

/** How the map of embeddings is laid out (UMAP). */
export interface MapOptions {
  /** Default 15. */
  readonly neighbours?: number;
  /** Default 0.1. */
  readonly minDist?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Which clips are asked about, and how many of the most alike are shown. */
export interface NeighboursOptions {
  /** Clips that are asked about: ids, or parts of ids that only one clip has. Default: the first of every class. */
  readonly clips?: readonly string[];
  /** Answers to each. Default 9. */
  readonly count?: number;
  /** Answer clips of the same group (patient) too. Default false. */
  readonly sameGroup?: boolean;
}

/** What `explain` is told. */
export interface ExplainOptions {
  /** Run folder of fine-tuning or (map and neighbours only) pretraining, a checkpoint, or a safetensors file. */
  readonly source: string;
  /** Datasets, or files and folders of clips; not both. */
  readonly data: readonly string[];
  /** Default: `explain` in the run. */
  readonly out?: string;
  /** Where none of the three parts is asked for, all that these weights and clips allow are made. */
  readonly cam?: CamOptions;
  readonly map?: MapOptions;
  readonly neighbours?: NeighboursOptions;
  /** Frames looked at a clip, uniform in time, 1 to 64. Default 4. */
  readonly framesPerClip?: number;
  /** Of a pretraining run. Default `best`. */
  readonly checkpoint?: WhichCheckpoint;
  /** How files are read; of no effect on datasets. */
  readonly files?: FileOptions;
  readonly overwrite?: boolean;
  readonly backend?: BackendChoice;
  /** Of a backend that has several: `auto` takes a GPU where there is one. Default `auto`. */
  readonly device?: DeviceChoice;
  readonly threads?: number;
  /** Default f32. */
  readonly precision?: Precision;
  readonly onProgress?: (done: number, total: number, note?: string) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Everything that parts of an explanation are made of, open. */
export interface Work {
  readonly options: ExplainOptions;
  readonly backend: Backend;
  readonly subject: Subject;
  readonly pool: readonly PooledClip[];
  readonly framesPerClip: number;
  readonly folder: string;
  /** Indices in the pool of the clips to draw, and of those that are asked about. */
  readonly wanted: { readonly drawn: ReadonlySet<number>; readonly queries: readonly number[] };
}

export interface TargetChooser {
  explains(clip: PooledClip): boolean;
  classOf(clip: PooledClip, probabilities: readonly Float32Array[]): number;
}

/** Errors: `CAM_TARGET`. */
export function targetChooser({
  target,
  classes,
  pool,
}: {
  readonly target: string;
  readonly classes: readonly string[];
  readonly pool: readonly PooledClip[];
}): TargetChooser {
  if (target === 'predicted')
    return {
      explains: () => true,
      classOf: (_, probabilities) => {
        const sums = classes.map((_name, c) => probabilities.reduce((sum, one) => sum + one[c]!, 0));
        return largestAt(sums, 0, classes.length);
      },
    };
  const isKnown = (label: string | null): label is string => label !== null && classes.includes(label);
  if (target === 'label' && pool.some(({ record }) => isKnown(record.label)))
    return {
      explains: ({ record }) => isKnown(record.label),
      classOf: ({ record }) => (isKnown(record.label) ? classes.indexOf(record.label) : 0),
    };
  if (classes.includes(target)) return { explains: () => true, classOf: () => classes.indexOf(target) };
  throw usageError(
    'CAM_TARGET',
    target === 'label'
      ? 'No clip has a label that the network knows.'
      : `The network knows no class "${target}".`,
    `Give predicted, label, or one of its classes: ${classes.join(', ')}.`,
    { where: 'class' },
  );
}
