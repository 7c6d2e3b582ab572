/**
 * Scores a network during its training and chooses the best. The score is kNN on a labelled dataset where one is
 * given (balanced accuracy of clips, higher is better). Otherwise it is the method's own score of the held-out
 * clips.
 */
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { knnScore } from '../evaluation/probes/knn-score.ts';
import type { Best } from '../runs/checkpoint.ts';
import type { Config } from '../runs/config.ts';
import { embedClips } from '../trainer/backbone.ts';
import type { BatchSchedule } from '../trainer/methods/batch-schedule.ts';
import { type HeldOutRun, scoreHeldOut } from './held-out.ts';
import type { MethodNetwork } from '../trainer/methods/method-network.ts';
import type { KnnEntry, ValidationEntry } from '../runs/log.ts';

export interface EpochScore {
  readonly entry: ValidationEntry | KnnEntry;
  /** Whether this is the best of the run so far, by the score that selects. */
  readonly best: boolean;
}

/** A run that is scored. */
export interface Scored extends HeldOutRun {
  readonly batchSchedule: Pick<BatchSchedule, 'steps'>;
}

/** The score that selects the best: the kNN, what a method names of held-out clips, or nothing. */
export type Chooser = 'knn' | 'validation' | 'nothing';

export class Scorer implements Disposable {
  readonly by: Chooser;
  /** So far; a run that goes on sets it. */
  best: Best | null = null;
  readonly #network: MethodNetwork;
  readonly #config: Config;
  readonly #validate: (epoch: number, step: number) => ReturnType<typeof scoreHeldOut>;
  readonly #labelled: Dataset | null;

  /** Opens the labelled dataset; errors of `openDataset`. */
  constructor(run: Scored) {
    const { network, config } = run;
    this.#network = network;
    this.#config = config;
    this.#validate = (epoch, step) => scoreHeldOut(run, epoch, step / run.batchSchedule.steps);
    const folder = config.evaluation.dataset;
    this.#labelled = folder === null ? null : openDataset(folder);
    this.by = folder !== null ? 'knn' : network.method.chooses === null ? 'nothing' : 'validation';
  }

  /** Scores after an epoch; the kNN every `evaluation.every` epochs and at the end of the run. */
  async scoreEpoch(epoch: number, step: number, last: boolean): Promise<readonly EpochScore[]> {
    const scores: EpochScore[] = [];
    const at = () => ({ step, epoch, time: Date.now() / 1000 });
    const validation = await this.#validate(epoch, step);
    if (validation !== null) {
      const { chooses } = this.#network.method;
      const best = this.by === 'validation' && this.#isBest(validation[chooses!.by]!, epoch, step);
      scores.push({ entry: { kind: 'validation', ...at(), ...validation }, best });
    }
    const { every, neighbours, framesPerClip } = this.#config.evaluation;
    if (this.#labelled !== null && ((epoch + 1) % every === 0 || last)) {
      const { view } = this.#config;
      const [embeddings] = await embedClips(this.#labelled, [this.#network.inference], view, {
        framesPerClip,
      });
      const { clips, manifest } = this.#labelled;
      const score = knnScore(embeddings!, clips, manifest.classes, { k: neighbours });
      const { accuracy, balancedAccuracy, macroF1 } = score;
      const best = this.#isBest(balancedAccuracy, epoch, step);
      scores.push({ entry: { kind: 'knn', ...at(), accuracy, balancedAccuracy, macroF1 }, best });
    }
    return scores;
  }

  /** Notes the score if it is better than the best; the first of equal ones stays. */
  #isBest(score: number, epoch: number, step: number): boolean {
    const sign = this.by === 'knn' || this.#network.method.chooses?.better === 'higher' ? 1 : -1;
    if (!(sign * score > (this.best === null ? -Infinity : sign * this.best.score))) return false;
    this.best = { step, epoch, score };
    return true;
  }

  [Symbol.dispose](): void {
    this.#labelled?.[Symbol.dispose]();
  }
}
