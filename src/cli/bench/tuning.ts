/**
 * What comes after pretraining, on call for benchmarks: an optimizer step of fine-tuning (all layers, or the last block
 * on top of a folded frozen part) and folded inference, each on a batch that stays in memory. The steps are the
 * product's own (`TunedNetwork`, folded plans), not copies.
 */
import { randomAt } from '../../base/random.ts';
import type { Backend, Parameters, Plan } from '../../engine/core/backend.ts';
import { softTargets } from '../../objectives/targets.ts';
import { loadNetwork } from '../../trainer/backbone.ts';
import type { Config } from '../../runs/config.ts';
import { classifierNetwork } from '../../trainer/classifier.ts';
import { resolveFinetune } from '../../finetune/config.ts';
import { RANDOM, readSource } from '../../finetune/source.ts';
import { TunedNetwork } from '../../finetune/tuned-network.ts';
import { initialise } from '../../models/initialise.ts';

export const TUNING_WORKS = ['inference', 'last-block', 'all'] as const;
export type TuningWork = (typeof TUNING_WORKS)[number];

export interface TuningStep extends Disposable {
  /** Images of a step. */
  readonly images: number;
  /** Does the work once. */
  step(): void | Promise<void>;
}

const CLASSES = 3;

function inferenceStep(backend: Backend, config: Config, images: number): TuningStep {
  const network = classifierNetwork(config.model, config.view, CLASSES);
  const fill = (parameters: Parameters): void => {
    initialise(parameters, config.seed);
  };
  const precision = config.precision === 'bf16' ? 'bf16' : 'f32';
  const loaded = loadNetwork(backend, network, fill, { batch: images, precision });
  fillNoise(loaded.plan.input);
  return {
    images,
    step: () => {
      loaded.plan.forward();
    },
    [Symbol.dispose]: () => {
      loaded[Symbol.dispose]();
    },
  };
}

/** Network, view and precision are those of `config` (settled); `images` in a step. */
export function openTuningStep(
  backend: Backend,
  config: Config,
  work: TuningWork,
  images: number,
): TuningStep {
  if (work === 'inference') return inferenceStep(backend, config, images);
  const { backbone, width, normMomentum } = config.model;
  const { size, channels } = config.view;
  const source = readSource(RANDOM, channels);
  const network = { model: { backbone, width, normMomentum }, view: { size, channels } };
  const settings = resolveFinetune({
    overrides: { layers: work, batch: images, precision: config.precision, ...network },
  });
  const tunedNetwork = new TunedNetwork(backend, settings, source, CLASSES);
  tunedNetwork.start(config.seed);
  const above = tunedNetwork.training(images);
  const below = tunedNetwork.below(images);
  const noise = fillNoise(new Float32Array((below ?? above).input.length));
  const labels = Int32Array.from({ length: images }, (_, row) => row % CLASSES);
  const targets = softTargets(labels, CLASSES);
  const clipIds = Array.from({ length: images }, (_, row) => `image${row}`);
  return {
    images,
    step: async () => {
      above.input.set(below === null ? noise : passed(below, noise, tunedNetwork.cut));
      const batch = { clipIds, targets, weights: null };
      await tunedNetwork.step(() => Promise.resolve(batch), 1, settings.optimizer.learningRate, null);
    },
    [Symbol.dispose]: () => {
      tunedNetwork[Symbol.dispose]();
    },
  };
}

function passed(below: Plan, images: Float32Array, cut: string): Float32Array {
  below.input.set(images);
  below.forward();
  return below.output(cut);
}

function fillNoise(target: Float32Array): Float32Array {
  const random = randomAt(0, 'bench');
  for (let i = 0; i < target.length; i++) target[i] = random.normal();
  return target;
}
