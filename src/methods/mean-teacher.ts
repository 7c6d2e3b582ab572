/**
 * Mean Teacher (Tarvainen & Valpola, NeurIPS 2017): a classifier, the student, learns from labelled clips, and is to answer
 * any clip as its teacher does, a moving average of itself that sees another view. The loss is the cross-entropy of labelled
 * clips and w(t) times the mean squared difference of both answers (`objectives/consistency.ts`), where w rises in the
 * beginning.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { followParameters } from '../models/moving-average.ts';
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
    .default(50)
    .describe(
      'full weight of the difference of both answers; published: 100, beside a cross-entropy over all clips',
    ),
  rampUp: rampOption,
  momentum: z
    .number()
    .min(0)
    .lt(1)
    .default(0.99)
    .describe('share of itself that the teacher keeps at each step; published: 0.99, later 0.999'),
  unlabelledRatio: ratioOption,
});

const REFERENCE: Reference = {
  key: 'mean-teacher',
  text: 'Tarvainen A, Valpola H. Mean Teachers Are Better Role Models: Weight-Averaged Consistency Targets Improve Semi-Supervised Deep Learning Results. NeurIPS 2017. arXiv:1703.01780',
};

/**
 * The published student and teacher see one picture augmented twice; here they see the pair of `view.spg`, by default two
 * frames of a clip. Held-out clips count with the full weight, so that epochs compare. The weights that a run leaves are the
 * student's; the teacher's are in `last`.
 */
export const meanTeacher = defineMethod<z.infer<typeof options>>({
  name: 'mean-teacher',
  title: 'Mean Teacher',
  summary: 'a classifier that is to answer any clip as a moving average of itself does, from another view',
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
      online: { network, views: [0, 2] },
      target: { network: { ...network, outputs: [OUTPUTS.logits] }, views: [1] },
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const clips = batch.views[0]!.clips.length;
        const logits = batch.output(OUTPUTS.logits);
        const gradient = batch.gradient(OUTPUTS.logits);
        const student = clips * classes;
        const found = consistencyLoss(
          logits.subarray(0, student),
          batch.target(OUTPUTS.logits),
          classes,
          gradient.subarray(0, student),
          null,
        );
        const weight = given.consistencyWeight * (batch.training ? ramped(batch.progress, given.rampUp) : 1);
        for (let i = 0; i < student; i++) gradient[i]! *= weight;
        const [own, toOwn] = [logits.subarray(student), gradient.subarray(student)];
        return weighed(taught(batch.views[2], own, classes, toOwn), found, weight, clips);
      },
      afterUpdate(online, teacher) {
        if (teacher !== null) followParameters(teacher, online, given.momentum);
      },
    };
  },
  describe: (given, { view, cite }) =>
    `by Mean Teacher ${cite(REFERENCE)}: a classifier learnt from labelled clips and, from ${given.unlabelledRatio} times as many clips whose ` +
    `label was not read, to answer as a copy of it that followed as a moving average (momentum ${given.momentum}) and saw another ` +
    `view (mean squared difference of the softmaxes, weight ${given.consistencyWeight}, reached after ${100 * given.rampUp} % of the run). ` +
    howViewsWereMade(view),
});
