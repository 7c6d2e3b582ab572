/** Where NCCL is looked for. It comes with PyTorch for CUDA, as a package beside it; a system may have its own. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Names a file, and nothing else is looked for. */
export const VARIABLE = 'USCL_NCCL';
const NAME = 'libnccl.so.2';

/** Files in order. `torch`: the folder of PyTorch's libraries; a name without a folder is for the system's loader. */
export function candidatesOf(
  torch: string | null,
  environment: Readonly<Record<string, string | undefined>>,
  exists: (file: string) => boolean = existsSync,
): readonly string[] {
  const asked = environment[VARIABLE];
  if (asked !== undefined && asked !== '') return [asked];
  // …/site-packages/torch/lib → …/site-packages/nvidia/nccl/lib
  const beside =
    torch === null ? [] : [join(torch, '..', '..', 'nvidia', 'nccl', 'lib', NAME), join(torch, NAME)];
  return [...beside.filter(exists), NAME];
}
