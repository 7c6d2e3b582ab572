/**
 * Which precision is faster on this processor, measured and not read from its name: some processors with bf16
 * instructions run convolutions faster in f32 (Intel without AMX by half), others take half the time in bf16.
 */
import { UsclError } from '../../base/errors.ts';
import { Resources } from '../../base/resources.ts';
import type { Precision } from '../core/backend.ts';
import { INPUT, type Network } from '../core/network.ts';
import type { Context } from './native/context.ts';
import { createNativeParameters } from './native/parameters.ts';
import { compileOneDnn } from './plan.ts';

/** Bigger than a core's nearest caches, small enough to take a few milliseconds. */
const IMAGES = 2;
const TRIAL: Network = {
  input: [64, 28, 28],
  nodes: ['first', 'second'].map((name, i) => ({
    kind: 'conv',
    name,
    input: i === 0 ? INPUT : 'first',
    filters: 64,
    kernel: 3,
    stride: 1,
    padding: 1,
  })),
  outputs: ['second'],
};
const ROUNDS = 4;
/** bf16 keeps 8 bits of a number: it has to be worth that. */
const WORTH = 0.9;

let measured: readonly Precision[] | undefined;

/**
 * Precisions that run at hardware speed here, the faster one first; measured once a process (about 0.05 s). Only f32
 * below avx512_core_bf16, where oneDNN emulates bf16.
 */
export function fastPrecisions(context: Context): readonly Precision[] {
  const { instructionSet } = context.library;
  if (!/bf16|amx/.test(instructionSet)) return ['f32'];
  measured ??= inOrder(secondsOf(context, 'bf16', 'f32'));
  return measured;
}

/** Throws `PRECISION` for bf16 where oneDNN does not even emulate it: below AVX-512. */
export function requirePrecision({ library }: Context, precision: Precision): void {
  if (precision !== 'bf16' || /avx512_core|amx/.test(library.instructionSet)) return;
  throw new UsclError({
    kind: 'resource',
    code: 'PRECISION',
    message: `This processor computes in f32 only: oneDNN ${library.version} needs AVX-512 for bf16, and finds ${library.instructionSet}.`,
    where: 'precision bf16',
    remedy:
      'Choose precision=f32 (a run: --set precision=f32; other commands: --precision f32) or a processor with AVX-512.',
  });
}

/** The order of both precisions where bf16 takes `ratio` times as long as f32. */
export function inOrder(ratio: number): readonly Precision[] {
  return ratio < WORTH ? ['bf16', 'f32'] : ['f32', 'bf16'];
}

/** Time of forward and backward passes in one precision / in the other: the best of turns taken alternately. */
function secondsOf(context: Context, one: Precision, other: Precision): number {
  using parameters = createNativeParameters(TRIAL);
  using open = new Resources();
  const plans = [one, other].map((precision) =>
    open.use(compileOneDnn(context, TRIAL, parameters, { batch: IMAGES, mode: 'train', precision }, false)),
  );
  const best = plans.map(() => Infinity);
  for (let round = 0; round <= ROUNDS; round++)
    plans.forEach((plan, i) => {
      const start = performance.now();
      plan.forward();
      plan.backward();
      // The first round touches memory.
      if (round > 0) best[i] = Math.min(best[i]!, performance.now() - start);
    });
  return best[0]! / best[1]!;
}
