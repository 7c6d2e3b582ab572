/** The small golden tables, parsed: losses, optimizers, the cosine schedule. Each has its Python script beside it. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

function readTable<T>(name: string, schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8')));
}

const numbers = z.array(z.number());

const hashedSchema = z.object({
  keys: z.record(z.string(), z.number()),
  hashes: numbers,
  uniforms: numbers,
  values: numbers,
  sides: numbers,
  positions: numbers,
  digest: numbers,
});

/** Samples of every function of `hashed.py`. */
export const readHashedSamples = (): z.infer<typeof hashedSchema> => readTable('hashed', hashedSchema);

const ntXentSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      pairs: z.int(),
      dim: z.int(),
      temperature: z.number(),
      loss: z.number(),
      alignment: z.number(),
      uniformity: z.number(),
      gradient: numbers,
    }),
  ),
});

/** Embeddings of a case: values(case, 2·pairs·dim, 0.1, 1); `gradient` is a digest under the case's name. */
export const readNtXentGolden = (): z.infer<typeof ntXentSchema>['cases'] =>
  readTable('nt-xent', ntXentSchema).cases;

const groupedNtXentSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      pairs: z.int(),
      groups: z.int(),
      dim: z.int(),
      temperature: z.number(),
      loss: z.number(),
      gradient: numbers,
    }),
  ),
});

/** Embeddings as above; clip i is of group i modulo `groups`; digests as above. */
export const readGroupedNtXentGolden = (): z.infer<typeof groupedNtXentSchema>['cases'] =>
  readTable('grouped-nt-xent', groupedNtXentSchema).cases;

const supervisedContrastiveSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      dim: z.int(),
      temperature: z.number(),
      labels: numbers,
      loss: z.number(),
      positives: z.number(),
      gradient: numbers,
    }),
  ),
});

/** Embeddings of a case: values(case, 2·pairs·dim, 0.1, 1), a label a pair; digests as above. */
export const readSupervisedContrastiveGolden = (): z.infer<typeof supervisedContrastiveSchema>['cases'] =>
  readTable('supervised-contrastive', supervisedContrastiveSchema).cases;

const debiasedContrastiveSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      pairs: z.int(),
      dim: z.int(),
      temperature: z.number(),
      classPrior: z.number(),
      loss: z.number(),
      floored: z.number(),
      gradient: numbers,
    }),
  ),
});

/** Embeddings of a case: `sharedViews` of its name; digests as above. */
export const readDebiasedContrastiveGolden = (): z.infer<typeof debiasedContrastiveSchema>['cases'] =>
  readTable('debiased-contrastive', debiasedContrastiveSchema).cases;

const barlowTwinsSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      pairs: z.int(),
      dim: z.int(),
      weight: z.number(),
      found: z.record(z.string(), z.number()),
      gradient: numbers,
    }),
  ),
});

/** Embeddings of a case: `sharedViews` of its name; `found`: loss, parts, correlations; digests as above. */
export const readBarlowTwinsGolden = (): z.infer<typeof barlowTwinsSchema>['cases'] =>
  readTable('barlow-twins', barlowTwinsSchema).cases;

const temporalCoherenceSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      pairs: z.int(),
      dim: z.int(),
      margin: z.number(),
      found: z.record(z.string(), z.number()),
      gradient: numbers,
    }),
  ),
});

/** Embeddings of a case: `sharedViews` of its name; pair i is near where i % 3 is not 1; digests as above. */
export const readTemporalCoherenceGolden = (): z.infer<typeof temporalCoherenceSchema>['cases'] =>
  readTable('temporal-coherence', temporalCoherenceSchema).cases;

const vicregSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      pairs: z.int(),
      dim: z.int(),
      scale: z.number(),
      weights: z.tuple([z.number(), z.number(), z.number()]),
      found: z.record(z.string(), z.number()),
      gradient: numbers,
    }),
  ),
});

