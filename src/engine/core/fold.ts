/**
 * Inference with batch norms folded away. A convolution whose only reader is a batch norm becomes a convolution with
 * bias; where the norm's only reader is the sum that ends a residual block, sum and ReLU become its epilogue. Pure
 * rewriting and arithmetic: how a folded convolution runs is the backends'. Norms of vectors stay as they are: heads
 * are a thousandth of the work.
 */
import { inputsOf, type Network, type Node } from './network.ts';
import type { BoundParameters } from './parameters.ts';

type Conv = Extract<Node, { readonly kind: 'conv' }>;
type BatchNorm = Extract<Node, { readonly kind: 'batchNorm' }>;

/** value(name) = [relu](conv(input) · factor + offset [+ value(addend)]), factor and offset being the norm's. */
export interface FoldedConv {
  readonly kind: 'foldedConv';
  /** The value it makes: that of the norm, or of the sum. */
  readonly name: string;
  readonly input: string;
  readonly conv: Conv;
  readonly norm: BatchNorm;
  readonly addend: string | null;
  readonly relu: boolean;
}

export type FoldedNode = Node | FoldedConv;

export function inputsOfFolded(node: FoldedNode): readonly string[] {
  if (node.kind !== 'foldedConv') return inputsOf(node);
  return node.addend === null ? [node.input] : [node.input, node.addend];
}

/** The network's nodes, folded, in execution order. Outputs and the values of `taps` are never folded away. */
export function foldNetwork(network: Network, taps: readonly string[]): readonly FoldedNode[] {
  const readers = new Map<string, Node[]>();
  for (const node of network.nodes)
    for (const name of inputsOf(node)) readers.set(name, [...(readers.get(name) ?? []), node]);
  const visible = new Set([...network.outputs, ...taps]);
  const onlyReader = (name: string): Node | undefined => {
    const list = readers.get(name) ?? [];
    return list.length === 1 && !visible.has(name) ? list[0] : undefined;
  };

  // Keyed by the node in whose place the folded convolution runs: by then all it reads has been made.
  const folded = new Map<string, FoldedConv>();
  const gone = new Set<string>();
  for (const conv of network.nodes) {
    if (conv.kind !== 'conv') continue;
    const norm = onlyReader(conv.name);
    if (norm?.kind !== 'batchNorm') continue;
    gone.add(conv.name);
    const { name, relu } = norm;
    folded.set(name, { kind: 'foldedConv', name, input: conv.input, conv, norm, addend: null, relu });
  }
  for (const sum of network.nodes) {
    if (sum.kind !== 'addRelu') continue;
    const absorbing = sum.inputs.find((name) => {
      const candidate = folded.get(name);
      return candidate?.addend === null && !candidate.relu && onlyReader(name) === sum;
    });
    if (absorbing === undefined) continue;
    const addend = sum.inputs[0] === absorbing ? sum.inputs[1] : sum.inputs[0];
    folded.set(sum.name, { ...folded.get(absorbing)!, name: sum.name, addend, relu: true });
    folded.delete(absorbing);
    gone.add(absorbing);
  }
  return network.nodes
    .filter(({ name }) => !gone.has(name))
    .map((node): FoldedNode => folded.get(node.name) ?? node);
}

/** Weight [filters, …] and bias [filters] of the convolution that does the norm's work too. */
export function foldedWeights(
  { conv, norm }: FoldedConv,
  bound: Pick<BoundParameters, 'value' | 'statistic'>,
): { readonly weight: Float32Array; readonly bias: Float32Array } {
  const weight = bound.value(`${conv.name}.weight`).slice();
  const scale = bound.value(`${norm.name}.weight`);
  const shift = bound.value(`${norm.name}.bias`);
  const mean = bound.statistic(`${norm.name}.running_mean`);
  const variance = bound.statistic(`${norm.name}.running_var`);
  const bias = new Float32Array(conv.filters);
  const fanIn = weight.length / conv.filters;
  for (let f = 0; f < conv.filters; f++) {
    const factor = scale[f]! / Math.sqrt(variance[f]! + norm.epsilon);
    bias[f] = shift[f]! - mean[f]! * factor;
    for (let i = f * fanIn; i < (f + 1) * fanIn; i++) weight[i]! *= factor;
  }
  return { weight, bias };
}
