/** What tests of this room share. */
import { failure } from '../failures.ts';

/** The message of the `OBJECTIVE_INVALID` that an action throws. */
export function messageOf(action: () => unknown): string {
  const error = failure(action);
  if (error.code !== 'OBJECTIVE_INVALID') throw error;
  return error.message;
}
