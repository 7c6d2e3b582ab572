/**
 * Loads a method from a file: a module whose default export is a method. Importing the module runs its code, so this
 * happens only where a person names the file. No run loads the file of its method by itself.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf, usageError } from '../base/errors.ts';
import type { Method } from '../methods/method.ts';
import { installMethod } from '../methods/registry.ts';

/**
 * Imports and installs the method of a file (JavaScript, ESM). Errors: `METHOD_FILE` for one that cannot be read or
 * imported, `METHOD_INVALID`, `METHOD_NAME_TAKEN`.
 */
export async function loadMethod(path: string): Promise<Method> {
  const fault = (thrown: unknown, remedy: string): Error =>
    usageError('METHOD_FILE', `The method file ${path} cannot be used: ${messageOf(thrown)}.`, remedy, {
      where: path,
      cause: thrown,
    });
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (thrown) {
    throw fault(thrown, 'Name a method (uscl methods lists them) or the path of a file that defines one.');
  }
  let module: unknown;
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (thrown) {
    throw fault(thrown, 'Mend the file until Node.js can import it as an ES module.');
  }
  const sha256 = createHash('sha256').update(text).digest('hex');
  const exported =
    typeof module === 'object' && module !== null && 'default' in module ? module.default : null;
  return installMethod(exported, { where: path, sha256 });
}
