/**
 * Which precision is faster on this processor, measured and not read from its name: some processors with bf16
 * instructions run convolutions faster in f32 (Intel without AMX by half), others take half the time in bf16.
 */
import { UsclError } from '../../base/errors.ts';
import type { Precision } from '../core/backend.ts';
import { inOrder, timeRatio, TRIAL, TRIAL_OPTIONS } from '../core/precision-trial.ts';
import type { Context } from './native/context.ts';
import { multipliesBf16 } from './native/instructions.ts';
import { createNativeParameters } from './native/parameters.ts';
import { compileOneDnn } from './plan.ts';

let measured: readonly Precision[] | undefined;
let hasBf16: boolean | undefined;

/**
 * Precisions that run at hardware speed here, the faster one first; measured once a process (about 0.05 s). Only f32
 * where the processor does not multiply bf16 numbers itself or the library has no kernels that do.
 */
export function fastPrecisions(context: Context): readonly Precision[] {
  if (!multipliesBf16(context.library.instructions) || !computesBf16(context)) return ['f32'];
  if (measured !== undefined) return measured;
  using parameters = createNativeParameters(TRIAL);
  const ratio = timeRatio(
    (precision) => compileOneDnn(context, TRIAL, parameters, { ...TRIAL_OPTIONS, precision }, false),
    () => undefined,
  );
  return (measured = inOrder(ratio));
}

/** Throws `PRECISION` for bf16 where oneDNN does not even emulate it, as on x86-64 below AVX-512. */
export function requirePrecision(context: Context, precision: Precision): void {
  if (precision !== 'bf16' || computesBf16(context)) return;
  const { version, instructionSet, instructions } = context.library;
  const isX86 = instructions.architecture === 'x64';
  throw new UsclError({
    kind: 'resource',
    code: 'PRECISION',
    message:
      `This processor computes in f32 only: oneDNN ${version} ` +
      (isX86 ? 'needs AVX-512 for bf16, and finds' : 'has no kernels that train in bf16 with') +
      ` ${instructionSet}.`,
    where: 'precision bf16',
    remedy: `Choose precision=f32 (a run: --set precision=f32; other commands: --precision f32)${isX86 ? ' or a processor with AVX-512' : ''}.`,
  });
}

/** Whether the library has a kernel for each convolution of a training step in bf16; it is asked for them. */
function computesBf16(context: Context): boolean {
  if (hasBf16 !== undefined) return hasBf16;
  using parameters = createNativeParameters(TRIAL);
  try {
    using _plan = compileOneDnn(context, TRIAL, parameters, { ...TRIAL_OPTIONS, precision: 'bf16' }, false);
    hasBf16 = true;
  } catch (thrown) {
    if (!(thrown instanceof UsclError) || thrown.code !== 'ONEDNN_FAILED') throw thrown;
    hasBf16 = false;
  }
  return hasBf16;
}
