/** The fully connected layer. */
import type { Tensor } from '../native/recorder.ts';
import { plain, type Compilation, type NodeOf, type Recorded } from './common.ts';

/** Fully connected, always f32: the heads are a thousandth of the work and feed the loss. */
export function recordLinear(c: Compilation, node: NodeOf<'linear'>, source: Tensor): Recorded {
  const { recorder } = c;
  const { features, name } = node;
  const [weightName, biasName] = [`${name}.weight`, `${name}.bias`];
  const weight = recorder.fixed(
    plain(c, [features, source.descriptor.dimensions[1]!]),
    c.valueAddress(weightName),
  );
  const bias = recorder.fixed(plain(c, [features]), c.valueAddress(biasName));
  const output = recorder.planned(plain(c, [c.batch, features]));
  const { address: from } = source.descriptor;
  const { address: by } = weight.descriptor;
  const { address: plus } = bias.descriptor;
  const { address: to } = output.descriptor;
  const forward = recorder.primitive(`${name} forward`, 'linearForward', [c.forward, from, by, plus, to]);
  recorder.kernel(name, 'forward', forward, { source, weights: weight, bias, destination: output });
  if (!c.training) return { output };
  return {
    output,
    backward: ({ gradient }, [needed]) => {
      let sourceGradient: Tensor | undefined;
      if (needed === true) {
        sourceGradient = recorder.planned(source.descriptor);
        const args = [from, by, to] as const;
        const primitive = recorder.primitive(`${name} backward data`, 'linearBackwardData', args, {
          hint: forward,
        });
        recorder.kernel(name, 'backward data', primitive, {
          destinationGradient: gradient,
          weights: weight,
          sourceGradient,
        });
      }
      if (c.trainable(weightName) || c.trainable(biasName)) {
        const gradientOf = (parameter: string, { descriptor }: Tensor): Tensor =>
          c.trainable(parameter)
            ? recorder.fixed(descriptor, c.gradientAddress(parameter))
            : recorder.planned(descriptor);
        const [weightsGradient, biasGradient] = [gradientOf(weightName, weight), gradientOf(biasName, bias)];
        const args = [from, by, plus, to] as const;
        const primitive = recorder.primitive(`${name} backward weights`, 'linearBackwardWeights', args, {
          hint: forward,
        });
        recorder.kernel(name, 'backward weights', primitive, {
          source,
          destinationGradient: gradient,
          weightsGradient,
          biasGradient,
        });
      }
      return [sourceGradient];
    },
  };
}
