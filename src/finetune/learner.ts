/**
 * What learns in a fine-tuning: a classifier that every fold run starts again, from labels alone (`label-learner.ts`) or from
 * clips without a label too (`method-learner.ts`).
 */
import type { Parameters, Plan } from '../engine/core/backend.ts';
import type { TrainingState } from '../runs/checkpoint.ts';
import type { TrainingLength } from '../trainer/loop.ts';
import type { FoldRunClips } from './fold-plan.ts';
import type { FoldRunKey } from './fold-runs.ts';
import type { FrozenPart } from './frozen-part.ts';

/** What a step did. */
export interface Lesson {
  readonly loss: number;
  /** Images that were answered rightly; null where steps do not say so. */
  readonly correct: number | null;
  /** Images that the step read. */
  readonly images: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** What the method measures, by name; empty without one. */
  readonly measured: Readonly<Record<string, number>>;
}

/** The steps of a fold run, in order. */
export interface Lessons extends AsyncDisposable {
  /** One optimizer step on the next batch. Error: `NON_FINITE`; the state is then that of the step before. */
  step(learningRate: number): Promise<Lesson>;
}

/** A fold run that is to be learnt. */
export interface FoldRun {
  readonly key: FoldRunKey;
  readonly clips: FoldRunClips;
}

/** Owns native memory: dispose of it. */
export interface Learner extends Disposable {
  /** Counts of parameters: those that train, and all. */
  readonly size: { readonly trained: number; readonly parameters: number };
  /** What lies below everything that trains, and what is kept of it. */
  readonly frozen: FrozenPart;
  /** Of the fold run that was started: the weights that predict. */
  readonly weights: Parameters;
  /** What its steps change beside those weights. */
  readonly training: TrainingState;
  /** How long a fold run would take. Errors: those of a method that cannot learn from its clips. */
  lengthOf(foldRun: FoldRun): TrainingLength;
  /** Begins a fold run: the source's weights, a new classifier drawn from the seed, a new optimizer. */
  start(foldRun: FoldRun): void;
  /** The part above the frozen one for prediction on so many images; reads the weights as they are. */
  scoring(images: number): Plan;
  /** The steps of the started fold run, from `firstStep` on. */
  lessons(firstStep: number): Lessons;
}

/** All that predicts: parameters and running statistics. */
export interface Snapshot {
  readonly values: Float32Array;
  readonly statistics: Float32Array;
}

/** A copy of what predicts now. */
export function snapshotOf({ values, statistics }: Parameters): Snapshot {
  return { values: values.read(), statistics: statistics.read() };
}

/** Puts a copy back. */
export function restoreSnapshot(parameters: Parameters, { values, statistics }: Snapshot): void {
  parameters.values.write(values);
  parameters.statistics.write(statistics);
}
