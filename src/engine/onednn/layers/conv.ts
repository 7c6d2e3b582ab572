/** Convolution: forward, and backward for data and weights. */
import { DataType, Query } from '../native/constants.ts';
import { NULL } from '../../native/memory.ts';
import type { Tensor } from '../native/recorder.ts';
import { fitted, free, layoutOf, plain, recordCopy, reordered } from './common.ts';
import type { Compilation, NodeOf, Recorded } from './common.ts';
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
  const { context } = recorder;
  const { name, stride, padding } = node;
  const weightName = `${name}.weight`;
  const channels = source.descriptor.dimensions[1]!;
  const weightDimensions = [node.filters, channels, node.kernel, node.kernel];
  const outputDimensions = [c.batch, ...outputShape];
  const anyWeight = free(c, weightDimensions, dataType);
  const direct = 'convolutionDirect';
  const windows = () => context.pairs(stride, padding, padding);
  const makeForward: MakeKernel = (from, to) =>
    recorder.primitive(`${name} forward`, 'convForward', [
      c.forward,
      direct,
      from.address,
      anyWeight.address,
      NULL,
      to.address,
      ...windows(),
    ]);
  const maps = chooseMaps(c, source, chooses, outputDimensions, makeForward);
  const forward = kernelFor(c, maps, makeForward);
  const image = reordered(c, name, 'image', source, maps.source);
  const master = recorder.fixed(plain(c, weightDimensions), c.valueAddress(weightName));
  const weight = fitted(c, name, 'weights', master, forward, Query.weights, dataType);
  const made = recorder.planned(layoutOf(forward, Query.destination, outputDimensions, dataType));
  recorder.kernel(name, 'forward', forward, {
    source: fitted(c, name, 'image', image, forward, Query.source),
    weights: weight,
    destination: made,
  });
  const output = reordered(c, name, 'map', made, maps.destination);
  if (!c.training) return { output, input: image };
  return {
    output,
    input: image,
    backward: ({ gradient }, [needed]) => {
      let sourceGradient: Tensor | undefined;
      if (needed === true) {
        const primitive = kernelFor(c, maps, (from, to) =>
          recorder.primitive(
            `${name} backward data`,
            'convBackwardData',
            [direct, from.address, anyWeight.address, to.address, ...windows()],
            { hint: forward },
          ),
        );
        const layout = layoutOf(primitive, Query.weights, weightDimensions, dataType);
        const isSame = context.sameLayout(layout, weight.descriptor);
        const transposed = isSame ? weight : reordered(c, name, 'weights', master, layout);
        sourceGradient = recorder.planned(
          layoutOf(primitive, Query.sourceGradient, source.descriptor.dimensions, dataType),
        );
        recorder.kernel(name, 'backward data', primitive, {
          destinationGradient: fitted(
            c,
            name,
            'map gradient',
            gradient,
            primitive,
            Query.destinationGradient,
          ),
          weights: transposed,
          sourceGradient,
        });
      }
      if (c.trainable(weightName)) {
        const anyGradient = free(c, weightDimensions, DataType.f32);
        const primitive = kernelFor(c, maps, (from, to) =>
          recorder.primitive(
            `${name} backward weights`,
            'convBackwardWeights',
            [direct, from.address, anyGradient.address, NULL, to.address, ...windows()],
            { hint: forward },
          ),
        );
        const target = recorder.fixed(plain(c, weightDimensions), c.gradientAddress(weightName));
        const layout = layoutOf(primitive, Query.weightsGradient, weightDimensions, DataType.f32);
        const isSame = context.sameLayout(layout, target.descriptor);
        const weightsGradient = isSame ? target : recorder.planned(layout);
        recorder.kernel(name, 'backward weights', primitive, {
          source: fitted(c, name, 'image', image, primitive, Query.source),
          destinationGradient: fitted(
            c,
            name,
            'map gradient',
            gradient,
            primitive,
            Query.destinationGradient,
          ),
          weightsGradient,
        });
        if (!isSame) recordCopy(c, name, 'gradient', weightsGradient, target);
      }
      return [sourceGradient];
    },
  };
}
