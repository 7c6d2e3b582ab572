/**
 * Opens a pretrained backbone that turns frames into features. It comes from a run folder, from a checkpoint, or
 * from a file of another tool (`foreign-weights.ts`). The shapes of the tensors tell the architecture of such a file.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { dataError } from '../base/errors.ts';
import { Resources } from '../base/resources.ts';
import type { Backend, Parameters, Plan, PlanOptions } from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';
import type { Dataset } from '../dataset/reader.ts';
import {
  type ClipEmbeddings,
  type Embedder,
  type EmbedOptions,
  embedRows,
  frameRows,
} from '../evaluation/features/embeddings.ts';
import { readSafetensorsHeader } from '../formats/safetensors.ts';
import { OUTPUTS } from '../models/heads.ts';
import { initialise } from '../models/initialise.ts';
import type { ViewConfig } from '../views/config.ts';
import { FrameLoader } from '../views/loaders.ts';
import { type Checkpoint, CHECKPOINTS, readCheckpoint } from '../runs/checkpoint.ts';
import { restoreWeights, type Weights } from '../runs/named-tensors.ts';
import { type Config, resolveConfig } from '../runs/config.ts';
import { backboneOf } from '../models/backbone.ts';
import { type ForeignWeights, isForeign, readForeign, type WeightsView } from './foreign-weights.ts';
import { publishedWeights } from '../runs/published-folder.ts';
import { isRun, readRunConfig, RUN_FILES, taskOf } from '../runs/run-folder.ts';

/** The weights of a run to open: the best by its score, or the latest. */
export type WhichCheckpoint = 'best' | 'last';

/** Weights on disk and the view they were trained with. */
export interface BackboneSource {
  /** The file of the weights. */
  readonly path: string;
  /** Configuration of the run, or the defaults with the architecture of the file. */
  readonly config: Config;
  /** Null for a file that this program did not write. */
  readonly checkpoint: Checkpoint | null;
  readonly weights: Weights;
  /** What was found in a file that is no checkpoint; null for one. */
  readonly foreign: ForeignWeights | null;
}

/**
 * Reads the weights of `source`: a run folder (its `best`, or `last` where nothing was scored; of a fine-tuning run its
 * final model), a checkpoint in one, a safetensors file or PyTorch checkpoint of a ResNet, or a folder with one as timm publishes
 * it. Errors: `RUN_MISSING`, `RUN_DAMAGED`, those of `readCheckpoint` and `readForeign`.
 */
export async function readBackbone(source: string, which: WhichCheckpoint = 'best'): Promise<BackboneSource> {
  if (statSync(source, { throwIfNoEntry: false })?.isFile() === true) return await readWeightsFile(source);
  const published = publishedWeights(source);
  if (published !== null) return await readWeightsFile(published);
  const folder = join(source, RUN_FILES.checkpoints);
  const best = join(folder, CHECKPOINTS.best);
  if (taskOf(source) === 'finetune') return await readWeightsFile(best);
  const config = readRunConfig(source);
  const path = which === 'best' && existsSync(best) ? best : join(folder, CHECKPOINTS.last);
  const checkpoint = readCheckpoint(path);
  return { path, config, checkpoint, weights: checkpoint.tensors, foreign: null };
}

async function readWeightsFile(path: string): Promise<BackboneSource> {
  if (!isForeign(path) && readSafetensorsHeader(path).metadata['format'] === 'uscl-checkpoint') {
    const checkpoint = readCheckpoint(path);
    const run = join(path, '..', '..');
    const { backbone, width, channels, size } = checkpoint.model;
    const { resize, normalise } = checkpoint.classifier?.view ?? {};
    const view = {
      ...{ channels, size },
      ...(resize === undefined ? {} : { resize }),
      ...(normalise === undefined ? {} : { normalise }),
    };
    const config =
      isRun(run) && taskOf(run) === 'pretrain'
        ? readRunConfig(run)
        : resolveConfig({ overrides: { model: { backbone, width }, view } });
    return { path, config, checkpoint, weights: checkpoint.tensors, foreign: null };
  }
  const foreign = await readForeign(path);
  const { weights, view } = foreign;
  return { path, config: configOfWeights(weights, path, view), checkpoint: null, weights, foreign };
}

