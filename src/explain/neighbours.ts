/** "Clips most like this one" as a picture: the clip that was asked about, then its nearest ones in order. */
import { join } from 'node:path';
import type { OverlayOptions } from 'sharp';
import { type NeighbourExplanation, RESEARCH_ONLY } from '../evaluation/explanations/explanation.ts';
import { nearestClips } from '../evaluation/explanations/retrieval.ts';
import { ACCENT, centred, fitted, GOOD, lines, PALE, sheetOf, writePng } from '../charts/sheet.ts';
import { fileName, referenceTo } from './clip-pool.ts';
import type { Work } from './options.ts';

export const NEIGHBOURS_FOLDER = 'neighbours';

const TILE = 176;
const GAP = 10;
const CAPTION = 50;
const HEADER = 28;
const COLUMNS = 5;

/**
 * The answers to the clip `query` among unit `rows` [clips, dim]. Errors: those of `nearestClips`, of `readFrame` and of
 * writing.
 */
export async function explainNeighbours(
  { options, pool, folder }: Work,
  rows: Float32Array,
  dim: number,
  query: number,
): Promise<NeighbourExplanation> {
  const { count = 9, sameGroup = false } = options.neighbours ?? {};
  const { group } = pool[query]!.record;
  const answers = nearestClips(rows, dim, query, {
    count,
    isExcluded: (clip) => !sameGroup && pool[clip]!.record.group === group,
  });
  const png = `${NEIGHBOURS_FOLDER}/${fileName(query, pool[query]!.record.id, '.png')}`;
  const cells = [{ clip: query, similarity: null }, ...answers];
  const columns = Math.min(COLUMNS, cells.length);
  const size = {
    width: GAP + columns * (TILE + GAP),
    height: HEADER + Math.ceil(cells.length / columns) * (TILE + CAPTION + GAP),
  };
  const layers: OverlayOptions[] = [];
  const drawing = [
    lines(
      [{ text: `most like the first, by cosine. ${RESEARCH_ONLY}`, colour: PALE }],
      GAP,
      GAP - 2,
      size.width - 2 * GAP,
    ),
  ];
  for (const [i, { clip, similarity }] of cells.entries()) {
    const left = GAP + (i % columns) * (TILE + GAP);
    const top = HEADER + Math.floor(i / columns) * (TILE + CAPTION + GAP);
    const { dataset, record } = pool[clip]!;
    const frame = dataset.readFrame(record, Math.floor(record.frames / 2));
    const raw = { ...record, channels: dataset.manifest.channels };
    layers.push(centred(await fitted(frame, raw, TILE, 'cubic'), left, top, TILE));
    const isQuery = similarity === null;
    const agrees = record.label !== null && record.label === pool[query]!.record.label;
    drawing.push(
      lines(
        [
          {
            text: isQuery ? 'asked about' : `cosine ${similarity.toFixed(3)}`,
            bold: true,
            ...(isQuery ? { colour: ACCENT } : {}),
          },
          { text: record.label ?? 'no label', ...(agrees ? { colour: GOOD } : {}) },
          { text: record.id, colour: PALE },
        ],
        left,
        top + TILE + 2,
        TILE,
      ),
      ...(isQuery
        ? [
            `<rect x="${left - 2}" y="${top - 2}" width="${TILE + 4}" height="${TILE + 4}" fill="none" stroke="${ACCENT}" stroke-width="2"/>`,
          ]
        : []),
    );
  }
  await writePng(join(folder, png), sheetOf(size, layers, drawing));
  return {
    query: referenceTo(pool[query]!),
    sameGroup,
    answers: answers.map(({ clip, similarity }) => ({
      ...referenceTo(pool[clip]!),
      similarity: Math.round(similarity * 1e6) / 1e6,
    })),
    png,
  };
}
