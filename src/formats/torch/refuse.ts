/** The errors of a PyTorch checkpoint that cannot be read, and how large one may be. */
import { dataError, type UsclError } from '../../base/errors.ts';

/** Largest file in bytes: what one buffer of Node.js 20 holds. */
export const LARGEST = 2 ** 31 - 1;

/** Makes an error from a clause, as in `it ends within a value`. */
export interface Refuse {
  /** `TORCH_INVALID`: the bytes are none of the format, at this byte where one is to blame. */
  invalid(byte: number | null, complaint: string): UsclError;
  /** `TORCH_UNSUPPORTED`: a sound file of a kind that is not read. */
  unsupported(complaint: string): UsclError;
}

/** Errors that name `path`. */
export function refusing(path: string): Refuse {
  return {
    invalid: (byte, complaint) =>
      dataError(
        'TORCH_INVALID',
        `${path} is no whole PyTorch checkpoint: ${complaint}.`,
        'Copy or download the file again; nothing was taken from it.',
        { where: byte === null ? path : `${path}, byte ${byte}` },
      ),
    unsupported: (complaint) =>
      dataError(
        'TORCH_UNSUPPORTED',
        `${path} is a kind of PyTorch file that is not read: ${complaint}.`,
        'Save the weights again in Python: torch.save(model.state_dict(), "weights.pth"), or save_file(model.state_dict(), "weights.safetensors") of safetensors.torch.',
        { where: path },
      ),
  };
}
