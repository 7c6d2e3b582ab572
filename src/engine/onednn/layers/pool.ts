/** Max pooling and the global mean. */
import { DataType, Query } from '../native/constants.ts';
import type { Tensor } from '../native/recorder.ts';
import { plain, free, reordered, layoutOf, type Compilation, type NodeOf, type Recorded } from './common.ts';

export function recordMaxPool(
  c: Compilation,
  node: NodeOf<'maxPool'>,
  source: Tensor,
  outputShape: readonly number[],
): Recorded {
  const { recorder } = c;
  const { name, kernel, stride, padding } = node;
  const { address, type } = source.descriptor;
  const outputDimensions = [c.batch, ...outputShape];
  const wanted = free(c, outputDimensions, type);
  const windows = () => recorder.context.pairs(stride, kernel, padding, padding);
  const forward = recorder.primitive(`${name} forward`, 'poolForward', [
    c.forward,
    'poolingMax',
    address,
    wanted.address,
    ...windows(),
  ]);
  const output = recorder.planned(layoutOf(forward, Query.destination, outputDimensions, type));
  const workspaceLayout = forward.layout(Query.workspace, [], DataType.f32);
  const workspace = workspaceLayout && recorder.planned(workspaceLayout);
  recorder.kernel(name, 'forward', forward, { source, destination: output, workspace });
  if (!c.training) return { output };
  return {
    output,
    backward: ({ gradient }) => {
      const primitive = recorder.primitive(
        `${name} backward`,
        'poolBackward',
        ['poolingMax', address, output.descriptor.address, ...windows()],
        { hint: forward },
      );
      const sourceGradient = recorder.planned(source.descriptor);
      recorder.kernel(name, 'backward', primitive, {
        destinationGradient: gradient,
        sourceGradient,
        workspace,
      });
      return [sourceGradient];
    },
  };
}

/** Mean over the map, in f32 whatever the maps' type: 49 rounded values are not worth saving. */
export function recordAveragePool(
  c: Compilation,
  { name }: NodeOf<'globalAveragePool'>,
  source: Tensor,
): Recorded {
  const { recorder } = c;
  const [batch = 0, channels = 0, height = 0, width = 0] = source.descriptor.dimensions;
  const map = reordered(c, name, 'to f32', source, plain(c, [batch, channels, height, width]));
  const pooledMap = plain(c, [batch, channels, 1, 1]);
  const pooling = () =>
    [
      'poolingAverage',
      map.descriptor.address,
      pooledMap.address,
      ...recorder.context.pairs(1, [height, width], 0, 0),
    ] as const;
  const forward = recorder.primitive(`${name} forward`, 'poolForward', [c.forward, ...pooling()]);
  const vector = recorder.planned(plain(c, [batch, channels]));
  const asMap = (tensor: Tensor): Tensor => ({ ...tensor, descriptor: pooledMap });
  recorder.kernel(name, 'forward', forward, { source: map, destination: asMap(vector) });
  if (!c.training) return { output: vector };
  return {
    output: vector,
    backward: ({ gradient }) => {
      const options = { hint: forward };
      const primitive = recorder.primitive(`${name} backward`, 'poolBackward', pooling(), options);
      const mapGradient = recorder.planned(map.descriptor);
      recorder.kernel(name, 'backward', primitive, {
        destinationGradient: asMap(gradient),
        sourceGradient: mapGradient,
      });
      return [reordered(c, name, 'from f32', mapGradient, source.descriptor)];
    },
  };
}
