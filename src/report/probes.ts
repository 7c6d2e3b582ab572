/** What frozen features were worth: each probe of the run beside random weights, with the intervals of the difference. */
import { mean } from '../base/collect.ts';
import { forestChart } from '../charts/forest.ts';
import { html, name, type Part } from '../charts/markup.ts';
import { balancedAccuracyByChance } from '../evaluation/scores/metrics.ts';
import type { LevelScores } from '../evaluation/probes/probe-result.ts';
import type { RunProbe } from '../probe/probe-run.ts';
import { figure, figures, notice } from './elements.ts';
import { count, counted, interval, percent, roundPercent, score, signed } from './numbers.ts';

const READERS = { linear: 'linear probe', knn: 'kNN' } as const;

/** The section's content. */
export function probesSection(probes: readonly RunProbe[]): Part {
  if (probes.length === 0)
    return html`<p>
      The features have not been probed yet. <code>uscl probe RUN DATASET</code> says what they are worth
      beside random weights; the next report shows it.
    </p>`;
  return probes.map(probePart);
}

function probePart(probe: RunProbe): Part {
  const { dataset, pretrained, random, differences, overlap, leaks, split } = probe;
  const { data, settings } = pretrained;
  const classes = data.perClass.map((one) => one.clips);
  const rows = (['linear', 'knn'] as const).map((reader) => ({
    reader,
    own: pretrained[reader].clip,
    random: random.map(({ result }) => result[reader].clip),
    gains: differences.map((one) => one[reader].clip.balancedAccuracy),
  }));
  const folding =
    split === null
      ? `${counted(settings.seeds, 'folding')} into ${counted(settings.folds, 'fold')}`
      : `the split ${split}`;
  return html`<h3>On ${name(dataset.name)}</h3>
    <p>
      A classifier on the frozen features of ${counted(data.clips, 'clip')} of
      ${counted(data.groups, 'group')}, tested on groups it was not fitted on (${folding}). Balanced accuracy
      by chance is ${score(balancedAccuracyByChance(classes))}.
      ${
        overlap === null
          ? 'It is not known whether pretraining has seen these clips.'
          : overlap.seen === 0
            ? 'Pretraining has seen none of these clips.'
            : `Pretraining has seen ${count(overlap.seen)} of these clips and the labels of ${count(overlap.labelsSeen)}.`
      }
    </p>
    ${leaks.map((leak) => notice('warn', html`Leak allowed: ${leak}`))}
    ${figures(
      rows.map(({ reader, own, random: others, gains }) =>
        figure({
          title: `${reader === 'knn' ? 'kNN' : 'Linear probe'}: pretrained minus random weights`,
          caption: `Balanced accuracy over clips: ${score(own.balancedAccuracy.mean)}${others.length === 0 ? '' : `, on random weights ${score(mean(others.map((one) => one.balancedAccuracy.mean)))}`}. Each row is one random network on the same folds, with the paired ${roundPercent(settings.confidence)} interval over groups.`,
          plot: forestChart({
            label: `${READERS[reader]}: ${gains.map(({ mean: gain, interval: ends }) => `${signed(gain)}, interval ${interval(ends)}`).join('; ')}.`,
            rows: gains.map(({ mean: gain, interval: ends }, i) => ({
              name: `random ${i + 1}`,
              estimate: gain,
              interval: ends,
            })),
            xTitle: 'difference of balanced accuracy',
          }),
          table: {
            label: `${READERS[reader]} in numbers`,
            head: ['Weights', 'Balanced accuracy', 'Accuracy', 'Macro-F1', 'Difference', 'Interval'],
            rows: [
              [...scoreCells('pretrained', own), '', ''],
              ...others.map((one, i) => [
                ...scoreCells(`random ${i + 1}`, one),
                signed(gains[i]?.mean ?? null),
                interval(gains[i]?.interval ?? null),
              ]),
            ],
          },
        }),
      ),
    )}`;
}

function scoreCells(what: string, { balancedAccuracy, accuracy, macroF1 }: LevelScores): readonly string[] {
  return [what, score(balancedAccuracy.mean), percent(accuracy.mean), score(macroF1.mean)];
}
