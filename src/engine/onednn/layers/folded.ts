/**
 * A convolution that does the work of the batch norm, sum and ReLU after it, in inference. Its weights are prepared
 * while the plan is compiled; an execution only convolves.
 */
import { foldedWeights, type FoldedConv } from '../../core/fold.ts';
import { Algorithm, Prop, Query } from '../native/constants.ts';
import { RELU, type PostOperation } from '../native/context.ts';
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
import { chooseMaps, kernelFor, type MakeKernel } from './maps.ts';

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
  const make: MakeKernel = (from, to) =>
    recorder.primitive(
      `${name} forward`,
      'convForward',
      [
        Prop.forwardInference,
        Algorithm.convolutionDirect,
        from.address,
        anyWeight.address,
        biasLayout.address,
        to.address,
        ...context.pairs(conv.stride, conv.padding, conv.padding),
      ],
      { postOperations },
    );
  const chosen = chooseMaps(c, source, chooses, outputDimensions, make);
  const maps = addend === undefined ? chosen : { ...chosen, destination: addend.tensor.descriptor };
  const forward = kernelFor(c, maps, make);
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
