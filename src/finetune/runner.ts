/**
 * Trains the fold runs that are not done yet, one after another. The runner starts the network for each, or restores an
 * interrupted one, saves from time to time, and writes a file for each fold run that ends.
 */
import { join } from 'node:path';
import { Pace } from '../base/pace.ts';
import { CHECKPOINTS, type CheckpointState, saveCheckpoint } from '../runs/checkpoint.ts';
import { ingestedAs } from '../runs/ingested.ts';
import { datasetHash, RUN_FILES } from '../runs/run-folder.ts';
import { type FoldRunEnd, trainFoldRun } from './fold-training.ts';
import { FOLD_RUN_FILES, type FoldRunKey, writeFoldRun } from './fold-runs.ts';
import { viewOf } from './config.ts';
import { type EpochEntry, type EpochLog, belongsTo } from './epoch-log.ts';
import type { FoldRunClips } from './fold-plan.ts';
import type { FoldRun } from './learner.ts';
import { type FoldRunProgress, NO_SUMS, removePartial, restorePartial } from './unfinished-fold-run.ts';
import type { OpenRun } from './scoring.ts';

export interface RunnerParts extends OpenRun {
  readonly planned: readonly PlannedFoldRun[];
  /** Those of them that an earlier call has finished. */
  readonly done: readonly FoldRunKey[];
}

/** A fold run with its clips and the most steps that it takes. */
export interface PlannedFoldRun extends FoldRun {
  readonly steps: number;
}

export class Runner {
  readonly #parts: RunnerParts;
  readonly #todo: readonly PlannedFoldRun[];
  /** Saved progress of the first fold run to be trained. */
  readonly #from: FoldRunProgress | null;
  readonly #total: number;
  /** Steps of fold runs that have ended. Steps that early stopping saved count too. */
  #before: number;
  readonly #pace: Pace;

  /** Restores the network to the state of the run. */
  constructor(parts: RunnerParts) {
    this.#parts = parts;
    const { done, planned, tell } = parts;
    this.#todo = planned.filter(({ key }) => !done.includes(key));
    const [first] = this.#todo;
    const note = (text: string): void => {
      tell({ kind: 'note', text });
    };
    this.#from = first === undefined ? null : this.#start(first, note);
    const sum = (some: readonly PlannedFoldRun[]): number =>
      some.reduce((total, { steps }) => total + steps, 0);
    this.#total = sum(planned);
    this.#before = this.#total - sum(this.#todo);
    this.#pace = new Pace(this.#total, this.#before, 0.05);
  }

  /** Whether a log entry belongs to the fold run that goes on, and not to epochs beyond its saved state. */
  keeps(entry: EpochEntry): boolean {
    const [first] = this.#todo;
    return first !== undefined && belongsTo(entry, first.key) && entry.epoch < (this.#from?.epochs ?? 0);
  }

  /** Trains until all fold runs are done or the signal stops them. */
  async trainAll(log: EpochLog): Promise<void> {
    const { run, planned, tell, signal } = this.#parts;
    const onStep = this.#tellStep.bind(this);
    for (const [i, foldRun] of this.#todo.entries()) {
      const { key, clips, steps } = foldRun;
      if (signal?.aborted === true) return;
      const began = performance.now();
      const from = (i === 0 ? this.#from : null) ?? this.#start(foldRun, () => undefined);
      const end = await trainFoldRun({ ...this.#parts, key, clips, log, onStep }, from);
      log.flush();
      if (end === null) return;
      const seconds = (performance.now() - began) / 1000;
      this.#finish(key, clips, end, seconds);
      removePartial(run);
      this.#before += steps;
      this.#pace.skip();
      const { epoch, epochs } = end;
      const number = planned.indexOf(foldRun) + 1;
      tell({ kind: 'fold-run', key, number, foldRuns: planned.length, epoch, epochs, seconds });
    }
  }

  #start(foldRun: PlannedFoldRun, note: (text: string) => void): FoldRunProgress {
    this.#parts.learner.start(foldRun);
    const { key } = foldRun;
    return restorePartial({ ...this.#parts, key }, note) ?? { epochs: 0, best: null, sums: NO_SUMS };
  }

  #tellStep(step: number, images: number): void {
    const done = this.#before + step;
    this.#pace.lap(done);
    const [secondsLeft, seconds] = [this.#pace.secondsLeft(), this.#pace.secondsAStep()];
    const imagesPerSecond = images / seconds;
    this.#parts.tell({ kind: 'step', done, total: this.#total, secondsLeft, imagesPerSecond });
  }

  #finish(key: FoldRunKey, clips: FoldRunClips, end: FoldRunEnd, seconds: number): void {
    const { run, config, configHash } = this.#parts;
    const { rows, ...said } = end;
    // Weights first: a fold run is done once its file exists.
    if (key.fold === null) this.#saveModel(join(run, RUN_FILES.checkpoints, CHECKPOINTS.best), end);
    else if (config.keepModels) this.#saveModel(FOLD_RUN_FILES.model(run, key), end);
    writeFoldRun(run, {
      ...key,
      configHash,
      ...said,
      trainingClips: clips.training.length,
      innerClips: clips.inner.length,
      testClips: clips.test.length,
      ...(config.unlabelled === null ? {} : { unlabelledClips: clips.unlabelled.length }),
      seconds,
      rows: [...rows],
    });
  }

  #saveModel(path: string, { epoch, score }: FoldRunEnd): void {
    const { config, configHash, dataset, plan, learner } = this.#parts;
    const { backbone, width } = config.model;
    const { channels, size } = config.view;
    const step = learner.training.optimizer.steps;
    const state: CheckpointState = {
      ...{ step, epoch, configHash, optimizerSteps: step },
      datasetHash: datasetHash(dataset),
      best: score === null ? null : { step, epoch, score: score.balancedAccuracy },
      model: { backbone, width, channels, size },
      classifier: { classes: [...plan.classes], view: viewOf(config), ingest: ingestedAs(dataset.manifest) },
    };
    saveCheckpoint(path, state, learner.weights, null);
  }
}
