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

/** Milliseconds after which a job hangs. */
const MINUTE = 60_000;

function spawnPiped(program: string, args: readonly string[], timeout = 0) {
  return spawn(program, [...args], {
    ...{ env: { ...process.env, ...ENVIRONMENT }, timeout },
    // mpirun of MPICH goes on where it is only asked to end.
    killSignal: 'SIGKILL',
  });
}

/** The same, to their end. */
export function launched(launcher: Launcher, count: number, args: readonly string[]): Promise<Finished> {
  return finished(launch(launcher, count, args));
}

/** One process for each list of arguments, in the order of ranks, to the end of all, which are killed where they take a minute. */
export function launchedApart(
  launcher: Launcher,
  ...lists: readonly (readonly string[])[]
): Promise<Finished> {
  const each = lists.flatMap((args, rank) => [
    ...(rank === 0 ? [] : [':']),
    ...['-n', '1', process.execPath, ...args],
  ]);
  return finished(spawnPiped(launcher.program, [...launcher.options, ...each], MINUTE));
}

/**
 * A script in a folder that does what the arguments say on a disk that is full from the moment on at which it would open, write, rename
 * or make what a pattern names for the n-th time. The calls that `full-disk.test.ts` of pretraining fails are failed here too.
 */
export function onFullDisk(
  folder: string,
  args: readonly string[],
  { pattern, time = 1 }: { readonly pattern: RegExp; readonly time?: number },
): readonly string[] {
  const script = join(folder, 'full-disk.mjs');
  writeFileSync(
    script,
    `const { default: fs } = await import('node:fs');
     const { syncBuiltinESMExports } = await import('node:module');
     const { openSync, writeSync } = fs;
     let left = ${time};
     const failing = (action, pathOf) => (...args) => {
       if (${String(pattern)}.test(String(pathOf(args)))) left -= 1;
       if (left <= 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
       return action(...args);
     };
     for (const name of ['writeFileSync', 'appendFileSync', 'mkdirSync']) fs[name] = failing(fs[name], ([path]) => path);
     for (const name of ['renameSync', 'linkSync']) fs[name] = failing(fs[name], ([, to]) => to);
     fs.fsyncSync = failing(fs.fsyncSync, () => '');
     // What is told goes to no disk.
     const written = failing(writeSync, () => '');
     fs.writeSync = (...args) => (args[0] <= 2 ? writeSync : written)(...args);
     const opened = failing(openSync, ([path]) => path);
     fs.openSync = (...args) => (args[1] === undefined || args[1] === 'r' ? openSync : opened)(...args);
     syncBuiltinESMExports();
     process.argv = [process.execPath, ...${JSON.stringify(args)}];
     await import(${JSON.stringify(MAIN)});`,
  );
  return [script];
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
