/** Which precision is faster on a device, measured once a process and device. */
import type { Backend, DeviceKind, Precision } from '../core/backend.ts';
import { inOrder, timeRatio, TRIAL, TRIAL_OPTIONS } from '../core/precision-trial.ts';

const measured = new Map<DeviceKind, readonly Precision[]>();

/** Best first; f32 alone where bf16 is not faster: PyTorch emulates it on processors without it. */
export function fastPrecisions(
  device: DeviceKind,
  backend: Pick<Backend, 'createParameters' | 'compile' | 'synchronize'>,
): readonly Precision[] {
  const known = measured.get(device);
  if (known !== undefined) return known;
  using parameters = backend.createParameters(TRIAL);
  const ratio = timeRatio(
    (precision) => backend.compile(TRIAL, parameters, { ...TRIAL_OPTIONS, precision }),
    () => {
      backend.synchronize();
    },
  );
  const order = inOrder(ratio);
  const found: readonly Precision[] = order[0] === 'bf16' ? order : ['f32'];
  measured.set(device, found);
  return found;
}
