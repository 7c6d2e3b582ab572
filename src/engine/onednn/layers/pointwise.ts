/** Elementwise layers: the end of a residual block, ReLU, and the sum of two gradients of one value. */
import { Algorithm, Arg, Prop } from '../native/constants.ts';
import type { PostOperation } from '../native/context.ts';
import type { Tensor } from '../native/recorder.ts';
import type { Compilation, Incoming, NodeOf, Recorded } from './common.ts';

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
