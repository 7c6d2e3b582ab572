/**
 * The configuration of a pretraining run. Every choice that changes the result is a named field, above all every row
 * in which the USCL paper and its published code differ (docs/configuration.md, "Presets"). A resolved configuration
 * is complete: nothing is left to a default at run time. Later layers win: a saved run or the dataset's channels,
 * preset, YAML file, overrides of a program, `key=value` settings.
 */
import { z } from 'zod';
import { type Backend, BACKEND_CHOICES, DEVICE_CHOICES } from '../engine/core/backend.ts';
import type { Method } from '../methods/method.ts';
import { DEFAULT_METHOD, methodNamed } from '../methods/registry.ts';
import { AUGMENT_PRESETS, type AugmentChoice } from '../views/augment-presets.ts';
import { batchSchema, viewSchema } from '../views/config.ts';
import { type Tree, valueAt } from './config-errors.ts';
import { PRETRAIN_KEYS } from './earlier-keys.ts';
import { changedKey } from './resume.ts';
import { type ConfigKind, type GivenLayers, resolveLayers } from './config-layers.ts';

const unit = z.number().min(0).max(1);
const count = z.int().min(1);

/** Which clips there are, and whose label is read. */
export const dataSchema = z.strictObject({
  /**
   * Name of a split kept with the dataset (`uscl split`), or path of one that lies elsewhere, so that its test
   * clips are never trained on.
   */
  split: z.string().min(1).nullable().default(null),
  /**
   * Part of `split` that pretraining does not touch (of a split into folds: `fold-1`, …). Its part `val`, where
   * there is one, is held out for validation; the rest trains.
   */
  keepOut: z.string().min(1).default('test'),
  /** Share of all clips that pretraining may use: a seeded subset, nested in that of any higher rate. */
  rate: unit.gt(0).default(1),
  /**
   * What becomes of a clip outside `rate`: left out, or (as the published code does) replaced by a random kept one,
   * so that validation clips enter training and a clip can meet itself in a batch.
   */
  rateMode: z.enum(['exclude', 'replace']).default('exclude'),
  /**
   * Training clips that show the same (`uscl audit`): all are kept, or one of each. A copy among the negatives of a clip is a
   * false one, and what occurs often counts more than once.
   */
  duplicates: z.enum(['keep', 'drop']).default('keep'),
  /** Share of the labelled training clips whose label is used: a seeded subset, nested likewise. */
  labelRate: unit.default(1),
  validation: z
    .strictObject({
      /** Share of the clips held out, whole groups at a time. 0: none. */
      fraction: unit.lt(1).default(0.2),
      /** Augment validation views as in training (the published code does; a noisier score). */
      augment: z.boolean().default(false),
    })
    .prefault({}),
});

export const loaderSchema = z.strictObject({
  /** Threads that prepare batches; 0 prepares them on the main thread. Never changes a result. */
  workers: z.int().min(0).max(64).default(1),
  /** Batches prepared in advance. */
  ahead: z.int().min(1).max(64).default(3),
});

export const modelSchema = z.strictObject({
  /** Network that is pretrained. */
  backbone: z.enum(['resnet18', 'resnet34', 'resnet50']).default('resnet18'),
  /** Filters of its first stage; 64 is the published width. */
  width: z.int().min(1).max(512).default(64),
  /**
   * Batch-norm momentum. The published code passes each view through the network twice a step and so updates
   * running statistics twice: 1 − (1 − 0.1)² = 0.19.
   */
  normMomentum: unit.gt(0).default(0.1),
  /** Batch norm sees each view as a batch of its own (one forward pass a view), or both together. */
  normPerView: z.boolean().default(true),
  /** Of several processes: batch norm sees the rows of its own process, or of all of them. */
  norms: z.enum(['rank', 'synchronised']).default('rank'),
});

