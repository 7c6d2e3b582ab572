/**
 * Batch norms of maps and vectors, with the batch's statistics, part by part, or with the running ones; with a ReLU where the node
 * has one. Running statistics move as PyTorch's do, part after part, with the unbiased variance.
 */
import type { Node } from '../../core/network.ts';
import type { Tensor } from '../native/tensor.ts';
import { disposeAll, type Compilation, type Layer } from './common.ts';
import { masked } from './pointwise.ts';

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
  const usesBatch = c.mode === 'train' && !c.frozenNorm(name);
  const groups = usesBatch ? c.normGroups : 1;
  let saved: Saved[] = [];

  const release = (): void => {
    disposeAll(saved.flatMap(({ mean, scale }) => [mean, scale]));
    saved = [];
  };
  const running = (): readonly [Tensor, Tensor] => [
    c.statistic(`${name}.running_mean`),
    c.statistic(`${name}.running_var`),
  ];
  const normalise = (input: Tensor): Tensor => {
    const [output, mean, scale] = runtime.call(
      'norm',
      ...([input, c.parameter(parameters.weight), c.parameter(parameters.bias)] as const),
      ...running(),
      ...([usesBatch, momentum, epsilon] as const),
    );
    saved.push({ mean: mean!, scale: scale! });
    return output!;
  };
  const mask = (wantsInput: boolean): readonly boolean[] => [
    wantsInput,
    c.trainable(parameters.weight),
    c.trainable(parameters.bias),
  ];

  return {
    reads: { input: true, output: relu },
    forward: ([input]) => {
      release();
      const output = inParts(c, groups, [input!], ([part]) => [normalise(part!)])[0]!;
      if (relu) runtime.change('reluInPlace', output);
      return output;
    },
    backward: (incoming) => {
      const { inputs, wanted } = incoming;
      using opened = relu ? masked(c, incoming) : runtime.share(incoming.gradient);
      const isWanted = mask(wanted[0] === true);
      let index = 0;
      const [ofInput, ofWeight, ofBias] = inParts(c, groups, [opened, inputs[0]!], ([gradient, input]) => {
        const { mean, scale } = saved[index++]!;
        return runtime.call(
          'normBackward',
          ...([gradient!, input!, c.parameter(parameters.weight)] as const),
          ...running(),
          ...([mean, scale, usesBatch, epsilon, isWanted] as const),
        );
      });
      release();
      using weight = ofWeight!;
      using bias = ofBias!;
      if (isWanted[1] === true) c.deliver(parameters.weight, weight);
      if (isWanted[2] === true) c.deliver(parameters.bias, bias);
      if (isWanted[0] === true) return [ofInput];
      ofInput![Symbol.dispose]();
      return [undefined];
    },
    [Symbol.dispose]: release,
  };
}

/**
 * Does `work` on equal consecutive parts of the batch of `tensors`. Its first result is put together along the batch, the others
 * are summed.
 */
function inParts(
  { runtime, batch }: Compilation,
  groups: number,
  tensors: readonly Tensor[],
  work: (parts: readonly Tensor[]) => readonly Tensor[],
): readonly Tensor[] {
  if (groups === 1) return work(tensors);
  const size = batch / groups;
  const results = Array.from({ length: groups }, (_, group) => {
    const parts = tensors.map((tensor) => runtime.narrow(tensor, group * size, size));
    const made = work(parts);
    disposeAll(parts);
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
