/** Choosing a backend: oneDNN where it is found, the slow reference where it is not, never silently. */
import { UsclError } from '../base/errors.ts';
import type { Backend, BackendChoice } from './core/backend.ts';
import { openOneDnn } from './onednn/backend.ts';
import { searchedLibraries } from './onednn/native/library.ts';
import type { Searched } from './onednn/native/search.ts';
import { openReference } from './reference/backend.ts';
import { separateMemory } from './separate/backend.ts';

export type { Searched as SearchedLibrary } from './onednn/native/search.ts';

/** Which backend is opened, and with how many threads. */
export interface OpenOptions {
  /** `auto` takes oneDNN when its library is found and the reference otherwise. Default `auto`. */
  readonly kind?: BackendChoice | undefined;
  /** Threads of the native kernels; default: the processors this process may use. */
  readonly threads?: number | null | undefined;
  /** Collect times per kernel (`Plan.profile`). */
  readonly profile?: boolean;
  /**
   * Treat the backend's memory as a device's, apart from the host's, to find code that would not run on one: copies are made
   * where a device needs them, and what is out of date is NaN. Default: whether USCL_SEPARATE_MEMORY is 1.
   */
  readonly separateMemory?: boolean;
  /** Called once with a sentence for the user when `auto` falls back to the reference. */
  readonly onFallback?: ((reason: string) => void) | undefined;
}

/** Opens a backend. With `kind: 'onednn'` a missing library is an error; with `auto` it is a loud fallback. */
export function openBackend(options: OpenOptions = {}): Backend {
  const { separateMemory: isSeparate = process.env['USCL_SEPARATE_MEMORY'] === '1' } = options;
  const backend = openShared(options);
  return isSeparate ? separateMemory(backend) : backend;
}

function openShared(options: OpenOptions): Backend {
  const { kind = 'auto', threads, profile = false } = options;
  if (kind === 'reference') return openReference(profile);
  try {
    return openOneDnn(threads ?? undefined, profile);
  } catch (thrown) {
    const missing = thrown instanceof UsclError && thrown.code.startsWith('ONEDNN_');
    if (kind === 'onednn' || !missing) throw thrown;
    options.onFallback?.(
      `${thrown.message} Running on the plain TypeScript backend instead: correct, but about a hundred times slower. ${thrown.remedy}`,
    );
    return openReference(profile);
  }
}

/** Where native kernels were looked for when a backend was opened first, in order; empty before that. */
export function librariesLookedFor(): readonly Searched[] {
  return searchedLibraries();
}
