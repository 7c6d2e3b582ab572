/** The events that a pretraining reports while it runs, and the summary that it returns. */
import type { Best } from '../runs/checkpoint.ts';
import type { KnnEntry, StepEntry, ValidationEntry } from '../runs/log.ts';
import type { Chooser } from './scorer.ts';

/** An event of a pretraining run. */
export type PretrainEvent =
  | {
      readonly kind: 'start';
      readonly step: number;
      readonly steps: number;
      readonly epochs: number;
      readonly trainingClips: number;
      readonly validationClips: number;
      readonly labelledClips: number;
      readonly backend: string;
      readonly precision: string;
    }
  /** Something the person should know. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'step'; readonly entry: StepEntry; readonly steps: number; readonly secondsLeft: number }
  | { readonly kind: 'score'; readonly entry: ValidationEntry | KnnEntry; readonly best: boolean }
  | { readonly kind: 'checkpoint'; readonly path: string };

/** How a pretraining ended. */
export interface RunSummary {
  readonly run: string;
  /** False when the run was interrupted; it can be resumed. */
  readonly complete: boolean;
  readonly step: number;
  readonly steps: number;
  readonly epochs: number;
  /** Of the last step this call made; null when there was none left to make. */
  readonly loss: number | null;
  /** `knn`: balanced accuracy; `validation`: what the method chooses by; null: nothing was scored. */
  readonly best: (Best & { readonly by: Chooser }) | null;
  readonly checkpoints: { readonly last: string; readonly best: string | null };
  /** Wall time of this call in seconds. */
  readonly seconds: number;
}
