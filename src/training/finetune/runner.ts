/**
 * Makes the trainings of a run that are not done yet, one after another: puts the tuner at the start of each, or where an
 * interrupted one stood, saves now and then, and leaves a file for each that ends.
 */
import { join } from 'node:path';
import { Pace } from '../../base/pace.ts';
import type { Dataset } from '../../dataset/reader.ts';
import { CHECKPOINTS, saveCheckpoint } from '../checkpoint.ts';
import { ingestedAs } from '../ingested.ts';
import { datasetHash, RUN_FILES } from '../run-folder.ts';
import { type CellEnd, NEW_CELL, type OpenCell, stepsOf, trainCell } from './cell.ts';
import { writeCell } from './cells.ts';
import { type FinetuneConfig, viewOf } from './config.ts';
import { type EpochEntry, type EpochLog, isOf } from './epoch-log.ts';
import type { FinetuneEvent } from './events.ts';
import { type CellClips, cellClips, type FoldPlan } from './folds.ts';
import type { FrozenPart } from './frozen-part.ts';
import { type CellProgress, removePartial, restorePartial, savePartial } from './partial.ts';
import { CELL_FILES, type CellKey, cellName } from './run-files.ts';
import type { Tuner } from './tuner.ts';

export interface RunnerParts {
  readonly run: string;
  readonly dataset: Dataset;
  readonly config: FinetuneConfig;
  readonly configHash: string;
  readonly plan: FoldPlan;
  readonly tuner: Tuner;
  readonly frozen: FrozenPart;
  readonly keys: readonly CellKey[];
  /** Of `keys`, those that an earlier call has made. */
  readonly done: readonly CellKey[];
  readonly tell: (event: FinetuneEvent) => void;
  readonly signal: AbortSignal | undefined;
}

export class Runner {
  readonly #parts: RunnerParts;
  readonly #todo: readonly CellKey[];
  /** Of the first training to be made. */
  readonly #from: CellProgress;
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
    this.#from =
      first === undefined
        ? NEW_CELL
        : this.#start(first, (text) => {
            tell({ kind: 'note', text });
          });
    const sum = (some: readonly CellKey[]): number =>
      some.reduce((total, key) => total + this.#stepsOf(key), 0);
    this.#total = sum(keys);
    this.#before = sum(done);
    this.#pace = new Pace(this.#total, this.#before, 0.05);
  }

  /** Whether a log entry is of the training that is gone on with, and not beyond where it stands. */
  keeps(entry: EpochEntry): boolean {
    const first = this.#todo[0];
    return first !== undefined && isOf(entry, first) && entry.epoch < this.#from.epochs;
  }

  /** Trains until all is done or the signal is heard. */
  async trainAll(log: EpochLog): Promise<void> {
    const { run, keys, tell, signal } = this.#parts;
    for (const [i, key] of this.#todo.entries()) {
      if (signal?.aborted === true) return;
      const began = performance.now();
      const from = i === 0 ? this.#from : this.#start(key, () => undefined);
      const clips = this.#clipsOf(key);
      const end = await trainCell(this.#open(key, clips, log), from);
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
    const { tuner, frozen, run, configHash } = this.#parts;
    if (tuner.start(key.seed).belowChanged) frozen.clear();
    return restorePartial(run, key, tuner, configHash, note) ?? NEW_CELL;
  }

  #open(key: CellKey, clips: CellClips, log: EpochLog): OpenCell {
    const { run, dataset, config, configHash, plan, tuner, frozen, tell, signal } = this.#parts;
    let saved = performance.now();
    return {
      ...{ key, dataset, config, plan, clips, tuner, frozen, log, signal },
      onStep: (step, images) => {
        const done = this.#before + step;
        this.#pace.lap(done);
        tell({
          kind: 'step',
          ...{ done, total: this.#total, secondsLeft: this.#pace.secondsLeft() },
          imagesPerSecond: images / this.#pace.secondsAStep(),
        });
      },
      onEpoch: (entry) => {
        tell({ kind: 'epoch', key, entry });
      },
      isSaveDue: () => performance.now() - saved >= 1000 * config.saveSeconds,
      save: (progress) => {
        // The log goes first, so that it is never behind.
        log.flush();
        savePartial(run, key, progress, tuner, configHash);
        saved = performance.now();
      },
    };
  }

  #finish(key: CellKey, clips: CellClips, end: CellEnd, seconds: number): void {
    const { run, config, configHash } = this.#parts;
    const legacyTest = config.protocol === 'legacy' && key.fold !== null;
    // Weights first: a training is done once its file is there.
    if (key.fold === null) this.#saveModel(join(run, RUN_FILES.checkpoints, CHECKPOINTS.best), end);
    else if (config.keepModels) this.#saveModel(CELL_FILES.model(run, key), end);
    writeCell(run, {
      ...key,
      configHash,
      epoch: end.epoch,
      epochs: end.epochs,
      chosenOn: end.score === null ? 'nothing' : legacyTest ? 'test' : 'inner',
      score: end.score,
      trainingClips: clips.training.length,
      innerClips: clips.inner.length,
      testClips: clips.test.length,
      seconds,
      rows: [...end.rows],
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
    return stepsOf(dataset, this.#clipsOf(key), config, key.seed);
  }
}
