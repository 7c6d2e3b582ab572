/**
 * The C library's heap, for kernels that make and free their maps in every pass. By itself glibc gives large blocks back to the system
 * as they are freed and gets them anew, page by page: 30,000 to 40,000 pages in a step of ResNet-18, a tenth of its time (docs/torch.md).
 */
import { loadForeign } from './foreign.ts';

/** Parameters of `mallopt` and the values that end giving back. */
const TRIM_THRESHOLD = [-1, -1] as const;
const MMAP_MAX = [-4, 0] as const;
/** What a user sets who has an opinion of this. */
const SETTINGS = ['MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TOP_PAD_'];

interface Heap {
  readonly set: (parameter: number, value: number) => number;
  readonly trim: (pad: number) => number;
}

let kept: Heap | null = null;

/**
 * From now on memory that was freed stays with the process until `giveBack`. Does nothing where the C library is not glibc, and where
 * the environment says how it is to be.
 */
export function keepFreedMemory(): void {
  const { env, platform } = process;
  const isSet =
    SETTINGS.some((name) => env[name] !== undefined) ||
    (env['GLIBC_TUNABLES'] ?? '').includes('glibc.malloc.');
  if (kept !== null || platform !== 'linux' || isSet) return;
  const heap = glibc();
  if (heap === null) return;
  heap.set(...TRIM_THRESHOLD);
  heap.set(...MMAP_MAX);
  kept = heap;
}

/** Gives what is free back to the system, where it was kept. */
export function giveBack(): void {
  kept?.trim(0);
}

function glibc(): Heap | null {
  const library = loadForeign(null);
  try {
    library.func('const char *gnu_get_libc_version()');
  } catch {
    return null;
  }
  return {
    set: library.func('int mallopt(int parameter, int value)') as Heap['set'],
    trim: library.func('int malloc_trim(size_t pad)') as Heap['trim'],
  };
}