/** Embeddings of a case: `sharedViews` of its name times `scale`; weights of invariance, variance, covariance; as above. */
export const readVicregGolden = (): z.infer<typeof vicregSchema>['cases'] =>
  readTable('vicreg', vicregSchema).cases;

const negativeCosineSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      pairs: z.int(),
      dim: z.int(),
      centre: z.number(),
      loss: z.number(),
      spread: z.number(),
      gradient: numbers,
    }),
  ),
});

/** Predictions and targets of a case: as `negative_cosine_golden.py` says; digests as above. */
export const readNegativeCosineGolden = (): z.infer<typeof negativeCosineSchema>['cases'] =>
  readTable('negative-cosine', negativeCosineSchema).cases;

const infoNceSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      rows: z.int(),
      count: z.int(),
      clips: z.int(),
      dim: z.int(),
      temperature: z.number(),
      loss: z.number(),
      accuracy: z.number(),
      alignment: z.number(),
      gradient: numbers,
    }),
  ),
});

/** Queries, keys, queue and clips of a case: as `info_nce_golden.py` says; digests as above. */
export const readInfoNceGolden = (): z.infer<typeof infoNceSchema>['cases'] =>
  readTable('info-nce', infoNceSchema).cases;

const pseudoLabelSchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      rows: z.int(),
      classes: z.int(),
      threshold: z.number(),
      loss: z.number(),
      confident: z.int(),
      agreeing: z.int(),
      gradient: numbers,
    }),
  ),
});

/** Weak and strong scores of a case: as `pseudo_label_golden.py` says; digests as above. */
export const readPseudoLabelGolden = (): z.infer<typeof pseudoLabelSchema>['cases'] =>
  readTable('pseudo-label', pseudoLabelSchema).cases;

const consistencySchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      rows: z.int(),
      classes: z.int(),
      loss: z.number(),
      agreeing: z.int(),
      confidence: z.number(),
      gradient: numbers,
      othersGradient: numbers,
    }),
  ),
});

/** Both scores of a case: as `consistency_golden.py` says; digests as above. */
export const readConsistencyGolden = (): z.infer<typeof consistencySchema>['cases'] =>
  readTable('consistency', consistencySchema).cases;

const softCrossEntropySchema = z.object({
  cases: z.record(
    z.string(),
    z.object({
      rows: z.int(),
      classes: z.int(),
      smoothing: z.number(),
      mixed: z.boolean(),
      weights: numbers.nullable(),
      labels: numbers,
      loss: z.number(),
      gradient: numbers,
    }),
  ),
});

/** Scores of a case: values(case, rows·classes, 0, 3); partners and shares as in the script; digests as above. */
export const readSoftCrossEntropyGolden = (): z.infer<typeof softCrossEntropySchema>['cases'] =>
  readTable('soft-cross-entropy', softCrossEntropySchema).cases;

const shared = { weightDecay: z.number(), learningRates: numbers, after: z.array(numbers) };
const optimizersSchema = z.object({
  length: z.int(),
  cases: z.record(
    z.string(),
    z.discriminatedUnion('kind', [
      z.object({
        kind: z.enum(['adam', 'adamw']),
        beta1: z.number(),
        beta2: z.number(),
        epsilon: z.number(),
        ...shared,
      }),
      z.object({ kind: z.literal('sgd'), momentum: z.number(), nesterov: z.boolean(), ...shared }),
    ]),
  ),
});

export interface OptimizerGolden {
  readonly length: number;
  readonly cases: z.infer<typeof optimizersSchema>['cases'];
}

/** Ten steps a case; start and gradients from `optimizerStart` and `optimizerGradient` in `optimizers.ts`. */
export const readOptimizerGolden = (): OptimizerGolden => readTable('optimizers', optimizersSchema);

const cosineSchema = z.object({ base: z.number(), epochs: z.int(), cosine: numbers, reference: numbers });

/** Learning rate of each epoch: `cosine` stepped after every epoch, `reference` only after epochs 10, 11, … */
export const readCosineGolden = (): z.infer<typeof cosineSchema> => readTable('cosine', cosineSchema);
