/** Convolution: forward, and backward for data and weights. */
import { Algorithm, Arg, DataType, Prop, Query } from '../constants.ts';
import { NULL } from '../memory.ts';
import type { Tensor } from '../recorder.ts';
import { plain, free, reordered, layoutOf, type Compilation, type NodeOf, type Recorded } from './common.ts';

/**
 * `chooses`: the source is the plan's input as the host writes it, its layout and type are this convolution's choice.
 * Every later map comes from a convolution that has chosen already.
 */
export function recordConv(
  c: Compilation,
  node: NodeOf<'conv'>,
  source: Tensor,
  outputShape: readonly number[],
  chooses: boolean,
): Recorded {
  const { recorder, dataType } = c;
  const { context, scope } = recorder;
  const { functions } = context;
  const weightName = `${node.name}.weight`;
  const sourceDimensions = source.descriptor.dimensions;
  const weightDimensions = [node.filters, sourceDimensions[1]!, node.kernel, node.kernel];
  const outputDimensions = [c.batch, ...outputShape];
  const anyWeight = free(c, weightDimensions, dataType);
  const wanted = chooses ? free(c, sourceDimensions, dataType) : source.descriptor;
  const anyOutput = free(c, outputDimensions, dataType);
  const forward = context.primitive(scope, `${node.name} forward`, (operation, pair) =>
    functions.convForward(
      operation,
      c.training ? Prop.forwardTraining : Prop.forwardInference,
      Algorithm.convolutionDirect,
      wanted.address,
      anyWeight.address,
      NULL,
      anyOutput.address,
      pair(0, node.stride),
      pair(1, node.padding),
      pair(2, node.padding),
    ),
  );
  const master = recorder.fixed(plain(c, weightDimensions), c.valueAddress(weightName));
  const image = reordered(
    c,
    node.name,
    'image',
    source,
    layoutOf(forward, Query.source, sourceDimensions, dataType),
  );
  const weight = reordered(
    c,
    node.name,
    'weights',
    master,
    layoutOf(forward, Query.weights, weightDimensions, dataType),
  );
  const output = recorder.planned(layoutOf(forward, Query.destination, outputDimensions, dataType));
  recorder.kernel(node.name, 'forward', forward, [
    [Arg.source, image],
    [Arg.weights, weight],
    [Arg.destination, output],
  ]);
  if (!c.training) return { output, input: image };
  return {
    output,
    input: image,
    backward: ({ gradient }, [needed]) => {
      let sourceGradient: Tensor | undefined;
      if (needed === true) {
        const primitive = context.primitive(
          scope,
          `${node.name} backward data`,
          (operation, pair) =>
            functions.convBackwardData(
              operation,
              Algorithm.convolutionDirect,
              image.descriptor.address,
              anyWeight.address,
              output.descriptor.address,
              pair(0, node.stride),
              pair(1, node.padding),
              pair(2, node.padding),
            ),
          { hint: forward },
        );
        const layout = layoutOf(primitive, Query.weights, weightDimensions, dataType);
        const transposed = context.sameLayout(layout, weight.descriptor)
          ? weight
          : reordered(c, node.name, 'weights', master, layout);
        sourceGradient = recorder.planned(image.descriptor);
        recorder.kernel(node.name, 'backward data', primitive, [
          [Arg.destinationGradient, gradient],
          [Arg.weights, transposed],
          [Arg.sourceGradient, sourceGradient],
        ]);
      }
      if (c.trainable(weightName)) {
        const anyGradient = free(c, weightDimensions, DataType.f32);
        const primitive = context.primitive(
          scope,
          `${node.name} backward weights`,
          (operation, pair) =>
            functions.convBackwardWeights(
              operation,
              Algorithm.convolutionDirect,
              image.descriptor.address,
              anyGradient.address,
              NULL,
              output.descriptor.address,
              pair(0, node.stride),
              pair(1, node.padding),
              pair(2, node.padding),
            ),
          { hint: forward },
        );
        const target = recorder.fixed(plain(c, weightDimensions), c.gradientAddress(weightName));
        const layout = layoutOf(primitive, Query.weightsGradient, weightDimensions, DataType.f32);
        const direct = context.sameLayout(layout, target.descriptor);
        const blocked = direct ? target : recorder.planned(layout);
        recorder.kernel(node.name, 'backward weights', primitive, [
          [Arg.source, image],
          [Arg.destinationGradient, gradient],
          [Arg.weightsGradient, blocked],
        ]);
        if (!direct)
          recorder.kernel(node.name, 'gradient', context.reorder(scope, layout, target.descriptor), [
            [Arg.source, blocked],
            [Arg.destination, target],
          ]);
      }
      return [sourceGradient];
    },
  };
}
