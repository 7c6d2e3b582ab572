/** What the jobs of a study are done with, and what every record of one says. */
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

/** Thrown where the signal stopped a job: what was done of it is saved. */
export class Interrupted extends Error {}

/** Kernels and precision that a job ran on, once they are known. */
export interface Library {
  name: string;
}

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

/** How a training is one process's own, whatever started that process. */
export function ownProcess({ share }: Workshop): { readonly ranks: Ranks; readonly shareOfThreads?: number } {
  return share === undefined ? { ranks: ALONE } : { ranks: ALONE, shareOfThreads: share };
}

/** Settings that say nothing of the result. */
export function machineOf({ threads }: Workshop): readonly string[] {
  return threads === null ? [] : [`threads=${threads}`];
}
