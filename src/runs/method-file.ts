/**
 * Loads a method from a file: a module whose default export is a method. Importing the module runs its code, so this
 * happens only where a person names the file. No run loads the file of its method by itself.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf, usageError, UsclError } from '../base/errors.ts';
import type { Method } from '../methods/method.ts';
import { installMethod } from '../methods/registry.ts';
import { resolveConfig } from './config.ts';
import { PACKAGE_ROOT } from './environment.ts';

/**
 * Imports and installs the method of a file (JavaScript, ESM). Errors: `METHOD_FILE` for one that cannot be read or
 * imported or exports nothing, `METHOD_INVALID`, `METHOD_NAME_TAKEN`; `CONFIG_UNKNOWN_KEY` and `CONFIG_INVALID` for a preset.
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
    if (thrown instanceof UsclError) throw thrown;
    throw fault(thrown, remedyOf(thrown));
  }
  const sha256 = createHash('sha256').update(text).digest('hex');
  const exported =
    typeof module === 'object' && module !== null && 'default' in module ? module.default : null;
  if (exported === null)
    throw fault('it has no default export', 'Export the method: export default defineMethod(…).');
  const method = installMethod(exported, { where: path, sha256 });
  for (const preset of Object.keys(method.presets)) resolveConfig({ method: method.name, preset });
  return method;
}

/** The way out for a file that Node.js could not import. */
function remedyOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'ERR_MODULE_NOT_FOUND' && messageOf(thrown).includes("package 'uscl'"))
    return `Install this program where the file is: type npm install ${PACKAGE_ROOT} in its folder.`;
  if (code === 'ERR_MODULE_NOT_FOUND')
    return 'Install the package, or mend the path, that it imports (paths are relative to the file).';
  if (messageOf(thrown).includes('does not provide an export named'))
    return 'Mend the import. What uscl/methods exports stands in dist/exports/methods.d.ts of the package.';
  return 'Mend the file until Node.js can import it as an ES module (call it .mjs, or say "type": "module" in its package.json).';
}
