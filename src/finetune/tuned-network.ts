/**
 * The classifier in training, started again for every fold run. The layers below the lowest trained one are a plan
 * of their own: it is folded and runs forward only. The layers above it train on the values of that plan. Names of
 * parameters decide which of them train, at which learning rate and weight decay, and which batch norms stay as they
 * are.
 */
import type { Backend, Plan } from '../engine/core/backend.ts';
import { cutNetwork, frozenPrefix } from '../engine/core/cut.ts';
import { inferShapes, INPUT, type Network, parameterSpecs } from '../engine/core/network.ts';
import { softCrossEntropy, type SoftCrossEntropyResult } from '../objectives/soft-cross-entropy.ts';
import {
  namesLike,
  parameterGroups,
  type TrainedLayers,
  TrainedNetwork,
} from '../trainer/trained-network.ts';
import { type FinetuneConfig, viewOf } from './config.ts';
import { classifierNetwork } from '../trainer/classifier.ts';
import type { CutNetwork } from './frozen-part.ts';
import { type FinetuneSource, startFrom } from './source.ts';
import type { ParameterGroup } from '../engine/core/optimizer.ts';
import { OUTPUTS } from '../models/heads.ts';

/** One batch, its values at the cut in the input of `training(N)`: `targets` [N, classes], `weights` [N] or null. */
export interface FinetuneBatch {
  /** For messages. */
  readonly clipIds: readonly string[];
  readonly targets: Float32Array;
  readonly weights: Float64Array | null;
}

/**
 * Values at the cut pass through the host, so a cut pays only where they are few: the first convolution of a ResNet
 * makes sixteen times the numbers of a grey image, its first stage four times.
 */
const WORTH_CUTTING = 4;

function lengthAt(network: Network, value: string): number {
  return inferShapes(network)
    .get(value)!
    .reduce((product, side) => product * side, 1);
}

export class TunedNetwork
  extends TrainedNetwork<FinetuneBatch, SoftCrossEntropyResult>
  implements CutNetwork
{
  readonly layers: TrainedLayers;
  /** The value at which the network is cut; `input` where nothing below it is frozen. */
  readonly cut: string;
  /** Numbers of one image at the cut. */
  readonly cutLength: number;
  readonly #source: FinetuneSource;
  readonly #classes: number;
  readonly #below: Network;
  readonly #above: Network;
  #startedFrom: number | null = null;

  constructor(backend: Backend, config: FinetuneConfig, source: FinetuneSource, classes: number) {
    const whole = classifierNetwork(config.model, viewOf(config), classes);
    const network = { ...whole, outputs: [OUTPUTS.logits] };
    const layers = trainedLayers(network, config);
    super(backend, network, config);
    this.layers = layers;
    this.#source = source;
    this.#classes = classes;
    const highest = frozenPrefix(network, layers.trainable, layers.frozenNorm);
    const worth = lengthAt(network, highest) <= WORTH_CUTTING * lengthAt(network, INPUT);
    this.cut = worth ? highest : INPUT;
    this.cutLength = lengthAt(network, this.cut);
    const { below, above } = cutNetwork(network, this.cut);
    this.#below = below;
    this.#above = above;
  }

  /**
   * Starts a fold: the source's weights (random ones and the new classifier drawn from `seed`), a new optimizer. Says
   * whether what lies below the cut is other than before, so that nothing computed of it may be kept.
   */
  start(seed: number): { readonly belowChanged: boolean } {
    startFrom(this.#source, this.parameters, seed);
    const first = this.#startedFrom === null;
    const belowChanged = first || (this.#source.weights === null && this.#startedFrom !== seed);
    // Folded weights are prepared when a plan is compiled.
    if (belowChanged) this.dropPlans('below');
    this.#startedFrom = seed;
    this.begin(this.layers.groups);
    return { belowChanged };
  }

  /** The frozen part for so many images; null where there is none. Its output is called `cut`. */
  below(images: number): Plan | null {
    if (this.cut === INPUT) return null;
    return this.planOf('below', this.#below, { batch: images, mode: 'infer', fold: true });
  }

  /** The part above the cut for prediction; reads the weights as they are. */
  scoring(images: number): Plan {
    return this.planOf('scoring', this.#above, { batch: images, mode: 'infer' });
  }

  /** The part above the cut in training. The batch goes to its `input`, values at the cut. */
  training(images: number): Plan {
    // The activations of a training plan are large: one size at a time.
    this.dropPlans('training', images);
    const { trainable, frozenNorm: frozenNorms } = this.layers;
    return this.planOf('training', this.#above, { batch: images, mode: 'train', trainable, frozenNorms });
  }

  protected override load({ clipIds }: FinetuneBatch): readonly Plan[] {
    return [this.training(clipIds.length)];
  }

  protected override lossesOf(
    plans: readonly Plan[],
    { targets, weights }: FinetuneBatch,
  ): SoftCrossEntropyResult {
    const plan = plans[0]!;
    const gradient = plan.outputGradient(OUTPUTS.logits);
    return softCrossEntropy(plan.output(OUTPUTS.logits), targets, this.#classes, weights, gradient);
  }
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
