/** What the jobs of a study are done with, and what every record of one says. */
import { defined } from '../base/collect.ts';
import { ALONE, type Ranks } from '../engine/ranks/communicator.ts';
import type { OpenData } from './data.ts';
import type { AllWeights } from './given-weights.ts';
import type { Job } from './grid.ts';
import type { PretrainingRecord, Results } from './results.ts';
import type { Study } from './study-file.ts';

export interface Workshop {
  readonly study: Study;
  readonly data: OpenData;
  readonly results: Results;
  /** Of recipes that take weights from a file. */
  readonly weights: AllWeights;
  /** Folder for runs. */
  readonly work: string;
  /** Of the kernels; null: all processors. */
  readonly threads: number | null;
  /** Threads that this process has as one of several: its share of the processors; undefined: it is alone. */
  readonly share: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Share of the job that is done, and what it is at. */
  readonly onProgress: (share: number, note: string) => void;
}

/** A workshop that is fitted out for one job. */
export interface JobShop extends Workshop {
  /** What the record of the job begins with. */
  readonly head: Head;
  /** How a training is run: as one process's own, whatever started that process, until the signal. */
  readonly running: {
    readonly ranks: Ranks;
    readonly shareOfThreads?: number;
    readonly signal?: AbortSignal;
  };
  /** Settings that say nothing of the result. */
  readonly machine: readonly string[];
  /** Kernels and precision that the job ran on, once they are known. */
  readonly library: { name: string };
}

/** Fits a workshop out for a job. */
export function shopFor(job: Job, shop: Workshop): JobShop {
  const { share, signal, threads } = shop;
  return {
    ...shop,
    head: headOf(job, shop),
    running: { ranks: ALONE, ...defined({ shareOfThreads: share, signal }) },
    machine: threads === null ? [] : [`threads=${threads}`],
    library: { name: '' },
  };
}

/** Thrown where the signal stopped a job: what was done of it is saved. */
export class Interrupted extends Error {}

/** A record before it is said when and by what it was made. */
export type Unmade<Made> = Made extends unknown ? Omit<Made, 'made'> : never;

type Head = Pick<PretrainingRecord, 'version' | 'job' | 'variant' | 'seed' | 'key' | 'plan' | 'weights'>;

/** What every record of a job begins with. */
export function headOf({ name, variant, seed, key }: Job, shop: Pick<Workshop, 'study' | 'weights'>): Head {
  const plan = shop.study.plan?.sha256 ?? null;
  const weights = shop.weights.get(variant.recipe.name)?.record ?? null;
  return {
    ...{ version: 1, job: name, variant: variant.name, seed, key, plan },
    ...(weights === null ? {} : { weights }),
  };
}
