/**
 * Our folded inference (as predictions make it, or the features of a probe) and fine-tuning steps (all layers, or the last block on top of a folded frozen part) behind the
 * protocol of `peers/protocol.py`, on a batch of noise that stays in memory. The steps are the product's own.
 *
 *     tsx bench/ours-tuning.ts inference|features|last-block|all images [key=value ...]
 */
import { randomAt } from '../src/base/random.ts';
import type { Parameters } from '../src/engine/core/backend.ts';
import { openBackend } from '../src/engine/open.ts';
import { resolveFinetune } from '../src/finetune/config.ts';
import { randomSource } from '../src/finetune/source.ts';
import { TunedNetwork } from '../src/finetune/tuned-network.ts';
import { initialise } from '../src/models/initialise.ts';
import { softTargets } from '../src/objectives/targets.ts';
import { resolveConfig, settled } from '../src/runs/config.ts';
import { loadNetwork, randomBackbone } from '../src/trainer/backbone.ts';
import { classifierNetwork } from '../src/trainer/classifier.ts';
import { answerSteps, say } from './answers.ts';

const CLASSES = 3;

const [work = '', count, ...set] = process.argv.slice(2);
const images = Number(count);
const wanted = resolveConfig({ set });
using backend = openBackend({ kind: wanted.backend, threads: wanted.threads });
const config = settled(wanted, backend);
const { step, owner } = workOf(work);
using _owned = owner;
say({
  program: 'uscl',
  work,
  images,
  backbone: config.model.backbone,
  size: config.view.size,
  channels: config.view.channels,
  precision: config.precision,
  backend: backend.describe(),
  node: process.version,
});
await answerSteps(step);

/** The work once, and who holds its memory. */
function workOf(asked: string): { readonly step: () => unknown; readonly owner: Disposable } {
  const { model, view, precision, seed } = config;
  if (asked === 'inference') {
    const fill = (parameters: Parameters): void => {
      initialise(parameters, seed);
    };
    const options = { batch: images, precision: precision === 'bf16' ? 'bf16' : 'f32' } as const;
    const loaded = loadNetwork(backend, classifierNetwork(model, view, CLASSES), fill, options);
    loaded.plan.input.set(noise(loaded.plan.input.length));
    return {
      step: () => {
        loaded.plan.forward();
      },
      owner: loaded,
    };
  }
  if (asked === 'features') {
    const loaded = randomBackbone(backend, config, seed);
    if (loaded.plan.batch !== images)
      throw new RangeError(`features are made ${loaded.plan.batch} at a time, not ${images}`);
    loaded.plan.input.set(noise(loaded.plan.input.length));
    return {
      step: () => {
        loaded.plan.forward();
      },
      owner: loaded,
    };
  }
  if (asked !== 'last-block' && asked !== 'all') throw new RangeError(`unknown work ${asked}`);
  const { backbone, width, normMomentum } = model;
  const { size, channels } = view;
  const settings = resolveFinetune({
    overrides: {
      ...{ layers: asked, batch: { size: images }, precision },
      ...{ model: { backbone, width, normMomentum }, view: { size, channels } },
    },
  });
  const tuned = new TunedNetwork(backend, settings, randomSource(channels), CLASSES);
  tuned.start(seed);
  const above = tuned.training(images);
  const below = tuned.below(images);
  const pictures = noise((below ?? above).input.length);
  const labels = Int32Array.from({ length: images }, (_, row) => row % CLASSES);
  const batch = {
    clipIds: Array.from(labels, (_, row) => `image${row}`),
    targets: softTargets(labels, CLASSES),
    weights: null,
  };
  const step = async (): Promise<void> => {
    (below ?? above).input.set(pictures);
    below?.forward();
    if (below !== null) above.input.set(below.output(tuned.cut));
    await tuned.step(() => Promise.resolve(batch), 1, settings.optimizer.learningRate, null);
  };
  return { step, owner: tuned };
}

function noise(length: number): Float32Array {
  const random = randomAt(0, 'bench');
  return Float32Array.from({ length }, () => random.normal());
}
