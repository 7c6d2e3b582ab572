/**
 * Heads on a trunk: the projection g (r → z, compared by the contrastive loss) and the classifier h (→ o, compared
 * with labels). In the USCL paper's figure both branch from the representation r; the reference code feeds the
 * classifier from z instead. Both are a field here.
 */
import { inferShapes, type Network, type Node } from '../engine/core/network.ts';
import { FEATURES, modelError, requireInteger } from './resnet.ts';

/** Names of the values that a plan exposes to the host. */
export const OUTPUTS = {
  /** Representation r, [512] or [2048]. Always present. */
  features: FEATURES,
  /** Projection z, [projection.dim]. Present with a projection head. */
  projection: 'projection.2',
  /** Class scores o before the softmax, [classes]. Present with a classifier. */
  logits: 'classifier',
} as const;

/** One layer of a head: linear, then batch norm and ReLU where they are asked for. */
export interface HeadLayer {
  readonly features: number;
  readonly norm?: boolean;
  readonly relu?: boolean;
}

/** Sizes of a projection head. */
export interface ProjectionHead {
  /** Features of the hidden layer. USCL: 512. */
  readonly hidden: number;
  /** Features of the embedding. USCL: 256. */
  readonly dim: number;
}

/** What a classifier tells apart, and from what. */
export interface ClassifierHead {
  readonly classes: number;
  /** `representation`: h branches from r, as in the paper's figure. `projection`: from z, as in its code. */
  readonly input: 'representation' | 'projection';
}

/** The heads of a pretraining network. */
export interface Heads {
  /** Linear–ReLU–Linear from r, or null for none. */
  readonly projection: ProjectionHead | null;
  /** One linear layer, or null for none. */
  readonly classifier: ClassifierHead | null;
}

/**
 * The network with a head of several layers on a value. Its nodes are called `<name>.0`, `<name>.1`, … as the modules of
 * PyTorch's `Sequential(Linear, BatchNorm1d, ReLU, …)` would be; the last of them is a further output, whose name is
 * returned.
 */
export function withHead(
  network: Network,
  name: string,
  input: string,
  layers: readonly HeadLayer[],
): { readonly network: Network; readonly output: string } {
  const nodes: Node[] = [...network.nodes];
  let value = input;
  let place = 0;
  const add = (node: Node): void => {
    nodes.push(node);
    value = node.name;
  };
  for (const { features, norm = false, relu = false } of layers) {
    requireInteger(`${name}.${place}`, features, 1);
    add({ kind: 'linear', name: `${name}.${place++}`, input: value, features });
    if (norm)
      add({
        kind: 'batchNorm',
        name: `${name}.${place++}`,
        input: value,
        relu,
        epsilon: 1e-5,
        momentum: 0.1,
      });
    else if (relu) add({ kind: 'relu', name: `${name}.${place}`, input: value });
    if (relu) place++;
  }
  const whole: Network = { input: network.input, nodes, outputs: [...network.outputs, value] };
  inferShapes(whole);
  return { network: whole, output: value };
}

/**
 * The network with heads on its `features`. Outputs: `features`, then those of `OUTPUTS` that the heads make.
 *
 * @throws UsclError `MODEL_INVALID` for a head of no features, a classifier on a projection that is not there, or a
 *   trunk without `features`; `NETWORK_INVALID` where a node name is taken.
 */
export function withHeads(trunk: Network, heads: Heads): Network {
  const { projection, classifier } = heads;
  if (!trunk.nodes.some((node) => node.name === FEATURES))
    throw modelError('trunk', `has no node "${FEATURES}"`, 'Put heads on a trunk such as resnet(18, …).');
  const nodes: Node[] = [...trunk.nodes];
  const outputs: string[] = [FEATURES];
  if (projection !== null) {
    requireInteger('projection.hidden', projection.hidden, 1);
    requireInteger('projection.dim', projection.dim, 1);
    const layers = [{ features: projection.hidden, relu: true }, { features: projection.dim }];
    const { network } = withHead({ ...trunk, outputs: [] }, 'projection', FEATURES, layers);
    nodes.push(...network.nodes.slice(trunk.nodes.length));
    outputs.push(OUTPUTS.projection);
  }
  if (classifier !== null) {
    requireInteger('classifier.classes', classifier.classes, 1);
    if (classifier.input === 'projection' && projection === null)
      throw modelError(
        'classifier.input',
        'is "projection" but there is no projection head',
        'Add a projection head, or let the classifier read the "representation".',
      );
    const input = classifier.input === 'projection' ? OUTPUTS.projection : FEATURES;
    nodes.push({ kind: 'linear', name: OUTPUTS.logits, input, features: classifier.classes });
    outputs.push(OUTPUTS.logits);
  }
  const network: Network = { input: trunk.input, nodes, outputs };
  inferShapes(network);
  return network;
}
