/**
 * How each kind of node becomes kernel calls, forward and backward. Layouts of feature maps are chosen by the first
 * convolution that makes them and kept by everyone after it; only weights are reordered, once per step.
 */
import { INPUT, type Node } from '../network.ts';
import { Algorithm, Arg, DataType, NormFlag, Prop, Query, Tag } from './constants.ts';
import type { Descriptor, PostOperation, Primitive } from './context.ts';
import { NULL, offsetAddress, type Address } from './memory.ts';
import { viewOf, type Recorder, type Tensor } from './recorder.ts';

type NodeOf<K extends Node['kind']> = Extract<Node, { readonly kind: K }>;

/** What the layers need from the plan that is being compiled. */
export interface Compilation {
  readonly recorder: Recorder;
  readonly batch: number;
  readonly training: boolean;
  readonly normGroups: number;
  /** Type of feature maps and convolution weights. */
  readonly dataType: DataType;
  /** Address of a parameter's master, gradient or of a statistic. */
  readonly valueAddress: (name: string) => Address;
  readonly gradientAddress: (name: string) => Address;
  readonly statisticAddress: (name: string) => Address;
  readonly trainable: (parameter: string) => boolean;
}

/** A gradient on its way down: `mayOverwrite` when no one else still has to read it. */
export interface Incoming {
  readonly gradient: Tensor;
  readonly mayOverwrite: boolean;
}

/** What a node leaves behind for its backward pass, and that pass: input gradients, one per input (or undefined). */
export interface Recorded {
  readonly output: Tensor;
  readonly backward?: (
    incoming: Incoming,
    inputNeeded: readonly boolean[],
  ) => readonly (Tensor | undefined)[];
}

function plain(c: Compilation, dimensions: readonly number[], type: DataType = DataType.f32): Descriptor {
  const tag = [Tag.a, Tag.ab, 0, Tag.abcd][dimensions.length - 1]!;
  return c.recorder.context.descriptor(c.recorder.scope, dimensions, type, tag);
}

function free(c: Compilation, dimensions: readonly number[], type: DataType): Descriptor {
  return c.recorder.context.descriptor(c.recorder.scope, dimensions, type, Tag.any);
}

/** `tensor` in another layout or type: itself when nothing changes. */
function reordered(c: Compilation, node: string, name: string, tensor: Tensor, to: Descriptor): Tensor {
  const { context, scope } = c.recorder;
  if (context.sameLayout(tensor.descriptor, to)) return tensor;
  const target = c.recorder.planned(to);
  c.recorder.kernel(node, name, context.reorder(scope, tensor.descriptor, to), [
    [Arg.source, tensor],
    [Arg.destination, target],
  ]);
  return target;
}

function layoutOf(
  primitive: Primitive,
  what: number,
  dimensions: readonly number[],
  type: DataType,
): Descriptor {
  const layout = primitive.layout(what, dimensions, type);
  if (layout === undefined) throw new RangeError(`the primitive has no layout ${what}`);
  return layout;
}

