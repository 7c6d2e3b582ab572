/** The network that is explained: a fine-tuned one with its classes, or a pretrained backbone without any. */
import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Backend, Parameters } from '../../engine/backend.ts';
import type { Network } from '../../engine/network.ts';
import { readSafetensorsHeader } from '../../formats/safetensors.ts';
import type { ViewConfig } from '../../views/config.ts';
import { readBackbone, type WhichCheckpoint } from '../backbone.ts';
import { CHECKPOINTS, restoreWeights } from '../checkpoint.ts';
import { openModel } from '../finetune/model.ts';
import type { Ingested } from '../ingested.ts';
import { backboneOf } from '../learner.ts';
import { fileHash, RUN_FILES } from '../run-folder.ts';

/** What is needed of a view to take a whole frame. */
export type WholeView = Pick<ViewConfig, 'size' | 'channels' | 'normalise'>;

/** Owns native memory: dispose of it (the backend is the caller's). */
export interface Subject extends Disposable {
  readonly network: Network;
  readonly parameters: Parameters;
  readonly view: WholeView;
  /** Null for a backbone that was not fine-tuned. */
  readonly classes: readonly string[] | null;
  /** How the clips were stored that it learned its classes from; null where nobody said. */
  readonly ingested: Ingested | null;
  readonly weights: {
    readonly file: string;
    readonly sha256: string;
    readonly step: number | null;
    readonly epoch: number | null;
  };
}

/**
 * Opens a run folder (of pretraining or fine-tuning), a checkpoint, or a safetensors file of a ResNet. Errors: those of
 * `openModel` and `readBackbone`.
 */
export function openSubject(source: string, backend: Backend, which: WhichCheckpoint = 'best'): Subject {
  if (isFineTuned(source)) {
    const model = openModel(source, backend, { batch: 1 });
    const { network, parameters, view, classes, checkpoint } = model;
    return {
      ...{ network, parameters, view, classes, ingested: checkpoint.classifier?.ingest ?? null },
      weights: { ...fileOf(model.path), step: checkpoint.step, epoch: checkpoint.epoch },
      [Symbol.dispose]() {
        model[Symbol.dispose]();
      },
    };
  }
  const { path, config, checkpoint, weights } = readBackbone(source, which);
  const network = backboneOf(config);
  const parameters = backend.createParameters(network);
  try {
    restoreWeights(weights, parameters, path);
  } catch (thrown) {
    parameters[Symbol.dispose]();
    throw thrown;
  }
  return {
    ...{ network, parameters, view: config.view, classes: null, ingested: null },
    weights: { ...fileOf(path), step: checkpoint?.step ?? null, epoch: checkpoint?.epoch ?? null },
    [Symbol.dispose]() {
      parameters[Symbol.dispose]();
    },
  };
}

/** Whether the weights carry classes. */
function isFineTuned(source: string): boolean {
  const isFile = statSync(source, { throwIfNoEntry: false })?.isFile() === true;
  const path = isFile ? source : join(source, RUN_FILES.checkpoints, CHECKPOINTS.best);
  if (!existsSync(path)) return false;
  return readSafetensorsHeader(path).metadata['classifier'] !== undefined;
}

function fileOf(path: string): { readonly file: string; readonly sha256: string } {
  return { file: basename(path), sha256: fileHash(path) };
}
