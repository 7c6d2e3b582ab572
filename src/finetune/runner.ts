/**
 * Trains fold runs that are not done yet, one after another. The runner starts the network for each, or restores an
 * interrupted one, saves from time to time, and writes a file for each fold run that ends. Of several processes each has a
 * runner; none trains what another one has taken.
 */
import { join } from 'node:path';
import { Pace } from '../base/pace.ts';
import { CHECKPOINTS, type CheckpointState, saveCheckpoint } from '../runs/checkpoint.ts';
import { ingestedAs } from '../runs/ingested.ts';
import { datasetHash, RUN_FILES } from '../runs/run-folder.ts';
import { type FoldRunEnd, trainFoldRun } from './fold-training.ts';
import { FOLD_RUN_FILES, type FoldRunKey, writeFoldRun } from './fold-runs.ts';
import { viewOf } from './config.ts';
import type { EpochSink } from './epoch-log.ts';
import type { FoldRunClips } from './fold-plan.ts';
import type { OwnProgress } from './job-progress.ts';
import type { FoldRun } from './learner.ts';
import { type FoldRunProgress, NO_SUMS, removePartial, restorePartial } from './unfinished-fold-run.ts';
import type { OpenRun } from './scoring.ts';

export interface RunnerParts extends OpenRun {
  readonly planned: readonly PlannedFoldRun[];
  /** Those that earlier calls have not finished, in the order in which they are trained. */
  readonly todo: readonly PlannedFoldRun[];
  /** Whether this process is to train it: asked once for each. */
  readonly take: (key: FoldRunKey) => boolean;
  readonly onStep: (own: OwnProgress) => void;
}

/** A fold run with its clips and the most steps that it takes. */
export interface PlannedFoldRun extends FoldRun {
  readonly steps: number;
}

/** Steps of fold runs. */
export function stepsOf(some: readonly PlannedFoldRun[]): number {
  return some.reduce((total, { steps }) => total + steps, 0);
}

/**
 * Fold runs as several processes train them: the longest of a seed first, so that none is left at the end while all others wait.
 * Seeds stay outermost, since random weights change with the seed.
 */
export function longestFirst(todo: readonly PlannedFoldRun[]): readonly PlannedFoldRun[] {
  const seeds = [...new Set(todo.map(({ key }) => key.seed))];
  return seeds.flatMap((seed) =>
    todo.filter(({ key }) => key.seed === seed).sort((a, b) => b.steps - a.steps),
  );
}

export class Runner {
  readonly #parts: RunnerParts;
  /** Steps of fold runs that this runner has ended. Steps that early stopping saved count too. */
  #ended = 0;
  readonly #pace: Pace;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#pace = new Pace(stepsOf(parts.todo), 0, 0.05);
  }

  /** Trains until all fold runs are done or taken, or the signal stops them. */
  async trainAll(log: EpochSink): Promise<void> {
    const { run, planned, todo, take, tell, signal } = this.#parts;
    const onStep = this.#tellStep.bind(this);
    for (const foldRun of todo) {
      const { key, clips, steps } = foldRun;
      if (signal?.aborted === true) return;
      if (!take(key)) continue;
      const began = performance.now();
      this.#pace.skip();
      const from = this.#start(foldRun);
      const end = await trainFoldRun({ ...this.#parts, key, clips, log, onStep }, from);
      log.flush();
      if (end === null) return;
      const seconds = (performance.now() - began) / 1000;
      this.#finish(key, clips, end, seconds);
      removePartial(run, key);
      this.#ended += steps;
      const { epoch, epochs } = end;
      const number = planned.indexOf(foldRun) + 1;
      tell({ kind: 'fold-run', key, number, foldRuns: planned.length, epoch, epochs, seconds });
    }
  }

  #start(foldRun: PlannedFoldRun): FoldRunProgress {
    const { learner, tell } = this.#parts;
    learner.start(foldRun);
    const note = (text: string): void => {
      tell({ kind: 'note', text });
    };
    const { key } = foldRun;
    return restorePartial({ ...this.#parts, key }, note) ?? { epochs: 0, best: null, sums: NO_SUMS };
  }

  #tellStep(step: number, images: number): void {
    const done = this.#ended + step;
    this.#pace.lap(done);
    const secondsAStep = this.#pace.secondsAStep();
    this.#parts.onStep({ done, secondsAStep, imagesPerSecond: images / Math.max(secondsAStep, 1e-9) });
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
