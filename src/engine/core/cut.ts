/**
 * Cutting a network in two at one value: what lies below it ends there, what lies above starts there. Both parts keep
 * node names, so both compile against the parameters of the whole. Used where the lower part is frozen and its values
 * are computed once instead of in every epoch.
 */
import { UsclError } from '../../base/errors.ts';
import { INPUT, inferShapes, inputsOf, parameterSpecs, type Network, type Node } from './network.ts';

/** A network in two parts that together are the whole. */
export interface CutNetwork {
  /** From the image to the value, its first output; outputs of the whole that lie below follow. */
  readonly below: Network;
  /** From the value, now called `input`, to the other outputs. */
  readonly above: Network;
}

/**
 * Cuts at the value `at` (`input` leaves everything above).
 *
 * @throws UsclError `NETWORK_CUT` when there is no such value or the part above would read a second one from below.
 */
export function cutNetwork(network: Network, at: string): CutNetwork {
  const shape = inferShapes(network).get(at);
  if (shape === undefined) throw cutError(at, 'it is not the value of any node');
  const lower = ancestors(network, at);
  const crossing = secondEdge(network, at, lower);
  if (crossing !== undefined)
    throw cutError(at, `node "${crossing.node}" above it also reads "${crossing.value}" from below`);
  const renamed = (name: string): string => (name === at ? INPUT : name);
  return {
    below: {
      input: network.input,
      nodes: network.nodes.filter(({ name }) => lower.has(name)),
      outputs: [at, ...network.outputs.filter((name) => name !== at && lower.has(name))],
    },
    above: {
      input: shape,
      nodes: network.nodes
        .filter(({ name }) => !lower.has(name))
        .map((node): Node =>
          node.kind === 'addRelu'
            ? { ...node, inputs: [renamed(node.inputs[0]), renamed(node.inputs[1])] }
            : { ...node, input: renamed(node.input) },
        ),
      outputs: network.outputs.filter((name) => !lower.has(name)),
    },
  };
}

/**
 * The highest value at which the network can be cut with nothing trainable below: no parameter, and no batch norm that
 * normalises with the batch's statistics (`frozenNorms`, default: all are frozen). `input` when there is none.
 */
export function frozenPrefix(
  network: Network,
  trainable: (parameter: string) => boolean,
  frozenNorms: (node: string) => boolean = () => true,
): string {
  inferShapes(network);
  const moving = new Set(
    parameterSpecs(network)
      .filter(({ name }) => trainable(name))
      .map(({ name }) => name.slice(0, name.lastIndexOf('.'))),
  );
  for (const { kind, name } of network.nodes)
    if (kind === 'batchNorm' && !frozenNorms(name)) moving.add(name);
  let highest = INPUT;
  let size = 0;
  for (const { name } of network.nodes) {
    const lower = ancestors(network, name);
    const constant = ![...lower].some((value) => moving.has(value));
    if (constant && lower.size > size && secondEdge(network, name, lower) === undefined) {
      highest = name;
      size = lower.size;
    }
  }
  return highest;
}

/** The value, all it is computed from, and `input`. */
function ancestors(network: Network, at: string): ReadonlySet<string> {
  const found = new Set([INPUT, at]);
  for (const node of [...network.nodes].reverse())
    if (found.has(node.name)) for (const name of inputsOf(node)) found.add(name);
  return found;
}

/** A node outside of `lower` that reads a value inside other than `at`. */
function secondEdge(
  network: Network,
  at: string,
  lower: ReadonlySet<string>,
): { readonly node: string; readonly value: string } | undefined {
  for (const node of network.nodes) {
    if (lower.has(node.name)) continue;
    const value = inputsOf(node).find((name) => name !== at && lower.has(name));
    if (value !== undefined) return { node: node.name, value };
  }
  return undefined;
}

function cutError(at: string, reason: string): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'NETWORK_CUT',
    message: `The network cannot be cut at "${at}": ${reason}.`,
    where: `value ${at}`,
    remedy: 'Cut at the end of a block, for example "maxpool", "layer3.1" or "features".',
  });
}
