/**
 * The one description of a pretraining run. Every choice that changes the result is a named field here; in particular
 * every row in which the USCL paper and its published code differ (docs/configuration.md, "Presets"). A resolved
 * configuration is complete: nothing is left to a default at run time.
 */
import { z } from 'zod';
import { batchSchema, viewSchema } from '../views/config.ts';

const unit = z.number().min(0).max(1);
const count = z.int().min(1);

const dataSchema = z.strictObject({
  split: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'Name of a split kept with the dataset (`uscl split`), or path of one that lies elsewhere, so that its test clips are never trained on.',
    ),
  keepOut: z
    .string()
    .min(1)
    .default('test')
    .describe(
      'Part of `split` that pretraining does not touch (of a split into folds: `fold-1`, …). Its part `val`, where ' +
        'there is one, is held out for validation; the rest trains.',
    ),
  rate: unit
    .gt(0)
    .default(1)
    .describe(
      'Share of all clips that pretraining may use: a seeded subset, nested in that of any higher rate.',
    ),
  rateMode: z
    .enum(['exclude', 'replace'])
    .default('exclude')
    .describe(
      'What becomes of a clip outside `rate`: left out, or (as the published code does) replaced by a random kept one, ' +
        'so that validation clips enter training and a clip can meet itself in a batch.',
    ),
  labelRate: unit
    .default(1)
    .describe('Share of the labelled training clips whose label is used: a seeded subset, nested likewise.'),
  validation: z
    .strictObject({
      fraction: unit
        .lt(1)
        .default(0.2)
        .describe('Share of the clips held out, whole groups at a time. 0: none.'),
      augment: z
        .boolean()
        .default(false)
        .describe('Augment validation views as in training (the published code does; a noisier score).'),
    })
    .prefault({}),
});

export const loaderSchema = z.strictObject({
  workers: z
    .int()
    .min(0)
    .max(64)
    .default(1)
    .describe('Threads that prepare batches; 0 prepares them on the main thread. Never changes a result.'),
  ahead: z.int().min(1).max(64).default(3).describe('Batches prepared in advance.'),
});

export const modelSchema = z.strictObject({
  backbone: z
    .enum(['resnet18', 'resnet34', 'resnet50'])
    .default('resnet18')
    .describe('Network that is pretrained.'),
  width: z
    .int()
    .min(1)
    .max(512)
    .default(64)
    .describe('Filters of its first stage; 64 is the published width.'),
  projection: z
    .strictObject({
      hidden: count.default(512).describe('Features of the hidden layer of the projection head.'),
      dim: count.default(256).describe('Features of the embedding that the contrastive loss compares.'),
    })
    .prefault({}),
  classifierInput: z
    .enum(['representation', 'projection'])
    .default('representation')
    .describe('What the classifier reads: r as in the figure of the paper, or z as in the published code.'),
  normMomentum: unit
    .gt(0)
    .default(0.1)
    .describe(
      'Batch-norm momentum. The published code passes each view through the network twice a step and so updates ' +
        'running statistics twice: 1 − (1 − 0.1)² = 0.19.',
    ),
  normPerView: z
    .boolean()
    .default(true)
    .describe('Batch norm sees each view as a batch of its own (one forward pass a view), or both together.'),
});

const objectiveSchema = z.strictObject({
  temperature: z.number().gt(0).max(10).default(0.5).describe('τ of NT-Xent.'),
  supervisedWeight: z
    .number()
    .min(0)
    .max(100)
    .default(0.2)
    .describe('λ of the cross-entropy. 0: no label is read.'),
  supervisedReduction: z
    .enum(['mean', 'sum-of-views'])
    .default('mean')
    .describe(
      'Cross-entropy as a mean over all labelled views, or the sum of the two means (the published code).',
    ),
});

