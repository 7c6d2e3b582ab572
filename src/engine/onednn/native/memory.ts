/**
 * Native memory for the vendor's kernels: page-aligned, host-visible, never moved by the collector. Addresses are
 * plain numbers (user space fits 48 bits). Everything allocated here is freed by its owner's dispose; using a view
 * after that is a defect, so owners keep their views private or live as long as their users.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { UsclError } from '../../../base/errors.ts';

/** A native address. Branded, so that no other number is taken for one. */
export type Address = number & { readonly __address: unique symbol };

export const NULL = 0 as Address;

interface LibC {
  readonly alignedAlloc: (alignment: number, bytes: number) => Address;
  readonly free: (address: Address) => void;
  readonly madvise: (address: Address, bytes: number, advice: number) => number;
  readonly dlopen: (path: string, flags: number) => Address;
  /** Of the calling thread. */
  readonly signalMask: (how: number, set: Address, before: Address) => number;
  /** Linux; of a thread, 0 for the calling one. */
  readonly schedSetAffinity: (thread: number, bytes: number, mask: Address) => number;
  readonly schedGetAffinity: (thread: number, bytes: number, mask: Address) => number;
}

let libc: LibC | undefined;

export function systemLibrary(): LibC {
  if (libc === undefined) {
    // The process itself: libc is always loaded, whatever its file is called.
    const self = koffi.load(null);
    libc = {
      alignedAlloc: self.func(
        'uintptr_t aligned_alloc(size_t alignment, size_t bytes)',
      ) as LibC['alignedAlloc'],
      free: self.func('void free(uintptr_t address)') as LibC['free'],
      madvise: self.func('int madvise(uintptr_t address, size_t bytes, int advice)') as LibC['madvise'],
      dlopen: self.func('uintptr_t dlopen(const char *path, int flags)') as LibC['dlopen'],
      signalMask: self.func(
        'int pthread_sigmask(int how, uintptr_t set, uintptr_t before)',
      ) as LibC['signalMask'],
      ...affinityOf(self),
    };
  }
  return libc;
}

function affinityOf(self: LibraryHandle): Pick<LibC, 'schedSetAffinity' | 'schedGetAffinity'> {
  if (process.platform !== 'linux') return { schedSetAffinity: () => -1, schedGetAffinity: () => -1 };
  const parameters = '(int thread, size_t bytes, uintptr_t mask)';
  return {
    schedSetAffinity: self.func(`int sched_setaffinity${parameters}`) as LibC['schedSetAffinity'],
    schedGetAffinity: self.func(`int sched_getaffinity${parameters}`) as LibC['schedGetAffinity'],
  };
}

/** A block of native memory. */
export interface Block extends Disposable {
  readonly address: Address;
  readonly bytes: number;
}

const HUGE_PAGE = 2 * 1024 * 1024;
const MADV_HUGEPAGE = 14;

/** Allocates at least `bytes`. Not zeroed, and not resident before it is touched. */
export function allocateBlock(bytes: number): Block {
  const large = bytes >= HUGE_PAGE;
  const alignment = large ? HUGE_PAGE : 64;
  const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
  const address = systemLibrary().alignedAlloc(alignment, size);
  if (address === NULL)
    throw new UsclError({
      kind: 'resource',
      code: 'OUT_OF_MEMORY',
      message: `The system refused ${(size / 2 ** 20).toFixed(0)} MiB of memory.`,
      remedy: 'Use a smaller batch (batch.size), a smaller image size (view.size) or precision bf16.',
    });
  // Activations are streamed through; fewer page-table walks are worth a few per cent. Only advice: failing is harmless.
  if (large && process.platform === 'linux') systemLibrary().madvise(address, size, MADV_HUGEPAGE);
  let freed = false;
  return {
    address,
    bytes: size,
    [Symbol.dispose]() {
      if (freed) return;
      freed = true;
      systemLibrary().free(address);
    },
  };
}

const addresses = new WeakMap<ArrayBufferLike, Address>();

/** The native address behind a view that `floatView` made (or a part of one). */
export function addressOfView(view: Float32Array): Address {
  const base = addresses.get(view.buffer);
  if (base === undefined) throw new TypeError('this vector was not allocated by the oneDNN backend');
  return offsetAddress(base, view.byteOffset);
}

/** A view of native memory as f32. The memory must outlive it. */
export function floatView(address: Address, length: number): Float32Array {
  if (length === 0) return new Float32Array(0);
  const buffer = koffi.view(address, length * 4);
  addresses.set(buffer, address);
  return new Float32Array(buffer, 0, length);
}

export function byteView(address: Address, bytes: number): Uint8Array {
  return new Uint8Array(koffi.view(address, bytes));
}

export function offsetAddress(address: Address, bytes: number): Address {
  return (address + bytes) as Address;
}
