/**
 * Fine-tuning takes weights, a labelled dataset and a configuration. It writes a run folder with cross-validated
 * predictions, their evaluation and a final model. Everything is opened and checked in order, so that an impossible run is
 * refused before anything is written. `runner.ts` then trains the fold runs. Several processes share them (`fold-crew.ts`);
 * the first of them writes all else.
 */
import { join } from 'node:path';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { openBackend } from '../engine/open.ts';
import type { Ranks } from '../engine/ranks/communicator.ts';
import { meet, openTogether } from '../engine/ranks/meeting.ts';
import { evaluatePredictions } from '../evaluation/scores/evaluate-predictions.ts';
import type { Evaluation } from '../evaluation/scores/evaluation-result.ts';
import { type Predictions, writePredictions } from '../evaluation/scores/predictions.ts';
import { CHECKPOINTS } from '../runs/checkpoint.ts';
import type { GivenLayers } from '../runs/config-layers.ts';
import { describeEnvironment } from '../runs/environment.ts';
import {
  FINETUNING,
  labelLeaks,
  leakError,
  type Overlap,
  overlapWith,
  provenanceOf,
  UNKNOWN,
  type Source,
} from '../runs/provenance.ts';
import {
  checkRun,
  clearRun,
  datasetHash,
  FINETUNE_FILES,
  hashOf,
  readConfigAs,
  RUN_FILES,
  RunLock,
  type RunOptions,
  sweepRun,
  taskOf,
  wrongKind,
  writeConfig,
  writeRunFile,
} from '../runs/run-folder.ts';
import { settled } from '../runs/config.ts';
import { fairThreads, requireSame, requireSameStart } from '../runs/ranks/agreement.ts';
import { clearCrew, prepareCrew, toldIn } from '../runs/ranks/crew.ts';
import { asRank } from '../runs/ranks/job.ts';
import { type FoldRunKey, foldRunKeys, type FoldRunRecord, readFoldRun } from './fold-runs.ts';
import { type FinetuneConfig, finetuneSchema, resolveFinetune } from './config.ts';
import { EpochLog, belongsTo, writeFinetuneCurves } from './epoch-log.ts';
import type { FinetuneEvent, FinetuneSummary } from './events.ts';
import { FoldCrew, toldEpochs } from './fold-crew.ts';
import { foldRunClips, type FoldPlan, foldsRecord, planFolds } from './fold-plan.ts';
import { JobProgress } from './job-progress.ts';
import { LabelLearner } from './label-learner.ts';
import { requireSameRun, resultConfig } from './resume.ts';
import { longestFirst, type PlannedFoldRun, Runner, stepsOf } from './runner.ts';
import { askedView } from '../trainer/starting-weights.ts';
import { readSource, requireFit } from './source.ts';
import { MethodLearner, unlabelledMethod } from './method-learner.ts';
import { renameEarlierPartial, savedEpochs } from './unfinished-fold-run.ts';

/** What `finetune` is told. */
export interface FinetuneOptions extends RunOptions<FinetuneEvent> {
  /** A run folder, a safetensors file of a ResNet, or `random`. */
  readonly source: string;
  readonly config?: GivenLayers;
  /** Go on where the split or the labels of pretraining leak, and say so in the result. */
  readonly allowLeaks?: boolean;
}

/**
 * Fine-tunes and evaluates, as one of the ranks where a launcher (mpirun, srun) started several: they share the fold runs. Errors:
 * those of `openDataset`, `readSource`, `resolveFinetune`, `openBackend`, `planFolds`, `openRanks`;
 * `WEIGHTS_MISMATCH`, `CHECKPOINT_MISMATCH`, `LEAK` (unless allowed), `RUN_EXISTS`, `RUN_BUSY`, `RUN_KIND`,
 * `OUTPUT_NOT_OURS`, `RESUME_CHANGED`, `FOLD_RUN_DAMAGED`, `NON_FINITE`, `DISK_FULL`, `WRITE_FAILED`; of several ranks
 * `RANKS_DIFFER`, and `RANKS_FAILED` where another one has failed.
 */
export function finetune(options: FinetuneOptions): Promise<FinetuneSummary> {
  return asRank(options.ranks, 'fine-tuning', (ranks) =>
    openTogether(ranks, () => finetuneAs(ranks, options)),
  );
}

