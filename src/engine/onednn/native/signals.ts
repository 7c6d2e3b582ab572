/**
 * Signals wait while kernels run. Some of oneDNN's f32 matrix products (2.6) run on a stack that they allocate on the heap
 * and use to its last byte. Whoever handles a signal there (Ctrl-C, a window that changes its size, a sampling profiler)
 * writes into the block below it. So the calling thread takes no signal between `hold` and `release`; what came
 * meanwhile is delivered then. The threads of the kernels, which the first run starts, never take one.
 *
 * Faults of the program itself are not held, so that a crash is still reported.
 */
import { allocateBlock, byteView, NULL, systemLibrary } from '../../native/memory.ts';

/** Keeps signals from the calling thread while work runs. */
export interface Signals {
  hold(): void;
  release(): void;
}

const isMac = process.platform === 'darwin';
/** Bytes of `sigset_t` on Linux; macOS has 4. */
const SET_BYTES = 128;
/** ILL, TRAP, ABRT, FPE, KILL, SEGV; BUS and SYS have other numbers on macOS. */
const FAULTS = [4, 5, 6, 8, 9, 11, ...(isMac ? [10, 12] : [7, 31])];
/** `SIG_BLOCK` and `SIG_SETMASK`. */
const [BLOCK, SET] = isMac ? [1, 3] : [0, 2];

let held: Signals | undefined;

/** One for a thread, as long as the thread lives. */
export function heldSignals(): Signals {
  if (held === undefined) {
    const { signalMask } = systemLibrary();
    const [all, before] = [allocateBlock(SET_BYTES).address, allocateBlock(SET_BYTES).address];
    const bits = byteView(all, SET_BYTES).fill(0xff);
    for (const signal of FAULTS) bits[(signal - 1) >> 3]! &= ~(1 << ((signal - 1) & 7));
    held = {
      hold: () => {
        signalMask(BLOCK, all, before);
      },
      release: () => {
        signalMask(SET, before, NULL);
      },
    };
  }
  return held;
}
