/**
 * A convolution that does the work of the batch norm, sum and ReLU after it, in inference. Its weights are prepared
 * while the plan is compiled; an execution only convolves.
 */
import { foldedWeights, type FoldedConv } from '../../core/fold.ts';
import { Algorithm, Arg, Prop, Query } from '../native/constants.ts';
import type { PostOperation } from '../native/context.ts';
import { viewOf, type Tensor } from '../native/recorder.ts';
import { copied, free, layoutOf, plain, reordered, type Compilation, type Recorded } from './common.ts';
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
  const { context, scope } = recorder;
  const { conv } = node;
  const sourceDimensions = source.descriptor.dimensions;
  const weightDimensions = [conv.filters, sourceDimensions[1]!, conv.kernel, conv.kernel];
  const outputDimensions = [c.batch, ...outputShape];
  const anyWeight = free(c, weightDimensions, dataType);
  const biasLayout = plain(c, [conv.filters]);
  const sum: PostOperation = { kind: 'sum', scale: 1 };
  const relu: PostOperation = { kind: 'eltwise', algorithm: Algorithm.eltwiseRelu, alpha: 0, beta: 0 };
  const make: MakeKernel = (from, to) =>
    context.primitive(
      scope,
      `${node.name} forward`,
      (operation, pair) =>
        context.functions.convForward(
          operation,
          Prop.forwardInference,
          Algorithm.convolutionDirect,
          from.address,
          anyWeight.address,
          biasLayout.address,
          to.address,
          pair(0, conv.stride),
          pair(1, conv.padding),
          pair(2, conv.padding),
        ),
      { postOperations: [...(addend === undefined ? [] : [sum]), ...(node.relu ? [relu] : [])] },
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
  const image = reordered(c, node.name, 'image', source, maps.source);
  const operand = reordered(
    c,
    node.name,
    'image',
    image,
    layoutOf(forward, Query.source, sourceDimensions, dataType),
  );
  const made = layoutOf(forward, Query.destination, outputDimensions, dataType);
  const target =
    addend === undefined
      ? recorder.planned(made)
      : !context.sameLayout(made, addend.tensor.descriptor)
        ? reordered(c, node.name, 'addend', addend.tensor, made)
        : addend.last && addend.tensor.storage !== source.storage
          ? addend.tensor
          : copied(c, node.name, 'addend', addend.tensor);
  recorder.kernel(node.name, 'forward', forward, [
    [Arg.source, operand],
    [Arg.weights, weight],
    [Arg.bias, bias],
    [Arg.destination, target],
  ]);
  return { output: reordered(c, node.name, 'map', target, maps.destination), input: image };
}
