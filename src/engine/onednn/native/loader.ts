/** Looking into a file by the system's loader, and keeping the one that is taken. */
import koffi from 'koffi';
import { messageOf } from '../../../base/errors.ts';
import { loadForeign } from '../../native/foreign.ts';
import { NULL, systemLibrary, type Address } from '../../native/memory.ts';
import { Scope } from '../../native/scope.ts';
import { NOT_THERE, type Look } from './search.ts';

const RTLD_NOW = 2;
/** With `RTLD_NODELETE`, which keeps a library until the process ends. */
const RTLD_KEPT = process.platform === 'darwin' ? 0x82 : 0x1002;

/** What a file is. It is loaded for that, and let go again. */
export function lookAt(file: string): Look {
  const { dlopen, dlclose, dlsym, dlerror } = systemLibrary();
  const library = dlopen(file, RTLD_NOW);
  if (library === NULL) return { kind: 'absent', reason: reasonOf(dlerror(), file) };
  try {
    const symbol = dlsym(library, 'dnnl_version');
    if (symbol === NULL) return { kind: 'foreign', reason: 'it has no function dnnl_version' };
    const version = loadForeign(file).func('uintptr_t dnnl_version()') as () => Address;
    const [major = 0, minor = 0, patch = 0] = new Int32Array(koffi.view(version(), 12));
    return { kind: 'library', path: fileOf(symbol) ?? file, version: [major, minor, patch] };
  } catch (thrown) {
    return { kind: 'foreign', reason: messageOf(thrown) };
  } finally {
    dlclose(library);
  }
}

/** Keeps a library that `lookAt` could load until the process ends. */
export function keep(path: string): void {
  systemLibrary().dlopen(path, RTLD_KEPT);
}

/** The system's own words where the file is there, or where something that it needs is not. */
function reasonOf(error: string | null, file: string): string {
  if (error === null) return NOT_THERE;
  const isItself = error.startsWith(`${file}: `) && error.includes('No such file');
  return isItself || (process.platform === 'darwin' && error.includes('no such file')) ? NOT_THERE : error;
}

/** The file that holds a function. */
function fileOf(symbol: Address): string | undefined {
  using scope = new Scope();
  const found = scope.zeros(64).address;
  if (systemLibrary().dladdr(symbol, found) === 0) return undefined;
  const [name] = new BigUint64Array(koffi.view(found, 8));
  return name === undefined || name === 0n ? undefined : (koffi.decode(Number(name), 'char', -1) as string);
}
