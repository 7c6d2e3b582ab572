/** Every call of libtorch that fails becomes an error here, with the library's own words where it tells them. */
import { UsclError } from '../../../base/errors.ts';
import type { Extras } from './binding.ts';

/** 2.10 to 2.12 print the reason and do not tell it. */
const UNTOLD = 'PyTorch has printed the reason';

export function wordsOf({ lastError }: Pick<Extras, 'lastError'>): string {
  const [first = ''] = (lastError?.() ?? '').trim().split('\n');
  return first === '' ? UNTOLD : first;
}

export function torchFailure(call: string, words: string): UsclError {
  if (/out of memory|can't allocate memory/i.test(words))
    return new UsclError({
      kind: 'resource',
      code: 'OUT_OF_MEMORY',
      message: `PyTorch has no memory left for ${call}: ${words}`,
      remedy: 'Use a smaller batch (batch.size), a smaller image size (view.size) or precision bf16.',
    });
  return new UsclError({
    kind: 'resource',
    code: 'TORCH_FAILED',
    message: `PyTorch could not do ${call}: ${words}`,
    where: call,
    remedy: 'Try another backend (--backend onednn) and report this with the output of "npx uscl doctor".',
  });
}