export const optimizerSchema = z.strictObject({
  /** As PyTorch defines them. */
  kind: z.enum(['adam', 'adamw', 'sgd']).default('adam'),
  /** Peak learning rate. */
  learningRate: z.number().gt(0).max(100).default(3e-4),
  /** Coupled for adam and sgd, decoupled for adamw. */
  weightDecay: z.number().min(0).max(10).default(1e-4),
  /** Parameters without weight decay: name patterns with *, e.g. ["*bn*", "*.bias"]. */
  noDecay: z.array(z.string().min(1)).default([]),
  /** adam, adamw. */
  beta1: unit.lt(1).default(0.9),
  /** adam, adamw. */
  beta2: unit.lt(1).default(0.999),
  /** adam, adamw. */
  epsilon: z.number().gt(0).default(1e-8),
  /** sgd. */
  momentum: unit.lt(1).default(0.9),
  /** sgd. */
  nesterov: z.boolean().default(false),
});

export const scheduleSchema = z.strictObject({
  /** Learning rate after the warm-up. */
  kind: z.enum(['constant', 'cosine']).default('cosine'),
  /** Whether the rate changes once an epoch or once a step. */
  unit: z.enum(['epoch', 'step']).default('epoch'),
  /** linear: a ramp from near 0. hold: the full rate from the start, decay delayed (the published code). */
  warmup: z.enum(['none', 'linear', 'hold']).default('linear'),
  /** In units of `unit`. */
  warmupLength: z.int().min(0).default(10),
  /** Units over which the cosine falls to 0. null: from the end of the warm-up to the end of the run. */
  horizon: count.nullable().default(null),
});

export const trainingSchema = z.strictObject({
  /** Passes over the training clips. */
  epochs: count.default(300),
  /** Optimizer steps in all; overrides `epochs` where given. */
  steps: count.nullable().default(null),
  /** Batches whose gradients are averaged for one step. Negatives come only from within a batch. */
  accumulate: z.int().min(1).max(1024).default(1),
  /** Largest norm of the gradient. null: no clipping. */
  clipNorm: z.number().gt(0).nullable().default(null),
});

const evaluationSchema = z.strictObject({
  /** Folder of a labelled dataset for a kNN score during training, which then selects `best`. */
  dataset: z.string().min(1).nullable().default(null),
  /** Epochs between scores. */
  every: count.default(10),
  /** k of the kNN. */
  neighbours: count.default(10),
  /** Frames embedded a clip. */
  framesPerClip: count.default(4),
});

const checkpointSchema = z.strictObject({
  /** Epochs between saves of `last`. */
  every: count.default(1),
  /** Epochs between weights that are kept for good. 0: none. */
  keep: z.int().min(0).default(0),
});

/** What a run computes with. */
export const machine = {
  /** Of activations; master weights are always f32. auto: what a short timing at the start finds faster. */
  precision: z.enum(['auto', 'f32', 'bf16']).default('auto'),
  /** auto: PyTorch where it has a GPU, else oneDNN where it is found. */
  backend: z.enum(BACKEND_CHOICES).default('auto'),
  /** Of PyTorch. auto: a GPU where there is one. */
  device: z.enum(DEVICE_CHOICES).default('auto'),
  /** Of the kernels. null: as many as there are processors; of several processes each its share. */
  threads: count.nullable().default(null),
};

const shared = {
  /** Of everything random. */
  seed: z.int().min(0).max(0xffff_ffff).default(0),
  /** What the backbone starts from: a run folder, a checkpoint or a file of weights. null: random weights. */
  init: z.string().min(1).nullable().default(null),
  ...machine,
  data: dataSchema.prefault({}),
  view: viewSchema.prefault({}),
  batch: batchSchema.prefault({}),
  loader: loaderSchema.prefault({}),
  model: modelSchema.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
  training: trainingSchema.prefault({}),
  evaluation: evaluationSchema.prefault({}),
  checkpoint: checkpointSchema.prefault({}),
};

/** What there is under `method` whatever the method: its name, and options that it declares. */
export const chosenMethod = z.looseObject({ name: z.string() });

/**
 * A complete configuration.
 * @interface
 */
export type Config = Readonly<z.infer<z.ZodObject<typeof shared>>> & {
  /** Its name, and the options that it declares. */
  readonly method: Readonly<Record<string, unknown>> & { readonly name: string };
};

/**
 * Any part of a configuration, as a program or a file gives it.
 * @interface
 */
export type PartialConfig = z.input<z.ZodObject<typeof shared>> &
  AugmentChoice & {
    readonly method?: Readonly<Record<string, unknown>>;
  };

