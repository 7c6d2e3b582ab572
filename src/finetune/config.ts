/**
 * The configuration of a fine-tuning run: its protocol, the layers that train and how, and the images they see. A
 * resolved configuration is complete. `uscl finetune` writes it to `config.json`, where `"task": "finetune"` tells
 * it from a pretraining run.
 */
import { z } from 'zod';
import type { AugmentChoice } from '../views/augment-presets.ts';
import { type FrameViewConfig, frameViewSchema } from '../views/config.ts';
import type { Method } from '../methods/method.ts';
import { methodNamed } from '../methods/registry.ts';
import { changedKey } from '../runs/resume.ts';
import { isTree, type Tree, valueAt } from '../runs/config-errors.ts';
import { type ConfigKind, type GivenLayers, merged, resolveLayers } from '../runs/config-layers.ts';
import { FINETUNE_KEYS } from '../runs/earlier-keys.ts';
import {
  chosenMethod,
  loaderSchema,
  machine,
  methodKeys,
  modelSchema,
  optimizerSchema,
  scheduleSchema,
  trainingSchema,
  VIEW_PARTS,
} from '../runs/config.ts';

const unit = z.number().min(0).max(1);
const count = z.int().min(1);
const { backbone, width, normMomentum } = modelSchema.shape;

const view = z.strictObject({
  ...frameViewSchema.unwrap().shape,
  /**
   * Draws of training images (frames of each clip and their augmentation) that epochs use in turn, the same for
   * every fold and seed. null: a new draw every epoch. With a number, or without augmentation, what frozen layers
   * make of an image is computed once for the whole run and kept.
   */
  variants: count.max(10_000).nullable().default(null),
});

const frames = count.nullable();

const wholeSchema = z.strictObject({
  task: z.literal('finetune').default('finetune'),
  /**
   * honest: folds of whole groups, the epoch chosen on an inner split of the training clips. legacy: as the
   * published code, folds of clips and the epoch chosen on the test fold itself; every number of it is optimistic.
   */
  protocol: z.enum(['honest', 'legacy']).default('honest'),
  /** Folds of the cross-validation. */
  folds: z.int().min(2).max(1000).default(5),
  /** Repetitions, each with folds, initial weights and draws of its own. null: 3, for legacy 1. */
  seeds: count.max(1000).nullable().default(null),
  /** The first seed; the others count on from it. */
  seed: z.int().min(0).max(0x7fff_ffff).default(0),
  /**
   * Name of a split kept with the dataset (`uscl split`), or path of one that lies elsewhere, instead of folds
   * drawn anew.
   */
  split: z.string().min(1).nullable().default(null),
  /**
   * Class of the dataset → the class it counts as; several may count as one. null: its clips take no part. `--map`
   * reads it from a file.
   */
  classMap: z.record(z.string().min(1), z.string().min(1).nullable()).default({}),
  /** Classes to tell apart, after `classMap`; clips of others take no part. null: all. */
  classes: z
    .array(z.string().min(1))
    .min(2)
    .refine((names) => new Set(names).size === names.length, 'a class is named twice')
    .nullable()
    .default(null),
  /** Share of the training clips held out, whole groups at a time, to choose the epoch. */
  innerFraction: unit.gt(0).lt(1).default(0.2),
  /**
   * Shares of the training clips whose label may be used, inner split included; a smaller share is part of a
   * larger.
   */
  labelRates: z.array(unit.gt(0)).min(1).default([1]),
  training: z
    .strictObject({
      /** Most passes over the training clips. */
      epochs: count.max(100_000).default(30),
      /** Most optimizer steps of each training, whatever its clips; overrides `epochs` where given. */
      steps: count.max(10_000_000).nullable().default(null),
      clipNorm: trainingSchema.shape.clipNorm,
    })
    .prefault({}),
  batch: z
    .strictObject({
      /** Most images in a step; batches of a run are even. */
      size: z.int().min(2).max(4096).default(32),
    })
    .prefault({}),
  framesPerClip: z
    .strictObject({
      /** Frames of a clip in an epoch, drawn anew each time. null: all. */
      train: frames.default(4),
      /** Frames of a clip that is predicted, even in time. null: all. */
      test: frames.default(8),
    })
    .prefault({}),
  /**
   * What trains beside the new classifier: nothing, the last residual block (the published protocol), everything,
   * or parameters by name patterns with *, e.g. ["layer4.*", "*bn*"].
   */
  layers: z
    .union([z.enum(['head', 'last-block', 'all']), z.array(z.string().min(1)).min(1)])
    .default('last-block'),
  /**
   * Batch norms that normalise by the batch and move their running statistics: those of layers that train; none; or
   * all of them, frozen layers included, as in the published code (nothing can then be computed once).
   */
  norms: z.enum(['trained', 'frozen', 'moving']).default('trained'),
  /** Factors of the learning rate by name pattern; the last pattern that fits a parameter counts. */
  layerRates: z.record(z.string().min(1), z.number().min(0).max(1e6)).default({}),
  /**
   * Weight of a clip in the loss: 1; inversely as its class is common; or one number a class, in the order of
   * `classes`, else the dataset's.
   */
  classWeights: z
    .union([z.enum(['none', 'balanced']), z.array(z.number().min(0)).min(2)])
    .default('balanced'),
  /** Share of the target that is spread evenly over all classes. */
  labelSmoothing: unit.lt(1).default(0),
  /**
   * A method (`uscl methods`) by which training learns from clips without a label too: its name and options, as under
   * `method` of a pretraining. Its networks are a backbone and a classifier. null: labels alone.
   */
  unlabelled: chosenMethod.nullable().default(null),
  /** α of mixup (Zhang et al. 2018): pairs of images and targets blended. 0: off. */
  mixup: z.number().min(0).max(100).default(0),
  /** null: always all epochs. */
  earlyStopping: z
    .strictObject({
      /** Epochs without a better inner score after which a fold ends. */
      patience: count.default(10),
    })
    .nullable()
    .prefault({}),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
  model: z.strictObject({ backbone, width, normMomentum }).prefault({}),
  view: view.prefault({}),
  ...machine,
  loader: loaderSchema.prefault({}),
  /** Most memory for what frozen layers made of frames. What does not fit is computed again. */
  cacheMegabytes: z.int().min(0).default(2048),
  /** Keep the weights of every fold beside its predictions. */
  keepModels: z.boolean().default(false),
  /** At the end train once on all labelled clips: the model that `uscl predict` uses. */
  finalModel: z.boolean().default(true),
  /** Seconds between saves within a fold (at ends of epochs). Never changes a result. */
  saveSeconds: z.number().min(0).default(60),
});

