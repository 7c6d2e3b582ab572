/** The events that a fine-tuning reports while it runs, and the summary that it returns. */
import type { Evaluation } from '../evaluation/scores/evaluation-result.ts';
import type { EpochEntry } from './epoch-log.ts';
import type { FoldRunKey } from './fold-runs.ts';

/** What `finetune` tells while it works, told apart by `kind`. */
export type FinetuneEvent =
  | {
      readonly kind: 'start';
      /** Fold runs in all (the final model counts as one), and how many an earlier call has finished. */
      readonly foldRuns: number;
      readonly foldRunsDone: number;
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
  | { readonly kind: 'epoch'; readonly key: FoldRunKey; readonly entry: EpochEntry }
  | {
      readonly kind: 'fold-run';
      readonly key: FoldRunKey;
      readonly number: number;
      readonly foldRuns: number;
      /** The chosen epoch, from 0, and epochs trained. */
      readonly epoch: number;
      readonly epochs: number;
      readonly seconds: number;
    };

/** How a fine-tuning ended. */
export interface FinetuneSummary {
  readonly run: string;
  /** False when it was interrupted; it can be resumed. */
  readonly complete: boolean;
  readonly foldRuns: number;
  readonly foldRunsDone: number;
  /** Null until all folds are done; of several processes the first one's alone is not. */
  readonly evaluation: Evaluation | null;
  /** The final model; null without one. */
  readonly model: string | null;
  /** Leaks that were allowed, in words. */
  readonly leaks: readonly string[];
  /** Wall time of this call in seconds. */
  readonly seconds: number;
}
