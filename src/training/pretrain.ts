/**
 * Pretraining: from a dataset and a configuration to a run folder. The loop reads top to bottom; everything random is
 * addressed by seed, epoch and clip, so a run that was stopped goes on at its step to the same bits.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { UsclError } from '../base/errors.ts';
import { guardWrites } from '../base/files.ts';
import { openDataset } from '../dataset/reader.ts';
import { openBackend } from '../engine/open.ts';
import { type Best, CHECKPOINTS, type CheckpointState, saveCheckpoint, saveLast } from './checkpoint.ts';
import type { Config } from './config.ts';
import { writeCurves } from './curves.ts';
import { describeEnvironment } from './environment.ts';
import { openFeed } from './feed.ts';
import { Itinerary } from './itinerary.ts';
import { Learner, type StepBatch, type StepResult } from './learner.ts';
import { type KnnEntry, RunLog, type StepEntry, type ValidationEntry } from './log.ts';
import { recordProvenance } from './provenance.ts';
import { requireSameConfig, restoreRun, resultConfig } from './resume.ts';
import { type ConfigSources, resolveConfig } from './resolve.ts';
import {
  datasetHash,
  hashOf,
  prepareRun,
  readRunConfig,
  RUN_FILES,
  RunLock,
  writeRunFile,
} from './run-folder.ts';
import { learningRateAt } from './schedules.ts';
import { Scorer } from './scorer.ts';
import { settled } from './settle.ts';
import { type Split, splitClips } from './splits.ts';

export interface PretrainOptions {
  /** Dataset folder. */
  readonly dataset: string;
  /** Run folder to be written. */
  readonly out: string;
  readonly config?: Omit<ConfigSources, 'base' | 'channels'>;
  /** Continue the run in `out` where there is one; start it otherwise. */
  readonly resume?: boolean;
  /** Replace the run in `out` where there is one. */
  readonly overwrite?: boolean;
  /** Aborting finishes the step, saves a checkpoint and returns a summary that is not complete. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: PretrainEvent) => void;
}

/** What happens during a run, for whoever shows it. */
export type PretrainEvent =
  | {
      readonly kind: 'start';
      readonly step: number;
      readonly steps: number;
      readonly epochs: number;
      readonly trainingClips: number;
      readonly validationClips: number;
      readonly labelledClips: number;
      readonly backend: string;
      readonly precision: string;
    }
  /** Something the person should know. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'step'; readonly entry: StepEntry; readonly steps: number; readonly secondsLeft: number }
  | { readonly kind: 'score'; readonly entry: ValidationEntry | KnnEntry; readonly best: boolean }
  | { readonly kind: 'checkpoint'; readonly path: string };

export interface RunSummary {
  readonly run: string;
  /** False when the run was interrupted; it can be resumed. */
  readonly complete: boolean;
  readonly step: number;
  readonly steps: number;
  readonly epochs: number;
  /** Of the last step this call made; null when there was none left to make. */
  readonly loss: number | null;
  /** `knn`: balanced accuracy, higher is better; `validation`: NT-Xent, lower is better; null: nothing was scored. */
  readonly best: (Best & { readonly by: 'knn' | 'validation' }) | null;
  readonly checkpoints: { readonly last: string; readonly best: string | null };
  /** Wall time of this call in seconds. */
  readonly seconds: number;
}

/**
 * Pretrains a backbone. Errors: those of `openDataset`, `resolveConfig` and `openBackend`; `RUN_EXISTS`, `RUN_BUSY`,
 * `RESUME_CHANGED`, `CHECKPOINT_DAMAGED`; `NON_FINITE` naming step and clips, after the last good state was saved;
 * `DISK_FULL`, `WRITE_FAILED`.
 */
