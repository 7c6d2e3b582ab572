/** Fully connected layers, in f32: y = x·Wᵀ + b. */
import type { Node } from '../../core/network.ts';
import type { Compilation, Layer } from './common.ts';

type Linear = Extract<Node, { readonly kind: 'linear' }>;

export function linearLayer(c: Compilation, node: Linear): Layer {
  const { runtime, batch } = c;
  const [, inputs] = c.shapeOf(node.input) as readonly [number, number];
  const { features } = node;
  const [weightName, biasName] = [`${node.name}.weight`, `${node.name}.bias`];
  const weight = c.parameter(weightName);
  const turned = c.own(runtime.view(weight, [inputs, features], 0, [1, inputs]));
  return {
    reads: { input: true, output: false },
    forward: ([input]) => {
      const output = runtime.empty([batch, features], 'f32');
      runtime.affineInto(output, c.parameter(biasName), input!, turned);
      return output;
    },
    backward: ({ gradient, inputs: [input], wanted }) => {
      if (c.trainable(weightName)) {
        using rows = runtime.view(gradient, [features, batch], 0, [1, features]);
        using ofWeight = runtime.empty([features, inputs], 'f32');
        runtime.matmulInto(ofWeight, rows, input!);
        c.deliver(weightName, ofWeight);
      }
      if (c.trainable(biasName)) {
        const [ofBias] = runtime.call('sum', gradient, [0], false, null);
        using sum = ofBias!;
        c.deliver(biasName, sum);
      }
      if (wanted[0] !== true) return [undefined];
      const result = runtime.empty([batch, inputs], 'f32');
      runtime.matmulInto(result, gradient, weight);
      return [result];
    },
    [Symbol.dispose]: () => undefined,
  };
}
