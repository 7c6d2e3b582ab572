/** Elementwise layers: the end of a residual block, ReLU, and the sum of two gradients of one value. */
import { Prop } from '../native/constants.ts';
import { RELU } from '../native/context.ts';
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
  const data = a.descriptor;
  const forward = recorder.primitive(
    `${node.name} forward`,
    'binary',
    ['binaryAdd', data.address, b.descriptor.address, data.address],
    { postOperations: [RELU] },
  );
  const output = mayOverwriteA ? a : recorder.planned(data);
  recorder.kernel(node.name, 'forward', forward, { source: a, source1: b, destination: output });
  if (!c.training) return { output };
  return {
    output,
    backward: (incoming) => {
      const gradient = recordReluBackward(c, node.name, output, incoming);
      return [gradient, gradient];
    },
  };
}

export function recordRelu(c: Compilation, { name }: NodeOf<'relu'>, source: Tensor): Recorded {
  const { recorder } = c;
  const { address } = source.descriptor;
  const args = [c.forward, 'eltwiseRelu', address, 0, 0] as const;
  const forward = recorder.primitive(`${name} forward`, 'eltwiseForward', args);
  const output = recorder.planned(source.descriptor);
  recorder.kernel(name, 'forward', forward, { source, destination: output });
  return { output, backward: (incoming) => [recordReluBackward(c, name, output, incoming)] };
}

/** Masks the gradient by the sign of the ReLU's output. */
function recordReluBackward(
  { recorder }: Compilation,
  node: string,
  output: Tensor,
  { gradient, mayOverwrite }: Incoming,
): Tensor {
  const data = output.descriptor.address;
  const algorithm = 'eltwiseReluFromDestination';
  const forward = [Prop.forwardTraining, algorithm, data, 0, 0] as const;
  const hint = recorder.primitive(`${node} hint`, 'eltwiseForward', forward);
  const backward = [algorithm, data, data, 0, 0] as const;
  const primitive = recorder.primitive(`${node} backward`, 'eltwiseBackward', backward, { hint });
  const masked = mayOverwrite ? gradient : recorder.planned(output.descriptor);
  recorder.kernel(node, 'backward', primitive, {
    destination: output,
    destinationGradient: gradient,
    sourceGradient: masked,
  });
  return masked;
}

/** a + b for two contributions to one gradient, written over `a` when no one else reads it. */
export function recordSum({ recorder }: Compilation, node: string, a: Incoming, b: Tensor): Tensor {
  const target = a.mayOverwrite ? a.gradient : recorder.planned(a.gradient.descriptor);
  const data = a.gradient.descriptor.address;
  const args = ['binaryAdd', data, b.descriptor.address, data] as const;
  const primitive = recorder.primitive(`${node} gradient sum`, 'binary', args);
  recorder.kernel(node, 'gradient sum', primitive, { source: a.gradient, source1: b, destination: target });
  return target;
}
