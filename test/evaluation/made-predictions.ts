/** Simulated predictions, for the tests of what is made of predictions. */
import { randomAt } from '../../src/base/random.ts';
import type { FoldRunPredictions, Predictions } from '../../src/evaluation/scores/predictions.ts';

export interface MadeOptions {
  readonly seed?: number;
  readonly clips?: number;
  readonly groups?: number;
  readonly classes?: number;
  readonly seeds?: readonly number[];
  readonly folds?: number;
  readonly frames?: number;
  /** How far the true class is put forward. */
  readonly skill?: number;
  readonly labelRates?: readonly number[];
}

/** Clip i is of group i mod groups; classes change from group to group. Clip noise and frame noise are normal. */
export function makePredictions(options: MadeOptions = {}): Predictions {
  const { seed = 1, clips = 30, groups = 10, classes = 3, seeds = [0, 1], labelRates = [1] } = options;
  const { folds = 2, frames = 3, skill = 1 } = options;
  const made = Array.from({ length: clips }, (_, i) => ({
    id: `clip-${i}`,
    group: `group-${i % groups}`,
    label: (i % groups) % classes,
  }));
  const cells: FoldRunPredictions[] = [];
  for (const labelRate of labelRates) {
    for (const of of seeds) {
      for (let fold = 0; fold < folds; fold++) {
        const tested = [...made.keys()].filter((i) => (i % groups) % folds === fold);
        const rows = tested.map((clip) => {
          const random = randomAt(seed, 'made', labelRate, of, made[clip]!.id);
          const offset = Array.from({ length: classes }, () => random.normal());
          const probabilities = Array.from({ length: frames }, () =>
            softmax(offset.map((o, c) => o + random.normal() + (c === made[clip]!.label ? skill : 0))),
          );
          return { clip, frames: Array.from({ length: frames }, (_, f) => 2 * f), probabilities };
        });
        cells.push({ labelRate, seed: of, fold, epoch: 4, rows });
      }
    }
  }
  return {
    format: 'uscl-predictions',
    version: 1,
    classes: Array.from({ length: classes }, (_, c) => `class ${c}`),
    protocol: 'honest',
    clips: made,
    cells,
  };
}

function softmax(logits: readonly number[]): number[] {
  const parts = logits.map(Math.exp);
  const sum = parts.reduce((total, part) => total + part, 0);
  return parts.map((part) => part / sum);
}

/** The predictions of one model, a row of frames a clip, written out. */
export function predictionsOf(
  classes: number,
  clips: readonly { label: number | null; group?: string; frames: readonly (readonly number[])[] }[],
): Predictions {
  return {
    format: 'uscl-predictions',
    version: 1,
    classes: Array.from({ length: classes }, (_, c) => `class ${c}`),
    protocol: 'external',
    clips: clips.map(({ label, group }, i) => ({ id: `clip-${i}`, group: group ?? `group-${i}`, label })),
    cells: [
      {
        labelRate: 1,
        seed: 0,
        fold: null,
        epoch: null,
        rows: clips.map(({ frames }, clip) => ({
          clip,
          frames: [...frames.keys()],
          probabilities: frames.map((frame) => [...frame]),
        })),
      },
    ],
  };
}
