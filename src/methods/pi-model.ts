/**
 * The Π-model (Laine & Aila, ICLR 2017): a classifier learns from labelled clips, and is to give the same answer to two
 * passes of any clip: frames, crops and intensities differ from pass to pass. The loss is the cross-entropy of labelled clips
 * and w(t) times the mean squared difference of two answers (`objectives/consistency.ts`), where w rises in the beginning.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { consistencyLoss } from '../objectives/consistency.ts';
import { defineMethod, type Reference } from './method.ts';
import {
  CONSISTENCY_CHARTS,
  CONSISTENCY_MEASUREMENTS,
  labelledStream,
  ramped,
  rampOption,
  ratioOption,
  taught,
  weighed,
} from './semi-supervised.ts';
import { howViewsWereMade } from './view-pairs.ts';

const options = z.object({
  consistencyWeight: z
    .number()
    .min(0)
    .max(1000)
    .default(10)
    .describe(
      'full weight of the difference of two answers; published: 100 times the share of labelled clips',
    ),
  rampUp: rampOption,
  unlabelledRatio: ratioOption,
});

const REFERENCE: Reference = {
  key: 'pi-model',
  text: 'Laine S, Aila T. Temporal Ensembling for Semi-Supervised Learning. ICLR 2017. arXiv:1610.02242',
};

/**
 * Both passes learn. The published ones show one picture twice; here they show the pair of `view.spg`, by default two frames
 * of a clip. Held-out clips count with the full weight, so that epochs compare.
 */
export const piModel = defineMethod<z.infer<typeof options>>({
  name: 'pi-model',
  title: 'Π-model',
  summary: 'a classifier that is to answer two frames of a clip alike, labelled or not',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: CONSISTENCY_MEASUREMENTS,
  charts: CONSISTENCY_CHARTS,
  // The same answer to everything is the most consistent one.
  chooses: null,
  needsLabels: true,
  readsLabels: () => true,
  open(given, { trunk, classes, view, batchSize }) {
    const network = withHeads(trunk, { projection: null, classifier: { classes, input: 'representation' } });
    const single = { frame: 0, augment: view.augment };
    return {
      streams: [
        { clips: 'training', count: batchSize, views: 'pair' },
        labelledStream(batchSize, given.unlabelledRatio, single),
      ],
      online: { network, views: [0, 1, 2] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const clips = batch.views[0]!.clips.length;
        const logits = batch.output(OUTPUTS.logits);
        const gradient = batch.gradient(OUTPUTS.logits);
        const passes = clips * classes;
        const found = consistencyLoss(
          logits.subarray(0, passes),
          logits.subarray(passes, 2 * passes),
          classes,
          gradient.subarray(0, passes),
          gradient.subarray(passes, 2 * passes),
        );
        const weight = given.consistencyWeight * (batch.training ? ramped(batch.progress, given.rampUp) : 1);
        for (let i = 0; i < 2 * passes; i++) gradient[i]! *= weight;
        const [own, toOwn] = [logits.subarray(2 * passes), gradient.subarray(2 * passes)];
        return weighed(taught(batch.views[2], own, classes, toOwn), found, weight, clips);
      },
    };
  },
  describe: (given, { view, cite }) =>
    `by the Π-model ${cite(REFERENCE)}: a classifier learnt from labelled clips and, from ${given.unlabelledRatio} times as many clips whose ` +
    `label was not read, to give two passes of a clip the same answer (mean squared difference of the softmaxes, weight ` +
    `${given.consistencyWeight}, reached after ${100 * given.rampUp} % of the run). ${howViewsWereMade(view)}`,
});
