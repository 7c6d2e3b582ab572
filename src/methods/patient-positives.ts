/**
 * SimCLR whose pairs are of patients (MedAug, Vu et al. 2021; EchoCLR, Holste et al. 2024): the second view of a clip comes, with
 * a given probability, from another clip of its group, and views of that group are never negatives. What is learnt is then
 * what clips of a patient share, not what tells them apart. The loss is NT-Xent with groups (`objectives/nt-xent.ts`); no
 * label is read.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { ntXent } from '../objectives/nt-xent.ts';
import { defineMethod, type Reference } from './method.ts';
import {
  howViewsWereMade,
  measuredPairs,
  PAIR_CHARTS,
  PAIR_MEASUREMENTS,
  projectionOptions,
  SIMCLR,
} from './view-pairs.ts';

const options = z.object({
  projection: projectionOptions(128),
  temperature: z.number().gt(0).max(10).default(0.1).describe('τ of NT-Xent'),
  partners: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe(
      'probability that the second view of a clip is of another clip of its group (patient), where there is one',
    ),
});

const MEDAUG: Reference = {
  key: 'medaug',
  text: 'Vu YNT, Wang R, Balachandar N, Liu C, Ng AY, Rajpurkar P. MedAug: Contrastive Learning Leveraging Patient Metadata Improves Representations for Chest X-ray Interpretation. MLHC 2021. arXiv:2102.10663',
};
const ECHOCLR: Reference = {
  key: 'echoclr',
  text: 'Holste G, Oikonomou EK, Mortazavi BJ, Wang Z, Khera R. Efficient Deep Learning-Based Automated Diagnosis from Echocardiography with Contrastive Self-Supervised Learning. Communications Medicine 2024; 4: 133. arXiv:2207.11581',
};

/** Held-out pairs are two frames of a clip, and views of a patient are no negatives there either. */
export const patientPositives = defineMethod<z.infer<typeof options>>({
  name: 'patient-positives',
  title: 'Patient positives',
  summary: 'a frame of a clip finds one of another clip of its patient among the views of other patients',
  reference: MEDAUG,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: [
    // Clips whose second view is of another clip, and negatives of a view on average.
    { name: 'partnered', over: 'mean' },
    { name: 'negatives', over: 'mean' },
    ...PAIR_MEASUREMENTS,
  ],
  charts: [
    ...PAIR_CHARTS,
    {
      title: 'Pairs across clips',
      axis: 'share of clips',
      shows: ['partnered'],
      caption: 'Share of clips whose second view is of another clip of their group.',
    },
  ],
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open({ projection, temperature, partners }, { trunk, batchSize }) {
    const network = withHeads(trunk, { projection, classifier: null });
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair', partners }],
      online: { network, views: [0, 1] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const [first, second] = batch.views;
        const { clips, groups } = first!;
        const embeddings = batch.output(OUTPUTS.projection);
        const gradient = batch.gradient(OUTPUTS.projection);
        const found = ntXent(embeddings, clips.length, projection.dim, temperature, gradient, { groups });
        const across = clips.filter((clip, i) => second!.clips[i] !== clip).length;
        return {
          loss: found.loss,
          partnered: across / clips.length,
          negatives: negativesOf(groups),
          ...measuredPairs(found),
        };
      },
    };
  },
  describe: ({ projection, temperature, partners }, { view, cite }) =>
    `by contrast between patients ${cite(MEDAUG)}${cite(ECHOCLR)}: two views form a positive pair, of which the second came with probability ${partners} ` +
    `from another clip of the same group, where there was one; views of the other groups of a batch are negatives, and the loss is ` +
    `NT-Xent ${cite(SIMCLR)} (temperature ${temperature}) on a projection of ${projection.dim} features; no label was read. ` +
    // Elsewhere both frames of a pair are of one clip.
    (view.spg.enabled ? howViewsWereMade(view) : 'A view was one frame of its clip, augmented by itself.'),
});

/** Mean over clips of the views of other groups. */
function negativesOf(groups: Int32Array): number {
  const sizes = new Map<number, number>();
  for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const others = groups.reduce((sum, group) => sum + groups.length - sizes.get(group)!, 0);
  return (2 * others) / groups.length;
}
