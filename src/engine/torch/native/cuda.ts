/** Where tensors lie on CUDA, for libraries that work on them beside PyTorch, and the stream that its kernels are queued on. */
import type { CudaNumbers } from '../../core/backend.ts';
import { type Address } from '../../native/memory.ts';
import { torchFailure, wordsOf } from './failure.ts';
import type { Library } from './library.ts';
import { permanent } from './scratch.ts';
import type { Tensor } from './tensor.ts';

/** PyTorch's number of the device: a process sees one GPU (`takeGpu`). */
const DEVICE = 0;

type CurrentStream = (device: number, stream: Address) => number;

/** Looks tensors up. Loads nothing: the device is open. */
export function cudaNumbers(library: Library): (tensor: Tensor, length: number) => CudaNumbers {
  const { functions, extras } = library;
  const currentStream = library
    .load('torch_cuda')
    .func('int aoti_torch_get_current_cuda_stream(int device, uintptr_t stream)') as CurrentStream;
  const slot = permanent(8);
  const written = new BigUint64Array(slot.buffer);
  const addressBy = (what: string, call: (slot: Address) => number): number => {
    if (call(slot.address) !== 0) throw torchFailure(what, wordsOf(extras));
    return Number(written[0]);
  };
  return (tensor, length) => ({
    address: addressBy('an address', (at) => functions.dataPointer(tensor.handle, at)),
    length,
    stream: addressBy('the current stream', (at) => currentStream(DEVICE, at)),
  });
}
