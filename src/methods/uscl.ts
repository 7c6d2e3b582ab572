/**
 * USCL (Chen et al., MICCAI 2021, doi 10.1007/978-3-030-87237-3_60): L = L_con + λ·L_sup. One clip is one semantic
 * cluster: NT-Xent pulls the two views of a clip together and pushes views of other clips away; cross-entropy over
 * the labelled clips keeps clips of one class from being pushed too far.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { ntXent } from '../objectives/nt-xent.ts';
import { defineMethod, type Losses, type MethodBatch, type Reference } from './method.ts';
import { headsOption, requireHeads, type SourceHeads, sourceHeads } from './source-heads.ts';
import {
  howViewsWereMade,
  measuredPairs,
  PAIR_CHARTS,
  PAIR_MEASUREMENTS,
  projectionOptions,
  SIMCLR,
} from './view-pairs.ts';

const options = z.object({
  projection: projectionOptions(256),
  classifierInput: z
    .enum(['representation', 'projection'])
    .default('representation')
    .describe('what the classifier reads: r as in the figure of the paper, or z as in the published code'),
  temperature: z.number().gt(0).max(10).default(0.5).describe('τ of NT-Xent'),
  supervisedWeight: z
    .number()
    .min(0)
    .max(100)
    .default(0.2)
    .describe('λ of the cross-entropy; 0: no label is read'),
  supervisedReduction: z
    .enum(['mean', 'sum-of-views'])
    .default('mean')
    .describe(
      'cross-entropy as a mean over all labelled views, or the sum of the two means (the published code)',
    ),
  heads: headsOption('shared'),
});
type Options = z.infer<typeof options>;

const REFERENCE: Reference = {
  key: 'uscl',
  text: 'Chen Y, Zhang C, Liu L, Feng C, Dong C, Luo Y, Wan X. USCL: Pretraining Deep Ultrasound Image Diagnosis Model through Video Contrastive Representation Learning. MICCAI 2021, LNCS 12908. doi:10.1007/978-3-030-87237-3_60',
};

/** As described: mix, then augment; an own coefficient a view; the classifier reads the representation. */
const paper = { view: { spg: { order: 'mix-then-augment', coefficients: 'independent', anchor: 'middle' } } };

const reference = {
  view: { spg: { order: 'augment-then-mix', coefficients: 'shared', anchor: 'random' } },
  batch: { lastBatch: 'keep' },
  data: { rateMode: 'replace', validation: { augment: true } },
  model: { normMomentum: 0.19 },
  method: { classifierInput: 'projection', supervisedReduction: 'sum-of-views' },
  schedule: { warmup: 'hold', warmupLength: 10, horizon: 300 },
};

/** The loss of N pairs; `heads` is null for a network without a classifier. */
function lossesOf(batch: MethodBatch, given: Options, heads: SourceHeads | null): Losses {
  const rows = batch.views[0]!;
  // Nothing but the heads reads the representation.
  batch.gradient(OUTPUTS.features).fill(0);
  const z = batch.output(OUTPUTS.projection);
  const dz = batch.gradient(OUTPUTS.projection);
  const con = ntXent(z, rows.clips.length, given.projection.dim, given.temperature, dz);
  const supervised = { loss: 0, labelled: 0, correct: 0 };
  if (heads !== null) {
    const dO = batch.gradient(OUTPUTS.logits);
    const reduction = given.supervisedReduction;
    const scores = heads.ownScores(batch.output(OUTPUTS.logits), rows);
    const labels = heads.columnsOf(rows);
    Object.assign(supervised, crossEntropy(scores, labels, heads.columns, dO, { reduction }));
    for (let i = 0; i < dO.length; i++) dO[i]! *= given.supervisedWeight;
  }
  return {
    loss: con.loss + given.supervisedWeight * supervised.loss,
    contrastive: con.loss,
    supervised: supervised.loss,
    labelled: supervised.labelled,
    correct: supervised.correct,
    ...measuredPairs(con),
  };
}

/**
 * Named starting points over one switchboard: `paper` is the method as the USCL paper describes it, `reference` as its
 * published code computes it (each field above is one of the differences), `default` what this project starts from. A
 * batch without labels has a supervised loss of 0, never NaN.
 */
export const uscl = defineMethod<Options>({
  name: 'uscl',
  title: 'USCL',
  summary:
    'pairs of mixed views of a clip, contrasted with other clips, beside a classifier on labelled ones',
  reference: REFERENCE,
  options,
  presets: { default: paper, paper, reference },
  measurements: [
    // Before λ; 0 for a batch without labels.
    { name: 'contrastive', over: 'mean' },
    { name: 'supervised', over: 'mean' },
    // Views with a label, and those of them that the classifier got right.
    { name: 'labelled', over: 'sum' },
    { name: 'correct', over: 'sum' },
    ...PAIR_MEASUREMENTS,
  ],
  charts: PAIR_CHARTS,
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: ({ supervisedWeight }) => supervisedWeight > 0,
  open(given, { trunk, classes, sources, batchSize }) {
    const heads = classes > 0 ? sourceHeads(given.heads, { classes, sources }) : null;
    if (heads !== null && given.heads === 'per-source') requireHeads('uscl', heads, sources);
    const classifier = heads === null ? null : { classes: heads.columns, input: given.classifierInput };
    const network = withHeads(trunk, { projection: given.projection, classifier });
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network, views: [0, 1] },
      losses: (batch) => lossesOf(batch, given, heads),
    };
  },
  describe: (given, { labelsRead, view, cite }) =>
    `by USCL ${cite(REFERENCE)}: two views of one clip form a positive pair, views of the other clips of a batch are negatives, ` +
    `and the loss is NT-Xent ${cite(SIMCLR)} (temperature ${given.temperature}) on a projection of ${given.projection.dim} features` +
    `${labelsRead ? `, plus ${given.supervisedWeight} times the cross-entropy of a classifier on labelled clips${given.heads === 'per-source' ? ', with a head of its own for each dataset that clips came from' : ''}` : '; no label was read'}. ` +
    howViewsWereMade(view),
});
