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

export interface ProjectionHead {
  /** Features of the hidden layer. USCL: 512. */
  readonly hidden: number;
  /** Features of the embedding. USCL: 256. */
  readonly dim: number;
}

interface ClassifierHead {
  readonly classes: number;
  /** `representation`: h branches from r, as in the paper's figure. `projection`: from z, as in its code. */
  readonly input: 'representation' | 'projection';
}

export interface Heads {
  /** Linear–ReLU–Linear from r, or null for none. */
  readonly projection: ProjectionHead | null;
  /** One linear layer, or null for none. */
  readonly classifier: ClassifierHead | null;
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
    nodes.push(
      { kind: 'linear', name: 'projection.0', input: FEATURES, features: projection.hidden },
      { kind: 'relu', name: 'projection.1', input: 'projection.0' },
      { kind: 'linear', name: OUTPUTS.projection, input: 'projection.1', features: projection.dim },
    );
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
