/** What `uscl explain` found: where the heat lies, and how clips lie to each other. */
import type { CamExplanation, Explanation, MapExplanation } from '../evaluation/explanations/explanation.ts';
import { legendList } from '../charts/legend.ts';
import { scatterChart } from '../charts/scatter.ts';
import { groupBy, mean } from '../base/collect.ts';
import { facts, figure, figures, table } from './elements.ts';
import { type Html, html, name, type Part } from '../charts/markup.ts';
import { count, counted, percent, plain, score } from './numbers.ts';
import type { Pictures } from './pictures.ts';
import type { Subject } from './subject.ts';

/** The section's content. */
export function explanationSection(subject: Subject, cams: Pictures['cams']): Part {
  const { explanation, kind } = subject;
  const command =
    kind === 'pretraining' ? 'uscl explain RUN DATASET --map' : 'uscl explain RUN DATASET --cam --map';
  if (explanation === null)
    return html`<p>
      Nothing has been explained yet. <code>${command}</code> leaves pictures and numbers in the run; the next
      report shows them.
    </p>`;
  const { cam, map } = explanation;
  return html`${map !== null && mapPart(map, explanation)} ${cam !== null && camPart(cam, cams, explanation)}
  ${map === null && html`<p class="note">No map of embeddings: <code>${command}</code> makes one.</p>`}
  ${cam === null && kind !== 'pretraining' && html`<p class="note">No Grad-CAM: <code>${command}</code> makes it.</p>`}`;
}

const COLOURED = { class: 'label', group: 'group', source: 'source' } as const;
const NONE_KNOWN = 'not known';

function mapPart(map: MapExplanation, { framesPerClip }: Explanation): Html {
  const { points, agreement } = map;
  const panels = (['class', 'group', 'source'] as const).flatMap((by): Html[] => {
    const kindOf = (point: MapExplanation['points'][number]): string | null => point[COLOURED[by]];
    const sizes = [...groupBy(points, kindOf)].flatMap(([kind, own]) =>
      kind === null ? [] : [[kind, own.length] as const],
    );
    if (by !== 'class' && sizes.length < 2) return [];
    const order = sizes
      .sort(([a, n], [b, m]) => (by === 'class' ? 0 : m - n) || (a < b ? -1 : 1))
      .map(([kind]) => kind);
    const near = agreement[by];
    const found =
      near === null
        ? ''
        : ` Of the five nearest clips ${percent(near.nearest, 0)} share the ${by}; ${percent(near.chance, 0)} would by chance.`;
    const { plot, legend } = scatterChart(
      points.map((point) => ({
        x: point.x,
        y: point.y,
        kind: kindOf(point),
        title: `${point.clip} (${kindOf(point) ?? NONE_KNOWN})`,
      })),
      { label: `Map of ${points.length} clips coloured by ${by}.${found}`, order },
    );
    return [
      figure({
        title: `Map of clips by ${by}`,
        caption: found.trim(),
        plot,
        legend: legendList(legend),
        table: {
          label: `Clips on the map by ${by}`,
          head: ['Clip', by, 'x', 'y'],
          words: [1],
          rows: points
            .slice(0, 200)
            .map((point) => [
              name(point.clip),
              name(kindOf(point) ?? NONE_KNOWN),
              plain(point.x),
              plain(point.y),
            ]),
        },
      }),
    ];
  });
  return html`<h3>Map of embeddings</h3>
    <p>
      UMAP of the mean features of ${counted(framesPerClip, 'frame')} a clip (${count(map.neighbours)}
      neighbours, minimal distance ${map.minDist}, seed
      ${map.seed}${map.trustworthiness !== null && `, trustworthiness ${score(map.trustworthiness, 2)}`}). A
      map is for the eye: distances between far clips, sizes of heaps and gaps mean little. Clips that gather
      by group or source rather than by class are a warning.
    </p>
    ${figures(panels)}`;
}

function camPart(cam: CamExplanation, cams: Pictures['cams'], { weights }: Explanation): Html {
  const { summary } = cam;
  const entries = cam.entries;
  const byClass = [...groupBy(entries, (entry) => entry.class)];
  return html`<h3>Where the network looks: Grad-CAM</h3>
    <p>
      Heat at <code>${cam.layer}</code> (${cam.cells.width} × ${cam.cells.height} cells) for
      ${cam.target === 'predicted' ? 'the class the network holds for most probable' : cam.target === 'label' ? 'the clip’s own class' : html`the class ${name(cam.target)}`},
      by the weights in <code>${weights.file}</code>. ${heatSentence(cam)} Grad-CAM shows where evidence was
      read, not whether it is right.
    </p>
    ${facts([
      ['Clips', count(summary.clips)],
      [
        'Heat inside the field',
        html`<strong>${percent(summary.all.insideShare)}</strong>; evenly spread heat would have
          ${percent(summary.all.fieldShare)}`,
      ],
      summary.partial.clips > 0 && summary.partial.clips < summary.all.clips
        ? [
            'Only clips whose field leaves room around it',
            `${percent(summary.partial.insideShare)} of ${counted(summary.partial.clips, 'clip')}; evenly spread ${percent(summary.partial.fieldShare)}`,
          ]
        : null,
      ['Without a known field', count(summary.withoutField)],
      ['Frames without any heat', count(summary.withoutHeat)],
    ])}
    ${
      cams.length > 0
        ? html`<div class="clips cams">
            ${cams.map(
              ({ entry, picture }) =>
                html`<figure>
                  <img
                    src="${picture.source}"
                    width="${picture.width}"
                    height="${picture.height}"
                    alt="Grad-CAM for ${entry.class} on frame ${entry.frame} of clip ${entry.clip}: the frame beside the same frame under its heat"
                  />
                  <figcaption>
                    <strong>${name(entry.class)}, given ${percent(entry.probability, 0)}</strong>
                    ${entry.label === null ? 'unlabelled' : html`labelled ${name(entry.label)}`};
                    ${entry.insideShare === null ? 'field not known' : `${percent(entry.insideShare, 0)} of the heat inside the field`}.
                    ${name(entry.clip)}, frame ${entry.frame}.
                  </figcaption>
                </figure> `,
            )}
          </div>`
        : html`<p class="note">The pictures are left out or were not asked for; the numbers are complete.</p>`
    }
    <details>
      <summary>The numbers, class by class</summary>
      ${table({
        label: 'Grad-CAM by class',
        head: ['Class explained', 'Frames', 'Heat inside the field', 'Evenly spread heat'],
        rows: byClass.map(([one, own]) => [
          name(one),
          count(own.length),
          percent(meanOf(own.map(({ insideShare }) => insideShare))),
          percent(meanOf(own.map(({ fieldShare }) => fieldShare))),
        ]),
      })}
    </details>`;
}

function heatSentence({ summary }: CamExplanation): string {
  const { insideShare, fieldShare } = summary.all;
  if (insideShare === null || fieldShare === null)
    return 'No field is known, so it cannot be said how much of the heat lies on tissue.';
  const verdict =
    insideShare > fieldShare
      ? 'more than evenly spread heat would have'
      : 'no more than evenly spread heat would have';
  return `${percent(insideShare)} of the heat lies inside the ultrasound field, ${verdict} (${percent(fieldShare)}).`;
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : mean(known);
}
