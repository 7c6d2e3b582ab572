/** Every call of libtorch that fails becomes an error here, with the library's own words where it tells them. */
import { UsclError } from '../../../base/errors.ts';
import type { Extras } from './binding.ts';

/** 2.10 to 2.12 print the reason and do not tell it. */
const UNTOLD = 'PyTorch has printed the reason';

export function wordsOf({ lastError }: Pick<Extras, 'lastError'>): string {
  const [first = ''] = (lastError?.() ?? '').trim().split('\n');
  return first === '' ? UNTOLD : first;
}

/**
 * What allocators and libraries of PyTorch say: "CUDA out of memory", "MPS backend out of memory", of processors "can't allocate memory", or "not
 * enough memory" on Windows; cuBLAS, cuDNN and C++.
 */
const NO_MEMORY =
  /out of memory|can't allocate memory|not enough memory|CU(BLAS|DNN)_STATUS_ALLOC_FAILED|std::bad_alloc/i;

/** Of a call that only makes memory: where the reason is not told, it is that there was none left. */
export function allocationFailure(call: string, words: string): UsclError {
  return words === UNTOLD ? outOfMemory(call, words) : torchFailure(call, words);
}

function outOfMemory(call: string, words: string): UsclError {
  return new UsclError({
    kind: 'resource',
    code: 'OUT_OF_MEMORY',
    message: `PyTorch has no memory left for ${call}: ${words}`,
    remedy: 'Use a smaller batch (batch.size), a smaller image size (view.size) or precision bf16.',
  });
}

export function torchFailure(call: string, words: string): UsclError {
  if (NO_MEMORY.test(words)) return outOfMemory(call, words);
  return new UsclError({
    kind: 'resource',
    code: 'TORCH_FAILED',
    message: `PyTorch could not do ${call}: ${words}`,
    where: call,
    remedy: 'Try another backend (--backend onednn) and report this with the output of "npx uscl doctor".',
  });
}
