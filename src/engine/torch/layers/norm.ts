/**
 * Batch norms of maps and vectors, with the batch's statistics, part by part, or with given ones: the running ones, or those of
 * several processes; with a ReLU where the node has one. Running statistics move as PyTorch's do, part after part, with the unbiased variance.
 */
import type { Node } from '../../core/network.ts';
import type { Runtime } from '../native/runtime.ts';
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
  const shape = c.shapeOf(node.input) as readonly [number, number, ...number[]];
  const [batch, channels, ...sides] = shape;
  const count = sides.reduce((product, side) => product * side, batch / groups);
  const shared =
    isFrozen || c.normRanks === undefined
      ? null
      : new SharedNorm(runtime, c.normRanks, { channels, groups, epsilon, momentum });
  const usesBatch = !isFrozen && shared === null;
  /** Where parts of the batch leave theirs, pass after pass; a whole batch makes its own. */
  const places: readonly Saved[] = Array.from({ length: usesBatch && groups > 1 ? groups : 0 }, () => ({
    mean: c.own(runtime.empty([channels], 'f32')),
    scale: c.own(runtime.empty([channels], 'f32')),
  }));
  let saved: Saved[] = [];

  const release = (): void => {
    for (const one of saved) if (!places.includes(one)) disposeAll([one.mean, one.scale]);
    saved = [];
  };
  const running = (): readonly [mean: Tensor, variance: Tensor] => [
    c.statistic(`${name}.running_mean`),
    c.statistic(`${name}.running_var`),
  ];
  const given = (part: number): readonly [mean: Tensor, variance: Tensor] =>
    shared?.moments(part) ?? running();
  const normalise = (input: Tensor, part: number, target: Tensor | undefined): Tensor => {
    const operands = [
      ...([input, c.parameter(parameters.weight), c.parameter(parameters.bias)] as const),
      ...given(part),
      ...([usesBatch, momentum, epsilon] as const),
    ] as const;
    if (usesBatch && target !== undefined) {
      const place = places[part]!;
      saved.push(place);
      runtime.change('normInto', ...operands, target, place.mean, place.scale);
      return target;
    }
    const [output, mean, scale] = runtime.call('norm', ...operands);
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
      const [output] = inParts(c, groups, shape, [input!], ([part], index, target) => [
        normalise(part!, index, target),
      ]);
      if (relu) runtime.change('reluInPlace', output!);
      return output!;
    },
    backward: (incoming) => {
      const { inputs, wanted } = incoming;
      using opened = relu ? masked(c, incoming) : runtime.share(incoming.gradient);
      const isWanted = mask(wanted[0] === true);
      const [ofInput, ofWeight, ofBias] = inParts(
        ...([c, groups, isWanted[0] === true ? shape : null, [opened, inputs[0]!]] as const),
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
        ofInput?.[Symbol.dispose]();
        return [undefined];
      }
      if (shared === null) return [ofInput];
      using constant = ofInput!;
      shared.share(c.parameter(parameters.weight), count);
      return inParts(c, groups, shape, [constant, inputs[0]!], ([gradient, input], index) => [
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
 * Does `work` on equal consecutive parts of the batch of `tensors`, where there are several. Its first result is a part of a tensor of
 * `shape`, `target`, which it fills and gives back, or another one that is copied there; nobody wants it where `shape` is null. The others
 * are summed.
 */
function inParts(
  c: Compilation,
  groups: number,
  shape: readonly number[] | null,
  tensors: readonly Tensor[],
  work: (parts: readonly Tensor[], index: number, target: Tensor | undefined) => readonly Tensor[],
): readonly (Tensor | undefined)[] {
  if (groups === 1) return work(tensors, 0, undefined);
  const { runtime } = c;
  const whole = shape === null ? undefined : runtime.empty(shape, shape.length === 4 ? c.mapType : 'f32');
  const parts = tensors.map((tensor) => partsOf(c, groups, tensor));
  const targets = whole === undefined ? [] : partsOf(c, groups, whole);
  const others = Array.from({ length: groups }, (_, group) => {
    const target = targets[group];
    const [first, ...rest] = work(
      parts.map((ofTensor) => ofTensor[group]!),
      group,
      target,
    );
    if (first !== target) {
      if (target !== undefined) runtime.copy(first!, target);
      first![Symbol.dispose]();
    }
    return rest;
  });
  disposeAll([...parts.flat(), ...targets]);
  return [whole, ...summed(runtime, others)];
}

/** Sums of the tensors at each position. Takes them over. */
function summed(runtime: Runtime, rows: readonly (readonly Tensor[])[]): readonly Tensor[] {
  return rows.reduce((sums, row) =>
    sums.map((sum, position) => {
      const added = runtime.add(sum, row[position]!);
      disposeAll([sum, row[position]]);
      return added;
    }),
  );
}
