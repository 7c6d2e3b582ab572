/**
 * The weights that a fine-tuning starts from: random ones, those of a run (pretrained or fine-tuned), or a
 * safetensors file or PyTorch checkpoint of a ResNet. A source also names the network and view that fit it, and the data that it was
 * trained on.
 */
import { usageError } from '../base/errors.ts';
import { readBackbone } from '../trainer/backbone.ts';
import type { Parameters } from '../engine/core/backend.ts';
import { OUTPUTS } from '../models/heads.ts';
import { initialise } from '../models/initialise.ts';
import { restoreWeights, type Weights } from '../runs/checkpoint.ts';
import { type Tree, valueAt } from '../runs/config-errors.ts';
import { type Source, trainedOn } from '../runs/provenance.ts';
import { fileHash } from '../runs/run-folder.ts';
import type { FinetuneConfig } from './config.ts';

export const RANDOM = 'random';

export interface FinetuneSource {
  /** The record in `source.json`; `path` is the file of weights, null for random. */
  readonly record: Source & { readonly path: string | null };
  readonly weights: Weights | null;
  /** The lowest layer of the configuration: the network and the view that the weights were made with. */
  readonly under: Tree;
}

/** Weights as they are initialised, for images of so many channels. */
export function randomSource(channels: 1 | 3): FinetuneSource {
  const unknown = { path: null, sha256: null, step: null, epoch: null, trainedOn: null };
  return {
    record: { kind: 'random', given: RANDOM, ...unknown },
    weights: null,
    under: { view: { channels } },
  };
}

/** Reads a source; `channels` are the dataset's. Errors: those of `readBackbone`. */
export async function readSource(given: string, channels: 1 | 3): Promise<FinetuneSource> {
  if (given === RANDOM) return randomSource(channels);
  const { path, checkpoint, config, weights } = await readBackbone(given);
  const { backbone, width, normMomentum } = config.model;
  const { size, channels: own, resize, normalise } = config.view;
  const sets = checkpoint === null ? null : trainedOn(path);
  return {
    record: {
      ...{ kind: 'weights', given, path, sha256: fileHash(path) },
      ...{ step: checkpoint?.step ?? null, epoch: checkpoint?.epoch ?? null },
      trainedOn: sets === null ? null : [...sets],
    },
    weights,
    under: { model: { backbone, width, normMomentum }, view: { size, channels: own, resize, normalise } },
  };
}

/** Sets the weights that a fold starts from: the source's (random ones drawn from `seed`), and a new classifier. */
export function startFrom({ weights, record }: FinetuneSource, parameters: Parameters, seed: number): void {
  initialise(parameters, seed);
  if (weights === null) return;
  const isOwn = (name: string): boolean => !name.startsWith(`${OUTPUTS.logits}.`);
  restoreWeights(weights, parameters, record.path ?? '', isOwn);
}

/** Refuses a network that the weights do not fit. Error: `WEIGHTS_MISMATCH`. */
export function requireFit({ record, under, weights }: FinetuneSource, config: FinetuneConfig): void {
  if (weights === null) return;
  for (const key of ['model.backbone', 'model.width', 'view.channels']) {
    const [has, asked] = [under, config].map((tree) => String(valueAt(tree, key.split('.'))));
    if (has === asked) continue;
    throw usageError(
      'WEIGHTS_MISMATCH',
      `The weights of ${record.given} are of a network with ${key}=${has ?? ''}, not ${asked ?? ''}.`,
      `Leave ${key} out: it follows the weights. For another network give other weights, or "random".`,
      { where: `key ${key}` },
    );
  }
}
