/** Max pooling and the global mean. */
import { Algorithm, Arg, DataType, Prop, Query } from '../native/constants.ts';
import type { Tensor } from '../native/recorder.ts';
import { plain, free, reordered, layoutOf, type Compilation, type NodeOf, type Recorded } from './common.ts';

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
