/** Which devices there are, and opening one: its library, its number, a first tensor in its memory. */
import type { LibraryHandle } from 'koffi';
import { UsclError } from '../../../base/errors.ts';
import type { DeviceKind } from '../../core/backend.ts';
import type { Address } from '../../native/memory.ts';
import { bindKernels, type Kernels } from './binding.ts';
import { wordsOf } from './failure.ts';
import type { Library } from './library.ts';
import { Interned, permanent } from './scratch.ts';

/** The library that has a device's kernels. */
export const LIBRARY_OF: Readonly<Record<DeviceKind, string>> = {
  cpu: 'torch_cpu',
  cuda: 'torch_cuda',
  mps: 'torch_cpu',
  xpu: 'torch_xpu',
};

const REMEDIES: Readonly<Record<DeviceKind, string>> = {
  cpu: 'Report this with the output of "npx uscl doctor".',
  cuda:
    'Needed are an NVIDIA GPU, its driver (nvidia-smi must list the GPU) and a PyTorch with CUDA ("pip install torch" on Linux); ' +
    'or choose another device.',
  mps: 'Needed is a Mac with Apple silicon and macOS 14 or later; or choose another device.',
  xpu: 'Needed are an Intel GPU, its driver and a PyTorch for XPU (https://pytorch.org/get-started, "XPU"); or choose another device.',
};

/** A device that tensors can be made on. */
export interface Device {
  readonly name: DeviceKind;
  /** PyTorch's number of its type. */
  readonly type: number;
  readonly kernels: Kernels;
}

/** Opens a device, and shows that it works. Throws `TORCH_DEVICE`. */
export function openDevice(library: Library, name: DeviceKind): Device {
  const own = LIBRARY_OF[name];
  if (!library.has(own) || (name === 'mps' && process.platform !== 'darwin'))
    throw deviceFailure(name, `PyTorch ${library.version} in ${library.folder} is built without it`);
  const common = library.load('torch_cpu');
  const type = numberOf(common, name);
  const native = own === 'torch_cpu' ? common : library.load(own);
  const interned = new Interned();
  const slot = permanent(8);
  const { functions, extras } = library;
  const one = interned.integers([1]);
  if (functions.emptyStrided(1, one, one, functions.float32(), type, 0, slot.address) !== 0)
    throw deviceFailure(name, wordsOf(extras));
  functions.deleteTensor(Number(new BigUint64Array(slot.buffer)[0]) as Address);
  return { name, type, kernels: bindKernels(native, name) };
}

function numberOf(native: LibraryHandle, name: DeviceKind): number {
  return (native.func(`int aoti_torch_device_type_${name}()`) as () => number)();
}

function deviceFailure(name: DeviceKind, reason: string): UsclError {
  return new UsclError({
    kind: 'resource',
    code: 'TORCH_DEVICE',
    message: `PyTorch cannot compute on ${name}: ${reason}.`,
    where: `device ${name}`,
    remedy: REMEDIES[name],
  });
}
