/**
 * Faults of a method, told by its name: what it does wrong, and where in its own code it threw.
 */
import { fileURLToPath } from 'node:url';
import { messageOf, usageError, UsclError } from '../base/errors.ts';
import type { Method } from '../methods/method.ts';

/** An error of a method, by its name. */
export function methodError(
  code: string,
  { name }: Method,
  complaint: string,
  remedy: string,
  cause?: unknown,
): UsclError {
  return usageError(code, `The method "${name}" ${complaint}.`, remedy, { where: `method ${name}`, cause });
}

/** Runs a part of a method. Error: `METHOD_FAILED` for whatever it throws that is no error of this program. */
export function guarded<Result>(method: Method, part: string, run: () => Result): Result {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof UsclError) throw thrown;
    const place = placeOf(thrown);
    throw methodError(
      'METHOD_FAILED',
      method,
      `failed in ${part}: ${messageOf(thrown).replace(/\.$/, '')}`,
      place === null ? 'Mend that part of the method.' : `Mend the method at ${place}.`,
      thrown,
    );
  }
}

const PROGRAM = new URL('..', import.meta.url);
/** Frames of a stack with one of these are of Node.js or of this program. Node.js names a module by its path or its address. */
const NOT_OF_A_METHOD = ['node:', PROGRAM.href, fileURLToPath(PROGRAM)];

/** `my-method.js:12:5`: the innermost place of an error's stack that is the method's own. */
function placeOf(thrown: unknown): string | null {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  const own = stack
    .split('\n')
    .find((line) => /^\s+at /.test(line) && !NOT_OF_A_METHOD.some((part) => line.includes(part)));
  return /([^/\\\s(]+:\d+:\d+)\)?$/.exec(own ?? '')?.[1] ?? null;
}
