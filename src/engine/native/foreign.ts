/**
 * The one door to foreign libraries: whatever the engine loads through koffi, it loads here, so that the stack which foreign functions
 * run on has its size before the first library comes. koffi gives the size once, and by itself 2 MiB.
 *
 * 8 MiB is what Linux gives the threads that such libraries are made on. Only pages that are touched cost memory, and a call takes as
 * long as with 2 MiB (docs/engine.md). No function is called asynchronously: that stack stays as it is.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { UsclError } from '../../base/errors.ts';

export const STACK_BYTES = 8 * 2 ** 20;

let isSized = false;

/**
 * A library by its file, or by null the process itself with what it has loaded. Errors: `FOREIGN_STACK`, and koffi's where the file
 * cannot be loaded.
 */
export function loadForeign(file: string | null): LibraryHandle {
  if (!isSized) sizeStack();
  isSized = true;
  return koffi.load(file);
}

function sizeStack(): void {
  const { sync_stack_size: bytes = 0 } = koffi.config();
  if (bytes >= STACK_BYTES) return;
  try {
    koffi.config({ sync_stack_size: STACK_BYTES });
  } catch (cause) {
    throw new UsclError({
      kind: 'usage',
      code: 'FOREIGN_STACK',
      message: `Foreign functions run on a stack of ${bytes / 1024} KiB in this process, and kernels want ${STACK_BYTES / 1024}: koffi loaded a library before the engine did, and its size is fixed since.`,
      where: 'koffi',
      remedy: `Open the backend first, or give koffi's sync_stack_size ${STACK_BYTES} bytes before the program loads its first library.`,
      cause,
    });
  }
}