/** Keys that say how labels alone are learnt from, and what each has to be where a method says how clips are. */
const LABELS_ALONE = { mixup: 0, labelSmoothing: 0 } as const;

/** What keys forbid one another. */
function requireTogether(config: z.infer<typeof wholeSchema>, context: z.RefinementCtx): void {
  const fault = frameViewSchema.safeParse(viewOf(config)).error?.issues[0];
  if (fault !== undefined)
    context.addIssue({ code: 'custom', path: ['view', ...fault.path], message: fault.message });
  if (config.protocol === 'legacy' && config.split !== null)
    context.addIssue({
      code: 'custom',
      path: ['protocol'],
      message:
        'the legacy protocol draws its own folds of clips; a split kept with the dataset is for honest',
    });
  if (config.unlabelled === null) return;
  const refuse = (key: string, message: string): void => {
    context.addIssue({ code: 'custom', path: key.split('.'), message });
  };
  if (config.protocol === 'legacy')
    refuse('protocol', 'with unlabelled clips are kept apart by patient; protocol must be honest');
  for (const [key, off] of Object.entries(LABELS_ALONE))
    if (config[key as keyof typeof LABELS_ALONE] !== off)
      refuse(key, `with unlabelled its method says what the targets are; ${key} must be ${off}`);
  if (config.view.augment === null)
    refuse('view.augment', 'with unlabelled views differ by augmentation; view.augment must not be null');
  if (config.view.variants !== null)
    refuse('view.variants', 'with unlabelled images are drawn anew; view.variants must be null');
  if (typeof config.classWeights !== 'string')
    refuse(
      'classWeights',
      'with unlabelled classes are balanced by how often their clips are drawn: balanced or none',
    );
}

/** The form of a complete configuration of fine-tuning. */
export const finetuneSchema = wholeSchema.superRefine(requireTogether);

