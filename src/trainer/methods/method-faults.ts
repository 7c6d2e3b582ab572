/**
 * Faults of a method, told by its name: what it returns or forgets, and where in its own code it threw.
 */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { messageOf, usageError, UsclError } from '../../base/errors.ts';
import type { Losses, Method } from '../../methods/method.ts';

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

/**
 * Runs a part of a method. Error: `METHOD_FAILED` for whatever it throws that is no error of this program, and for what it
 * gives to an objective that the objective refuses.
 */
export function guarded<Result>(method: Method, part: string, run: () => Result): Result {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof UsclError && thrown.code !== 'OBJECTIVE_INVALID') throw thrown;
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

const PROGRAM = new URL('../..', import.meta.url);
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

/** Whatever is a number, infinite ones and NaN too: those are for the step to tell, with its clips and a way out. */
const anyNumber = z.custom<number>((value) => typeof value === 'number');
const lossesSchema = z.object({ loss: anyNumber }).catchall(anyNumber);

/** What a method's `losses` returned. Error: `METHOD_RESULT` where it is not the loss and every declared measurement. */
export function checkedLosses(method: Method, found: unknown): Losses {
  const wanted = ['loss', ...method.measurements.map(({ name }) => name)];
  const losses = lossesSchema.safeParse(found);
  const wrong = losses.success
    ? [...wanted, ...Object.keys(losses.data)].find(
        (name) => !wanted.includes(name) || !Object.hasOwn(losses.data, name),
      )
    : String(losses.error.issues[0]?.path[0] ?? 'loss');
  if (losses.success && wrong === undefined) return losses.data;
  throw methodError(
    'METHOD_RESULT',
    method,
    `gave ${wanted.includes(wrong ?? '') ? `no number "${wrong ?? ''}"` : `"${wrong ?? ''}", which it does not declare`}`,
    `Return an object of numbers with exactly ${wanted.join(', ')}.`,
  );
}

/** Refuses a method that filled the gradients of some outputs only. Error: `METHOD_GRADIENT`. */
export function requireFilled(method: Method, outputs: readonly string[], filled: ReadonlySet<string>): void {
  const forgotten = outputs.find((name) => !filled.has(name));
  if (forgotten === undefined) return;
  throw methodError(
    'METHOD_GRADIENT',
    method,
    `gave no gradient for the output "${forgotten}" of its network`,
    `Fill batch.gradient('${forgotten}'), with 0 where the loss does not depend on it.`,
  );
}

/** Refuses a gradient [rows, dim] with a number that is not finite. Error: `METHOD_GRADIENT`. */
export function requireFinite(method: Method, output: string, gradient: Float32Array, dim: number): void {
  const place = gradient.findIndex((value) => !Number.isFinite(value));
  if (place < 0) return;
  const count = gradient.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  const more = count === 1 ? '' : `, and ${count - 1} more of its ${gradient.length} numbers are not finite`;
  throw methodError(
    'METHOD_GRADIENT',
    method,
    `fills the gradient of "${output}" with ${gradient[place]!} at row ${Math.floor(place / dim)}, feature ${place % dim}${more}`,
    'Mend the gradient: where outputs and loss are finite, its numbers must be too.',
  );
}
