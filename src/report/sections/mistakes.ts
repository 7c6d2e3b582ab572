/** What the model was surest about and wrong: the clips to look at before believing any figure. */
import { table } from '../elements.ts';
import { html, name, type Part } from '../../charts/markup.ts';
import type { Mistake } from '../mistakes.ts';
import { count, counted, percent } from '../numbers.ts';
import type { Pictures } from '../pictures.ts';
import type { ScoredSubject } from '../subject.ts';

/** Rows of the table at most. */
const MOST = 30;

/** The section's content. `shown`: how many of the mistakes have a picture at most. */
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
