/**
 * Processes by id and start: an id alone may be used again. What a process leaves under its own name (temporary folders,
 * claims) can so be told from what a dead one left.
 */
import { readFileSync } from 'node:fs';
import { systemCode } from './errors.ts';

interface Status {
  /** A letter; Z is a dead process that its parent has not asked after. */
  readonly state: string;
  /** When it was started, in ticks since the system was; 0 where the system does not tell. */
  readonly started: string;
}

function statusOf(pid: number): Status {
  try {
    // The name in brackets may hold blanks and brackets; behind it stand the state and, 20th, the time.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '0' };
  } catch {
    return { state: '', started: '0' };
  }
}

/** When this process was started. */
export const STARTED = statusOf(process.pid).started;

/** Whether another process with this id, started at this time, runs. A reused id is another process. */
export function isOthers(pid: number, started: string | undefined): boolean {
  if (pid === process.pid) return false;
  if (!isRunning(pid)) return false;
  const now = statusOf(pid).started;
  return started === undefined || started === '0' || now === '0' || now === started;
}

/** Whether a process with this id runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return statusOf(pid).state !== 'Z';
  } catch (thrown) {
    // EPERM: it runs, under another user.
    return systemCode(thrown) === 'EPERM';
  }
}
