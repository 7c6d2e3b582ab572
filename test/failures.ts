/** What an action fails with, for tests of errors that people meet. Any other error than a `UsclError` passes through. */
import { UsclError } from '../src/base/errors.ts';

/** The `UsclError` that an action throws; fails the test when there is none. */
export function failure(action: () => unknown): UsclError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown;
    throw thrown;
  }
  throw new Error('expected a failure');
}

/** The `UsclError` that a promise is rejected with; fails the test when there is none. */
export async function failureOf(promise: Promise<unknown>): Promise<UsclError> {
  const result: unknown = await promise.then(
    () => new Error('expected a failure'),
    (thrown: unknown) => thrown,
  );
  if (result instanceof UsclError) return result;
  throw result;
}

/** The code of the `UsclError` that an action throws, or `no error`. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof UsclError) return thrown.code;
    throw thrown;
  }
  return 'no error';
}
