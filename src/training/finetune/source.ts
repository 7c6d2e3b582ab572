/**
 * Where the weights of a fine-tuning come from: random, a run (pretrained or fine-tuned before), or a safetensors file
 * of a ResNet that the person brings. Says what network and view they fit, and what they were trained on.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { usageError } from '../../base/errors.ts';
import { readBackbone } from '../backbone.ts';
import type { Weights } from '../checkpoint.ts';
import type { Tree } from '../config-errors.ts';
import { type Provenance, trainedOn } from '../provenance.ts';
import type { FinetuneConfig } from './config.ts';

export const RANDOM = 'random';

export interface FinetuneSource {
  readonly kind: 'random' | 'weights';
  /** What was given: `random`, a run folder or a file. */
  readonly given: string;
  /** The safetensors file; null for random. */
  readonly path: string | null;
  readonly sha256: string | null;
  /** Of a checkpoint of this program. */
  readonly step: number | null;
  readonly epoch: number | null;
  readonly weights: Weights | null;
  /** What the weights were trained on, where it is known. */
  readonly trainedOn: readonly Provenance[] | null;
  /** The network the weights are of. */
  readonly network: { readonly backbone: string; readonly width: number; readonly channels: number } | null;
  /** The lowest layer of the configuration: the network and the view that the weights were made with. */
  readonly under: Tree;
}

/** What is kept of a source in `source.json`. */
export type SourceRecord = Omit<FinetuneSource, 'weights' | 'under' | 'network'>;

/** Reads a source; `channels` are the dataset's. Errors: those of `readBackbone`. */
export function readSource(given: string, channels: 1 | 3): FinetuneSource {
  if (given === RANDOM)
    return {
      ...{ kind: 'random', given, path: null, sha256: null, step: null, epoch: null },
      ...{ weights: null, trainedOn: null, network: null, under: { view: { channels } } },
    };
  const found = readBackbone(given);
  const { model, view } = found.config;
  const { backbone, width, normMomentum } = model;
  return {
    kind: 'weights',
    given,
    path: found.path,
    sha256: createHash('sha256').update(readFileSync(found.path)).digest('hex'),
    step: found.checkpoint?.step ?? null,
    epoch: found.checkpoint?.epoch ?? null,
    weights: found.weights,
    trainedOn: found.checkpoint === null ? null : trainedOn(found.path),
    network: { backbone, width, channels: view.channels },
    under: {
      model: { backbone, width, normMomentum },
      view: { size: view.size, channels: view.channels, resize: view.resize, normalise: view.normalise },
    },
  };
}

/** Refuses a network that the weights do not fit. Error: `WEIGHTS_MISMATCH`. */
export function requireFit(source: FinetuneSource, config: FinetuneConfig): void {
  const { network } = source;
  if (network === null) return;
  for (const [key, has, asked] of [
    ['model.backbone', network.backbone, config.model.backbone],
    ['model.width', network.width, config.model.width],
    ['view.channels', network.channels, config.view.channels],
  ] as const) {
    if (has === asked) continue;
    throw usageError(
      'WEIGHTS_MISMATCH',
      `The weights of ${source.given} are of a network with ${key}=${has}, not ${asked}.`,
      `Leave ${key} out: it follows the weights. For another network give other weights, or "random".`,
      { where: `key ${key}` },
    );
  }
}

/** What `source.json` holds. */
export function recordOf({
  weights: _weights,
  network: _network,
  under: _under,
  ...record
}: FinetuneSource): SourceRecord {
  return record;
}