async function finetuneAs(ranks: Ranks, options: FinetuneOptions): Promise<FinetuneSummary> {
  const started = performance.now();
  const { out: run, signal } = options;
  const writes = ranks.rank === 0;
  const tell = (writes ? options.onEvent : undefined) ?? (() => undefined);
  const note = (text: string): void => {
    tell({ kind: 'note', text });
  };
  using dataset = openDataset(options.dataset);
  const start = checkRun(run, options);
  if (start === 'resumed' && taskOf(run) !== 'finetune') throw wrongKind(run, 'pretraining', 'fine-tuning');
  const saved = start === 'resumed' ? readConfigAs(run, finetuneSchema) : undefined;
  const source = await readSource(
    options.source,
    dataset.manifest.channels,
    askedView(options.config ?? {}, saved === undefined ? null : { run, channels: saved.view.channels }),
  );
  const wanted = resolveFinetune({ ...options.config, under: source.under, base: saved });
  requireFit(source, wanted);
  const plan = planFolds(dataset, wanted);
  const overlap =
    source.record.path === null
      ? null
      : overlapWith(options.source, dataset, (clip) => plan.foldings.some(({ fold }) => fold[clip]! >= 0));
  const leaks = [...plan.leaks, ...labelLeaks(overlap)];
  if (leaks.length > 0 && options.allowLeaks !== true) throw leakError(leaks, options.dataset);
  meet(ranks);
  const threads = options.shareOfThreads ?? fairThreads(ranks, wanted.threads, saved ?? null);
  using backend = openBackend({
    ...{ kind: wanted.backend, device: wanted.device, threads },
    onFallback: note,
  });
  const hasShare = ranks.size > 1 || options.shareOfThreads !== undefined;
  const config = withThreads(settled(wanted, backend), wanted, saved, hasShare);
  const { unlabelled: chosen } = config;
  using learner =
    chosen === null
      ? new LabelLearner(backend, dataset, config, source, plan)
      : new MethodLearner(backend, dataset, config, source, plan, chosen);
  const planned = foldRunKeys(config, plan.folds).map((key) => {
    const clips = foldRunClips(plan, dataset, config, key);
    return { key, clips, steps: learner.lengthOf({ key, clips }).steps };
  });
  const shown = new Set(chosen === null ? [] : planned.flatMap(({ clips }) => clips.unlabelled));
  // Weights that do not fit are refused here.
  learner.start(planned[0]!);
  const { record } = source;
  const folds = foldsRecord(dataset, config, plan, { leaks, overlap });
  meet(ranks);
  requireSameStart(ranks, { folder: run, start }, config, datasetHash(dataset));
  requireSame(ranks, 'file of weights', record.sha256 ?? '');
  requireSame(ranks, 'division into folds', JSON.stringify(folds));

  // From here on the run is this process's to write, or that of the first of several.
  using _lock = writes ? new RunLock(run) : null;
  const configHash = hashOf([resultConfig(config), record.sha256, datasetHash(dataset)]);
  const keys = planned.map(({ key }) => key);
  const crewFolder = join(run, RUN_FILES.ranks);
  if (writes) {
    sweepRun(run);
    if (saved !== undefined) requireSameRun(run, saved, config, record, datasetHash(dataset));
    else {
      clearRun(run);
      // What a split keeps for the test trains no model of the run.
      const used = (clip: number): boolean => plan.labels[clip]! >= 0 && !plan.kept.has(clip);
      const roleOf = (clip: number): 'training' | 'unused' =>
        used(clip) || shown.has(clip) ? 'training' : 'unused';
      const provenance = provenanceOf(dataset, roleOf, used, FINETUNING);
      writeRunFile(run, RUN_FILES.dataset, provenance);
      writeRunFile(run, RUN_FILES.source, record);
      writeRunFile(run, FINETUNE_FILES.folds, folds);
      writeRunFile(run, RUN_FILES.environment, describeEnvironment(backend.describe(), ranks));
    }
    // Last: a folder counts as a run once it has its configuration.
    writeConfig({ folder: run, config });
  }
  using log = writes ? openEpochLog(run, keys, configHash, crewFolder) : null;
  if (writes) prepareCrew(crewFolder, ranks);
  meet(ranks);

  const isDone = (key: FoldRunKey): boolean => readFoldRun(run, key, configHash) !== null;
  const left = planned.filter(({ key }) => !isDone(key));
  const todo = ranks.size === 1 ? left : longestFirst(left);
  // All have looked at what is left before one of them changes it.
  meet(ranks);
  for (const text of remarks(dataset, config, plan, record, overlap)) note(text);
  if (chosen !== null) note(unlabelledRemark(planned, shown.size));
  if (ranks.size > 1) note(sharedRemark(ranks, todo.length, backend.describe().threads));
  const labelled = [...plan.labels.keys()].filter((clip) => plan.labels[clip]! >= 0);
  tell({
    kind: 'start',
    foldRuns: keys.length,
    foldRunsDone: keys.length - left.length,
    classes: plan.classes,
    clips: labelled.length,
    groups: new Set(labelled.map((clip) => plan.unitOf[clip])).size,
    folds: plan.folds,
    seeds: plan.foldings.length,
    labelRates: config.labelRates,
    ...learner.size,
    frozenUpTo: learner.frozen.cut,
    backend: backend.describe().library,
    precision: config.precision,
  });
  const total = stepsOf(planned);
  const progress = new JobProgress(total, total - stepsOf(left));
  using crew = new FoldCrew({ ranks, folder: crewFolder, signal, tell, log, progress });
  const runner = new Runner({
    ...{ run, dataset, config, configHash, plan, learner, planned, todo, signal: crew.signal },
    tell: (event) => {
      crew.tell(event);
    },
    take: (key) => crew.take(key),
    onStep: (own) => {
      crew.at(own);
    },
  });
  await crew.work(() => runner.trainAll(crew.log));
  meet(ranks);
  log?.sort(keys);
  log?.close();
  if (writes) clearCrew(crewFolder);

  const records = keys.map((key) => readFoldRun(run, key, configHash));
  const finished = records.filter((one) => one !== null);
  const complete = finished.length === keys.length;
  const evaluation =
    complete && writes ? evaluate(run, predictionsOf(dataset.clips, config, plan, finished)) : null;
  if (writes) writeFinetuneCurves(run, unlabelledMethod(config)?.charts);
  meet(ranks);
  return {
    run,
    complete,
    foldRuns: keys.length,
    foldRunsDone: finished.length,
    evaluation,
    model: complete && config.finalModel ? join(run, RUN_FILES.checkpoints, CHECKPOINTS.best) : null,
    leaks,
    seconds: (performance.now() - started) / 1000,
  };
}

