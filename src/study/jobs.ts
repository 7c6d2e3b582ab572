/**
 * Doing one job of a study. Each leaves one record. What is long (weights, folds) lies in the work folder and goes on
 * where it was stopped.
 */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { pretrain } from '../pretrain/pretrain.ts';
import { packageVersion, revision } from '../runs/environment.ts';
import { type LogEntry, measured, readLog } from '../runs/log.ts';
import { normaliseSettings } from '../views/normalisations.ts';
import { type Job, type JobOf, pretrainConfig, runFolder } from './grid.ts';
import type { Made, PretrainingRecord, ResultRecord } from './results.ts';
import { finetuneJob, probeJob } from './score-jobs.ts';
import { Interrupted, type JobShop, shopFor, type Unmade, type Workshop } from './workshop.ts';

/** Does a job. Errors: those of `pretrain`, `probeAlone` and `finetune`; `Interrupted`. */
export async function doJob(job: Job, shop: Workshop): Promise<ResultRecord> {
  const began = { time: performance.now(), cpu: process.cpuUsage() };
  const own = shopFor(job, shop);
  const done = await partsOf(job, own);
  if (shop.signal?.aborted === true) throw new Interrupted();
  return { ...done, made: madeSince(began, own.library.name) };
}

function partsOf(job: Job, shop: JobShop): Promise<Unmade<ResultRecord>> {
  switch (job.kind) {
    case 'pretrain':
      return pretrainJob(job, shop);
    case 'finetune':
      return finetuneJob(job, shop);
    case 'probe':
    case 'sources':
      return probeJob(job, shop);
  }
}

/** When and by what a record is made. */
export function madeSince(
  { time, cpu }: { readonly time: number; readonly cpu: NodeJS.CpuUsage },
  library: string,
): Made {
  const { user, system } = process.cpuUsage(cpu);
  return {
    revision: revision(),
    version: packageVersion(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    library,
    at: new Date().toISOString(),
    seconds: (performance.now() - time) / 1000,
    processorSeconds: (user + system) / 1e6,
  };
}

async function pretrainJob(job: JobOf<'pretrain'>, shop: JobShop): Promise<Unmade<PretrainingRecord>> {
  const { study, data, work } = shop;
  const { method, preset, set } = job.variant.recipe;
  const run = join(work, runFolder(job));
  const file = shop.weights.get(job.variant.recipe.name);
  const start = [
    ...(typeof file?.path === 'string' ? [`init=${JSON.stringify(file.path)}`] : []),
    ...(file === undefined || file.normalise === null ? [] : normaliseSettings(file.normalise)),
  ];
  let clips = 0;
  const summary = await pretrain({
    dataset: data.sets.get(job.set)!.folder,
    out: run,
    resume: true,
    ...shop.running,
    config: {
      ...(method === undefined ? {} : { method }),
      ...(preset === undefined ? {} : { preset }),
      set: [...study.pretraining.set, ...set, ...start, `seed=${job.seed}`, ...shop.machine],
    },
    onEvent: (event) => {
      if (event.kind === 'start') {
        clips = event.trainingClips;
        shop.library.name = `${event.backend}, ${event.precision}`;
      }
      if (event.kind === 'step') shop.onProgress(event.entry.step / event.steps, 'steps');
    },
  });
  if (!summary.complete) throw new Interrupted();
  const log = readLog(run);
  const steps = log.filter((entry) => entry.kind === 'step');
  const seconds = steps.map((entry) => entry.seconds).sort((a, b) => a - b);
  return {
    format: 'uscl-study-pretraining',
    ...shop.head,
    ...{
      set: job.set,
      steps: summary.steps,
      clips,
      batch: pretrainConfig(study, job.variant, job.seed).batch.size,
    },
    stepSeconds: seconds[seconds.length >> 1] ?? 0,
    loss: thinned(steps.map(({ step, loss }) => [step, loss])),
    validation: validationOf(log),
  };
}

const CURVE_POINTS = 60;

/** Means of equal stretches of a curve, few enough to be kept. */
function thinned(points: readonly (readonly [number, number])[]): [number, number][] {
  const stretch = Math.max(1, Math.ceil(points.length / CURVE_POINTS));
  return Array.from({ length: Math.ceil(points.length / stretch) }, (_, i) => {
    const part = points.slice(i * stretch, (i + 1) * stretch);
    const value = part.reduce((sum, [, y]) => sum + y, 0) / part.length;
    return [part.at(-1)![0], Number(value.toPrecision(6))];
  });
}

function validationOf(log: readonly LogEntry[]): Record<string, [number, number][]> {
  const entries = log.filter((entry) => entry.kind === 'validation');
  const common = ['kind', 'step', 'epoch', 'time'];
  const names = Object.keys(entries[0] ?? {}).filter((name) => !common.includes(name));
  return Object.fromEntries(
    names.map((name) => [
      name,
      thinned(
        entries.flatMap((entry): (readonly [number, number])[] => {
          const value = measured(entry, name);
          return value === null ? [] : [[entry.step, value]];
        }),
      ),
    ]),
  );
}
