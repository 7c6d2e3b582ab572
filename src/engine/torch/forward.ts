/** Which layer each node is, and which values a pass may give back early. */
import { foldedWeights, inputsOfFolded, type FoldedNode } from '../core/fold.ts';
import type { BoundParameters } from '../core/parameters.ts';
import type { Compilation, Layer } from './layers/common.ts';
import { convLayer, foldedConvLayer } from './layers/conv.ts';
import { linearLayer } from './layers/linear.ts';
import { normLayer } from './layers/norm.ts';
import { addReluLayer, reluLayer } from './layers/pointwise.ts';
import { averagePoolLayer, maxPoolLayer } from './layers/pool.ts';

/** `bound` is the host's copy of the weights, for nodes that are folded. */
export function layerOf(c: Compilation, node: FoldedNode, bound: () => BoundParameters): Layer {
  switch (node.kind) {
    case 'conv':
      return convLayer(c, node);
    case 'foldedConv':
      return foldedConvLayer(c, node, foldedWeights(node, bound()));
    case 'batchNorm':
      return normLayer(c, node);
    case 'addRelu':
      return addReluLayer(c);
    case 'relu':
      return reluLayer(c);
    case 'maxPool':
      return maxPoolLayer(c, node);
    case 'globalAveragePool':
      return averagePoolLayer(c, node);
    case 'linear':
      return linearLayer(c, node);
  }
}

/** Values by the position of the node after which nobody reads them: not a later node, not the host, not the backward pass. */
export function lastReads(
  nodes: readonly FoldedNode[],
  layers: readonly Layer[],
  isVisible: (value: string) => boolean,
  isActive: (node: string) => boolean,
): ReadonlyMap<number, readonly string[]> {
  const last = new Map<string, number>();
  const kept = new Set<string>();
  nodes.forEach((node, position) => {
    last.set(node.name, position);
    const { reads } = layers[position]!;
    for (const name of inputsOfFolded(node)) {
      last.set(name, position);
      if (reads.input && isActive(node.name)) kept.add(name);
    }
    if (reads.output && isActive(node.name)) kept.add(node.name);
  });
  const byPosition = new Map<number, string[]>();
  for (const [name, position] of last)
    if (!kept.has(name) && !isVisible(name))
      byPosition.set(position, [...(byPosition.get(position) ?? []), name]);
  return byPosition;
}
