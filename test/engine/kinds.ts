/** The backends that tests run on: those that this machine has. Where PyTorch is not found, a line says that it was left out. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend, BackendKind } from '../../src/engine/core/backend.ts';
import { openBackend } from '../../src/engine/open.ts';
import { findTorch } from '../../src/engine/torch/native/library.ts';

/** The folder of PyTorch's libraries, or undefined. */
export const TORCH = findTorch()?.folder;
// Programs that tests start have nothing to tell of it.
if (TORCH === undefined && '__vitest_worker__' in globalThis)
  process.stderr.write('PyTorch was not found: its backend is left out here (docs/torch.md, "Tests")\n');

/** Those with kernels of a vendor. */
export const FAST: readonly Exclude<BackendKind, 'reference'>[] =
  TORCH === undefined ? ['onednn'] : ['onednn', 'torch'];
/** All of them. */
export const KINDS: readonly BackendKind[] = ['reference', ...FAST];

/** A backend on the processor. */
export function openKind(kind: BackendKind, threads = 1): Backend {
  return openBackend(kind === 'reference' ? { kind } : { kind, threads, device: 'cpu' });
}

/** A Python that imports the PyTorch whose libraries are used here, or undefined. */
export function pythonOfTorch(): string | undefined {
  // …/lib/python3.x/site-packages/torch/lib; libraries that lie elsewhere came without a Python.
  if (TORCH === undefined || !/[\\/](site|dist)-packages[\\/]torch[\\/]lib[\\/]?$/.test(TORCH))
    return undefined;
  const python = join(TORCH, '..', '..', '..', '..', '..', 'bin', 'python3');
  return existsSync(python) ? python : undefined;
}
