/** Which GPUs there may be, from what the system shows without loading anything. */
import { existsSync } from 'node:fs';
import type { DeviceKind } from '../../core/backend.ts';
import { LIBRARY_OF } from './device.ts';
import { thisMachine } from './machine.ts';
import { hasLibrary } from './search.ts';

/** Best first. */
const GPUS = ['cuda', 'xpu', 'mps'] as const satisfies readonly DeviceKind[];

/** Files by which drivers show GPUs: NVIDIA's, WSL's, and any that can render. On Windows drivers show none. */
const FILES: Readonly<Record<'cuda' | 'xpu', readonly string[]>> = {
  cuda: ['/dev/nvidia0', '/dev/nvidiactl', '/dev/dxg'],
  xpu: ['/dev/dri/renderD128', '/dev/dxg'],
};

/** GPUs that the system may have. */
export function likelyGpus(
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch,
  exists: (file: string) => boolean = existsSync,
): readonly DeviceKind[] {
  if (platform === 'darwin') return architecture === 'arm64' ? ['mps'] : [];
  if (platform === 'win32') return ['cuda', 'xpu'];
  return (['cuda', 'xpu'] as const).filter((device) => FILES[device].some(exists));
}

/** GPUs that the libraries in a folder have kernels for, best first. */
export function devicesOf(folder: string, machine = thisMachine()): readonly DeviceKind[] {
  return GPUS.filter(
    (device) =>
      (device === 'mps') === (machine.platform === 'darwin') &&
      hasLibrary(machine, folder, LIBRARY_OF[device]),
  );
}