export async function pretrain(options: PretrainOptions): Promise<RunSummary> {
  const started = performance.now();
  const { out, signal } = options;
  const tell = options.onEvent ?? (() => undefined);
  using dataset = openDataset(options.dataset);
  const { channels } = dataset.manifest;
  // A configuration that does not hold is refused before anything is written.
  const asked = resolveConfig({ ...options.config, channels });
  const start = prepareRun(out, { resume: options.resume ?? false, overwrite: options.overwrite ?? false });
  using _lock = new RunLock(out);
  const saved = start === 'resumed' ? readRunConfig(out) : null;
  const wanted = saved === null ? asked : resolveConfig({ ...options.config, base: saved });
  using backend = openBackend({
    kind: wanted.backend,
    ...(wanted.threads === null ? {} : { threads: wanted.threads }),
    onFallback: (reason) => {
      tell({ kind: 'note', text: reason });
    },
  });
  const config = settled(wanted, backend);
  const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed);
  const itinerary = new Itinerary(dataset.clips, split, config);
  for (const text of remarks(config, itinerary, split)) tell({ kind: 'note', text });

  const classes = dataset.manifest.classes.length;
  using learner = new Learner(backend, config, classes);
  const hashes = { configHash: hashOf(resultConfig(config)), datasetHash: datasetHash(dataset) };
  const restored = saved === null ? null : restoreRun(out, learner, hashes.datasetHash, tell);
  let step = restored?.step ?? 0;
  if (saved !== null) requireSameConfig(saved, config, { step, itinerary, dataset, split });
  if (start === 'new') {
    recordProvenance(out, dataset, split, learner.method.readsLabels);
    writeRunFile(out, RUN_FILES.environment, describeEnvironment(backend.describe()));
  }
  // Last: a folder counts as a run once it has its configuration.
  writeRunFile(out, RUN_FILES.config, config);

  using log = new RunLog(out, step);
  using scorer = new Scorer(learner, dataset, split, config, restored?.best ?? null);
  const folder = join(out, RUN_FILES.checkpoints);
  guardWrites(folder, () => mkdirSync(folder, { recursive: true }));
  const state = (epoch: number): CheckpointState => ({
    ...hashes,
    step,
    epoch,
    optimizerSteps: learner.optimizer.steps,
    best: scorer.best,
    model: modelOf(config),
  });
  const save = (epoch: number): void => {
    log.flush();
    saveLast(folder, state(epoch), learner.parameters, learner.optimizer);
    tell({ kind: 'checkpoint', path: join(folder, CHECKPOINTS.last) });
  };

  tell({
    kind: 'start',
    step,
    steps: itinerary.steps,
    epochs: itinerary.epochs,
    trainingClips: split.training.length,
    validationClips: split.validation.length,
    labelledClips: split.labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0),
    backend: backend.describe().library,
    precision: config.precision,
  });
  await using feed = openFeed(dataset, split, config, itinerary, step);
  const next = (): Promise<StepBatch> => feed.next();
  const pace = new Pace(itinerary.steps - step);
  let loss: number | null = null;
  while (step < itinerary.steps) {
    const epoch = itinerary.epochOf(step);
    const ends = itinerary.ends(step);
    const learningRate = learningRateAt(
      { epoch, step },
      { epoch: itinerary.epochs, step: itinerary.steps },
      config.schedule,
      config.optimizer.learningRate,
    );
    let result: StepResult;
    try {
      result = await learner.step(next, itinerary.batchesIn(step), learningRate, config.training.clipNorm);
    } catch (thrown) {
      if (!(thrown instanceof UsclError) || thrown.kind !== 'numeric') throw thrown;
      // A finite gradient can still have thrown the weights out of range; then the checkpoint before is the last good one.
      const sound = learner.parameters.values.every((value) => Number.isFinite(value));
      if (sound) save(epoch);
      throw atStep(thrown, step, epoch, sound);
    }
    step += 1;
    loss = result.losses.loss;
    const entry = stepEntry(result, { step, epoch, learningRate, seconds: pace.lap() });
    log.append(entry);
    tell({ kind: 'step', entry, steps: itinerary.steps, secondsLeft: pace.secondsLeft() });

    if (ends) {
      for (const { entry: score, best } of await scorer.scoreEpoch(epoch, step, step === itinerary.steps)) {
        log.append(score);
        tell({ kind: 'score', entry: score, best });
        if (best) saveCheckpoint(join(folder, CHECKPOINTS.best), state(epoch), learner.parameters, null);
      }
      const { every, keep } = config.checkpoint;
      if (keep > 0 && (epoch + 1) % keep === 0)
        saveCheckpoint(join(folder, CHECKPOINTS.kept(epoch + 1)), state(epoch), learner.parameters, null);
      if ((epoch + 1) % every === 0 || step === itinerary.steps) save(epoch);
      pace.skip();
    }
    // Signals are heard between steps only.
    await setImmediate();
    if (signal?.aborted === true && step < itinerary.steps) {
      if (!ends || (epoch + 1) % config.checkpoint.every !== 0) save(epoch);
      break;
    }
  }
  log.close();
  const summary: RunSummary = {
    run: out,
    complete: step === itinerary.steps,
    step,
    steps: itinerary.steps,
    epochs: itinerary.epochs,
    loss,
    best: scorer.best === null ? null : { ...scorer.best, by: scorer.by },
    checkpoints: {
      last: join(folder, CHECKPOINTS.last),
      best: scorer.best === null ? null : join(folder, CHECKPOINTS.best),
    },
    seconds: (performance.now() - started) / 1000,
  };
  if (summary.complete && loss !== null) writeRunFile(out, RUN_FILES.metrics, metricsOf(summary));
  writeCurves(out);
  return summary;
}

