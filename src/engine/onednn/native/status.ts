/** Every status of oneDNN that is not success becomes an exception here. */
import { UsclError } from '../../../base/errors.ts';

/** The status of an operation that the library has no kernel for. */
export const UNIMPLEMENTED = 3;

const STATUS: Readonly<Record<number, string>> = {
  1: 'out of memory',
  2: 'invalid arguments',
  [UNIMPLEMENTED]: 'not implemented for these shapes',
  4: 'no more implementations',
  5: 'run-time error',
  6: 'not required',
};

/** Turns a status that is not success into an exception that names the call. */
export function check(status: number, call: string): void {
  if (status !== 0) throw failure(status, call);
}

export function failure(status: number, call: string): UsclError {
  return new UsclError({
    kind: 'resource',
    code: status === 1 ? 'OUT_OF_MEMORY' : 'ONEDNN_FAILED',
    message: `oneDNN: ${STATUS[status] ?? `status ${status}`} in ${call}.`,
    where: call,
    remedy:
      status === 1
        ? 'Use a smaller batch (batch.size), a smaller image size (view.size) or precision bf16.'
        : 'Run "npx uscl doctor"; if oneDNN is fine there, this network does not suit it: try the reference backend.',
  });
}
