/**
 * Who started this process, and as which of how many. Launchers of MPI programs say it in the environment; it is read before any
 * library is loaded, so that the library can be chosen by it and held to it.
 */
import { fstatSync, writeSync } from 'node:fs';

/** The way in which a launcher's processes find each other. */
export type Launcher = 'hydra' | 'openmpi' | 'pmix' | 'slurm';

/** What a launcher said of this process. */
export interface Seat {
  readonly launcher: Launcher;
  readonly rank: number;
  /** Null where the launcher does not say it. */
  readonly size: number | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables of each launcher; the first that is there counts, because a launcher may be started by another one. */
const VARIABLES: readonly {
  readonly launcher: Launcher;
  readonly rank: string;
  readonly size: string | null;
}[] = [
  { launcher: 'openmpi', rank: 'OMPI_COMM_WORLD_RANK', size: 'OMPI_COMM_WORLD_SIZE' },
  { launcher: 'hydra', rank: 'PMI_RANK', size: 'PMI_SIZE' },
  // As started with -pmi-port.
  { launcher: 'hydra', rank: 'PMI_ID', size: null },
  { launcher: 'pmix', rank: 'PMIX_RANK', size: 'SLURM_STEP_NUM_TASKS' },
  // Of a step: a batch script has SLURM_NTASKS and SLURM_PROCID too, and is one process.
  { launcher: 'slurm', rank: 'SLURM_PROCID', size: 'SLURM_STEP_NUM_TASKS' },
];

/**
 * Whether the socket to the launcher, which a process of MPICH's mpirun inherits, was closed on the way: Node.js closes it in
 * programs that it starts, npx among them.
 */
export function isCutOff(environment: Environment): boolean {
  const socket = wholeNumber(environment['PMI_FD']);
  if (socket === null) return false;
  try {
    return !fstatSync(socket).isSocket();
  } catch {
    return true;
  }
}

/**
 * Tells MPICH's mpirun in its own words (PMI 1) that this process begins MPI, which a library does otherwise. How such a process ends is
 * how the job ends. Nothing happens under other launchers, and where the socket was closed.
 */
export function greet(environment: Environment): void {
  const socket = wholeNumber(environment['PMI_FD']);
  if (socket !== null && !isCutOff(environment))
    writeSync(socket, 'cmd=init pmi_version=1 pmi_subversion=1\n');
}

/** This process's place among those that a launcher started; null: none did, or only this one. */
export function seatOf(environment: Environment): Seat | null {
  for (const { launcher, rank, size } of VARIABLES) {
    const number = wholeNumber(environment[rank]);
    if (number === null) continue;
    const of = size === null ? null : wholeNumber(environment[size]);
    if (launcher === 'slurm' && of === null) continue;
    return of === 1 ? null : { launcher, rank: number, size: of };
  }
  return null;
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}