/**
 * The number of threads that a run has: the backend's, unless its processes have shares of the processors, which are not the run's;
 * what was started so goes on so.
 */
function withThreads(
  config: FinetuneConfig,
  wanted: FinetuneConfig,
  saved: FinetuneConfig | undefined,
  hasShare: boolean,
): FinetuneConfig {
  if (saved?.threads === null) return { ...config, threads: null };
  return hasShare ? { ...config, threads: wanted.threads } : config;
}

/** The log, with what earlier calls have logged or told of fold runs that are done, and of others up to their saved state. */
function openEpochLog(
  run: string,
  keys: readonly FoldRunKey[],
  configHash: string,
  crewFolder: string,
): EpochLog {
  const done = keys.filter((key) => readFoldRun(run, key, configHash) !== null);
  const left = keys.filter((key) => !done.includes(key));
  if (left[0] !== undefined) renameEarlierPartial(run, left[0]);
  const saved = left.map((key) => ({ key, epochs: savedEpochs({ run, key, configHash }) }));
  const told = toldIn(crewFolder, toldEpochs).map(({ entry }) => entry);
  return new EpochLog(
    run,
    (entry) =>
      done.some((key) => belongsTo(entry, key)) ||
      saved.some(({ key, epochs }) => belongsTo(entry, key) && entry.epoch < epochs),
    told,
  );
}

/** The predictions of all folds, on all clips of the dataset. */
function predictionsOf(
  clips: readonly { readonly id: string; readonly group: string }[],
  config: FinetuneConfig,
  plan: FoldPlan,
  records: readonly FoldRunRecord[],
): Predictions {
  return {
    format: 'uscl-predictions',
    version: 1,
    classes: [...plan.classes],
    protocol: config.protocol,
    // Groups that share pictures count as one in intervals too.
    clips: clips.map(({ id, group }, clip) => ({
      id,
      group: config.protocol === 'legacy' ? group : plan.unitOf[clip]!,
      label: plan.labels[clip]! < 0 ? null : plan.labels[clip]!,
    })),
    cells: records
      .filter(({ fold }) => fold !== null)
      .map(({ labelRate, seed, fold, epoch, rows }) => ({ labelRate, seed, fold, epoch, rows: [...rows] })),
  };
}

