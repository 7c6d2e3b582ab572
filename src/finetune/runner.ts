/**
 * Makes the trainings of a run that are not done yet, one after another: puts the network at the start of each, or where an
 * interrupted one stood, saves now and then, and leaves a file for each that ends.
 */
import { join } from 'node:path';
import { Pace } from '../base/pace.ts';
import { CHECKPOINTS, type CheckpointState, saveCheckpoint } from '../runs/checkpoint.ts';
import { ingestedAs } from '../runs/ingested.ts';
import { datasetHash, RUN_FILES } from '../runs/run-folder.ts';
import { type CellEnd, trainCell } from './cell.ts';
import { CELL_FILES, type CellKey, writeCell } from './cells.ts';
import { viewOf } from './config.ts';
import { type EpochEntry, type EpochLog, isOf } from './epoch-log.ts';
import { type CellClips, cellClips } from './folds.ts';
import { type CellProgress, NO_SUMS, removePartial, restorePartial } from './partial.ts';
import { CellRows } from './rows.ts';
import type { OpenRun } from './scoring.ts';

export interface RunnerParts extends OpenRun {
  readonly keys: readonly CellKey[];
  /** Of `keys`, those that an earlier call has made. */
  readonly done: readonly CellKey[];
}

/** A training with its clips and how many steps it takes at most. */
interface Cell {
  readonly key: CellKey;
  readonly clips: CellClips;
  readonly steps: number;
}

export class Runner {
  readonly #parts: RunnerParts;
  readonly #todo: readonly Cell[];
  /** Of the first training to be made. */
  readonly #from: CellProgress | null;
  readonly #total: number;
  /** Steps of trainings that have ended; those that early stopping spared count as made. */
  #before: number;
  readonly #pace: Pace;

  /** Puts the network where the run stands. */
  constructor(parts: RunnerParts) {
    this.#parts = parts;
    const { config, dataset, done, keys, plan, tell } = parts;
    const cells = keys.map((key): Cell => {
      const clips = cellClips(plan, dataset, config, key);
      return { key, clips, steps: new CellRows(dataset.clips, clips.training, config, key.seed).steps };
    });
    this.#todo = cells.filter(({ key }) => !done.includes(key));
    const [first] = this.#todo;
    const note = (text: string): void => {
      tell({ kind: 'note', text });
    };
    this.#from = first === undefined ? null : this.#start(first.key, note);
    const sum = (some: readonly Cell[]): number => some.reduce((total, { steps }) => total + steps, 0);
    this.#total = sum(cells);
    this.#before = this.#total - sum(this.#todo);
    this.#pace = new Pace(this.#total, this.#before, 0.05);
  }

  /** Whether a log entry is of the training that is gone on with, and not beyond where it stands. */
  keeps(entry: EpochEntry): boolean {
    const [first] = this.#todo;
    return first !== undefined && isOf(entry, first.key) && entry.epoch < (this.#from?.epochs ?? 0);
  }

  /** Trains until all is done or the signal is heard. */
  async trainAll(log: EpochLog): Promise<void> {
    const { run, keys, tell, signal } = this.#parts;
    const onStep = this.#tellStep.bind(this);
    for (const [i, { key, clips, steps }] of this.#todo.entries()) {
      if (signal?.aborted === true) return;
      const began = performance.now();
      const from = (i === 0 ? this.#from : null) ?? this.#start(key, () => undefined);
      const end = await trainCell({ ...this.#parts, key, clips, log, onStep }, from);
      log.flush();
      if (end === null) return;
      const seconds = (performance.now() - began) / 1000;
      this.#finish(key, clips, end, seconds);
      removePartial(run);
      this.#before += steps;
      this.#pace.skip();
      const { epoch, epochs } = end;
      const number = keys.indexOf(key) + 1;
      tell({ kind: 'cell', key, number, cells: keys.length, epoch, epochs, seconds });
    }
  }

  #start(key: CellKey, note: (text: string) => void): CellProgress {
    const { tunedNetwork, frozen } = this.#parts;
    if (tunedNetwork.start(key.seed).belowChanged) frozen.clear();
    return restorePartial({ ...this.#parts, key }, note) ?? { epochs: 0, best: null, sums: NO_SUMS };
  }

  #tellStep(step: number, images: number): void {
    const done = this.#before + step;
    this.#pace.lap(done);
    const [secondsLeft, seconds] = [this.#pace.secondsLeft(), this.#pace.secondsAStep()];
    const imagesPerSecond = images / seconds;
    this.#parts.tell({ kind: 'step', done, total: this.#total, secondsLeft, imagesPerSecond });
  }

  #finish(key: CellKey, clips: CellClips, end: CellEnd, seconds: number): void {
    const { run, config, configHash } = this.#parts;
    const { rows, ...said } = end;
    // Weights first: a training is done once its file is there.
    if (key.fold === null) this.#saveModel(join(run, RUN_FILES.checkpoints, CHECKPOINTS.best), end);
    else if (config.keepModels) this.#saveModel(CELL_FILES.model(run, key), end);
    writeCell(run, {
      ...key,
      configHash,
      ...said,
      trainingClips: clips.training.length,
      innerClips: clips.inner.length,
      testClips: clips.test.length,
      seconds,
      rows: [...rows],
    });
  }

  #saveModel(path: string, { epoch, score }: CellEnd): void {
    const { config, configHash, dataset, plan, tunedNetwork } = this.#parts;
    const { backbone, width } = config.model;
    const { channels, size } = config.view;
    const step = tunedNetwork.optimizer.steps;
    const state: CheckpointState = {
      ...{ step, epoch, configHash, optimizerSteps: step },
      datasetHash: datasetHash(dataset),
      best: score === null ? null : { step, epoch, score: score.balancedAccuracy },
      model: { backbone, width, channels, size },
      classifier: { classes: [...plan.classes], view: viewOf(config), ingest: ingestedAs(dataset.manifest) },
    };
    saveCheckpoint(path, state, tunedNetwork.parameters, null);
  }
}
