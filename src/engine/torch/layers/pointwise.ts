/** ReLUs, and sums with a ReLU at the end of residual blocks. */
import type { Tensor } from '../native/tensor.ts';
import type { Compilation, Incoming, Layer } from './common.ts';

/** The gradient where a ReLU's output is above zero, and zero elsewhere. Whoever calls owns it. */
export function masked(
  { runtime }: Compilation,
  { gradient, output, mayOverwrite }: Pick<Incoming, 'gradient' | 'output' | 'mayOverwrite'>,
): Tensor {
  // Of numbers that are not negative the sign is 1 or 0. The interface has no comparison with a number.
  if (!mayOverwrite) {
    const [sign] = runtime.call('sign', output);
    runtime.change('multiplyInPlace', sign!, gradient);
    return sign!;
  }
  runtime.change('signInPlace', output);
  runtime.change('multiplyInPlace', output, gradient);
  return runtime.share(output);
}

export function reluLayer(c: Compilation): Layer {
  return {
    reads: { input: false, output: true },
    forward: ([input]) => c.runtime.call('relu', input!)[0]!,
    backward: (incoming) => [masked(c, incoming)],
    [Symbol.dispose]: () => undefined,
  };
}

export function addReluLayer(c: Compilation): Layer {
  return {
    reads: { input: false, output: true },
    forward: ([first, second]) => {
      const sum = c.runtime.add(first!, second!);
      c.runtime.change('reluInPlace', sum);
      return sum;
    },
    backward: (incoming) => {
      using both = masked(c, incoming);
      return incoming.wanted.map((isWanted) => (isWanted ? c.runtime.share(both) : undefined));
    },
    [Symbol.dispose]: () => undefined,
  };
}