export function recordConv(
  c: Compilation,
  node: NodeOf<'conv'>,
  source: Tensor,
  outputShape: readonly number[],
): Recorded {
  const { recorder, dataType } = c;
  const { context, scope } = recorder;
  const { functions } = context;
  const weightName = `${node.name}.weight`;
  const sourceDimensions = source.descriptor.dimensions;
  const weightDimensions = [node.filters, sourceDimensions[1]!, node.kernel, node.kernel];
  const outputDimensions = [c.batch, ...outputShape];
  const anyWeight = free(c, weightDimensions, dataType);
  // Only the image's layout is open: every later map comes from a convolution that has chosen already.
  const wanted = node.input === INPUT ? free(c, sourceDimensions, dataType) : source.descriptor;
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
  if (!c.training) return { output };
  return {
    output,
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

export function recordBatchNorm(c: Compilation, node: NodeOf<'batchNorm'>, source: Tensor): Recorded {
  const { recorder } = c;
  const { context, scope } = recorder;
  const { functions } = context;
  const [, channels = 0, height = 1, width = 1] = source.descriptor.dimensions;
  const groups = c.training ? c.normGroups : 1;
  const part = groupDescriptor(c, source.descriptor, groups);
  const flags =
    NormFlag.useScaleShift |
    (node.relu ? NormFlag.fuseRelu : 0) |
    (c.training ? 0 : NormFlag.useGlobalStatistics);
  const forward = context.primitive(scope, `${node.name} forward`, (operation) =>
    functions.normForward(
      operation,
      c.training ? Prop.forwardTraining : Prop.forwardInference,
      part.address,
      node.epsilon,
      flags,
    ),
  );
  // Weight and bias of a batch norm lie back to back in the flat parameters: oneDNN's [2, C] tensor as it is.
  const scaleShift = recorder.fixed(plain(c, [2, channels]), c.valueAddress(`${node.name}.weight`));
  const output = recorder.planned(source.descriptor);
  const runningMean = recorder.fixed(plain(c, [channels]), c.statisticAddress(`${node.name}.running_mean`));
  const runningVariance = recorder.fixed(
    plain(c, [channels]),
    c.statisticAddress(`${node.name}.running_var`),
  );
  const workspaceLayout = forward.layout(Query.workspace, [], DataType.f32);
  const parts = Array.from({ length: groups }, (_, group) => ({
    mean: c.training ? recorder.own(plain(c, [channels])) : runningMean,
    variance: c.training ? recorder.own(plain(c, [channels])) : runningVariance,
    workspace: workspaceLayout === undefined ? undefined : recorder.planned(workspaceLayout),
    slice: (tensor: Tensor): Tensor => ({
      descriptor: part,
      storage: tensor.storage,
      offset: tensor.offset + group * part.bytes,
    }),
  }));
  for (const { mean, variance, workspace, slice } of parts)
    recorder.kernel(node.name, 'forward', forward, [
      [Arg.source, slice(source)],
      [Arg.destination, slice(output)],
      [Arg.scaleShift, scaleShift],
      [Arg.mean, mean],
      [Arg.variance, variance],
      ...(workspace === undefined ? [] : [[Arg.workspace, workspace] as const]),
    ]);
  if (!c.training) return { output };
  const count = (c.batch / groups) * height * width;
  const running = { mean: viewOf(runningMean), variance: viewOf(runningVariance) };
  const moments = parts.map(({ mean, variance }) => ({ mean: viewOf(mean), variance: viewOf(variance) }));
  recorder.host(node.name, 'running statistics', () => {
    for (const { mean, variance } of moments) {
      const unbias = count / Math.max(1, count - 1);
      for (let i = 0; i < channels; i++) {
        running.mean[i] = (1 - node.momentum) * running.mean[i]! + node.momentum * mean[i]!;
        running.variance[i] =
          (1 - node.momentum) * running.variance[i]! + node.momentum * variance[i]! * unbias;
      }
    }
  });
  return {
    output,
    backward: ({ gradient, mayOverwrite }) => {
      const primitive = context.primitive(
        scope,
        `${node.name} backward`,
        (operation) =>
          functions.normBackward(operation, Prop.backward, part.address, part.address, node.epsilon, flags),
        { hint: forward },
      );
      const sourceGradient = mayOverwrite ? gradient : recorder.planned(source.descriptor);
      const gradients = parts.map(({ mean, variance, workspace, slice }) => {
        const scaleShiftGradient = recorder.own(plain(c, [2, channels]));
        recorder.kernel(node.name, 'backward', primitive, [
          [Arg.source, slice(source)],
          [Arg.mean, mean],
          [Arg.variance, variance],
          [Arg.destinationGradient, slice(gradient)],
          [Arg.scaleShift, scaleShift],
          [Arg.sourceGradient, slice(sourceGradient)],
          [Arg.scaleShiftGradient, scaleShiftGradient],
          ...(workspace === undefined ? [] : [[Arg.workspace, workspace] as const]),
        ]);
        return viewOf(scaleShiftGradient);
      });
      recordNormGradient(c, node.name, channels, gradients);
      return [sourceGradient];
    },
  };
}

/** Sums the groups' gradients of scale and shift into the trainable ones of the two. */
function recordNormGradient(
  c: Compilation,
  node: string,
  channels: number,
  gradients: readonly Float32Array[],
): void {
  (['weight', 'bias'] as const).forEach((suffix, row) => {
    const name = `${node}.${suffix}`;
    if (!c.trainable(name)) return;
    const target = viewOf(c.recorder.fixed(plain(c, [channels]), c.gradientAddress(name)));
    c.recorder.host(node, `${suffix} gradient`, () => {
      for (let i = 0; i < channels; i++) {
        let sum = 0;
        for (const gradient of gradients) sum += gradient[row * channels + i]!;
        target[i] = sum;
      }
    });
  });
}

/** The layout of one of `groups` equal consecutive parts of the batch. */
function groupDescriptor(c: Compilation, whole: Descriptor, groups: number): Descriptor {
  if (groups === 1) return whole;
  const dimensions = [c.batch / groups, ...whole.dimensions.slice(1)];
  return c.recorder.context.part(c.recorder.scope, whole, dimensions);
}

export function recordAddRelu(
  c: Compilation,
  node: NodeOf<'addRelu'>,
  a: Tensor,
  b: Tensor,
  mayOverwriteA: boolean,
): Recorded {
  const { recorder } = c;
  const { context, scope } = recorder;
  const { functions } = context;
  const data = a.descriptor;
  const relu: PostOperation = { kind: 'eltwise', algorithm: Algorithm.eltwiseRelu, alpha: 0, beta: 0 };
  const forward = context.primitive(
    scope,
    `${node.name} forward`,
    (operation) =>
      functions.binary(operation, Algorithm.binaryAdd, data.address, b.descriptor.address, data.address),
    { postOperations: [relu] },
  );
  const output = mayOverwriteA ? a : recorder.planned(data);
  recorder.kernel(node.name, 'forward', forward, [
    [Arg.source, a],
    [Arg.source1, b],
    [Arg.destination, output],
  ]);
  if (!c.training) return { output };
  return {
    output,
    backward: (incoming) => {
      const gradient = recordReluBackward(c, node.name, output, incoming);
      return [gradient, gradient];
    },
  };
}

export function recordRelu(c: Compilation, node: NodeOf<'relu'>, source: Tensor): Recorded {
  const { recorder } = c;
  const { context, scope } = recorder;
  const forward = context.primitive(scope, `${node.name} forward`, (operation) =>
    context.functions.eltwiseForward(
      operation,
      c.training ? Prop.forwardTraining : Prop.forwardInference,
      Algorithm.eltwiseRelu,
      source.descriptor.address,
      0,
      0,
    ),
  );
  const output = recorder.planned(source.descriptor);
  recorder.kernel(node.name, 'forward', forward, [
    [Arg.source, source],
    [Arg.destination, output],
  ]);
  return { output, backward: (incoming) => [recordReluBackward(c, node.name, output, incoming)] };
}

/** Masks the gradient by the sign of the ReLU's output. */
function recordReluBackward(
  c: Compilation,
  node: string,
  output: Tensor,
  { gradient, mayOverwrite }: Incoming,
): Tensor {
  const { recorder } = c;
  const { context, scope } = recorder;
  const data = output.descriptor.address;
  const hint = context.primitive(scope, `${node} hint`, (operation) =>
    context.functions.eltwiseForward(
      operation,
      Prop.forwardTraining,
      Algorithm.eltwiseReluFromDestination,
      data,
      0,
      0,
    ),
  );
  const primitive = context.primitive(
    scope,
    `${node} backward`,
    (operation) =>
      context.functions.eltwiseBackward(operation, Algorithm.eltwiseReluFromDestination, data, data, 0, 0),
    { hint },
  );
  const masked = mayOverwrite ? gradient : recorder.planned(output.descriptor);
  recorder.kernel(node, 'backward', primitive, [
    [Arg.destination, output],
    [Arg.destinationGradient, gradient],
    [Arg.sourceGradient, masked],
  ]);
  return masked;
}

export function recordMaxPool(
  c: Compilation,
  node: NodeOf<'maxPool'>,
  source: Tensor,
  outputShape: readonly number[],
): Recorded {
  return recordPool(c, node.name, Algorithm.poolingMax, source, [c.batch, ...outputShape], node);
}

/** Mean over the map, in f32 whatever the maps' type: 49 rounded values are not worth saving. */
export function recordAveragePool(
  c: Compilation,
  node: NodeOf<'globalAveragePool'>,
  source: Tensor,
): Recorded {
  const [batch = 0, channels = 0, height = 0, width = 0] = source.descriptor.dimensions;
  const map = reordered(c, node.name, 'to f32', source, plain(c, [batch, channels, height, width]));
  const { context, scope } = c.recorder;
  const { functions } = context;
  const window = [height, width] as const;
  const pooledMap = plain(c, [batch, channels, 1, 1]);
  const forward = context.primitive(scope, `${node.name} forward`, (operation, pair) =>
    functions.poolForward(
      operation,
      c.training ? Prop.forwardTraining : Prop.forwardInference,
      Algorithm.poolingAverage,
      map.descriptor.address,
      pooledMap.address,
      pair(0, 1),
      context.pair(1, window),
      pair(2, 0),
      pair(3, 0),
    ),
  );
  const vector = c.recorder.planned(plain(c, [batch, channels]));
  const asMap = (tensor: Tensor): Tensor => ({ ...tensor, descriptor: pooledMap });
  c.recorder.kernel(node.name, 'forward', forward, [
    [Arg.source, map],
    [Arg.destination, asMap(vector)],
  ]);
  if (!c.training) return { output: vector };
  return {
    output: vector,
    backward: ({ gradient }) => {
      const primitive = context.primitive(
        scope,
        `${node.name} backward`,
        (operation, pair) =>
          functions.poolBackward(
            operation,
            Algorithm.poolingAverage,
            map.descriptor.address,
            pooledMap.address,
            pair(0, 1),
            context.pair(1, window),
            pair(2, 0),
            pair(3, 0),
          ),
        { hint: forward },
      );
      const mapGradient = c.recorder.planned(map.descriptor);
      c.recorder.kernel(node.name, 'backward', primitive, [
        [Arg.destinationGradient, asMap(gradient)],
        [Arg.sourceGradient, mapGradient],
      ]);
      return [reordered(c, node.name, 'from f32', mapGradient, source.descriptor)];
    },
  };
}

function recordPool(
  c: Compilation,
  node: string,
  algorithm: number,
  source: Tensor,
  outputDimensions: readonly number[],
  window: { readonly kernel: number; readonly stride: number; readonly padding: number },
): Recorded {
  const { recorder } = c;
  const { context, scope } = recorder;
  const { functions } = context;
  const wanted = free(c, outputDimensions, source.descriptor.type);
  const forward = context.primitive(scope, `${node} forward`, (operation, pair) =>
    functions.poolForward(
      operation,
      c.training ? Prop.forwardTraining : Prop.forwardInference,
      algorithm,
      source.descriptor.address,
      wanted.address,
      pair(0, window.stride),
      pair(1, window.kernel),
      pair(2, window.padding),
      pair(3, window.padding),
    ),
  );
  const output = recorder.planned(
    layoutOf(forward, Query.destination, outputDimensions, source.descriptor.type),
  );
  const workspaceLayout = forward.layout(Query.workspace, [], DataType.f32);
  const workspace =
    workspaceLayout === undefined ? [] : [[Arg.workspace, recorder.planned(workspaceLayout)] as const];
  recorder.kernel(node, 'forward', forward, [[Arg.source, source], [Arg.destination, output], ...workspace]);
  if (!c.training) return { output };
  return {
    output,
    backward: ({ gradient }) => {
      const primitive = context.primitive(
        scope,
        `${node} backward`,
        (operation, pair) =>
          functions.poolBackward(
            operation,
            algorithm,
            source.descriptor.address,
            output.descriptor.address,
            pair(0, window.stride),
            pair(1, window.kernel),
            pair(2, window.padding),
            pair(3, window.padding),
          ),
        { hint: forward },
      );
      const sourceGradient = recorder.planned(source.descriptor);
      recorder.kernel(node, 'backward', primitive, [
        [Arg.destinationGradient, gradient],
        [Arg.sourceGradient, sourceGradient],
        ...workspace,
      ]);
      return [sourceGradient];
    },
  };
}

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

/** a + b for two contributions to one gradient, written over `a` when no one else reads it. */
export function recordSum(c: Compilation, node: string, a: Incoming, b: Tensor): Tensor {
  const { recorder } = c;
  const { context, scope } = recorder;
  const target = a.mayOverwrite ? a.gradient : recorder.planned(a.gradient.descriptor);
  const data = a.gradient.descriptor.address;
  const primitive = context.primitive(scope, `${node} gradient sum`, (operation) =>
    context.functions.binary(operation, Algorithm.binaryAdd, data, b.descriptor.address, data),
  );
  recorder.kernel(node, 'gradient sum', primitive, [
    [Arg.source, a.gradient],
    [Arg.source1, b],
    [Arg.destination, target],
  ]);
  return target;
}

/** Where in memory the i-th f32 of a flat vector lies. */
export function elementAddress(base: Address, index: number): Address {
  return offsetAddress(base, 4 * index);
}
