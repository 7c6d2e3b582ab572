/**
 * Makes the trainings of a run that are not done yet, one after another: puts the tuner at the start of each, or where an
 * interrupted one stood, saves now and then, and leaves a file for each that ends.
 */
import { join } from 'node:path';
import { Pace } from '../../base/pace.ts';
import { CHECKPOINTS, saveCheckpoint } from '../checkpoint.ts';
import { ingestedAs } from '../ingested.ts';
import { datasetHash, RUN_FILES } from '../run-folder.ts';
import { type CellEnd, trainCell } from './cell.ts';
import { CELL_FILES, type CellKey, cellName, writeCell } from './cells.ts';
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

export class Runner {
  readonly #parts: RunnerParts;
  readonly #todo: readonly CellKey[];
  /** Of the first training to be made. */
  readonly #from: CellProgress | null;
  readonly #total: number;
  /** Steps of trainings that have ended; those that early stopping spared count as made. */
  #before: number;
  readonly #pace: Pace;
  readonly #clips = new Map<string, CellClips>();

  /** Puts the tuner where the run stands. */
  constructor(parts: RunnerParts) {
    this.#parts = parts;
    const { keys, done, tell } = parts;
    this.#todo = keys.filter((key) => !done.includes(key));
    const first = this.#todo[0];
    const note = (text: string): void => {
      tell({ kind: 'note', text });
    };
    this.#from = first === undefined ? null : this.#start(first, note);
    const sum = (some: readonly CellKey[]): number =>
      some.reduce((total, key) => total + this.#stepsOf(key), 0);
    this.#total = sum(keys);
    this.#before = sum(done);
    this.#pace = new Pace(this.#total, this.#before, 0.05);
  }

  /** Whether a log entry is of the training that is gone on with, and not beyond where it stands. */
  keeps(entry: EpochEntry): boolean {
    const [first] = this.#todo;
    return first !== undefined && isOf(entry, first) && entry.epoch < (this.#from?.epochs ?? 0);
  }

  /** Trains until all is done or the signal is heard. */
  async trainAll(log: EpochLog): Promise<void> {
    const { run, keys, tell, signal } = this.#parts;
    for (const [i, key] of this.#todo.entries()) {
      if (signal?.aborted === true) return;
      const began = performance.now();
      const from = (i === 0 ? this.#from : null) ?? this.#start(key, () => undefined);
      const clips = this.#clipsOf(key);
      const onStep = this.#tellStep.bind(this);
      const end = await trainCell({ ...this.#parts, key, clips, log, onStep }, from);
      log.flush();
      if (end === null) return;
      const seconds = (performance.now() - began) / 1000;
      this.#finish(key, clips, end, seconds);
      removePartial(run);
      this.#before += this.#stepsOf(key);
      this.#pace.skip();
      const { epoch, epochs } = end;
      const number = keys.indexOf(key) + 1;
      tell({ kind: 'cell', key, number, cells: keys.length, epoch, epochs, seconds });
    }
  }

  #start(key: CellKey, note: (text: string) => void): CellProgress {
    const { tuner, frozen } = this.#parts;
    if (tuner.start(key.seed).belowChanged) frozen.clear();
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
    const { config, configHash, dataset, plan, tuner } = this.#parts;
    const { backbone, width } = config.model;
    const { channels, size } = config.view;
    const step = tuner.optimizer.steps;
    saveCheckpoint(
      path,
      {
        ...{ step, epoch, configHash, optimizerSteps: step },
        datasetHash: datasetHash(dataset),
        best: score === null ? null : { step, epoch, score: score.balancedAccuracy },
        model: { backbone, width, channels, size },
        classifier: {
          classes: [...plan.classes],
          view: viewOf(config),
          ingest: ingestedAs(dataset.manifest),
        },
      },
      tuner.parameters,
      null,
    );
  }

  #clipsOf(key: CellKey): CellClips {
    const { plan, dataset, config } = this.#parts;
    const name = cellName(key);
    const known = this.#clips.get(name) ?? cellClips(plan, dataset, config, key);
    this.#clips.set(name, known);
    return known;
  }

  #stepsOf(key: CellKey): number {
    const { dataset, config } = this.#parts;
    return new CellRows(dataset.clips, this.#clipsOf(key).training, config, key.seed).steps;
  }
}
