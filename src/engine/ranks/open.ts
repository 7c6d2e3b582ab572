/** The ranks of this process's job: those that a launcher started, or this process alone. */
import { UsclError } from '../../base/errors.ts';
import { ALONE, type Ranks } from './communicator.ts';
import { greet, isCutOff, type Seat, seatOf } from './mpi/launcher.ts';
import { load, lookAt, nameOf } from './mpi/library.ts';
import { candidatesOf, search, VARIABLE } from './mpi/search.ts';
import { joinWorld, LAUNCHERS } from './mpi/world.ts';
import { TransportRanks } from './transport.ts';

let opened: Ranks | undefined;

/**
 * The ranks of the job that a launcher (mpirun, srun) started this process in; one rank where none did. Every call returns the
 * same. Errors: `RANKS_MISSING` where there is no MPI library, `RANKS_LAUNCHER` where it does not fit the launcher.
 */
export function openRanks(): Ranks {
  opened ??= joined(seatOf(process.env));
  return opened;
}

/**
 * A process that ends badly before it has joined its job: it joins after all and takes the others along, who would wait for it without
 * end: mpirun of MPICH does not ask how a process ended that has not begun MPI.
 */
export function takeAlong(): void {
  if (opened !== undefined || launchedAs() === null) return;
  try {
    openRanks();
  } catch (thrown) {
    if (!(thrown instanceof UsclError)) throw thrown;
    // Without a library; that was told before, or what came before it is.
    greet(process.env);
  }
}

/** This process's place in a job of several, by what its launcher said: nothing is loaded. Null: it is alone. */
export function launchedAs(): Pick<Seat, 'rank' | 'size'> | null {
  return seatOf(process.env);
}

function joined(seat: Seat | null): Ranks {
  if (seat === null) return ALONE;
  if (isCutOff(process.env)) throw cutOff();
  const { found, failures } = search(candidatesOf(seat.launcher, process.env), lookAt);
  if (found === null)
    throw new UsclError({
      kind: 'resource',
      code: 'RANKS_MISSING',
      message: `This is process ${seat.rank} of several (${LAUNCHERS[seat.launcher]}), and no MPI library was found that they could meet by: ${failures.join('; ')}.`,
      where: 'MPI',
      remedy: `Install the library of that launcher (Debian, Ubuntu: "apt-get install mpich"; without rights: "pip install mpich" in a virtual environment), or name its file with ${VARIABLE}.`,
    });
  const ranks = new TransportRanks(joinWorld(found, seat));
  return ranks.size === 1 ? ALONE : ranks;
}

function cutOff(): UsclError {
  return new UsclError({
    kind: 'resource',
    code: 'RANKS_LAUNCHER',
    message: 'The connection to mpirun is lost: npx, or another program in between, has closed it.',
    where: 'environment variable PMI_FD',
    remedy:
      'Let mpirun start the program itself (mpirun -n 4 node_modules/.bin/uscl …), or say mpirun -pmi-port -n 4 npx uscl ….',
  });
}

/** The MPI library that a job would use, for people; null where none is found. */
export function findMpi(): { readonly file: string; readonly version: string } | null {
  const { found } = search(candidatesOf(seatOf(process.env)?.launcher ?? 'none', process.env), lookAt);
  return found === null ? null : { file: found.file, version: nameOf(load(found).functions) };
}
