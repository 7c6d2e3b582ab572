/** Reading whole files from outside: bounded, and never waiting for a pipe. */
import { closeSync, constants, type Dirent, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { messageOf, UsclError } from './errors.ts';

/**
 * The bytes of a regular file of at most `limit` bytes. `refuse` makes the error: from a clause such as `it is a pipe`,
 * with the system's complaint as its cause where there is one, or from a number of bytes that is too large.
 */
export function readBounded(
  path: string,
  limit: number,
  refuse: (reason: string, cause: unknown, isTooLarge: boolean) => UsclError,
): Buffer<ArrayBuffer> {
  try {
    // Without waiting: a pipe in the place of a file would never answer.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file);
      const complaint = kindComplaint(stat);
      if (complaint !== undefined) throw refuse(complaint, undefined, false);
      if (stat.size > limit)
        throw refuse(`it has ${stat.size} bytes; at most ${limit} are read`, undefined, true);
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw thrown instanceof UsclError ? thrown : refuse(messageOf(thrown), thrown, false);
  }
}

/** Why this is nothing to read, or undefined for a regular file. */
export function kindComplaint(entry: Stats | Dirent): string | undefined {
  if (entry.isFile()) return undefined;
  if (entry.isFIFO()) return 'it is a pipe';
  if (entry.isSocket()) return 'it is a socket';
  if (entry.isCharacterDevice() || entry.isBlockDevice()) return 'it is a device';
  return 'it is not a regular file';
}