/** The schema of a method's name and options, complete where nothing is given. */
export function methodKeys(method: Method): z.ZodType<Config['method']> {
  return z
    .strictObject({
      name: z.literal(method.name).default(method.name),
      ...method.options.shape,
      // Of a method from a file: which text of it this configuration was made with.
      ...(method.sha256 === undefined ? {} : { sha256: z.string().default(method.sha256) }),
    })
    .prefault({})
    .pipe(chosenMethod);
}

/** The schema of configurations with this method. */
export function configSchema(method: Method): z.ZodType<Config> {
  return z.strictObject({ method: methodKeys(method), ...shared }).superRefine(({ data, batch }, context) => {
    if (data.rateMode === 'exclude' || !batch.distinctGroups) return;
    context.addIssue({
      code: 'custom',
      path: ['batch', 'distinctGroups'],
      message: 'data.rateMode=replace puts clips into a batch twice, which distinct groups forbid',
    });
  });
}

/** The pretraining method of a configuration. Error: `METHOD_MISSING`. */
export function methodOf({ method }: Pick<Config, 'method'>): Method {
  return methodNamed(method.name);
}

/** The options of a configuration's method, as it declares them. */
export function methodOptions({ method }: Pick<Config, 'method'>): Readonly<Record<string, unknown>> {
  const { name: _name, sha256: _sha256, ...options } = method;
  return options;
}

/** Whether a pretraining by this configuration reads labels. */
export function readsLabels(config: Pick<Config, 'method' | 'data'>): boolean {
  return config.data.labelRate > 0 && methodOf(config).readsLabels(methodOptions(config));
}

/** Parts of a configuration with presets of their own. */
export const VIEW_PARTS: ConfigKind<unknown>['parts'] = { 'view.augment': AUGMENT_PRESETS };

/** Where a configuration of pretraining comes from, in layers. */
export interface ConfigSources extends GivenLayers {
  /** Name of the method. Where another source names one too, it must be the same. */
  readonly method?: string;
  /** Channels of the dataset: what `view.channels` is unless a source says otherwise. */
  readonly channels?: 1 | 3;
  /** What the weights bring that the run starts from: network and view, under all other sources, in place of `channels`. */
  readonly under?: Tree;
  /** A saved run's configuration; the other sources are laid over it. */
  readonly base?: Config;
}

/**
 * Complete configuration of `sources`. Errors: `CONFIG_UNKNOWN_KEY`, `CONFIG_INVALID`, `CONFIG_FILE`, `METHOD_MISSING`;
 * `RESUME_CHANGED` where `base` is of another method.
 */
export function resolveConfig(sources: ConfigSources = {}): Config {
  const { base, channels = 1, under = { view: { channels } }, method: chosen, ...given } = sources;
  const tree = base ?? under;
  const kindOf = (asked: Tree): ConfigKind<Config> => {
    const named = chosen ?? valueAt(asked, ['method', 'name']) ?? DEFAULT_METHOD;
    const name = typeof named === 'string' ? named : JSON.stringify(named);
    if (base !== undefined && name !== base.method.name)
      throw changedKey({ key: 'method.name', before: base.method.name, after: name });
    const method = methodNamed(name);
    return {
      schema: configSchema(method),
      presets: method.presets,
      parts: VIEW_PARTS,
      guide: `docs/configuration.md (and uscl methods ${name})`,
      renamed: PRETRAIN_KEYS,
    };
  };
  return resolveLayers(kindOf, { tree, complete: base !== undefined }, given);
}

/**
 * The configuration with the choices that it leaves to the machine made (backend, device, threads, precision): a saved run says
 * what it ran with, not `auto`.
 */
export function settled<Given extends Pick<Config, 'backend' | 'device' | 'threads' | 'precision'>>(
  config: Given,
  backend: Backend,
): Given {
  const { name, device, threads, precisions } = backend.describe();
  return {
    ...config,
    backend: name,
    // A setting of PyTorch: runs on other backends keep what they were started with, those of earlier versions nothing.
    device: name === 'torch' ? device : config.device,
    threads,
    precision: config.precision === 'auto' ? (precisions[0] ?? 'f32') : config.precision,
  };
}
