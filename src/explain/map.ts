/** The map of a pool of clips: coordinates as a table, and three pictures coloured by class, group and source. */
import { join } from 'node:path';
import { defined } from '../base/collect.ts';
import { writeFileAtomic } from '../base/files.ts';
import { svgDocument } from '../charts/document.ts';
import { scatterChart } from '../charts/scatter.ts';
import { clipMeans, type ClipEmbeddings } from '../evaluation/features/embeddings.ts';
import { embeddingMap } from '../evaluation/explanations/embedding-map.ts';
import { type MapExplanation, RESEARCH_ONLY } from '../evaluation/explanations/explanation.ts';
import { comparableRows, neighbourAgreement } from '../evaluation/explanations/retrieval.ts';
import { type ClipReference, referenceTo } from './clip-pool.ts';
import type { Work } from './options.ts';

export const MAP_FILES = {
  csv: 'map.csv',
  svg: { class: 'map-class.svg', group: 'map-group.svg', source: 'map-source.svg' },
} as const;

/** Errors: those of `embeddingMap` and of writing. */
export async function explainMap(
  { options, subject, pool, folder }: Work,
  embeddings: ClipEmbeddings,
): Promise<MapExplanation> {
  const { seed = 0, ...asked } = options.map ?? {};
  // The network's classes, then those of the data that it does not know.
  const ofData = pool.flatMap(({ dataset }) => dataset.manifest.classes);
  const classes = [...new Set([...(subject.classes ?? []), ...ofData])];
  const { dim } = embeddings;
  const rows = comparableRows(clipMeans(embeddings, pool.length), dim);
  const map = await embeddingMap(rows, dim, {
    ...{ seed, ...asked },
    ...defined({ signal: options.signal }),
    onProgress: (done, total) => options.onProgress?.(done, total, 'map'),
  });
  const points = pool.map((clip, i) => ({
    ...referenceTo(clip),
    x: rounded(map.points[2 * i]!),
    y: rounded(map.points[2 * i + 1]!),
  }));
  const groups = points.map(({ group }) => group);
  const kinds = {
    class: points.map(({ label }) => label),
    group: groups,
    source: points.map(({ source }) => source),
  };
  for (const key of ['class', 'group', 'source'] as const) {
    const title = `${pool.length} clips, by ${key}`;
    const size = 520;
    const chart = scatterChart(
      points.map((point, i) => ({
        ...{ x: point.x, y: point.y, kind: kinds[key][i]! },
        title: `${point.clip} · ${point.label ?? 'no label'} · ${point.group}`,
      })),
      { label: title, order: key === 'class' ? classes : [], apart: 20, size },
    );
    const svg = svgDocument(
      title,
      [{ ...chart, title: key, width: size, height: size }],
      ['UMAP of mean features by cosine. Far distances mean little.', RESEARCH_ONLY],
    );
    writeFileAtomic(join(folder, MAP_FILES.svg[key]), [svg]);
  }
  writeFileAtomic(join(folder, MAP_FILES.csv), [tableOf(points)]);
  return {
    points,
    ...{ neighbours: map.neighbours, minDist: map.minDist, epochs: map.epochs, seed },
    trustworthiness: map.trustworthiness,
    agreement: {
      class: neighbourAgreement(rows, dim, kinds.class, groups),
      group: neighbourAgreement(rows, dim, groups, null),
      source: neighbourAgreement(rows, dim, kinds.source, groups),
    },
    csv: MAP_FILES.csv,
    svg: { ...MAP_FILES.svg },
  };
}

function tableOf(points: readonly (ClipReference & { readonly x: number; readonly y: number })[]): string {
  const rows = points.map(({ clip, group, label, source, x, y }) =>
    [clip, group, label ?? '', source, String(x), String(y)].map(cell).join(','),
  );
  return `${['clip,group,label,source,x,y', ...rows].join('\n')}\n`;
}

/** Quoted where it must be (RFC 4180); what a spreadsheet would take for a formula gets a leading apostrophe. */
function cell(text: string): string {
  const safe = /^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
