/**
 * GPUs of several processes that sum vectors, without the host's memory: one GPU a process. What is asked for is queued on the
 * stream of the kernels, behind them and before those that come after.
 */
import { UsclError } from '../../../base/errors.ts';
import type { CudaNumbers } from '../../core/backend.ts';
import { type Address, NULL } from '../../native/memory.ts';
import { FLOAT32, type Functions, ID_BYTES, STATUSES, SUM } from './binding.ts';

/** What makes the processes of a job find each other: one of them makes it, all others are told. Error: `NCCL_FAILED`. */
export function newId({ uniqueId, lastError }: Functions): Uint8Array {
  const id = new Uint8Array(ID_BYTES);
  requireSuccess(uniqueId(id), 'ncclGetUniqueId', lastError);
  return id;
}

/** `2.30.7`: since 2.9 a number of five digits, before that of four. Error: `NCCL_FAILED`. */
export function versionOf({ version, lastError }: Functions): string {
  const found = new Int32Array(1);
  requireSuccess(version(found), 'ncclGetVersion', lastError);
  const number = found[0]!;
  const major = number < 10_000 ? 1000 : 10_000;
  return [Math.floor(number / major), Math.floor((number % major) / 100), number % 100].join('.');
}

/** Of one process. Dispose of it once what was asked for is done. */
export class Communicator implements Disposable {
  readonly #functions: Functions;
  readonly #handle: Address;
  #isOpen = true;

  /** Returns when all processes have come. Error: `NCCL_FAILED`. */
  constructor(functions: Functions, place: { readonly rank: number; readonly size: number }, id: Uint8Array) {
    if (id.length !== ID_BYTES)
      throw new RangeError(`An id of NCCL has ${ID_BYTES} bytes, not ${id.length}.`);
    this.#functions = functions;
    const written = new BigUint64Array(1);
    const status = functions.initRank(written, place.size, { internal: id }, place.rank);
    requireSuccess(status, 'ncclCommInitRank', functions.lastError);
    this.#handle = Number(written[0]) as Address;
  }

  /**
   * Each number becomes its sum over all processes, in place, once the stream gets there. Error: `NCCL_FAILED`, also for what an
   * earlier sum failed of; the communicator is then given up, so that no process waits for this one.
   */
  sum({ address, length, stream }: CudaNumbers): void {
    if (length === 0) return;
    if (!Number.isSafeInteger(length) || length < 0 || address === 0)
      throw new RangeError(`${length} numbers at address ${address} cannot be summed.`);
    const { allReduce, asyncError } = this.#functions;
    this.#require(
      allReduce(
        address as Address,
        address as Address,
        length,
        FLOAT32,
        SUM,
        this.#handle,
        stream as Address,
      ),
      'ncclAllReduce',
    );
    const status = new Int32Array(1);
    this.#require(asyncError(this.#handle, status), 'ncclCommGetAsyncError');
    this.#require(status[0]!, 'ncclAllReduce');
  }

  /** Gives it up. It waits for no other process: they may be gone. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#functions.abort(this.#handle);
  }

  #require(status: number, call: string): void {
    if (status === 0) return;
    // Its words are gone with it.
    const error = ncclFailure(status, call, this.#functions.lastError(this.#handle));
    this[Symbol.dispose]();
    throw error;
  }
}

function requireSuccess(status: number, call: string, lastError: Functions['lastError']): void {
  if (status !== 0) throw ncclFailure(status, call, lastError(NULL));
}

/** A status of NCCL as an error, with its words. */
function ncclFailure(status: number, call: string, words: string | null): UsclError {
  const [first = ''] = (words ?? '').trim().split('\n');
  return new UsclError({
    kind: 'resource',
    code: 'NCCL_FAILED',
    message: `NCCL could not do ${call}: ${STATUSES[status] ?? `status ${status}`}${first === '' ? '' : ` (${first})`}.`,
    where: call,
    remedy:
      'NCCL_DEBUG=INFO in the environment of the processes prints its reasons; USCL_NCCL=off goes on through the memory of the host.',
  });
}
