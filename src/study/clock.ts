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

  at(running: Job, share: number): { done: number; total: number; secondsLeft: number | null } {
    const secondsLeft = this.#left.reduce<number | null>((sum, job) => {
      const known = this.#took.get(kindOf(job));
      if (sum === null || known === undefined) return null;
      const mean = known.reduce((total, one) => total + one, 0) / known.length;
      return sum + mean * (job === running ? 1 - share : 1);
    }, 0);
    const total = this.#jobs.length;
    return {
      done: total - this.#left.length + (this.#left.includes(running) ? share : 0),
      total,
      secondsLeft,
    };
  }
}

function kindOf(job: Job): string {
  return job.kind === 'pretrain' || job.kind === 'sources'
    ? `${job.kind} ${job.set}`
    : `${job.kind} ${job.target}`;
}