/** That form with the keys of a method under `unlabelled`. */
function schemaWith(method: Method | null): z.ZodType<FinetuneConfig> {
  if (method === null) return finetuneSchema;
  return wholeSchema.extend({ unlabelled: methodKeys(method) }).superRefine(requireTogether);
}

/**
 * A complete configuration of a fine-tuning run.
 * @interface
 */
export type FinetuneConfig = Readonly<z.infer<typeof finetuneSchema>>;

/**
 * Any part of one, as a program or a file gives it.
 * @interface
 */
export type PartialFinetuneConfig = z.input<typeof finetuneSchema> & AugmentChoice;

/** Named starting points. */
export const FINETUNE_PRESETS = {
  default: {
    optimizer: { kind: 'adamw', learningRate: 3e-4, weightDecay: 0.01 },
    // A new classifier has far to go, pretrained layers have not.
    layerRates: { 'classifier.*': 10 },
    schedule: { unit: 'step', warmup: 'linear', warmupLength: 10 },
    view: { augment: { cropScale: [0.6, 1], brightness: 0.3, contrast: 0.3 } },
  },
  /** What the published fine-tuning code does, but for the choice of the epoch: say `protocol: legacy` for that. */
  reference: {
    layers: 'last-block',
    norms: 'moving',
    training: { epochs: 100 },
    framesPerClip: { train: null, test: null },
    classWeights: 'none',
    earlyStopping: null,
    optimizer: { kind: 'adam', learningRate: 0.01, weightDecay: 1e-4 },
    schedule: { kind: 'cosine', unit: 'epoch', warmup: 'none' },
  },
} as const satisfies Record<string, PartialFinetuneConfig>;

/** The kind of configuration that all layers together ask for: with the options and the images of a method, or without. */
function kindOf(asked: Tree, base: FinetuneConfig | undefined): ConfigKind<FinetuneConfig> {
  const name = valueAt(asked, ['unlabelled', 'name']);
  const before = base?.unlabelled?.name;
  if (base !== undefined && name !== before)
    throw changedKey({ key: 'unlabelled.name', before, after: name });
  const method = typeof name === 'string' ? methodNamed(name) : null;
  const images = valueAt(method?.presets.default ?? {}, ['view', 'augment']);
  const under = isTree(images) ? { view: { augment: images } } : {};
  return {
    renamed: FINETUNE_KEYS,
    schema: schemaWith(method),
    presets: Object.fromEntries(
      Object.entries(FINETUNE_PRESETS).map(([preset, keys]) => [preset, merged(under, keys)]),
    ),
    parts: VIEW_PARTS,
    guide: 'docs/finetuning.md',
  };
}

/** Where a configuration of fine-tuning comes from, in layers. */
export interface FinetuneSources extends GivenLayers {
  /** What the weights bring: a partial configuration of network and view, under all other sources. */
  readonly under?: Readonly<Record<string, unknown>>;
  /** A saved run's configuration, in place of `under`; the other sources are laid over it. */
  readonly base?: FinetuneConfig | undefined;
}

/**
 * Complete configuration of `sources`. Errors: `CONFIG_UNKNOWN_KEY`, `CONFIG_INVALID`, `CONFIG_FILE`, `METHOD_MISSING`;
 * `RESUME_CHANGED` where `base` learns by another method.
 */
export function resolveFinetune(sources: FinetuneSources = {}): FinetuneConfig {
  const { base, under = {}, ...given } = sources;
  const config = resolveLayers(
    (asked) => kindOf(asked, base),
    { tree: base ?? under, complete: base !== undefined },
    given,
  );
  return {
    ...config,
    seeds: seedsOf(config).length,
    labelRates: [...new Set(config.labelRates)].sort((a, b) => a - b),
  };
}

/** The view as the renderers of `views` take it. */
export function viewOf({
  view: { variants: _variants, ...rest },
}: Pick<FinetuneConfig, 'view'>): FrameViewConfig {
  return rest;
}

/** Seeds of the run, in order. */
export function seedsOf(config: FinetuneConfig): readonly number[] {
  const seeds = config.seeds ?? (config.protocol === 'legacy' ? 1 : 3);
  return Array.from({ length: seeds }, (_, i) => config.seed + i);
}
