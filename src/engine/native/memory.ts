/**
 * Native memory for the vendor's kernels: page-aligned, host-visible, never moved by the collector. Addresses are
 * plain numbers (user space fits 48 bits). Everything allocated here is freed by its owner's dispose; using a view
 * after that is a defect, so owners keep their views private or live as long as their users.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { UsclError } from '../../base/errors.ts';
import { loadForeign } from './foreign.ts';

/** A native address. Branded, so that no other number is taken for one. */
export type Address = number & { readonly __address: unique symbol };

export const NULL = 0 as Address;

interface LibC {
  readonly alignedAlloc: (alignment: number, bytes: number) => Address;
  readonly free: (address: Address) => void;
  readonly mmap: (
    address: Address,
    bytes: number,
    protection: number,
    flags: number,
    file: number,
    offset: number,
  ) => Address;
  readonly munmap: (address: Address, bytes: number) => number;
  readonly madvise: (address: Address, bytes: number, advice: number) => number;
  readonly dlopen: (path: string, flags: number) => Address;
  readonly dlclose: (library: Address) => number;
  readonly dlsym: (library: Address, name: string) => Address;
  /** What the last call of these failed of. */
  readonly dlerror: () => string | null;
  /** Writes the name of the file that an address belongs to first. */
  readonly dladdr: (address: Address, found: Address) => number;
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
    const self = loadForeign(null);
    libc = {
      alignedAlloc: self.func(
        'uintptr_t aligned_alloc(size_t alignment, size_t bytes)',
      ) as LibC['alignedAlloc'],
      free: self.func('void free(uintptr_t address)') as LibC['free'],
      mmap: self.func(
        'uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int file, size_t offset)',
      ) as LibC['mmap'],
      munmap: self.func('int munmap(uintptr_t address, size_t bytes)') as LibC['munmap'],
      madvise: self.func('int madvise(uintptr_t address, size_t bytes, int advice)') as LibC['madvise'],
      dlopen: self.func('uintptr_t dlopen(const char *path, int flags)') as LibC['dlopen'],
      dlclose: self.func('int dlclose(uintptr_t library)') as LibC['dlclose'],
      dlsym: self.func('uintptr_t dlsym(uintptr_t library, const char *name)') as LibC['dlsym'],
      dlerror: self.func('const char *dlerror()') as LibC['dlerror'],
      dladdr: self.func('int dladdr(uintptr_t address, uintptr_t found)') as LibC['dladdr'],
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
/** `PROT_READ | PROT_WRITE`, and `MAP_PRIVATE | MAP_ANONYMOUS`. */
const READ_WRITE = 3;
const PRIVATE = process.platform === 'darwin' ? 0x1002 : 0x22;

/** Allocates at least `bytes`. Not zeroed, and not resident before it is touched. */
export function allocateBlock(bytes: number): Block {
  return bytes >= HUGE_PAGE ? pages(bytes) : small(bytes);
}

/** As `allocateBlock`, all zeros. Of a large block the zeros cost nothing until they are touched: the system makes them. */
export function allocateZeros(bytes: number): Block {
  const block = allocateBlock(bytes);
  if (bytes < HUGE_PAGE) byteView(block.address, block.bytes).fill(0);
  return block;
}

function small(bytes: number): Block {
  const size = Math.max(64, Math.ceil(bytes / 64) * 64);
  const { alignedAlloc, free } = systemLibrary();
  const address = alignedAlloc(64, size);
  if (address === NULL) throw outOfMemory(size);
  return block(address, size, () => {
    free(address);
  });
}

/** Pages of zeros from the system, on the border of a huge one. */
function pages(bytes: number): Block {
  const size = Math.ceil(bytes / HUGE_PAGE) * HUGE_PAGE;
  const { mmap, munmap, madvise } = systemLibrary();
  const mapped = size + HUGE_PAGE;
  const start = mmap(NULL, mapped, READ_WRITE, PRIVATE, -1, 0);
  // MAP_FAILED is −1: as an unsigned address beyond all that there are.
  if (start >= 2 ** 48) throw outOfMemory(size);
  const address = (Math.ceil(start / HUGE_PAGE) * HUGE_PAGE) as Address;
  // Activations are streamed through; fewer page-table walks are worth a few per cent. Only advice: failing is harmless.
  if (process.platform === 'linux') madvise(address, size, MADV_HUGEPAGE);
  return block(address, size, () => {
    munmap(start, mapped);
  });
}

function block(address: Address, bytes: number, release: () => void): Block {
  let freed = false;
  return {
    address,
    bytes,
    [Symbol.dispose]() {
      if (freed) return;
      freed = true;
      release();
    },
  };
}

function outOfMemory(bytes: number): UsclError {
  return new UsclError({
    kind: 'resource',
    code: 'OUT_OF_MEMORY',
    message: `The system refused ${(bytes / 2 ** 20).toFixed(0)} MiB of memory.`,
    remedy: 'Use a smaller batch (batch.size), a smaller image size (view.size) or precision bf16.',
  });
}

const addresses = new WeakMap<ArrayBufferLike, Address>();

/** The native address behind a view that `floatView` made (or a part of one). */
export function addressOfView(view: Float32Array): Address {
  const address = nativeAddress(view);
  if (address === null) throw new TypeError('this vector was not allocated by the oneDNN backend');
  return address;
}

/** As `addressOfView`; null for an array in other memory. */
export function nativeAddress(view: Float32Array): Address | null {
  const base = addresses.get(view.buffer);
  return base === undefined ? null : offsetAddress(base, view.byteOffset);
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
