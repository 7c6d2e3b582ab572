/**
 * Batch norms of maps and vectors, with the batch's statistics, part by part, or with given ones: the running ones, or those of
 * several processes; with a ReLU where the node has one. Running statistics move as PyTorch's do, part after part, with the unbiased variance.
 */
import type { Node } from '../../core/network.ts';
import type { Tensor } from '../native/tensor.ts';
import { disposeAll, type Compilation, type Layer } from './common.ts';
import { masked } from './pointwise.ts';
import { SharedNorm } from './shared-norm.ts';

type BatchNorm = Extract<Node, { readonly kind: 'batchNorm' }>;

/** What a part of the batch was normalised with. */
interface Saved {
  readonly mean: Tensor;
  readonly scale: Tensor;
}

export function normLayer(c: Compilation, node: BatchNorm): Layer {
  const { runtime } = c;
  const { name, epsilon, momentum, relu } = node;
  const parameters = { weight: `${name}.weight`, bias: `${name}.bias` };
  const isFrozen = c.mode !== 'train' || c.frozenNorm(name);
  const groups = isFrozen ? 1 : c.normGroups;
  const [batch, channels, ...sides] = c.shapeOf(node.input) as readonly [number, number, ...number[]];
  const count = sides.reduce((product, side) => product * side, batch / groups);
  const shared =
    isFrozen || c.normRanks === undefined
      ? null
      : new SharedNorm(runtime, c.normRanks, { channels, groups, epsilon, momentum });
  const usesBatch = !isFrozen && shared === null;
  let saved: Saved[] = [];

  const release = (): void => {
    disposeAll(saved.flatMap(({ mean, scale }) => [mean, scale]));
    saved = [];
  };
  const running = (): readonly [mean: Tensor, variance: Tensor] => [
    c.statistic(`${name}.running_mean`),
    c.statistic(`${name}.running_var`),
  ];
  const given = (part: number): readonly [mean: Tensor, variance: Tensor] =>
    shared?.moments(part) ?? running();
  const normalise = (input: Tensor, part: number): Tensor => {
    const [output, mean, scale] = runtime.call(
      'norm',
      ...([input, c.parameter(parameters.weight), c.parameter(parameters.bias)] as const),
      ...given(part),
      ...([usesBatch, momentum, epsilon] as const),
    );
    saved.push({ mean: mean!, scale: scale! });
    return output!;
  };
  const mask = (wantsInput: boolean): readonly boolean[] => [
    wantsInput,
    shared !== null || c.trainable(parameters.weight),
    shared !== null || c.trainable(parameters.bias),
  ];

  return {
    reads: { input: true, output: relu },
    forward: ([input]) => {
      release();
      if (shared !== null) {
        const parts = partsOf(c, groups, input!);
        shared.measure(parts, count, running());
        disposeAll(parts);
      }
      const output = inParts(c, groups, [input!], ([part], index) => [normalise(part!, index)])[0]!;
      if (relu) runtime.change('reluInPlace', output);
      return output;
    },
    backward: (incoming) => {
      const { inputs, wanted } = incoming;
      using opened = relu ? masked(c, incoming) : runtime.share(incoming.gradient);
      const isWanted = mask(wanted[0] === true);
      const [ofInput, ofWeight, ofBias] = inParts(
        ...([c, groups, [opened, inputs[0]!]] as const),
        ([gradient, input], index) => {
          const { mean, scale } = saved[index]!;
          const made = runtime.call(
            'normBackward',
            ...([gradient!, input!, c.parameter(parameters.weight)] as const),
            ...given(index),
            ...([mean, scale, usesBatch, epsilon, isWanted] as const),
          );
          shared?.keepSums(index, made[1]!, made[2]!);
          return made;
        },
      );
      release();
      using weight = ofWeight!;
      using bias = ofBias!;
      if (c.trainable(parameters.weight)) c.deliver(parameters.weight, weight);
      if (c.trainable(parameters.bias)) c.deliver(parameters.bias, bias);
      if (isWanted[0] !== true) {
        ofInput![Symbol.dispose]();
        return [undefined];
      }
      if (shared === null) return [ofInput];
      using constant = ofInput!;
      shared.share(c.parameter(parameters.weight), count);
      return inParts(c, groups, [constant, inputs[0]!], ([gradient, input], index) => [
        shared.completed(index, gradient!, input!),
      ]);
    },
    [Symbol.dispose]: () => {
      release();
      shared?.[Symbol.dispose]();
    },
  };
}

/** Equal consecutive parts of a batch, in the same memory. Whoever calls owns them. */
function partsOf({ runtime, batch }: Compilation, groups: number, tensor: Tensor): readonly Tensor[] {
  const size = batch / groups;
  return Array.from({ length: groups }, (_, group) => runtime.narrow(tensor, group * size, size));
}

/**
 * Does `work` on equal consecutive parts of the batch of `tensors`. Its first result is put together along the batch, the others
 * are summed.
 */
function inParts(
  c: Compilation,
  groups: number,
  tensors: readonly Tensor[],
  work: (parts: readonly Tensor[], index: number) => readonly Tensor[],
): readonly Tensor[] {
  if (groups === 1) return work(tensors, 0);
  const { runtime } = c;
  const parts = tensors.map((tensor) => partsOf(c, groups, tensor));
  const results = Array.from({ length: groups }, (_, group) => {
    const own = parts.map((ofTensor) => ofTensor[group]!);
    const made = work(own, group);
    disposeAll(own);
    return made;
  });
  const [first] = results;
  const whole = first!.map((_, position) => {
    const column = results.map((made) => made[position]!);
    return position === 0
      ? runtime.concatenate(column)
      : column.slice(1).reduce((sum, next) => {
          const added = runtime.add(sum, next);
          if (sum !== column[0]) sum[Symbol.dispose]();
          return added;
        }, column[0]!);
  });
  for (const tensor of results.flat()) if (!whole.includes(tensor)) tensor[Symbol.dispose]();
  return whole;
}
