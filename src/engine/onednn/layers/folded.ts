/**
 * A convolution that does the work of the batch norm, sum and ReLU after it, in inference. Its weights are prepared
 * while the plan is compiled; an execution only convolves.
 */
import { foldedWeights, type FoldedConv } from '../../core/fold.ts';
import { DataType, Prop, Query, type Algorithm } from '../native/constants.ts';
import { RELU, type Descriptor, type PostOperation, type Primitive } from '../native/context.ts';
import { viewOf, type Tensor } from '../native/recorder.ts';
import {
  copied,
  fitted,
  free,
  layoutOf,
  plain,
  reordered,
  type Compilation,
  type Recorded,
} from './common.ts';
import { chooseMaps, isPadded, kernelFor, type MakeKernel, type Maps } from './maps.ts';

/** A convolution's kernel and the layouts it is for. */
interface Chosen {
  readonly maps: Maps;
  readonly forward: Primitive;
}

/** Winograd's filtering makes tiles of 4 × 4, whole ones: below this share that lies in the map, it is no faster. */
const FILLED = 1 / 2;

function isWorthWinograd(c: Compilation, conv: FoldedConv['conv'], outputShape: readonly number[]): boolean {
  if (!c.winograd || conv.kernel !== 3 || conv.stride !== 1 || c.dataType !== DataType.f32) return false;
  const filled = outputShape.slice(1).map((length) => length / (4 * Math.ceil(length / 4)));
  return filled.reduce((product, share) => product * share, 1) >= FILLED;
}

/**
 * `addend`: the other side of the residual sum. The sum is taken in its buffer; where others read that later, or the
 * convolution itself does, a copy is. `chooses`: as for `recordConv`.
 */
export function recordFoldedConv(
  c: Compilation,
  node: FoldedConv,
  source: Tensor,
  addend: { readonly tensor: Tensor; readonly last: boolean } | undefined,
  outputShape: readonly number[],
  chooses: boolean,
): Recorded {
  const { recorder, dataType } = c;
  const { context } = recorder;
  const { conv, name } = node;
  const weightDimensions = [conv.filters, source.descriptor.dimensions[1]!, conv.kernel, conv.kernel];
  const outputDimensions = [c.batch, ...outputShape];
  const anyWeight = free(c, weightDimensions, dataType);
  const biasLayout = plain(c, [conv.filters]);
  const sum: PostOperation = { kind: 'sum', scale: 1 };
  const postOperations = [...(addend === undefined ? [] : [sum]), ...(node.relu ? [RELU] : [])];
  const described = (algorithm: Algorithm, from: Descriptor, to: Descriptor) =>
    [
      `${name} forward`,
      'convForward',
      [
        Prop.forwardInference,
        algorithm,
        from.address,
        anyWeight.address,
        biasLayout.address,
        to.address,
        ...context.pairs(conv.stride, conv.padding, conv.padding),
      ],
      { postOperations },
    ] as const;
  const make: MakeKernel = (from, to) => recorder.primitive(...described('convolutionDirect', from, to));
  const direct = (): Chosen => {
    const chosen = chooseMaps(c, source, chooses, outputDimensions, make);
    const maps = addend === undefined ? chosen : { ...chosen, destination: addend.tensor.descriptor };
    return { maps, forward: kernelFor(c, maps, make) };
  };
  /** In the layouts of the library's choice, which the convolutions after it keep. */
  const winograd = (): Chosen | undefined => {
    if (chooses || !isWorthWinograd(c, conv, outputShape)) return undefined;
    const { dimensions } = source.descriptor;
    const [from, to] = [free(c, dimensions, dataType), free(c, outputDimensions, dataType)];
    const forward = recorder.primitiveIfAny(...described('convolutionWinograd', from, to));
    if (forward === undefined) return undefined;
    const maps = {
      source: layoutOf(forward, Query.source, dimensions, dataType),
      destination: layoutOf(forward, Query.destination, outputDimensions, dataType),
    };
    return isPadded(maps.source) || isPadded(maps.destination) ? undefined : { maps, forward };
  };
  const { maps, forward } = winograd() ?? direct();
  const folded = foldedWeights(node, c.bound);
  const weight = recorder.prepared(
    folded.weight,
    plain(c, weightDimensions),
    layoutOf(forward, Query.weights, weightDimensions, dataType),
  );
  const bias = recorder.own(biasLayout);
  viewOf(bias).set(folded.bias);
  const image = reordered(c, name, 'image', source, maps.source);
  const operand = fitted(c, name, 'image', image, forward, Query.source);
  const made = layoutOf(forward, Query.destination, outputDimensions, dataType);
  const destination =
    addend === undefined
      ? recorder.planned(made)
      : !context.sameLayout(made, addend.tensor.descriptor)
        ? reordered(c, name, 'addend', addend.tensor, made)
        : addend.last && addend.tensor.storage !== source.storage
          ? addend.tensor
          : copied(c, name, 'addend', addend.tensor);
  recorder.kernel(name, 'forward', forward, { source: operand, weights: weight, bias, destination });
  return { output: reordered(c, name, 'map', destination, maps.destination), input: image };
}
