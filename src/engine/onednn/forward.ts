/** Recording the forward pass: nodes in order, tapped values copied out before anyone may overwrite them. */
import { inputsOfFolded, type FoldedNode } from '../core/fold.ts';
import { INPUT, inputsOf, type Network, type ValueShape } from '../core/network.ts';
import { plain, recordCopy, reordered, type Compilation, type Recorded } from './layers/common.ts';
import { recordConv } from './layers/conv.ts';
import { recordFoldedConv } from './layers/folded.ts';
import { recordLinear } from './layers/linear.ts';
import { recordBatchNorm } from './layers/norm.ts';
import { recordAddRelu, recordRelu } from './layers/pointwise.ts';
import { recordAveragePool, recordMaxPool } from './layers/pool.ts';
import type { Tensor } from './native/recorder.ts';

export interface ForwardRecord {
  readonly values: ReadonlyMap<string, Tensor>;
  readonly recorded: ReadonlyMap<string, Recorded>;
}

/** `input` and `taps` are the host's dense tensors. */
export function recordForward(
  c: Compilation,
  network: Network,
  nodes: readonly FoldedNode[],
  shapes: ReadonlyMap<string, ValueShape>,
  input: Tensor,
  taps: ReadonlyMap<string, Tensor>,
): ForwardRecord {
  const values = new Map<string, Tensor>([[INPUT, input]]);
  const recorded = new Map<string, Recorded>();
  const lastReader = lastReaders(nodes, network.outputs);
  const expendable = expendableSums(network);
  const firstReader = nodes.find((node) => inputsOfFolded(node).includes(INPUT))?.kind;
  const isMap = network.input.length === 3;
  let open = isMap && (firstReader === 'conv' || firstReader === 'foldedConv');
  if (isMap && firstReader !== undefined && !open)
    values.set(INPUT, reordered(c, INPUT, 'input', input, plain(c, input.descriptor.dimensions, c.dataType)));
  nodes.forEach((node, position) => {
    const operands = inputsOfFolded(node).map((name) => ({
      tensor: values.get(name)!,
      chooses: name === INPUT && open,
      last: lastReader.get(name) === position,
      expendable: expendable.has(name),
    }));
    const result = recordNode(c, node, operands, shapes.get(node.name)!);
    recorded.set(node.name, result);
    values.set(node.name, result.output);
    if (operands[0]!.chooses) {
      open = false;
      values.set(INPUT, result.input!);
    }
    const tap = taps.get(node.name);
    if (tap !== undefined) recordCopy(c, node.name, 'tap', result.output, tap);
  });
  return { values, recorded };
}

interface Operand {
  readonly tensor: Tensor;
  /** The node decides on the layout. */
  readonly chooses: boolean;
  /** No later node and no output reads it. */
  readonly last: boolean;
  /** It may be overwritten: a batch norm's output that no one else reads. */
  readonly expendable: boolean;
}

function recordNode(
  c: Compilation,
  node: FoldedNode,
  [first, second]: readonly Operand[],
  shape: ValueShape,
): Recorded {
  const { tensor, chooses } = first!;
  switch (node.kind) {
    case 'conv':
      return recordConv(c, node, tensor, shape, chooses);
    case 'foldedConv':
      return recordFoldedConv(c, node, tensor, second, shape, chooses);
    case 'batchNorm':
      return recordBatchNorm(c, node, tensor);
    case 'addRelu':
      return recordAddRelu(c, node, tensor, second!.tensor, first!.expendable);
    case 'relu':
      return recordRelu(c, node, tensor);
    case 'maxPool':
      return recordMaxPool(c, node, tensor, shape);
    case 'globalAveragePool':
      return recordAveragePool(c, node, tensor);
    case 'linear':
      return recordLinear(c, node, tensor);
  }
}

/** Position of the node that reads a value last; outputs are read after all nodes. */
function lastReaders(nodes: readonly FoldedNode[], outputs: readonly string[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  nodes.forEach((node, position) => {
    for (const name of inputsOfFolded(node)) last.set(name, position);
  });
  for (const name of outputs) last.set(name, nodes.length);
  return last;
}

/**
 * Values that a sum may overwrite: the output of a batch norm that no one else reads. Its own backward pass needs
 * the input and the statistics, not the output.
 */
function expendableSums(network: Network): ReadonlySet<string> {
  const readers = new Map<string, number>();
  for (const name of [...network.nodes.flatMap(inputsOf), ...network.outputs])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  return new Set(
    network.nodes
      .filter((node) => node.kind === 'batchNorm' && !node.relu && readers.get(node.name) === 1)
      .map(({ name }) => name),
  );
}
