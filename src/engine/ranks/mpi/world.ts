/**
 * The processes of an MPI job as a transport. MPI can be begun once in a process and ends with it: in good order where all ranks
 * end together, else by ending the others too, so that none waits for one that is gone.
 */
import koffi from 'koffi';
import { UsclError } from '../../../base/errors.ts';
import { type Address, NULL } from '../../native/memory.ts';
import { Scope } from '../../native/scope.ts';
import type { Transport } from './transport.ts';
import type { Seat } from './launcher.ts';
import { type Functions, load, nameOf } from './library.ts';
import type { Found } from './search.ts';

/** Begins MPI as the launcher's process. Errors: `RANKS_LAUNCHER` where the library sees other processes than the launcher started. */
export function joinWorld(found: Found, seat: Seat): Transport {
  const { functions, constants } = load(found);
  const { world, float, sum, inPlace, funneled } = constants;
  using scope = new Scope();
  const number = intIn(scope);
  const library = nameOf(functions);
  functions.initThread(NULL, NULL, funneled, number.address);
  functions.commRank(world, number.address);
  const rank = number.read();
  functions.commSize(world, number.address);
  const size = number.read();
  requireSeat(seat, { rank, size }, `${library} (${found.file})`, functions);

  let together = false;
  let isCrash = false;
  process.once('uncaughtExceptionMonitor', () => {
    isCrash = true;
  });
  process.once('exit', (code) => {
    if (together) functions.finalize();
    // Node.js says what went wrong after this; the launcher ends the others when it sees how this process ended.
    else if (!isCrash) functions.abort(world, code === 0 ? 1 : code);
  });
  return {
    ...{ rank, size, library },
    sum(address, count) {
      requirePlace(address, count);
      functions.allreduce(inPlace, address, count, float, sum, world);
    },
    gather(from, to, count) {
      requirePlace(from, count);
      requirePlace(to, count);
      functions.allgather(from, count, float, to, count, float, world);
    },
    ends(how) {
      together = how === 'together';
    },
  };
}

/** A library that is given a wrong place or count ends the process without a word. */
function requirePlace(address: Address, count: number): void {
  if (!Number.isInteger(count) || count < 1 || count >= 2 ** 31 || address === NULL)
    throw new RangeError(`${count} numbers at address ${address} cannot be sent.`);
}

/** Each process is a rank of its launcher's job, or each would train on its own, into one folder. */
function requireSeat(
  seat: Seat,
  found: { readonly rank: number; readonly size: number },
  library: string,
  { finalize }: Functions,
): void {
  const size = seat.size ?? found.size;
  if (found.size === size && found.rank === seat.rank) return;
  // Alone in a world of its own, it has nobody to wait for.
  if (found.size === 1) finalize();
  throw otherWorld(seat, found, library);
}

/** `RANKS_LAUNCHER`: the launcher's processes do not find each other. */
export function otherWorld(
  seat: Seat,
  found: { readonly rank: number; readonly size: number },
  library: string,
): UsclError {
  const started = seat.size === null ? `process ${seat.rank}` : `process ${seat.rank} of ${seat.size}`;
  return new UsclError({
    kind: 'resource',
    code: 'RANKS_LAUNCHER',
    message: `The launcher (${LAUNCHERS[seat.launcher]}) started this as ${started}, and ${library} sees it as process ${found.rank} of ${found.size}.`,
    where: 'MPI',
    remedy:
      'Launcher and library must be of one MPI: start with the mpirun that belongs to the library, or name the library that belongs to mpirun with USCL_MPI.',
  });
}

export const LAUNCHERS: Readonly<Record<Seat['launcher'], string>> = {
  hydra: 'mpirun of MPICH',
  openmpi: 'mpirun of Open MPI',
  pmix: 'PMIx',
  slurm: 'srun',
};

/** A place that C functions write an int to. */
function intIn(scope: Scope): { readonly address: Address; readonly read: () => number } {
  const { address } = scope.zeros(64);
  const view = new Int32Array(koffi.view(address, 4));
  return { address, read: () => view[0]! };
}
