/** Which checkpoints a run writes, with what is known when it does. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { guardWrites } from '../base/files.ts';
import { CHECKPOINTS, type CheckpointState, saveCheckpoint, saveLast } from './checkpoint.ts';
import type { Config } from './config.ts';
import type { PretrainEvent } from './events.ts';
import type { Learner } from './learner.ts';
import type { RunLog } from './log.ts';
import { RUN_FILES } from './run-folder.ts';
import type { Scorer } from './scorer.ts';

export interface SaverParts {
  readonly run: string;
  readonly config: Config;
  readonly configHash: string;
  readonly datasetHash: string;
  readonly learner: Learner;
  readonly scorer: Scorer;
  readonly log: RunLog;
  readonly tell: (event: PretrainEvent) => void;
}

export class Saver {
  readonly #parts: SaverParts;
  readonly #folder: string;

  /** Makes the folder for checkpoints. */
  constructor(parts: SaverParts) {
    this.#parts = parts;
    this.#folder = join(parts.run, RUN_FILES.checkpoints);
    guardWrites(this.#folder, () => mkdirSync(this.#folder, { recursive: true }));
  }

  /** Everything that resuming needs, after `step` completed steps. The log goes first, so that it is never behind. */
  last(step: number, epoch: number): void {
    const { learner, log, tell } = this.#parts;
    log.flush();
    saveLast(this.#folder, this.#state(step, epoch), learner.parameters, learner.optimizer);
    tell({ kind: 'checkpoint', path: join(this.#folder, CHECKPOINTS.last) });
  }

  /** The weights as the best so far. */
  best(step: number, epoch: number): void {
    this.#weights(CHECKPOINTS.best, step, epoch);
  }

  /** The weights of this epoch, for good. */
  keep(step: number, epoch: number): void {
    this.#weights(CHECKPOINTS.kept(epoch + 1), step, epoch);
  }

  #weights(name: string, step: number, epoch: number): void {
    const { parameters } = this.#parts.learner;
    saveCheckpoint(join(this.#folder, name), this.#state(step, epoch), parameters, null);
  }

  #state(step: number, epoch: number): CheckpointState {
    const { config, configHash, datasetHash, learner, scorer } = this.#parts;
    const { model, view } = config;
    return {
      step,
      epoch,
      configHash,
      datasetHash,
      optimizerSteps: learner.optimizer.steps,
      best: scorer.best,
      model: { backbone: model.backbone, width: model.width, channels: view.channels, size: view.size },
    };
  }
}
