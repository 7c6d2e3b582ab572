/**
 * Who does which job, where several processes work on one study. A process leaves a claim of its own name; it has the
 * job only if no other living process claims it. Two that come at once both step back and come again, so a job is never
 * done twice at a time, and no file is shared that a dead process could leave locked.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { guardWrites } from '../base/files.ts';
import { isOthers, STARTED } from '../base/processes.ts';
import { randomAt } from '../base/random.ts';

/** This machine, in names of files. */
export const HOST = hostname().replaceAll(/[^A-Za-z0-9]/g, '_');

/** The claims on the jobs of one work folder. */
export class Claims {
  readonly #folder: string;
  #pauses = 0;

  constructor(work: string) {
    this.#folder = join(work, 'claims');
    guardWrites(this.#folder, () => mkdirSync(this.#folder, { recursive: true }));
  }

  /** Takes a job until the claim is disposed of; null where another living process has it. */
  take(job: string): Disposable | null {
    const own = `${job}~${HOST}~${process.pid}~${STARTED}`;
    const path = join(this.#folder, own);
    guardWrites(path, () => {
      writeFileSync(path, '');
    });
    const release = (): void => {
      rmSync(path, { force: true });
    };
    if (this.#others(job, own).length === 0) return { [Symbol.dispose]: release };
    release();
    return null;
  }

  /** Waits before a claim is tried again: apart by chance, so that two that step back for each other do not do so for ever. */
  async pause(signal?: AbortSignal): Promise<void> {
    const pause = randomAt(process.pid, 'study-pause', this.#pauses++).between(500, 2000);
    await setTimeout(pause, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }

  /** Whether another living process has the job. */
  isTaken(job: string): boolean {
    return this.#others(job, `${job}~${HOST}~${process.pid}~${STARTED}`).length > 0;
  }

  /** Claims of living processes; those that dead ones left here are cleared. Of other hosts nothing is known: they live. */
  #others(job: string, own: string): readonly string[] {
    return readdirSync(this.#folder).filter((name) => {
      const [of, host, pid, started] = name.split('~');
      if (of !== job || name === own) return false;
      if (host !== HOST || isOthers(Number(pid), started)) return true;
      rmSync(join(this.#folder, name), { force: true });
      return false;
    });
  }
}