function modelOf({ model, view }: Config): CheckpointState['model'] {
  return { backbone: model.backbone, width: model.width, channels: view.channels, size: view.size };
}

/** What a person may not have meant. */
function remarks(config: Config, itinerary: Itinerary, split: Split): string[] {
  const found: string[] = [];
  const { schedule } = config;
  const length = schedule.unit === 'epoch' ? itinerary.epochs : itinerary.steps;
  if (schedule.warmup === 'linear' && schedule.warmupLength >= length)
    found.push(
      `The warm-up (${schedule.warmupLength} ${schedule.unit}s) is not shorter than the run (${length}): the learning rate only rises.`,
    );
  if (split.validation.length === 1)
    found.push('Only one clip is held out: no validation score, because it has no negatives.');
  return found;
}

function stepEntry(
  result: StepResult,
  at: {
    readonly step: number;
    readonly epoch: number;
    readonly learningRate: number;
    readonly seconds: number;
  },
): StepEntry {
  const { losses, gradientNorm, pairs } = result;
  const { seconds } = at;
  return {
    kind: 'step',
    step: at.step,
    epoch: at.epoch,
    time: Date.now() / 1000,
    loss: losses.loss,
    contrastive: losses.contrastive,
    supervised: losses.supervised,
    labelled: losses.labelled,
    correct: losses.correct,
    alignment: losses.alignment,
    uniformity: losses.uniformity,
    pairAccuracy: losses.accuracy,
    learningRate: at.learningRate,
    gradientNorm,
    pairs,
    seconds,
    pairsPerSecond: pairs / seconds,
    dataWaitShare: Math.min(1, result.seconds.data / seconds),
    memory: process.memoryUsage.rss(),
  };
}

function atStep(error: UsclError, step: number, epoch: number, saved: boolean): UsclError {
  return new UsclError({
    kind: error.kind,
    code: error.code,
    message: error.message,
    where: `step ${step + 1}, epoch ${epoch}, ${error.where ?? ''}`,
    remedy:
      error.remedy +
      (saved
        ? ' The state before that step is saved; --resume would meet the same batch again.'
        : ' The weights had left the range of numbers before; the checkpoints of earlier epochs are untouched.'),
    cause: error,
  });
}

function metricsOf({ step, epochs, loss, best }: RunSummary): unknown {
  return { step, epochs, loss, best };
}

/** Measures steps and guesses what is left from the latest of them. */
class Pace {
  #mark = performance.now();
  #left: number;
  #mean: number | undefined;

  constructor(steps: number) {
    this.#left = steps;
  }

  /** Seconds since the last lap. */
  lap(): number {
    const now = performance.now();
    const seconds = (now - this.#mark) / 1000;
    this.#mark = now;
    this.#left -= 1;
    this.#mean = this.#mean === undefined ? seconds : 0.9 * this.#mean + 0.1 * seconds;
    return seconds;
  }

  /** What passed since the last lap was no step. */
  skip(): void {
    this.#mark = performance.now();
  }

  secondsLeft(): number {
    return this.#left * (this.#mean ?? 0);
  }
}
