/**
 * A picture beside findings. What was found is told whether or not its picture can be written: a dataset may lie where
 * nobody may write.
 */
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';

/** What became of a picture, for the screen and for `--json`. */
export interface Sheet {
  /** Where it was written, or null. */
  readonly path: string | null;
  /** Why it could not be written, and the way out; null where it was written or not wanted. */
  readonly problem: { readonly code: string; readonly message: string; readonly remedy: string } | null;
}

/** Writes a picture to `path`. Where a person asked for it by an option (`asked`), the command fails without it. */
export async function writeSheet(
  path: string,
  asked: '--sheet' | '--outlines' | null,
  write: (path: string) => Promise<unknown>,
): Promise<Sheet> {
  try {
    await write(path);
    return { path, problem: null };
  } catch (thrown) {
    if (!(thrown instanceof UsclError) || thrown.kind !== 'resource') throw thrown;
    if (asked !== null) process.exitCode = thrown.exitCode;
    const { code, message } = thrown;
    const remedy =
      asked === '--outlines'
        ? 'Write it elsewhere with --outlines FILE.'
        : 'Write it elsewhere with --sheet FILE, or say --no-sheet.';
    return { path: null, problem: { code, message, remedy } };
  }
}

/**
 * The picture of `--sheet` and `--no-sheet`: to the file that was asked for, or as `name` into the dataset's folder; none
 * where none is `wanted`.
 */
export async function sheetOf(
  said: string | boolean,
  { folder, name, wanted = true }: { folder: string; name: string; wanted?: boolean },
  write: (path: string) => Promise<unknown>,
): Promise<Sheet> {
  if (said === false || !wanted) return { path: null, problem: null };
  const isAsked = typeof said === 'string';
  return await writeSheet(isAsked ? said : join(folder, name), isAsked ? '--sheet' : null, write);
}

/** The line on a picture that could not be written; none where it was. */
export function sheetProblem({ problem }: Sheet): readonly string[] {
  return problem === null ? [] : [`warning: no picture was written. ${problem.message} ${problem.remedy}`];
}
