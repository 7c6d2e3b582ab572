/**
 * What a fine-tuning run leaves in its folder beside what every run has (`RUN_FILES`). Later readers (evaluate,
 * predict, explain, report) rely on these files and on nothing else.
 *
 *     config.json         FinetuneConfig, complete; "task": "finetune"
 *     environment.json    as of pretraining
 *     dataset.json        provenance: every clip of the dataset, role and whether its label was used
 *     source.json         where the weights came from, and the provenance of the run that made them
 *     folds.json          which clip is tested in which fold of which seed; leaks found and allowed
 *     log.jsonl           an entry an epoch (`EpochEntry`)
 *     cells/NAME.json     one fold done: its predictions of the test clips at the chosen epoch
 *     predictions.json    those of all folds (`predictions.ts` of evaluation)
 *     metrics.json        the evaluation of them
 *     curves.svg
 *     checkpoints/best.safetensors   the final model, trained on all labelled clips
 */
import { join } from 'node:path';
import { FINETUNE_FILES } from '../run-folder.ts';

/** One training: a label rate, a seed and a fold; `fold` null: the final model, on all labelled clips. */
export interface CellKey {
  readonly labelRate: number;
  readonly seed: number;
  readonly fold: number | null;
}

/** `0.25-s0-f3`, `1-s0-final`. */
export function cellName({ labelRate, seed, fold }: CellKey): string {
  return `${labelRate}-s${seed}-${fold === null ? 'final' : `f${fold}`}`;
}

export const CELL_FILES = {
  done: (run: string, key: CellKey): string => join(run, FINETUNE_FILES.cells, `${cellName(key)}.json`),
  /** Weights of the chosen epoch, where models are kept. */
  model: (run: string, key: CellKey): string =>
    join(run, FINETUNE_FILES.cells, `${cellName(key)}.safetensors`),
  /** Where an unfinished fold stands. */
  partial: (run: string): string => join(run, FINETUNE_FILES.cells, 'partial.safetensors'),
} as const;
