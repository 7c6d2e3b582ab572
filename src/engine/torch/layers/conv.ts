/** Convolutions, plain and with a batch norm folded in. Where maps are not f32, they compute with copies of their weights. */
import type { FoldedConv } from '../../core/fold.ts';
import type { Node } from '../../core/network.ts';
import type { Tensor } from '../native/tensor.ts';
import type { Compilation, Layer } from './common.ts';

type Conv = Extract<Node, { readonly kind: 'conv' }>;

export function convLayer(c: Compilation, node: Conv): Layer {
  const { runtime } = c;
  const name = `${node.name}.weight`;
  const [, channels] = c.shapeOf(node.input);
  const copy =
    c.mapType === 'f32'
      ? null
      : c.own(runtime.empty([node.filters, channels!, node.kernel, node.kernel], c.mapType));
  return {
    reads: { input: true, output: false },
    forward: ([input]) => {
      // The masters may have changed since the last pass.
      if (copy !== null) runtime.copy(c.parameter(name), copy);
      return runtime.convolution(input!, copy ?? c.parameter(name), null, node);
    },
    backward: ({ gradient, inputs, wanted }) => {
      const isTrained = c.trainable(name);
      const made = runtime.convolutionBackward(gradient, inputs[0]!, copy ?? c.parameter(name), node, {
        input: wanted[0] === true,
        weight: isTrained,
      });
      using ofWeight = made.weight;
      if (ofWeight !== undefined) c.deliver(name, ofWeight);
      return [made.input];
    },
    [Symbol.dispose]: () => undefined,
  };
}

/** `weights` are the convolution's with the norm's work in them: prepared once. */
export function foldedConvLayer(
  c: Compilation,
  node: FoldedConv,
  weights: { readonly weight: Float32Array; readonly bias: Float32Array },
): Layer {
  const { runtime } = c;
  const { conv } = node;
  const [, channels] = c.shapeOf(node.input);
  const prepared = (data: Float32Array, shape: readonly number[]): Tensor => {
    using host = runtime.host(data.length);
    host.data.set(data);
    using shaped = runtime.view(host.tensor, shape);
    const tensor = c.own(runtime.empty(shape, c.mapType));
    runtime.copy(shaped, tensor);
    return tensor;
  };
  const weight = prepared(weights.weight, [conv.filters, channels!, conv.kernel, conv.kernel]);
  const bias = prepared(weights.bias, [conv.filters]);
  return {
    reads: { input: false, output: false },
    forward: ([input, addend]) => {
      const convolved = runtime.convolution(input!, weight, bias, conv);
      if (addend === undefined) {
        if (node.relu) runtime.change('reluInPlace', convolved);
        return convolved;
      }
      using summand = convolved;
      const sum = runtime.add(summand, addend);
      if (node.relu) runtime.change('reluInPlace', sum);
      return sum;
    },
    backward: () => {
      throw new RangeError('a folded convolution has no backward pass');
    },
    [Symbol.dispose]: () => undefined,
  };
}
