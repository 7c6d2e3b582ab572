/** How far a study is, and how long the rest will take. */
import type { Job } from './grid.ts';
import type { Results } from './results.ts';

/** What is left to do, judged by what jobs of the same kind on the same data took. */
export class StudyClock {
  readonly #jobs: readonly Job[];
  readonly #results: Results;
  readonly #took = new Map<string, number[]>();
  #left: readonly Job[];

  constructor(jobs: readonly Job[], results: Results) {
    this.#jobs = jobs;
    this.#results = results;
    this.#left = jobs;
    this.look();
  }

  /** Sees what has been settled since the last look, by other processes too. */
  look(): void {
    this.#left = this.#left.filter((job) => {
      const record = this.#results.read(job.name);
      if (record === null) return !this.#results.hasFailed(job.name);
      this.#took.set(kindOf(job), [...(this.#took.get(kindOf(job)) ?? []), record.made.seconds]);
      return false;
    });
  }

  /** With jobs under way and their shares, by as many processes as work. */
  at(
    running: ReadonlyMap<Job, number>,
    processes: number,
  ): { done: number; total: number; secondsLeft: number | null } {
    const seconds = this.#left.reduce<number | null>((sum, job) => {
      const known = this.#took.get(kindOf(job));
      if (sum === null || known === undefined) return null;
      const mean = known.reduce((total, one) => total + one, 0) / known.length;
      return sum + mean * (1 - (running.get(job) ?? 0));
    }, 0);
    const total = this.#jobs.length;
    const shares = this.#left.reduce((sum, job) => sum + (running.get(job) ?? 0), 0);
    return {
      done: total - this.#left.length + shares,
      total,
      secondsLeft: seconds === null ? null : seconds / processes,
    };
  }
}

function kindOf(job: Job): string {
  return job.kind === 'pretrain' || job.kind === 'sources'
    ? `${job.kind} ${job.set}`
    : `${job.kind} ${job.target}`;
}
