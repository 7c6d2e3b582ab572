/**
 * The scores of a network during its training and the choice of the best: a kNN on a labelled dataset where one is
 * given (balanced accuracy of clips, higher is better), else the loss of the held-out clips (lower is better).
 */
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { knnScore } from '../evaluation/knn-score.ts';
import type { Best } from './checkpoint.ts';
import type { Config } from './config.ts';
import { embedClips } from './embedder.ts';
import type { Learner } from './learner.ts';
import type { KnnEntry, ValidationEntry } from './log.ts';
import type { Split } from './splits.ts';
import { validate } from './validation.ts';

export interface EpochScore {
  readonly entry: ValidationEntry | KnnEntry;
  /** Whether this is the best of the run so far, by the score that selects. */
  readonly best: boolean;
}

export class Scorer implements Disposable {
  /** What selects the best. */
  readonly by: 'knn' | 'validation';
  /** So far; a run that goes on sets it. */
  best: Best | null = null;
  readonly #learner: Learner;
  readonly #dataset: Dataset;
  readonly #split: Split;
  readonly #config: Config;
  readonly #labelled: Dataset | null;

  /** Opens the labelled dataset; errors of `openDataset`. */
  constructor(learner: Learner, dataset: Dataset, split: Split, config: Config) {
    this.#learner = learner;
    this.#dataset = dataset;
    this.#split = split;
    this.#config = config;
    const folder = config.evaluation.dataset;
    this.#labelled = folder === null ? null : openDataset(folder);
    this.by = folder === null ? 'validation' : 'knn';
  }

  /** Scores after an epoch; the kNN every `evaluation.every` epochs and at the end of the run. */
  async scoreEpoch(epoch: number, step: number, last: boolean): Promise<readonly EpochScore[]> {
    const scores: EpochScore[] = [];
    const at = (): { step: number; epoch: number; time: number } => ({
      step,
      epoch,
      time: Date.now() / 1000,
    });
    const validation = await validate(this.#learner, this.#dataset, this.#split, this.#config, epoch);
    if (validation !== null) {
      const best = this.by === 'validation' && this.#isBest(-validation.loss, validation.loss, epoch, step);
      scores.push({ entry: { kind: 'validation', ...at(), ...validation }, best });
    }
    const { every, neighbours, framesPerClip } = this.#config.evaluation;
    if (this.#labelled !== null && ((epoch + 1) % every === 0 || last)) {
      const plan = this.#learner.plan('infer', 2 * this.#config.batch.pairs);
      const { view } = this.#config;
      const [embeddings] = await embedClips(this.#labelled, [plan], view, { framesPerClip });
      const { clips, manifest } = this.#labelled;
      const score = knnScore(embeddings!, clips, manifest.classes, { k: neighbours });
      const { accuracy, balancedAccuracy, macroF1 } = score;
      const best = this.#isBest(balancedAccuracy, balancedAccuracy, epoch, step);
      scores.push({ entry: { kind: 'knn', ...at(), accuracy, balancedAccuracy, macroF1 }, best });
    }
    return scores;
  }

  /** Notes the score if its goodness is above the best's; the first of equal ones stays. */
  #isBest(goodness: number, score: number, epoch: number, step: number): boolean {
    const known = this.best === null ? -Infinity : this.by === 'knn' ? this.best.score : -this.best.score;
    if (!(goodness > known)) return false;
    this.best = { step, epoch, score };
    return true;
  }

  [Symbol.dispose](): void {
    this.#labelled?.[Symbol.dispose]();
  }
}
