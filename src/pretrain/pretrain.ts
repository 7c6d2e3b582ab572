/**
 * Pretraining takes a dataset and a configuration and writes a run folder. It opens everything, runs the loop, and
 * returns the summary.
 */
import { join } from 'node:path';
import type { Ranks } from '../engine/ranks/communicator.ts';
import { openTogether } from '../engine/ranks/meeting.ts';
import { CHECKPOINTS } from '../runs/checkpoint.ts';
import { writeCurves } from '../runs/curves.ts';
import { asRank } from '../runs/ranks/job.ts';
import { RUN_FILES, writeRunFile } from '../runs/run-folder.ts';
import { train } from '../trainer/loop.ts';
import { describeStart } from '../trainer/starting-weights.ts';
import type { PretrainEvent, RunSummary } from './events.ts';
import { OpenRun, type PretrainOptions } from './open-run.ts';
import { Pretraining } from './pretraining.ts';
import { readInit } from './start.ts';

/**
 * Pretrains a backbone, as one of the ranks where a launcher (mpirun, srun) started several. Errors: those of `openRanks`,
 * `readInit`, `OpenRun` and `train`.
 */
export function pretrain(options: PretrainOptions): Promise<RunSummary> {
  return asRank(options.ranks, 'pretraining', (ranks) => pretrainAs(ranks, options));
}

async function pretrainAs(ranks: Ranks, options: PretrainOptions): Promise<RunSummary> {
  const started = performance.now();
  await using run = await openTogether(ranks, async () => {
    const init = await readInit(options.out, options.config ?? {}, options.resume === true);
    return new OpenRun(options, init, ranks);
  });
  for (const text of remarks(run)) run.note(text);
  run.tell(startOf(run));
  const training = new Pretraining(run);
  if (run.from.unscored !== null) await training.endEpoch(run.from.unscored, run.from.step);
  const { step } = await train(training, run.from.step, options.signal);
  run.log.close();

  const { batchSchedule, scorer } = run;
  const { steps, epochs } = batchSchedule;
  const [complete, loss] = [step === steps, training.loss];
  const best = scorer.best === null ? null : { ...scorer.best, by: scorer.by };
  if (run.writes) {
    if (complete && loss !== null) writeRunFile(run.folder, RUN_FILES.metrics, { step, epochs, loss, best });
    writeCurves(run.folder, run.opened.method.charts);
  }
  const at = (name: string): string => join(run.folder, RUN_FILES.checkpoints, name);
  return {
    ...{ run: run.folder, complete, step, steps, epochs, loss, best },
    checkpoints: { last: at(CHECKPOINTS.last), best: best === null ? null : at(CHECKPOINTS.best) },
    seconds: (performance.now() - started) / 1000,
  };
}

function startOf({ from, batchSchedule, opened, backend, config }: OpenRun): PretrainEvent {
  const { training, validation, labels } = opened.split;
  return {
    kind: 'start',
    step: from.step,
    steps: batchSchedule.steps,
    epochs: batchSchedule.epochs,
    trainingClips: training.length,
    validationClips: validation.length,
    labelledClips: labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0),
    backend: backend.describe().library,
    precision: config.precision,
  };
}

/** Remarks on settings that a person may not have meant. */
function remarks({ config, batchSchedule, opened, start }: OpenRun): string[] {
  const found = start === null ? [] : [...describeStart(start)];
  const { schedule } = config;
  const length = schedule.unit === 'epoch' ? batchSchedule.epochs : batchSchedule.steps;
  if (schedule.warmup === 'linear' && schedule.warmupLength >= length)
    found.push(
      `The warm-up (${schedule.warmupLength} ${schedule.unit}s) is not shorter than the run (${length}): the learning rate only rises.`,
    );
  const { duplicates, training } = opened.split;
  if (duplicates > 0)
    found.push(
      `${duplicates} of ${duplicates + training.length} training clips ${duplicates === 1 ? 'is' : 'are'} left out: others show the same (data.duplicates=drop).`,
    );
  if (opened.split.validation.length === 1)
    found.push(
      'Only one clip is held out: no validation score, because it has nothing to be contrasted with.',
    );
  const { leftOut } = batchSchedule;
  if (leftOut > 0 && config.batch.lastBatch === 'keep')
    found.push(
      `${leftOut} of ${opened.split.training.length} training clips ${leftOut === 1 ? 'is' : 'are'} left out of each epoch, others each time: a batch of one clip has nothing to be contrasted with.`,
    );
  return found;
}