function evaluate(run: string, predictions: Predictions): Evaluation {
  writePredictions(join(run, FINETUNE_FILES.predictions), predictions);
  const evaluation = evaluatePredictions(predictions);
  writeRunFile(run, RUN_FILES.metrics, evaluation);
  return evaluation;
}

export function remarks(
  dataset: Dataset,
  config: FinetuneConfig,
  plan: FoldPlan,
  source: Source,
  overlap: Overlap | null,
): readonly string[] {
  const found: string[] = [];
  const unlabelled = plan.labels.filter((label) => label < 0).length - plan.leftOut;
  if (unlabelled > 0 && config.unlabelled === null)
    found.push(`${unlabelled} clips have no label and take no part.`);
  if (plan.leftOut > 0) found.push(`${plan.leftOut} labelled clips are of classes that were left out.`);
  if (plan.emptyClasses.length > 0)
    found.push(`No clip has the label ${list(plan.emptyClasses)}; the network does not learn of it.`);
  if (plan.joined.length > 0)
    found.push(
      `Groups that share pictures are kept on one side (perhaps one patient; see uscl audit): ${list(plan.joined.map((groups) => list(groups, ' + ')))}.`,
    );
  if (config.protocol === 'legacy')
    found.push(
      'The legacy protocol chooses the epoch on the test clips and parts clips of a group: its figures are optimistic.',
    );
  if (
    source.kind === 'weights' &&
    (source.trainedOn?.some(({ by }) => by === UNKNOWN) ?? true) &&
    overlap === null
  )
    found.push(`It is not known what ${source.given} was trained on, so leaks cannot be looked for.`);
  if (overlap !== null && overlap.seen > 0)
    found.push(
      `Pretraining has seen ${overlap.seen} of the tested clips` +
        (overlap.labelsSeen === 0 ? ', without their labels.' : ` and labels of ${overlap.labelsSeen}.`),
    );
  if (config.split !== null && plan.foldings.length > 1)
    found.push(
      `All ${plan.foldings.length} seeds use the split ${config.split}; they differ in weights and draws.`,
    );
  if (config.protocol === 'honest') found.push(...innerRemarks(dataset, config, plan));
  return found;
}

/** How many clips are shown without a label, and which never are. */
function unlabelledRemark(planned: readonly PlannedFoldRun[], shown: number): string {
  const counts = planned.map(({ clips }) => clips.unlabelled.length);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return (
    `Trainings also see ${least === most ? most : `${least} to ${most}`} clips without a label (${shown} in all; ` +
    'clips beyond the label rate among them), once an epoch whatever framesPerClip.train says. None is of a group that is tested or chooses the epoch.'
  );
}

/** How several processes share what is left. */
function sharedRemark({ size }: Ranks, trainings: number, threads: number): string {
  const idle = size - trainings;
  return (
    `${size} processes share ${trainings} trainings; each process has ${threads} ${threads === 1 ? 'thread' : 'threads'}.` +
    (idle > 0
      ? ` ${idle} of them ${idle === 1 ? 'has' : 'have'} nothing to do: fewer processes have more threads each.`
      : '')
  );
}

function innerRemarks(dataset: Dataset, config: FinetuneConfig, plan: FoldPlan): readonly string[] {
  return config.labelRates.flatMap((labelRate) => {
    const keys = plan.foldings.flatMap(({ seed }) =>
      Array.from({ length: plan.folds }, (_, fold) => ({ labelRate, seed, fold })),
    );
    const without = keys.filter((key) => foldRunClips(plan, dataset, config, key).inner.length === 0).length;
    if (without === 0) return [];
    return [
      `At label rate ${labelRate} ${without} of ${keys.length} trainings have too few labelled groups to hold any out: ` +
        'they take the last epoch.',
    ];
  });
}

function list(items: readonly string[], separator = ', '): string {
  return items.slice(0, 5).join(separator) + (items.length > 5 ? `${separator}…` : '');
}
