/**
 * The backend that tests of training open: the plain one or oneDNN, as each of them says, or for all of them the one that
 * USCL_TEST_BACKEND names (`torch`, on the processor). What a test compares with, and what makes files for it, stays plain.
 */
import { type Backend, type BackendKind, BACKENDS } from '../src/engine/core/backend.ts';
import { FAST, openKind } from './engine/kinds.ts';

const asked = process.env['USCL_TEST_BACKEND'] ?? '';
const named = BACKENDS.find((kind) => kind === asked);
if (asked !== '' && named === undefined)
  throw new RangeError(`USCL_TEST_BACKEND is ${asked}; it may be ${BACKENDS.join(', ')}`);

/** Of tests of small networks, for which no kernels of a vendor are needed. */
export const PLAIN: BackendKind = named ?? 'reference';
/** Of tests that need kernels of a vendor. */
export const VENDOR: BackendKind = named ?? 'onednn';
/** Of tests that run on the kernels of every vendor that is here. */
export const VENDORS: readonly BackendKind[] = named === undefined ? FAST : [named];

/**
 * A backend for a test, with one thread: PyTorch has one number of them in a process. One that is not on this machine is an error, also
 * where USCL_TEST_BACKEND asks for it.
 */
export function openTested(kind: BackendKind = PLAIN): Backend {
  return openKind(kind);
}

/** Settings of a configuration that open the same backend. */
export function settingsOf(kind: BackendKind): readonly string[] {
  if (kind === 'reference') return ['backend=reference'];
  return [`backend=${kind}`, ...(kind === 'torch' ? ['device=cpu'] : []), 'threads=1'];
}
