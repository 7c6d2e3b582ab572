/** Launchers of MPI jobs on this machine; where there is none, tests of several processes are skipped. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Finished, finished } from '../cli/run.ts';

/** The compiled program. */
export const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

export interface Launcher {
  readonly name: 'MPICH' | 'Open MPI';
  readonly program: string;
  readonly options: readonly string[];
}

/** What lets Open MPI start as root, and several processes wait for each other on few processors. */
const ENVIRONMENT = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_mpi_yield_when_idle: '1',
};

/** One launcher of each kind, MPICH's first. */
export const launchers: readonly Launcher[] = find();

function find(): readonly Launcher[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const programs = folders.flatMap((folder) => {
    try {
      return (
        readdirSync(folder)
          // By its name: Open MPI takes the folder of a path for that of its installation.
          .filter((name) => /^mpirun(\.|$)/.test(name))
      );
    } catch {
      return [];
    }
  });
  const found = programs.flatMap((program): Launcher[] => {
    const { stdout } = spawnSync(program, ['--version'], {
      encoding: 'utf8',
      env: { ...process.env, ...ENVIRONMENT },
    });
    if (stdout.includes('HYDRA')) return [{ name: 'MPICH', program, options: [] }];
    // It calls itself so where the program is called mpirun, else by the name of its runtime.
    if (/Open MPI|OpenRTE/.test(stdout)) return [{ name: 'Open MPI', program, options: ['--oversubscribe'] }];
    return [];
  });
  const kinds = new Map(found.map((launcher) => [launcher.name, launcher]));
  return [...kinds.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The arguments that start `count` processes of Node.js with these arguments. */
export function commandOf({ options }: Launcher, count: number, args: readonly string[]): readonly string[] {
  return [...options, '-n', String(count), process.execPath, ...args];
}

/** Starts `count` processes of Node.js. */
export function launch(
  launcher: Launcher,
  count: number,
  args: readonly string[],
): ReturnType<typeof spawnPiped> {
  return spawnPiped(launcher.program, commandOf(launcher, count, args));
}

function spawnPiped(program: string, args: readonly string[]) {
  return spawn(program, [...args], { env: { ...process.env, ...ENVIRONMENT } });
}

/** The same, to their end. */
export function launched(launcher: Launcher, count: number, args: readonly string[]): Promise<Finished> {
  return finished(launch(launcher, count, args));
}

/** A script in a folder by which rank 1 does something else than the others: with these arguments, after this. */
export function byRank(
  folder: string,
  all: readonly string[],
  first: readonly string[],
  before = '',
): readonly string[] {
  const script = join(folder, 'by-rank.mjs');
  writeFileSync(
    script,
    `const rank = Number(process.env.PMI_RANK ?? process.env.OMPI_COMM_WORLD_RANK);
     process.argv = [process.execPath, ...(rank === 1 ? ${JSON.stringify(first)} : ${JSON.stringify(all)})];
     if (rank === 1) { ${before} }
     await import(${JSON.stringify(MAIN)});`,
  );
  return [script];
}

/** The processes that a launcher's process has started, of Node.js, by their ids. */
export function ranksBelow(launcher: number): readonly number[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], { encoding: 'utf8' })
    .split('\n')
    .map((row) => row.trim().split(/\s+/));
  const below = (parent: number): number[] =>
    rows
      .filter(([, ppid]) => Number(ppid) === parent)
      .flatMap(([pid, , name]) =>
        /^(node|MainThread)/.test(name ?? '') ? [Number(pid)] : below(Number(pid)),
      );
  return below(launcher);
}
