/**
 * Pretraining: from a dataset and a configuration to a run folder. This file opens everything in order, so that what
 * cannot work is refused before anything is written, hands it to the loop, and sums up.
 */
import { join } from 'node:path';
import { openDataset } from '../dataset/reader.ts';
import { readSplit } from '../curation/splits.ts';
import { openBackend } from '../engine/open.ts';
import { CHECKPOINTS } from '../runs/checkpoint.ts';
import { type Config, type ConfigSources, resolveConfig, settled } from '../runs/config.ts';
import { writeCurves } from '../runs/curves.ts';
import { describeEnvironment } from '../runs/environment.ts';
import { isTree } from '../runs/config-errors.ts';
import type { Method } from '../methods/method.ts';
import { installMethod } from '../methods/registry.ts';
import { type PretrainEvent, Pretraining, type RunSummary } from './pretraining.ts';
import { BatchSchedule, openFeed } from './batch-schedule.ts';
import { MethodNetwork } from './method-network.ts';
import { openMethod } from './open-method.ts';
import { openLog } from '../runs/log.ts';
import { train } from '../trainer/loop.ts';
import { recordProvenance, requireSameClips } from '../runs/provenance.ts';
import { requireSameConfig, requireSameFile, restoreRun, resultConfig } from './resume.ts';
import {
  checkRun,
  clearRun,
  datasetHash,
  hashOf,
  readRunConfig,
  RUN_FILES,
  RunLock,
  type RunOptions,
  writeConfig,
  writeRunFile,
} from '../runs/run-folder.ts';
import { Scorer } from './scorer.ts';
import { type Split, splitClips } from '../runs/training-clips.ts';

export interface PretrainOptions extends RunOptions<PretrainEvent> {
  /** Name of an installed method, or a method, which is installed. Default: what the configuration says. */
  readonly method?: string | Method;
  readonly config?: Omit<ConfigSources, 'base' | 'channels'>;
}

/**
 * Pretrains a backbone. Errors: those of `openDataset`, `resolveConfig` and `openBackend`; `RUN_EXISTS`, `RUN_BUSY`,
 * `OUTPUT_NOT_OURS`, `RESUME_CHANGED`, `CHECKPOINT_DAMAGED`; those of `train`.
 */
export async function pretrain(options: PretrainOptions): Promise<RunSummary> {
  const started = performance.now();
  const { out: run, signal } = options;
  const tell = options.onEvent ?? (() => undefined);
  using dataset = openDataset(options.dataset);
  const { classes } = dataset.manifest;
  const start = checkRun(run, options);
  const saved = start === 'resumed' ? readRunConfig(run) : null;
  // What is asked for, over what a resumed run was started with.
  const under = saved === null ? { channels: dataset.manifest.channels } : { base: saved };
  const wanted = resolveConfig({ ...withMethod(options), ...under });
  requireSameFile(saved, wanted);
  const note = (text: string): void => {
    tell({ kind: 'note', text });
  };
  using backend = openBackend({ kind: wanted.backend, threads: wanted.threads, onFallback: note });
  const config = settled(wanted, backend);
  const named = config.data.split === null ? null : readSplit(dataset, config.data.split);
  const drawn = splitClips(dataset.clips, classes, config.data, config.seed, named);
  const { method, open, split } = openMethod(config, dataset.clips, classes, drawn);
  const batchSchedule = new BatchSchedule(dataset.clips, split, config, open.streams);
  using network = new MethodNetwork(backend, config, method, open);
  using scorer = new Scorer(network, dataset, split, config);

  // From here on the run is this process's to write.
  using _lock = new RunLock(run);
  const hashes = { configHash: hashOf(resultConfig(config)), datasetHash: datasetHash(dataset) };
  const restored = saved === null ? null : restoreRun(run, network, hashes.datasetHash, note);
  const firstStep = restored?.step ?? 0;
  if (saved !== null) {
    requireSameConfig(saved, config, {
      ...{ step: firstStep, batchSchedule, dataset, split },
      streams: open.streams,
    });
    requireSameClips(run, dataset, split);
  }
  scorer.best = restored?.best ?? null;
  if (start !== 'resumed') {
    clearRun(run);
    recordProvenance(run, dataset, split, method.name);
    writeRunFile(run, RUN_FILES.environment, describeEnvironment(backend.describe()));
  }
  // Last: a folder counts as a run once it has its configuration.
  writeConfig(run, config);

  using log = openLog(run, firstStep);
  for (const text of remarks(config, batchSchedule, split)) note(text);
  tell({
    kind: 'start',
    step: firstStep,
    steps: batchSchedule.steps,
    epochs: batchSchedule.epochs,
    trainingClips: split.training.length,
    validationClips: split.validation.length,
    labelledClips: split.labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0),
    backend: backend.describe().library,
    precision: config.precision,
  });
  await using feed = openFeed(dataset, split, config, open, batchSchedule, firstStep);
  const course = batchSchedule;
  const training = new Pretraining(
    { run, config, ...hashes, course, network, feed, scorer, log, tell },
    firstStep,
  );
  if (restored?.unscored !== undefined) await training.endEpoch(restored.epoch, firstStep);
  const end = await train(training, firstStep, signal);
  log.close();

  const folder = join(run, RUN_FILES.checkpoints);
  const summary: RunSummary = {
    run,
    complete: end.step === batchSchedule.steps,
    step: end.step,
    steps: batchSchedule.steps,
    epochs: batchSchedule.epochs,
    loss: training.loss,
    best: scorer.best === null ? null : { ...scorer.best, by: scorer.by },
    checkpoints: {
      last: join(folder, CHECKPOINTS.last),
      best: scorer.best === null ? null : join(folder, CHECKPOINTS.best),
    },
    seconds: (performance.now() - started) / 1000,
  };
  const { step, epochs, loss, best } = summary;
  if (summary.complete && loss !== null) writeRunFile(run, RUN_FILES.metrics, { step, epochs, loss, best });
  writeCurves(run, method.charts);
  return summary;
}

/** The layers of configuration with the method that was named beside them. */
function withMethod({ config, method }: PretrainOptions): Omit<ConfigSources, 'base' | 'channels'> {
  if (method === undefined) return config ?? {};
  const name = typeof method === 'string' ? method : installMethod(method).name;
  const given = isTree(config?.overrides) ? config.overrides : {};
  const options = isTree(given['method']) ? given['method'] : {};
  return { ...config, overrides: { ...given, method: { ...options, name } } };
}

/** What a person may not have meant. */
function remarks(config: Config, batchSchedule: BatchSchedule, split: Split): string[] {
  const found: string[] = [];
  const { schedule } = config;
  const length = schedule.unit === 'epoch' ? batchSchedule.epochs : batchSchedule.steps;
  if (schedule.warmup === 'linear' && schedule.warmupLength >= length)
    found.push(
      `The warm-up (${schedule.warmupLength} ${schedule.unit}s) is not shorter than the run (${length}): the learning rate only rises.`,
    );
  if (split.validation.length === 1)
    found.push('Only one clip is held out: no validation score, because it has no negatives.');
  return found;
}
