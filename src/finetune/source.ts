/**
 * The weights that a fine-tuning starts from: random ones, those of a run (pretrained or fine-tuned), or a
 * file of a ResNet (`trainer/starting-weights.ts`). A source also names the network and view that fit it, and the data that it was
 * trained on.
 */
import type { Parameters } from '../engine/core/backend.ts';
import { OUTPUTS } from '../models/heads.ts';
import { initialise } from '../models/initialise.ts';
import { restoreWeights, type Weights } from '../runs/named-tensors.ts';
import type { Tree } from '../runs/config-errors.ts';
import type { Source } from '../runs/provenance.ts';
import { type AskedView, readStart, requireFit as requireWeightsFit } from '../trainer/starting-weights.ts';
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

/**
 * Reads a source for a fine-tuning that asks for such a view; `channels` are the dataset's. Errors: those of `readStart`.
 */
export async function readSource(
  given: string,
  channels: 1 | 3,
  asked: AskedView = {},
): Promise<FinetuneSource> {
  if (given === RANDOM) return randomSource(channels);
  return await readStart(given, asked);
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
  if (weights !== null) requireWeightsFit(record.given, under, config);
}
