/**
 * What of a network trains: which parameters, with which learning rate and weight decay, and which batch norms stand
 * still. Everything follows from names.
 */
import { type Network, parameterSpecs } from '../../engine/network.ts';
import type { ParameterGroup } from '../../engine/optimizer.ts';
import { OUTPUTS } from '../../models/heads.ts';
import { namesLike, parameterGroups } from '../trained-network.ts';
import type { FinetuneConfig } from './config.ts';

export interface TrainedLayers {
  /** Whether a parameter trains. */
  readonly trainable: (parameter: string) => boolean;
  /** Whether a batch norm (by node) normalises with running statistics that never change. */
  readonly frozenNorm: (node: string) => boolean;
  readonly groups: readonly ParameterGroup[];
}

/** The trained layers of a network with a classifier. Error: `CONFIG_INVALID` for a pattern that fits no parameter. */
export function trainedLayers(
  network: Network,
  config: Pick<FinetuneConfig, 'layers' | 'norms' | 'layerRates' | 'optimizer'>,
): TrainedLayers {
  const names = parameterSpecs(network).map(({ name }) => name);
  const chosen = chosenNames(network, names, config.layers);
  const trainable = (name: string): boolean => chosen.has(name);
  const { norms } = config;
  return {
    trainable,
    frozenNorm: (node) =>
      norms === 'frozen' ||
      (norms === 'trained' && !trainable(`${node}.weight`) && !trainable(`${node}.bias`)),
    groups: groupsOf(names, names.filter(trainable), config),
  };
}

function chosenNames(
  network: Network,
  names: readonly string[],
  layers: FinetuneConfig['layers'],
): ReadonlySet<string> {
  const patterns = [`${OUTPUTS.logits}.*`, ...patternsOf(network, layers)];
  return new Set(patterns.flatMap((pattern) => namesLike(names, pattern, 'layers')));
}

function patternsOf(network: Network, layers: FinetuneConfig['layers']): readonly string[] {
  if (typeof layers !== 'string') return layers;
  switch (layers) {
    case 'head':
      return [];
    case 'all':
      return ['*'];
    case 'last-block': {
      const block = network.nodes.findLast(({ kind }) => kind === 'addRelu');
      return block === undefined ? [] : [`${block.name}.*`];
    }
  }
}

/** Parameters by weight decay, each kind again by the factor of its learning rate. */
function groupsOf(
  names: readonly string[],
  trained: readonly string[],
  { optimizer, layerRates }: Pick<FinetuneConfig, 'optimizer' | 'layerRates'>,
): readonly ParameterGroup[] {
  const factors = new Map<string, number>();
  for (const [pattern, factor] of Object.entries(layerRates))
    for (const name of namesLike(names, pattern, 'layerRates')) factors.set(name, factor);
  const kept = new Set(trained);
  return parameterGroups(names, optimizer).flatMap((group) => {
    const parameters = group.parameters.filter((name) => kept.has(name));
    const rates = [...new Set(parameters.map((name) => factors.get(name) ?? 1))].sort((a, b) => a - b);
    return rates.map((factor) => ({
      parameters: parameters.filter((name) => (factors.get(name) ?? 1) === factor),
      learningRateFactor: factor,
      weightDecay: group.weightDecay,
    }));
  });
}
