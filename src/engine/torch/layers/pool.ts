/** Max pooling, and the mean over height and width, which makes an f32 vector of a map of any type. */
import type { Node } from '../../core/network.ts';
import type { Tensor } from '../native/tensor.ts';
import type { Compilation, Layer } from './common.ts';

type MaxPool = Extract<Node, { readonly kind: 'maxPool' }>;
type AveragePool = Extract<Node, { readonly kind: 'globalAveragePool' }>;

export function maxPoolLayer(c: Compilation, node: MaxPool): Layer {
  let kept: Tensor | undefined;
  const release = (): void => {
    kept?.[Symbol.dispose]();
    kept = undefined;
  };
  return {
    reads: { input: true, output: false },
    forward: ([input]) => {
      release();
      const { output, indices } = c.runtime.maxPool(input!, node);
      if (c.mode === 'train') kept = indices;
      else indices[Symbol.dispose]();
      return output;
    },
    backward: ({ gradient, inputs }) => {
      const result = c.runtime.maxPoolBackward(gradient, inputs[0]!, kept!, node);
      release();
      return [result];
    },
    [Symbol.dispose]: release,
  };
}

export function averagePoolLayer(c: Compilation, node: AveragePool): Layer {
  const { runtime } = c;
  const shape = c.shapeOf(node.input);
  const [batch, channels, height, width] = shape as readonly [number, number, number, number];
  const count = c.own(runtime.empty([], 'f32'));
  runtime.fill(count, height * width);
  return {
    reads: { input: false, output: false },
    forward: ([input]) => runtime.call('mean', input!, [2, 3], false, runtime.typeOf('f32'))[0]!,
    backward: ({ gradient }) => {
      // Every pixel has the same gradient: a view that does not move over height and width.
      using everywhere = runtime.view(gradient, shape, 0, [channels, 1, 0, 0]);
      const result = runtime.empty([batch, channels, height, width], c.mapType);
      runtime.change('divideInto', everywhere, count, result);
      return [result];
    },
    [Symbol.dispose]: () => undefined,
  };
}
