/**
 * Temporal coherence (Mobahi, Collobert & Weston, ICML 2009): two frames of a clip are embedded near each other where they are
 * near in time, and apart by a margin where they are not, as frames of different clips are (`objectives/temporal-coherence.ts`).
 * The cross-entropy that the authors alternate it with is left out: no label is read.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { temporalCoherence } from '../objectives/temporal-coherence.ts';
import { defineMethod, type Reference } from './method.ts';
import { howViewsWereMade, projectionOptions } from './view-pairs.ts';

const options = z.object({
  projection: projectionOptions(128),
  nearSeconds: z
    .number()
    .positive()
    .max(3600)
    .default(0.5)
    .describe('longest time between frames that are to be alike; published: consecutive frames'),
  margin: z
    .number()
    .gt(0)
    .max(1000)
    .default(1)
    .describe('δ: mean difference of features from which on other frames are apart'),
});

const REFERENCE: Reference = {
  key: 'temporal-coherence',
  text: 'Mobahi H, Collobert R, Weston J. Deep Learning from Temporal Coherence in Video. ICML 2009. doi:10.1145/1553374.1553469',
};

/** Pairs are drawn from the whole clip by default, so that both kinds occur; `near` of the log says how often. */
export const temporalCoherenceMethod = defineMethod<z.infer<typeof options>>({
  name: 'temporal-coherence',
  title: 'Temporal coherence',
  summary:
    'frames of a clip are alike where they are near in time, and apart where they are not or of other clips',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: [
    // Pairs whose frames are near in time, their mean distance, and the share of all others that is apart by the margin.
    { name: 'near', over: 'mean', heldOut: true },
    { name: 'nearDistance', over: 'mean', heldOut: true },
    { name: 'apart', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Frames that are apart',
      axis: 'share',
      shows: ['apart'],
      caption:
        'Of frames far in time or of different clips, the share whose embeddings are apart by the margin.',
    },
    {
      title: 'Near frames',
      axis: 'mean difference of features',
      shows: ['nearDistance'],
      caption: 'Between embeddings of frames near in time; the margin is what others are driven to.',
    },
  ],
  chooses: { by: 'loss', better: 'lower' },
  readsLabels: () => false,
  open({ projection, nearSeconds, margin }, { trunk, batchSize }) {
    const network = withHeads(trunk, { projection, classifier: null });
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network, views: [0, 1] },
      needsTimes: true,
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const [first, second] = batch.views;
        const pairs = first!.clips.length;
        // A difference of two multiples of a frame's time may be off by a rounding.
        const isNear = (i: number): boolean =>
          Math.abs(first!.times[i]! - second!.times[i]!) <= nearSeconds + 1e-6;
        const z = batch.output(OUTPUTS.projection);
        const dz = batch.gradient(OUTPUTS.projection);
        const found = temporalCoherence(z, pairs, projection.dim, isNear, margin, dz);
        const near = first!.clips.filter((_, i) => isNear(i)).length / pairs;
        return { ...found, near };
      },
    };
  },
  describe: ({ projection, nearSeconds, margin }, { view, cite }) =>
    `by temporal coherence ${cite(REFERENCE)}: embeddings of ${projection.dim} features of two frames of a clip were to be alike where at most ` +
    `${nearSeconds} seconds lay between them, and apart by ${margin} (mean absolute difference) where more did or where they were of ` +
    `different clips; no label was read. ${howViewsWereMade(view)}`,
});
