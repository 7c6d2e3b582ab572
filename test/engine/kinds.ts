/** The backends that tests run on: those that this machine has. Where PyTorch is not found, a line says that it was left out. */
import type { Backend, BackendKind } from '../../src/engine/core/backend.ts';
import { openBackend } from '../../src/engine/open.ts';
import { findTorch } from '../../src/engine/torch/native/library.ts';

/** The folder of PyTorch's libraries, or undefined. */
export const TORCH = findTorch()?.folder;
if (TORCH === undefined)
  process.stderr.write('PyTorch was not found: its backend is left out here (docs/torch.md, "Tests")\n');

/** Those with kernels of a vendor. */
export const FAST: readonly BackendKind[] = TORCH === undefined ? ['onednn'] : ['onednn', 'torch'];
/** All of them. */
export const KINDS: readonly BackendKind[] = ['reference', ...FAST];

/** A backend on the processor. */
export function openKind(kind: BackendKind, threads = 1): Backend {
  return openBackend(kind === 'reference' ? { kind } : { kind, threads, device: 'cpu' });
}
