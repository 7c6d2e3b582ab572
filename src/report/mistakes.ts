/** What the model was surest about and wrong, from the predictions alone: the clips to look at before believing any figure. */
import type { Predictions } from '../evaluation/scores/predictions.ts';
import { groupBy, mean } from '../base/collect.ts';
import { html, name, type Part } from '../charts/markup.ts';
import { table } from './elements.ts';
import { count, counted, percent } from './numbers.ts';
import type { Pictures } from './pictures.ts';
import type { ScoredSubject } from './subject.ts';

export interface Mistake {
  /** Index into the clips of the predictions. */
  readonly clip: number;
  readonly id: string;
  readonly group: string;
  /** Class indices. */
  readonly truth: number;
  readonly said: number;
  /** Mean probability over seeds and frames of what was said, and of the truth. */
  readonly confidence: number;
  readonly truthProbability: number;
  /** Seeds that were wrong about it, of those that judged it. */
  readonly wrongSeeds: number;
  readonly seeds: number;
  /** The frame that spoke most for what was said. */
  readonly frame: number;
}

/**
 * Labelled clips whose mean probability over seeds and frames is largest for a wrong class, surest first; at one label
 * rate.
 */
export function mistakesOf(predictions: Predictions, labelRate: number): readonly Mistake[] {
  const rows = predictions.cells.filter((cell) => cell.labelRate === labelRate).flatMap((cell) => cell.rows);
  return [...groupBy(rows, ({ clip }) => clip)]
    .flatMap(([clip, seen]): Mistake[] => {
      const { id, group, label } = predictions.clips[clip]!;
      if (label === null) return [];
      const bySeed = seen.map(({ probabilities }) => columnMeans(probabilities));
      const all = columnMeans(bySeed);
      const said = largest(all);
      if (said === label) return [];
      const frames = seen.flatMap((row) =>
        row.frames.map((frame, i) => ({ frame, speaks: row.probabilities[i]![said]! })),
      );
      const worst = frames.reduce((best, one) => (one.speaks > best.speaks ? one : best));
      return [
        {
          ...{ clip, id, group, truth: label, said, frame: worst.frame },
          confidence: all[said]!,
          truthProbability: all[label]!,
          wrongSeeds: bySeed.filter((one) => largest(one) !== label).length,
          seeds: bySeed.length,
        },
      ];
    })
    .sort(
      (a, b) => b.confidence - b.truthProbability - (a.confidence - a.truthProbability) || a.clip - b.clip,
    );
}

function columnMeans(rows: readonly (readonly number[])[]): number[] {
  return rows[0]!.map((_, c) => mean(rows.map((row) => row[c]!)));
}

function largest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

/** Rows of the table at most. */
const MOST = 30;

/** The section's content. */
export function mistakesSection(
  { evaluation }: ScoredSubject,
  mistakes: readonly Mistake[],
  frames: Pictures['frames'],
): Part {
  const { classes } = evaluation;
  if (mistakes.length === 0) return html`<p>By the mean of all seeds the model was wrong about no clip.</p>`;
  const pictured = mistakes.filter(({ id }) => frames.has(id));
  return html`<p>
      By the mean of all seeds and frames the model was wrong about ${counted(mistakes.length, 'clip')}; the
      surest mistakes come first. Look at these before anything else: they may show what the model looks at,
      and labels that are wrong.
    </p>
    ${
      pictured.length > 0
        ? html`<div class="clips">
            ${pictured.map(({ id, truth, said, confidence, frame, wrongSeeds, seeds }) => {
              const { source, width, height } = frames.get(id)!;
              return html`<figure>
                <img
                  src="${source}"
                  width="${width}"
                  height="${height}"
                  alt="Frame ${frame} of clip ${id}, which is ${classes[truth]} and was taken for ${classes[said]}"
                />
                <figcaption>
                  <strong>${name(classes[said]!)}, not ${name(classes[truth]!)}</strong> said with
                  ${percent(confidence, 0)}, ${wrongSeeds} of ${counted(seeds, 'seed')} wrong. Frame ${frame}
                  of ${name(id)}.
                </figcaption>
              </figure> `;
            })}
          </div>`
        : html`<p class="note">
            Frames are shown where the dataset is given: <code>uscl report … --dataset FOLDER</code>.
          </p>`
    }
    ${table({
      label: 'Clips the model was wrong about',
      head: ['Clip', 'Group', 'True class', 'Said', 'with', 'True class given', 'Seeds wrong', 'Frame'],
      words: [1, 2, 3],
      rows: mistakes
        .slice(0, MOST)
        .map(({ id, group, truth, said, confidence, truthProbability, wrongSeeds, seeds, frame }) => [
          name(id),
          name(group),
          name(classes[truth]!),
          name(classes[said]!),
          percent(confidence, 0),
          percent(truthProbability, 0),
          `${wrongSeeds} of ${seeds}`,
          count(frame),
        ]),
    })}
    ${mistakes.length > MOST && html`<p class="note">${count(mistakes.length - MOST)} more are in predictions.json.</p>`}`;
}
