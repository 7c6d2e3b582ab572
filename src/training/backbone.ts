/**
 * A pretrained backbone ready to turn frames into features: from a run folder, from a checkpoint, or from any
 * safetensors file with torchvision's parameter names (its architecture is read off the tensors' shapes).
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UsclError } from '../base/errors.ts';
import type { Backend, Parameters, Plan, Precision } from '../engine/backend.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipEmbeddings } from '../evaluation/embeddings.ts';
import { readSafetensors } from '../formats/safetensors.ts';
import { initialise } from '../models/initialise.ts';
import type { ViewConfig } from '../views/config.ts';
import { type Checkpoint, CHECKPOINTS, readCheckpoint, restoreWeights } from './checkpoint.ts';
import { type Config } from './config.ts';
import { embedClips } from './embedder.ts';
import { backboneOf } from './learner.ts';
import { resolveConfig } from './resolve.ts';
import { isRun, readRunConfig, RUN_FILES, taskOf } from './run-folder.ts';

/** Which weights of a run: the best by its score, or the latest. */
export type WhichCheckpoint = 'best' | 'last';

/** Weights on disk and the view they were trained with. */
export interface BackboneSource {
  /** The safetensors file. */
  readonly path: string;
  /** Configuration of the run, or the defaults with the architecture of the file. */
  readonly config: Config;
  /** Null for a file that this program did not write. */
  readonly checkpoint: Checkpoint | null;
  readonly weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
}

/**
 * Reads the weights of `source`: a run folder (its `best`, or `last` where nothing was scored; of a fine-tuning run its
 * final model), a checkpoint in one, or a safetensors file. Errors: `RUN_MISSING`, `RUN_DAMAGED`, those of `readCheckpoint`, `WEIGHTS_UNKNOWN`.
 */
export function readBackbone(source: string, which: WhichCheckpoint = 'best'): BackboneSource {
  if (statSync(source, { throwIfNoEntry: false })?.isFile() === true) return readWeightsFile(source);
  const folder = join(source, RUN_FILES.checkpoints);
  const best = join(folder, CHECKPOINTS.best);
  if (taskOf(source) === 'finetune') return readWeightsFile(best);
  const config = readRunConfig(source);
  const path = which === 'best' && existsSync(best) ? best : join(folder, CHECKPOINTS.last);
  const checkpoint = readCheckpoint(path);
  return { path, config, checkpoint, weights: checkpoint.tensors };
}

function readWeightsFile(path: string): BackboneSource {
  const { tensors, metadata } = readSafetensors(path);
  if (metadata['format'] === 'uscl-checkpoint') {
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
    return { path, config, checkpoint, weights: checkpoint.tensors };
  }
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape, data }] of tensors)
    if (data instanceof Float32Array) weights.set(name, { shape, data });
  return { path, config: configOfWeights(weights, path), checkpoint: null, weights };
}

/** The ResNet with these tensors; torchvision's channel statistics are not assumed, the view stays the default. */
function configOfWeights(
  weights: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  path: string,
): Config {
  const [width, channels] = weights.get('conv1.weight')?.shape ?? [];
  const bottleneck = weights.has('layer1.0.conv3.weight');
  const deep = weights.has('layer3.5.conv1.weight');
  if (width === undefined || (channels !== 1 && channels !== 3) || (bottleneck && !deep))
    throw new UsclError({
      kind: 'data',
      code: 'WEIGHTS_UNKNOWN',
      message: `The tensors of ${path} are not those of a ResNet-18, 34 or 50 with torchvision's names in f32.`,
      where: path,
      remedy: 'Give a run folder, a checkpoint of this program, or a safetensors file of such a network.',
    });
  const backbone = bottleneck ? 'resnet50' : deep ? 'resnet34' : 'resnet18';
  return resolveConfig({ overrides: { model: { backbone, width }, view: { channels } } });
}

/** A backbone in memory, for features alone. Owns native memory: dispose of it (the backend is the caller's). */
export class Backbone implements Disposable {
  readonly view: ViewConfig;
  readonly parameters: Parameters;
  readonly plan: Plan;

  private constructor(
    backend: Backend,
    config: Config,
    options: BackboneOptions,
    fill: (parameters: Parameters) => void,
  ) {
    const network = backboneOf(config);
    this.view = config.view;
    this.parameters = backend.createParameters(network);
    try {
      fill(this.parameters);
      this.plan = backend.compile(network, this.parameters, {
        batch: options.batch ?? 32,
        mode: 'infer',
        precision: options.precision ?? 'f32',
        // Weights never change again.
        fold: true,
      });
    } catch (thrown) {
      this.parameters[Symbol.dispose]();
      throw thrown;
    }
  }

  /** With the weights of `source`. Errors: `CHECKPOINT_MISMATCH`. */
  static load(backend: Backend, source: BackboneSource, options: BackboneOptions = {}): Backbone {
    return new Backbone(backend, source.config, options, (parameters) => {
      restoreWeights(source.weights, parameters, source.path);
    });
  }

  /** Of the same shape, as initialised from `seed` (a run's own seed gives the very weights it started from). */
  static random(backend: Backend, config: Config, seed: number, options: BackboneOptions = {}): Backbone {
    return new Backbone(backend, config, options, (parameters) => {
      initialise(parameters, seed);
    });
  }

  [Symbol.dispose](): void {
    this.plan[Symbol.dispose]();
    this.parameters[Symbol.dispose]();
  }
}

/** Features of whole frames of every clip by backbones of one configuration. Errors: those of `embedRows`. */
export function embedBackbones(
  dataset: Dataset,
  backbones: readonly Backbone[],
  options: {
    readonly framesPerClip?: number;
    readonly onProgress?: (done: number, total: number) => void;
    readonly signal?: AbortSignal;
  } = {},
): Promise<readonly ClipEmbeddings[]> {
  const [first] = backbones;
  if (first === undefined) return Promise.resolve([]);
  const plans = backbones.map(({ plan }) => plan);
  return embedClips(dataset, plans, first.view, { framesPerClip: 8, ...options });
}

export interface BackboneOptions {
  /** Images at a time. Default 32. */
  readonly batch?: number;
  /** Default f32. */
  readonly precision?: Precision;
}
