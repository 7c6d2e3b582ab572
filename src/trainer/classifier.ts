/**
 * Opens a fine-tuned network for prediction. It comes from the folder of a fine-tuning run (its final model) or from
 * one of its safetensors files. Such a file names its classes and says how its images are made.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { dataError, UsclError } from '../base/errors.ts';
import type { Backend, Parameters, Precision } from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import type { FrameViewConfig } from '../views/config.ts';
import { loadNetwork } from './backbone.ts';
import { type Checkpoint, CHECKPOINTS, readCheckpoint } from '../runs/checkpoint.ts';
import { restoreWeights } from '../runs/named-tensors.ts';
import { backboneOf } from '../models/backbone.ts';
import { RUN_FILES } from '../runs/run-folder.ts';

/** How a model is compiled. */
export interface ModelOptions {
  /** Images at a time. Default 32. */
  readonly batch?: number;
  /** Default: the fastest of the backend. */
  readonly precision?: Precision;
}

/** Owns native memory: dispose of it (the backend is the caller's). */
export interface Model extends Disposable {
  /** The safetensors file. */
  readonly path: string;
  readonly checkpoint: Checkpoint;
  /** Names of the classes, in the order of the probabilities. */
  readonly classes: readonly string[];
  /** How images are made: `fillWholeView(frame, clip, view, target, offset)`. */
  readonly view: FrameViewConfig;
  readonly network: Network;
  readonly parameters: Parameters;
  /** Most images in one call of `predict`. */
  readonly batch: number;
  /** `[batch, channels, size, size]`: images may be written here and `predict` be called without copying them. */
  readonly input: Float32Array;
  /**
   * Class probabilities [count, classes] of normalised images [count, channels, size, size]; without `images` those in
   * `input`. Error: `NON_FINITE`.
   */
  predict(count: number, images?: Float32Array): Float32Array;
}

/** The file of a model: the final model of a run, or the file itself. Errors: `MODEL_MISSING`. */
export function modelFile(source: string): string {
  if (statSync(source, { throwIfNoEntry: false })?.isFile() === true) return source;
  const path = join(source, RUN_FILES.checkpoints, CHECKPOINTS.best);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return path;
  throw dataError(
    'MODEL_MISSING',
    `There is no fine-tuned model at ${source}.`,
    'Give the folder of a finished `uscl finetune` run (without --no-final), or a safetensors file that one wrote.',
    { where: path },
  );
}

/** Opens a fine-tuned network. Errors: `MODEL_MISSING`, `MODEL_WITHOUT_CLASSES`, those of `readCheckpoint`. */
export function openModel(source: string, backend: Backend, options: ModelOptions = {}): Model {
  const path = modelFile(source);
  const checkpoint = readCheckpoint(path);
  if (checkpoint.classifier === undefined)
    throw dataError(
      'MODEL_WITHOUT_CLASSES',
      `${path} holds a backbone that was not fine-tuned: it knows no classes.`,
      'Fine-tune it first: uscl finetune RUN DATASET --out RUN2, then give RUN2.',
      { where: path },
    );
  const { classes, view } = checkpoint.classifier;
  const network = classifierNetwork(checkpoint.model, view, classes.length);
  const { batch = 32, precision = backend.describe().precisions[0] ?? 'f32' } = options;
  const fill = (parameters: Parameters): void => {
    restoreWeights(checkpoint.tensors, parameters, path);
  };
  const loaded = loadNetwork(backend, network, fill, { batch, precision });
  const { parameters, plan } = loaded;
  const imageLength = plan.input.length / batch;
  return {
    ...{ path, checkpoint, classes, view, network, parameters, batch },
    get input() {
      return plan.input;
    },
    predict(count, images) {
      if (count < 0 || count > batch || (images !== undefined && images.length < count * imageLength))
        throw new RangeError(`${count} images do not fit a batch of ${batch}, or are not all there.`);
      if (images !== undefined) plan.input.set(images.subarray(0, count * imageLength));
      plan.forward();
      return softmaxRows(plan.output(OUTPUTS.logits), count, classes.length);
    },
    [Symbol.dispose]() {
      loaded[Symbol.dispose]();
    },
  };
}

/** The backbone of a checkpoint with a classifier on its representation. */
export function classifierNetwork(
  model: Pick<Checkpoint['model'], 'backbone' | 'width'> & { readonly normMomentum?: number },
  view: FrameViewConfig,
  classes: number,
): Network {
  const trunk = backboneOf({ model: { normMomentum: 0.1, ...model }, view });
  return withHeads(trunk, { projection: null, classifier: { classes, input: 'representation' } });
}

/** Softmax of the first `rows` rows, in float64. Error: `NON_FINITE`. */
export function softmaxRows(logits: Float32Array, rows: number, classes: number): Float32Array {
  const result = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    let largest = -Infinity;
    for (const score of scores) {
      if (!Number.isFinite(score))
        throw new UsclError({
          kind: 'numeric',
          code: 'NON_FINITE',
          message: 'The class scores of the network are not finite.',
          remedy:
            'The weights are probably broken: use an earlier checkpoint, or train with a lower learning rate.',
        });
      largest = Math.max(largest, score);
    }
    let sum = 0;
    for (const score of scores) sum += Math.exp(score - largest);
    for (let c = 0; c < classes; c++) result[row * classes + c] = Math.exp(scores[c]! - largest) / sum;
  }
  return result;
}
