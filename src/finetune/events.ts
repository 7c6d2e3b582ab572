/** What a fine-tuning tells whoever watches it, and what it says at its end. */
import type { Evaluation } from '../evaluation/scores/evaluation-result.ts';
import type { EpochEntry } from './epoch-log.ts';
import type { CellKey } from './cells.ts';

export type FinetuneEvent =
  | {
      readonly kind: 'start';
      /** Trainings in all (the final model is one), and how many an earlier call has done. */
      readonly cells: number;
      readonly cellsDone: number;
      readonly classes: readonly string[];
      /** Labelled clips and what of them stays on one side. */
      readonly clips: number;
      readonly groups: number;
      readonly folds: number;
      readonly seeds: number;
      readonly labelRates: readonly number[];
      /** Parameters that train, of how many. */
      readonly trained: number;
      readonly parameters: number;
      /** The value up to which nothing trains; `input` where there is none. */
      readonly frozenUpTo: string;
      readonly backend: string;
      readonly precision: string;
    }
  /** Something the person should know. */
  | { readonly kind: 'note'; readonly text: string }
  /** Steps of all trainings, those that end early counted to their end. */
  | {
      readonly kind: 'step';
      readonly done: number;
      readonly total: number;
      readonly secondsLeft: number;
      readonly imagesPerSecond: number;
    }
  | { readonly kind: 'epoch'; readonly key: CellKey; readonly entry: EpochEntry }
  | {
      readonly kind: 'cell';
      readonly key: CellKey;
      readonly number: number;
      readonly cells: number;
      /** The chosen epoch, from 0, and epochs trained. */
      readonly epoch: number;
      readonly epochs: number;
      readonly seconds: number;
    };

export interface FinetuneSummary {
  readonly run: string;
  /** False when it was interrupted; it can be resumed. */
  readonly complete: boolean;
  readonly cells: number;
  readonly cellsDone: number;
  /** Null until all folds are done. */
  readonly evaluation: Evaluation | null;
  /** The final model; null without one. */
  readonly model: string | null;
  /** Leaks that were allowed, in words. */
  readonly leaks: readonly string[];
  /** Wall time of this call in seconds. */
  readonly seconds: number;
}