export const optimizerSchema = z.strictObject({
  kind: z.enum(['adam', 'adamw', 'sgd']).default('adam').describe('As PyTorch defines them.'),
  learningRate: z.number().gt(0).max(100).default(3e-4).describe('Peak learning rate.'),
  weightDecay: z
    .number()
    .min(0)
    .max(10)
    .default(1e-4)
    .describe('Coupled for adam and sgd, decoupled for adamw.'),
  noDecay: z
    .array(z.string().min(1))
    .default([])
    .describe('Parameters without weight decay: name patterns with *, e.g. ["*bn*", "*.bias"].'),
  beta1: unit.lt(1).default(0.9).describe('adam, adamw.'),
  beta2: unit.lt(1).default(0.999).describe('adam, adamw.'),
  epsilon: z.number().gt(0).default(1e-8).describe('adam, adamw.'),
  momentum: unit.lt(1).default(0.9).describe('sgd.'),
  nesterov: z.boolean().default(false).describe('sgd.'),
});

export const scheduleSchema = z.strictObject({
  kind: z.enum(['constant', 'cosine']).default('cosine').describe('Learning rate after the warm-up.'),
  unit: z
    .enum(['epoch', 'step'])
    .default('epoch')
    .describe('Whether the rate changes once an epoch or once a step.'),
  warmup: z
    .enum(['none', 'linear', 'hold'])
    .default('linear')
    .describe(
      'linear: a ramp from near 0. hold: the full rate from the start, decay delayed (the published code).',
    ),
  warmupLength: z.int().min(0).default(10).describe('In units of `unit`.'),
  horizon: count
    .nullable()
    .default(null)
    .describe(
      'Units over which the cosine falls to 0. null: from the end of the warm-up to the end of the run.',
    ),
});

const trainingSchema = z.strictObject({
  epochs: count.default(300).describe('Passes over the training clips.'),
  steps: count.nullable().default(null).describe('Optimizer steps in all; overrides `epochs` where given.'),
  accumulate: z
    .int()
    .min(1)
    .max(1024)
    .default(1)
    .describe('Batches whose gradients are averaged for one step. Negatives come only from within a batch.'),
  clipNorm: z
    .number()
    .gt(0)
    .nullable()
    .default(null)
    .describe('Largest norm of the gradient. null: no clipping.'),
});

const evaluationSchema = z.strictObject({
  dataset: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Folder of a labelled dataset for a kNN score during training, which then selects `best`.'),
  every: count.default(10).describe('Epochs between scores.'),
  neighbours: count.default(10).describe('k of the kNN.'),
  framesPerClip: count.default(4).describe('Frames embedded a clip.'),
});

const checkpointSchema = z.strictObject({
  every: count.default(1).describe('Epochs between saves of `last`.'),
  keep: z.int().min(0).default(0).describe('Epochs between weights that are kept for good. 0: none.'),
});

const wholeSchema = z.strictObject({
  method: z.literal('uscl').default('uscl').describe('Pretraining method.'),
  seed: z.int().min(0).max(0xffff_ffff).default(0).describe('Of everything random.'),
  precision: z
    .enum(['auto', 'f32', 'bf16'])
    .default('auto')
    .describe(
      'Of activations; master weights are always f32. auto: the fastest this machine has hardware for.',
    ),
  backend: z
    .enum(['auto', 'onednn', 'reference'])
    .default('auto')
    .describe('auto: oneDNN where it is found.'),
  threads: count.nullable().default(null).describe('Of the kernels. null: as many as there are processors.'),
  data: dataSchema.prefault({}),
  view: viewSchema.prefault({}),
  batch: batchSchema.prefault({}),
  loader: loaderSchema.prefault({}),
  model: modelSchema.prefault({}),
  objective: objectiveSchema.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
  training: trainingSchema.prefault({}),
  evaluation: evaluationSchema.prefault({}),
  checkpoint: checkpointSchema.prefault({}),
});

export const configSchema = wholeSchema.superRefine((config, context) => {
  if (config.data.rateMode === 'exclude' || !config.batch.distinctGroups) return;
  context.addIssue({
    code: 'custom',
    path: ['batch', 'distinctGroups'],
    message: 'data.rateMode=replace puts clips into a batch twice, which distinct groups forbid',
  });
});

/** A complete configuration. */
export type Config = Readonly<z.infer<typeof configSchema>>;

/** Any part of a configuration, as a program or a file gives it. */
export type PartialConfig = z.input<typeof configSchema>;
