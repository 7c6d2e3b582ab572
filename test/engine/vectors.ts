/** What the tests of batch norms of vectors share: batches, a norm, a head with norms. */
import type { Backend, Parameters, Plan, PlanOptions, Precision } from '../../src/engine/core/backend.ts';
import { INPUT, type Network, type Node } from '../../src/engine/core/network.ts';
import { fillNormal } from './helpers.ts';

export const PRECISIONS: readonly Precision[] = ['f32', 'bf16'];
export const WIDTHS = Array.from({ length: 40 }, (_, index) => index + 1);
export const MOMENTUM = 0.3;

/** Batches and the parts that they are normalised in, each part of two or more. */
export const BATCHES = [
  { batch: 2, normGroups: 1 },
  { batch: 3, normGroups: 1 },
  { batch: 7, normGroups: 1 },
  { batch: 32, normGroups: 1 },
  { batch: 32, normGroups: 2 },
  { batch: 6, normGroups: 2 },
  { batch: 4, normGroups: 2 },
] as const;

export function normNode(name: string, input: string, relu: boolean, epsilon: number): Node {
  return { kind: 'batchNorm', name, input, relu, epsilon, momentum: MOMENTUM };
}

/** A head as self-supervised methods have them, its norms right after linear layers. */
export function headNetwork(width: number, epsilon: number): Network {
  return {
    input: [5],
    nodes: [
      { kind: 'linear', name: 'a', input: INPUT, features: width },
      normNode('aNorm', 'a', true, epsilon),
      { kind: 'linear', name: 'b', input: 'aNorm', features: 4 },
      normNode('bNorm', 'b', false, epsilon),
    ],
    outputs: ['bNorm'],
  };
}

/** A plan in training that vectors of this spread have gone through, and a gradient of its output back. */
export function passedThrough(
  backend: Backend,
  network: Network,
  parameters: Parameters,
  options: Pick<PlanOptions, 'batch' | 'precision' | 'normGroups' | 'frozenNorms'>,
  { seed, spread = 1 }: { readonly seed: number; readonly spread?: number },
): Plan {
  const plan = backend.compile(network, parameters, { ...options, mode: 'train', taps: [INPUT] });
  fillNormal(plan.input, seed, 'vectors', spread);
  plan.forward();
  for (const name of network.outputs) fillNormal(plan.outputGradient(name), seed, 'gradient');
  plan.backward();
  return plan;
}
