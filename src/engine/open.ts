/** Choosing a backend: a GPU where PyTorch has one, else oneDNN where it is found, else the slow reference, never silently. */
import { UsclError } from '../base/errors.ts';
import type { Backend, BackendChoice, DeviceChoice, DeviceKind } from './core/backend.ts';
import { openOneDnn } from './onednn/backend.ts';
import { searchedLibraries } from './onednn/native/library.ts';
import type { Searched } from './onednn/native/search.ts';
import { openReference } from './reference/backend.ts';
import { separateMemory } from './separate/backend.ts';
import { openTorch } from './torch/backend.ts';
import { devicesOf, likelyGpus } from './torch/native/gpus.ts';
import { findTorch, searchedTorch } from './torch/native/library.ts';
import { openMpBeside, thisSystem, type OpenMpBeside } from './torch/native/loading.ts';
import type { SearchedTorch } from './torch/native/search.ts';

export type { Searched as SearchedLibrary } from './onednn/native/search.ts';
export type { SearchedTorch } from './torch/native/search.ts';

/** Which backend is opened, on what, and with how many threads. */
export interface OpenOptions {
  /**
   * `auto` takes PyTorch where it is found and has a GPU, else oneDNN where that is found, else PyTorch on the processor, else the
   * reference. Default `auto`.
   */
  readonly kind?: BackendChoice | undefined;
  /** Of PyTorch: `auto` takes a GPU where there is one. Default `auto`. */
  readonly device?: DeviceChoice | undefined;
  /** Threads of the native kernels; default: the processors this process may use. */
  readonly threads?: number | null | undefined;
  /** Collect times per kernel (`Plan.profile`). */
  readonly profile?: boolean;
  /**
   * Treat the backend's memory as a device's, apart from the host's, to find code that would not run on one: copies are made
   * where a device needs them, and what is out of date is NaN. Default: whether USCL_SEPARATE_MEMORY is 1.
   */
  readonly separateMemory?: boolean;
  /** Called with a sentence for the user where `auto` takes less than it looked for. */
  readonly onFallback?: ((reason: string) => void) | undefined;
}

/** Opens a backend. What was asked for by name and is missing is an error; with `auto` it is a loud fallback. */
export function openBackend(options: OpenOptions = {}): Backend {
  const { separateMemory: isSeparate = process.env['USCL_SEPARATE_MEMORY'] === '1' } = options;
  const backend = openShared(options);
  return isSeparate ? separateMemory(backend) : backend;
}

function openShared(options: OpenOptions): Backend {
  const { kind = 'auto', device = 'auto', threads, profile = false } = options;
  const torch = (on: DeviceKind): Backend =>
    openTorch({ device: on, threads: threads ?? undefined, profile });
  if (kind === 'torch') return device === 'auto' ? openBestDevice(torch) : torch(device);
  if (device !== 'auto' && device !== 'cpu') {
    if (kind === 'auto') return torch(device);
    throw noSuchDevice(kind, device);
  }
  if (kind === 'reference') return openReference(profile);
  if (kind === 'onednn') return openOneDnn(threads ?? undefined, profile);
  const gpu = device === 'auto' ? openGpu(options, torch) : undefined;
  return gpu ?? openProcessor(options, torch);
}

/**
 * A GPU under `auto`. Loading PyTorch takes time, so it is loaded only where the system shows a device that it could drive (a file
 * in /dev, or Apple silicon), and where its folder has kernels for one.
 */
function openGpu({ onFallback }: OpenOptions, torch: (on: DeviceKind) => Backend): Backend | undefined {
  const likely = likelyGpus();
  if (likely.length === 0) return undefined;
  const taken = findTorch();
  if (taken === undefined) return undefined;
  for (const device of devicesOf(taken.folder).filter((one) => likely.includes(one))) {
    try {
      return torch(device);
    } catch (thrown) {
      if (!isMissing(thrown, 'TORCH_')) throw thrown;
      onFallback?.(`${thrown.message} Computing on the processor instead. ${thrown.remedy}`);
    }
  }
  return undefined;
}

/** The best device that opens; the processor is one. */
function openBestDevice(torch: (on: DeviceKind) => Backend): Backend {
  const taken = findTorch();
  for (const device of taken === undefined ? [] : devicesOf(taken.folder)) {
    if (!likelyGpus().includes(device)) continue;
    try {
      return torch(device);
    } catch (thrown) {
      if (!isMissing(thrown, 'TORCH_DEVICE')) throw thrown;
    }
  }
  return torch('cpu');
}

function openProcessor(
  { threads, profile = false, onFallback }: OpenOptions,
  torch: (on: DeviceKind) => Backend,
): Backend {
  try {
    return openOneDnn(threads ?? undefined, profile);
  } catch (thrown) {
    if (!isMissing(thrown, 'ONEDNN_')) throw thrown;
    try {
      const backend = torch('cpu');
      onFallback?.(
        `${thrown.message} Running on PyTorch’s kernels instead: correct, but slower. ${thrown.remedy}`,
      );
      return backend;
    } catch (second) {
      if (!isMissing(second, 'TORCH_')) throw second;
    }
    onFallback?.(
      `${thrown.message} Running on the plain TypeScript backend instead: correct, but about a hundred times slower. ${thrown.remedy}`,
    );
    return openReference(profile);
  }
}

/** Of a library that is not there, or that cannot run beside one that is. */
function isMissing(thrown: unknown, prefix: string): thrown is UsclError {
  if (!(thrown instanceof UsclError)) return false;
  return thrown.code === 'OPENMP_TWICE' || (thrown.code.startsWith(prefix) && thrown.code !== 'TORCH_FAILED');
}

function noSuchDevice(kind: BackendChoice, device: DeviceChoice): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'BACKEND_DEVICE',
    message: `The backend ${kind} computes on the processor; it cannot compute on ${device}.`,
    where: 'device',
    remedy: 'Choose backend=torch for a GPU (--backend torch), or leave the device out.',
  });
}

/** Where native kernels were looked for when a backend was opened first, in order; empty before that. */
export function librariesLookedFor(): readonly Searched[] {
  return searchedLibraries();
}

/** What there is of PyTorch, without loading it. */
export interface TorchFound {
  readonly version: string | null;
  /** Of its libraries. */
  readonly folder: string | null;
  /** GPUs that these libraries have kernels for. */
  readonly kernels: readonly DeviceKind[];
  /** GPUs that the system may have: drivers show them. */
  readonly likely: readonly DeviceKind[];
  /** Its OpenMP beside what this process has loaded so far. */
  readonly openMp: OpenMpBeside | null;
}

/** Looks for PyTorch and for GPUs. */
export function lookForTorch(): TorchFound {
  const taken = findTorch();
  return {
    version: taken?.version ?? null,
    folder: taken?.folder ?? null,
    kernels: taken === undefined ? [] : devicesOf(taken.folder),
    likely: likelyGpus(),
    openMp: taken === undefined ? null : openMpBeside(thisSystem(), taken.folder),
  };
}

/** Where PyTorch was looked for when it was needed first, in order; empty before that. */
export function torchLookedFor(): readonly SearchedTorch[] {
  return searchedTorch();
}
