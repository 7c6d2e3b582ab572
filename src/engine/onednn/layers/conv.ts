/** Convolution: forward, and backward for data and weights. */
import { Algorithm, Arg, DataType, Prop, Query } from '../native/constants.ts';
import { NULL } from '../native/memory.ts';
import type { Tensor } from '../native/recorder.ts';
import { plain, free, reordered, layoutOf, type Compilation, type NodeOf, type Recorded } from './common.ts';
import { chooseMaps, kernelFor, type MakeKernel } from './maps.ts';

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
  const makeForward: MakeKernel = (from, to) =>
    context.primitive(scope, `${node.name} forward`, (operation, pair) =>
      functions.convForward(
        operation,
        c.training ? Prop.forwardTraining : Prop.forwardInference,
        Algorithm.convolutionDirect,
        from.address,
        anyWeight.address,
        NULL,
        to.address,
        pair(0, node.stride),
        pair(1, node.padding),
        pair(2, node.padding),
      ),
    );
  const maps = chooseMaps(c, source, chooses, outputDimensions, makeForward);
  const forward = kernelFor(c, maps, makeForward);
  const image = reordered(c, node.name, 'image', source, maps.source);
  const master = recorder.fixed(plain(c, weightDimensions), c.valueAddress(weightName));
  const weight = reordered(
    c,
    node.name,
    'weights',
    master,
    layoutOf(forward, Query.weights, weightDimensions, dataType),
  );
  const made = recorder.planned(layoutOf(forward, Query.destination, outputDimensions, dataType));
  recorder.kernel(node.name, 'forward', forward, [
    [
      Arg.source,
      reordered(c, node.name, 'image', image, layoutOf(forward, Query.source, sourceDimensions, dataType)),
    ],
    [Arg.weights, weight],
    [Arg.destination, made],
  ]);
  const output = reordered(c, node.name, 'map', made, maps.destination);
  if (!c.training) return { output, input: image };
  return {
    output,
    input: image,
    backward: ({ gradient }, [needed]) => {
      let sourceGradient: Tensor | undefined;
      if (needed === true) {
        const primitive = kernelFor(c, maps, (from, to) =>
          context.primitive(
            scope,
            `${node.name} backward data`,
            (operation, pair) =>
              functions.convBackwardData(
                operation,
                Algorithm.convolutionDirect,
                from.address,
                anyWeight.address,
                to.address,
                pair(0, node.stride),
                pair(1, node.padding),
                pair(2, node.padding),
              ),
            { hint: forward },
          ),
        );
        const layout = layoutOf(primitive, Query.weights, weightDimensions, dataType);
        const transposed = context.sameLayout(layout, weight.descriptor)
          ? weight
          : reordered(c, node.name, 'weights', master, layout);
        sourceGradient = recorder.planned(
          layoutOf(primitive, Query.sourceGradient, sourceDimensions, dataType),
        );
        recorder.kernel(node.name, 'backward data', primitive, [
          [
            Arg.destinationGradient,
            reordered(
              c,
              node.name,
              'map gradient',
              gradient,
              layoutOf(primitive, Query.destinationGradient, outputDimensions, dataType),
            ),
          ],
          [Arg.weights, transposed],
          [Arg.sourceGradient, sourceGradient],
        ]);
      }
      if (c.trainable(weightName)) {
        const anyGradient = free(c, weightDimensions, DataType.f32);
        const primitive = kernelFor(c, maps, (from, to) =>
          context.primitive(
            scope,
            `${node.name} backward weights`,
            (operation, pair) =>
              functions.convBackwardWeights(
                operation,
                Algorithm.convolutionDirect,
                from.address,
                anyGradient.address,
                NULL,
                to.address,
                pair(0, node.stride),
                pair(1, node.padding),
                pair(2, node.padding),
              ),
            { hint: forward },
          ),
        );
        const target = recorder.fixed(plain(c, weightDimensions), c.gradientAddress(weightName));
        const layout = layoutOf(primitive, Query.weightsGradient, weightDimensions, DataType.f32);
        const direct = context.sameLayout(layout, target.descriptor);
        const blocked = direct ? target : recorder.planned(layout);
        recorder.kernel(node.name, 'backward weights', primitive, [
          [
            Arg.source,
            reordered(
              c,
              node.name,
              'image',
              image,
              layoutOf(primitive, Query.source, sourceDimensions, dataType),
            ),
          ],
          [
            Arg.destinationGradient,
            reordered(
              c,
              node.name,
              'map gradient',
              gradient,
              layoutOf(primitive, Query.destinationGradient, outputDimensions, dataType),
            ),
          ],
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
