/**
 * Supervised learning alone: the cross-entropy of labelled clips (`objectives/cross-entropy.ts`), with a head for each dataset
 * that they were merged from (Caruana, Machine Learning 1997: tasks that share a representation). The mean is over all views
 * of all labelled clips of a batch, so that each counts the same, whatever its source. Other clips contribute nothing. This is
 * what other methods have to be better than.
 */
import { z } from 'zod';
import { OUTPUTS, withHeads } from '../models/heads.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { defineMethod, type Reference } from './method.ts';
import { balancedAccuracy, headsOption, requireHeads, sourceHeads } from './source-heads.ts';
import { howViewsWereMade } from './view-pairs.ts';

const options = z.object({ heads: headsOption('per-source') });

const REFERENCE: Reference = {
  key: 'multitask',
  text: 'Caruana R. Multitask Learning. Machine Learning 1997; 28: 41–75. doi:10.1023/A:1007379606734',
};

/** A batch without labels has a loss of 0 and no gradient. Held-out clips are scored by labels as many as `data.labelRate` says. */
export const supervised = defineMethod<z.infer<typeof options>>({
  name: 'supervised',
  title: 'Supervised',
  summary: 'a classifier on labelled clips, with a head for each of the datasets that were merged',
  reference: REFERENCE,
  options,
  presets: { default: { view: { spg: { enabled: false } } } },
  measurements: [
    // Views with a label that a head knows, and those of them that it answers rightly.
    { name: 'labelled', over: 'sum' },
    { name: 'correct', over: 'sum' },
    // The share of the latter, and its mean over the classes of all heads; 0 for a batch without labels.
    { name: 'accuracy', over: 'mean', heldOut: true },
    { name: 'balancedAccuracy', over: 'mean', heldOut: true },
  ],
  charts: [
    {
      title: 'Balanced accuracy',
      axis: 'share',
      shows: ['balancedAccuracy'],
      caption:
        'Mean over the classes of all heads of the share of labelled views that are answered rightly; of a training batch over its own classes.',
    },
  ],
  chooses: { by: 'balancedAccuracy', better: 'higher' },
  needsLabels: true,
  readsLabels: () => true,
  open({ heads: sharing }, { trunk, classes, sources, batchSize }) {
    const heads = sourceHeads(sharing, { classes, sources });
    requireHeads('supervised', heads, sources);
    const { columns } = heads;
    const classifier = { classes: columns, input: 'representation' } as const;
    const network = withHeads(trunk, { projection: null, classifier });
    return {
      streams: [{ clips: 'training', count: batchSize, views: 'pair' }],
      online: { network, views: [0, 1] },
      scoresLabel: heads.knows,
      losses(batch) {
        batch.gradient(OUTPUTS.features).fill(0);
        const [rows] = batch.views;
        const labels = heads.columnsOf(rows!);
        const scores = heads.ownScores(batch.output(OUTPUTS.logits), rows!);
        const gradient = batch.gradient(OUTPUTS.logits);
        const known = crossEntropy(scores, labels, columns, gradient, { reduction: 'mean' });
        return {
          ...known,
          accuracy: known.labelled === 0 ? 0 : known.correct / known.labelled,
          balancedAccuracy: balancedAccuracy(scores, labels, columns),
        };
      },
    };
  },
  describe: ({ heads }, { view, cite }) =>
    `by supervised learning ${cite(REFERENCE)} alone: a classifier on the representation, ` +
    (heads === 'shared'
      ? 'one for all clips, '
      : 'with a head of its own for each dataset that clips came from, ') +
    `learnt from labelled clips (cross-entropy, the mean over their views); clips without a label contributed nothing. ` +
    howViewsWereMade(view),
});
