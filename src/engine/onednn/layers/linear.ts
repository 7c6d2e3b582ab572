/** The fully connected layer. */
import { Arg, Prop } from '../native/constants.ts';
import type { Tensor } from '../native/recorder.ts';
import { plain, type Compilation, type NodeOf, type Recorded } from './common.ts';

/** Fully connected, always f32: the heads are a thousandth of the work and feed the loss. */
export function recordLinear(c: Compilation, node: NodeOf<'linear'>, source: Tensor): Recorded {
  const { recorder } = c;
  const { context, scope } = recorder;
  const { functions } = context;
  const inputs = source.descriptor.dimensions[1]!;
  const weightName = `${node.name}.weight`;
  const biasName = `${node.name}.bias`;
  const weight = recorder.fixed(plain(c, [node.features, inputs]), c.valueAddress(weightName));
  const bias = recorder.fixed(plain(c, [node.features]), c.valueAddress(biasName));
  const output = recorder.planned(plain(c, [c.batch, node.features]));
  const forward = context.primitive(scope, `${node.name} forward`, (operation) =>
    functions.linearForward(
      operation,
      c.training ? Prop.forwardTraining : Prop.forwardInference,
      source.descriptor.address,
      weight.descriptor.address,
      bias.descriptor.address,
      output.descriptor.address,
    ),
  );
  recorder.kernel(node.name, 'forward', forward, [
    [Arg.source, source],
    [Arg.weights, weight],
    [Arg.bias, bias],
    [Arg.destination, output],
  ]);
  if (!c.training) return { output };
  return {
    output,
    backward: ({ gradient }, [needed]) => {
      let sourceGradient: Tensor | undefined;
      if (needed === true) {
        const data = recorder.planned(source.descriptor);
        const primitive = context.primitive(
          scope,
          `${node.name} backward data`,
          (operation) =>
            functions.linearBackwardData(
              operation,
              data.descriptor.address,
              weight.descriptor.address,
              output.descriptor.address,
            ),
          { hint: forward },
        );
        recorder.kernel(node.name, 'backward data', primitive, [
          [Arg.destinationGradient, gradient],
          [Arg.weights, weight],
          [Arg.sourceGradient, data],
        ]);
        sourceGradient = data;
      }
      const weightTrains = c.trainable(weightName);
      const biasTrains = c.trainable(biasName);
      if (weightTrains || biasTrains) {
        const weightGradient = weightTrains
          ? recorder.fixed(weight.descriptor, c.gradientAddress(weightName))
          : recorder.planned(weight.descriptor);
        const biasGradient = biasTrains
          ? recorder.fixed(bias.descriptor, c.gradientAddress(biasName))
          : recorder.planned(bias.descriptor);
        const primitive = context.primitive(
          scope,
          `${node.name} backward weights`,
          (operation) =>
            functions.linearBackwardWeights(
              operation,
              source.descriptor.address,
              weight.descriptor.address,
              bias.descriptor.address,
              output.descriptor.address,
            ),
          { hint: forward },
        );
        recorder.kernel(node.name, 'backward weights', primitive, [
          [Arg.source, source],
          [Arg.destinationGradient, gradient],
          [Arg.weightsGradient, weightGradient],
          [Arg.biasGradient, biasGradient],
        ]);
      }
      return [sourceGradient];
    },
  };
}
