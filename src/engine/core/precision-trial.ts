/** A short timing that finds which precision is faster, on whatever backend it is taken. */
import { Resources } from '../../base/resources.ts';
import type { Plan, Precision } from './backend.ts';
import { INPUT, type Network } from './network.ts';

/** Bigger than a core's nearest caches, small enough to take a few milliseconds. */
const IMAGES = 2;
/** Two convolutions. */
export const TRIAL: Network = {
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
/** How it is compiled. */
export const TRIAL_OPTIONS = { batch: IMAGES, mode: 'train' } as const;
const ROUNDS = 4;
/** bf16 keeps 8 bits of a number: it has to be worth that. */
const WORTH = 0.9;

/** The order of both precisions where bf16 takes `ratio` times as long as f32. */
export function inOrder(ratio: number): readonly Precision[] {
  return ratio < WORTH ? ['bf16', 'f32'] : ['f32', 'bf16'];
}

/** Time of forward and backward passes in bf16 / in f32: the best of turns taken alternately, on plans of the trial. */
export function timeRatio(open: (precision: Precision) => Plan, synchronize: () => void): number {
  using opened = new Resources();
  const plans = (['bf16', 'f32'] as const).map((precision) => opened.use(open(precision)));
  const best = plans.map(() => Infinity);
  for (let round = 0; round <= ROUNDS; round++)
    plans.forEach((plan, i) => {
      synchronize();
      const start = performance.now();
      plan.forward();
      plan.backward();
      synchronize();
      // The first round touches memory.
      if (round > 0) best[i] = Math.min(best[i]!, performance.now() - start);
    });
  return best[0]! / best[1]!;
}