/** The ResNet with these tensors, and the view that is known of it; torchvision's channel statistics are not assumed. */
export function configOfWeights(weights: Weights, path: string, view: WeightsView = {}): Config {
  const [width, channels] = weights.get('conv1.weight')?.shape ?? [];
  const bottleneck = weights.has('layer1.0.conv3.weight');
  const deep = weights.has('layer3.5.conv1.weight');
  if (width === undefined || (channels !== 1 && channels !== 3) || (bottleneck && !deep))
    throw dataError(
      'WEIGHTS_UNKNOWN',
      `The tensors of ${path} are not those of a ResNet-18, 34 or 50 of grey or colour images.`,
      'Give a run folder, a checkpoint of this program, or a safetensors or PyTorch file of such a network.',
      { where: path },
    );
  const backbone = bottleneck ? 'resnet50' : deep ? 'resnet34' : 'resnet18';
  return resolveConfig({ overrides: { model: { backbone, width }, view: { ...view, channels } } });
}

/** A network in memory with its weights. Owns native memory: dispose of it (the backend is the caller's). */
export interface LoadedNetwork extends Disposable {
  readonly parameters: Parameters;
  /** For inference, folded: weights never change again. */
  readonly plan: Plan;
}

/** A network with what `fill` writes into its parameters. Errors: those of `fill`. */
export function loadNetwork(
  backend: Backend,
  network: Network,
  fill: (parameters: Parameters) => void,
  options: Partial<Pick<PlanOptions, 'batch' | 'precision' | 'winograd'>> = {},
): LoadedNetwork {
  const { batch = 32, precision = 'f32', winograd = false } = options;
  using opening = new Resources();
  const parameters = opening.use(backend.createParameters(network));
  fill(parameters);
  const plan = opening.use(
    backend.compile(network, parameters, { batch, mode: 'infer', precision, fold: true, winograd }),
  );
  const open = opening.move();
  return {
    ...{ parameters, plan },
    [Symbol.dispose]() {
      open[Symbol.dispose]();
    },
  };
}

/** Features are compared, sorted and fitted, never continued: they may be rounded otherwise. */
const FOR_FEATURES = { winograd: true } as const;

/** The backbone of `source`, for features alone. Errors: `CHECKPOINT_MISMATCH`. */
export function loadBackbone(backend: Backend, { config, weights, path }: BackboneSource): LoadedNetwork {
  const fill = (parameters: Parameters): void => {
    restoreWeights(weights, parameters, path);
  };
  return loadNetwork(backend, backboneOf(config), fill, FOR_FEATURES);
}

/** One of the same shape, as initialised from `seed` (a run's own seed gives the very weights it started from). */
export function randomBackbone(backend: Backend, config: Config, seed: number): LoadedNetwork {
  const fill = (parameters: Parameters): void => {
    initialise(parameters, seed);
  };
  return loadNetwork(backend, backboneOf(config), fill, FOR_FEATURES);
}

/** The representation r of an inference plan. */
export function embedderOf(plan: Plan): Embedder {
  const dim = plan.output(OUTPUTS.features).length / plan.batch;
  return {
    batch: plan.batch,
    dim,
    get input() {
      return plan.input;
    },
    embed(images, count) {
      const { input } = plan;
      if (images !== input) input.set(images);
      plan.forward();
      return plan.output(OUTPUTS.features).subarray(0, count * dim);
    },
  };
}

/** Images from which on a thread that makes them ahead is worth its start. */
const WORTH_A_THREAD = 256;
/** Batches of images that are made ahead. */
const AHEAD = 3;

/**
 * Features of whole frames (no crop, no randomness) of every clip of a dataset, by each of several plans of one batch
 * size. Images are made once for all of them, ahead, while the plans before compute.
 */
export async function embedClips(
  dataset: Dataset,
  plans: readonly Plan[],
  view: ViewConfig,
  options: Pick<EmbedOptions, 'onProgress' | 'signal'> & { readonly framesPerClip: number },
): Promise<readonly ClipEmbeddings[]> {
  const rows = frameRows(dataset.clips, options.framesPerClip);
  const count = rows.clip.length;
  const batch = plans[0]?.batch ?? 1;
  const { size, channels, resize, normalise } = view;
  await using loader = FrameLoader.open(
    dataset.folder,
    { size, channels, resize, normalise, augment: null },
    {
      ...{ seed: 0, mixup: null, rows: batch, ahead: AHEAD, workers: count < WORTH_A_THREAD ? 0 : 1 },
      schedule: (step) => {
        const from = step * batch;
        if (from >= count) return null;
        const length = Math.min(batch, count - from);
        const wanted = Array.from({ length }, (_, i) => ({
          clip: rows.clip[from + i]!,
          frame: rows.frame[from + i]!,
        }));
        return { epoch: 0, index: step, rows: wanted };
      },
    },
  );
  const images = async (): Promise<Float32Array> => (await loader.next()).images;
  return await embedRows(dataset.clips, rows, plans.map(embedderOf), images, options);
}
