/**
 * The clips that are explained: those of one or several datasets, each with the dataset it is read from. And what is
 * explained of them where nobody said.
 */
import { usageError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { FEWEST_CLIPS } from '../evaluation/explanations/embedding-map.ts';
import type { EmbeddingSource } from '../evaluation/features/embeddings.ts';

export interface PooledClip {
  readonly dataset: Dataset;
  readonly record: ClipRecord;
  /** Where it is from: the dataset, where there are several; else the folder in the dataset's own source. */
  readonly source: string;
}

/** How a clip is told of in an explanation. */
export interface ClipReference {
  readonly clip: string;
  readonly group: string;
  readonly label: string | null;
  readonly source: string;
}

/** All clips of the datasets, in order. */
export function poolClips(datasets: readonly Dataset[]): PooledClip[] {
  return datasets.flatMap((dataset) =>
    dataset.clips.map((record) => ({
      dataset,
      record,
      source: datasets.length > 1 ? dataset.manifest.name : folderOf(record.source) || dataset.manifest.name,
    })),
  );
}

function folderOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}

export function referenceTo({ record, source }: PooledClip): ClipReference {
  return { clip: record.id, group: record.group, label: record.label, source };
}

/** The pool as embedding reads it. */
export function frameSource(pool: readonly PooledClip[]): EmbeddingSource {
  const datasetOf = new Map(pool.map(({ dataset, record }) => [record, dataset]));
  return {
    clips: pool.map(({ record }) => record),
    readFrame: (clip, frame, target) => datasetOf.get(clip)!.readFrame(clip, frame, target),
  };
}

/**
 * The clip with this id, or the only one whose id contains it. Errors: `CLIP_UNKNOWN`, `CLIP_AMBIGUOUS`.
 */
export function findClip(pool: readonly PooledClip[], id: string): number {
  const exact = pool.flatMap(({ record }, index) => (record.id === id ? [index] : []));
  const found =
    exact.length > 0 ? exact : pool.flatMap(({ record }, index) => (record.id.includes(id) ? [index] : []));
  if (found.length === 1) return found[0]!;
  const some = (found.length === 0 ? [...pool.keys()] : found).slice(0, 3).map((i) => pool[i]!.record.id);
  throw usageError(
    found.length === 0 ? 'CLIP_UNKNOWN' : 'CLIP_AMBIGUOUS',
    found.length === 0
      ? `There is no clip "${id}".`
      : `${found.length} clips have "${id}" in their id or are called so.`,
    `Give a whole id, such as ${some.join(' or ')}; \`uscl inspect\` shows them.`,
    { where: id },
  );
}

/** Clips that are asked about at most. */
const MOST_QUERIES = 8;

/** What is explained where nobody said what: all parts that can be made; `note` is told of each that cannot, and why. */
export function defaultParts(
  pool: readonly PooledClip[],
  classes: readonly string[] | null,
  note: (text: string) => void,
): Partial<Record<'cam' | 'map' | 'neighbours', Record<string, never>>> {
  const cam = classes !== null;
  const map = pool.length >= FEWEST_CLIPS;
  const neighbours = new Set(pool.map(({ record }) => record.group)).size > 1;
  if (!cam) note('No Grad-CAM: these weights were not fine-tuned, so they know no class.');
  if (!map) note(`No map: it needs at least ${FEWEST_CLIPS} clips, and there are ${pool.length}.`);
  if (!neighbours) note('No nearest clips: all clips are of one group.');
  return {
    ...(cam ? { cam: {} } : {}),
    ...(map ? { map: {} } : {}),
    ...(neighbours ? { neighbours: {} } : {}),
  };
}

/** The first clip of every class; without any label the first clip. */
export function defaultQueries(pool: readonly PooledClip[]): number[] {
  const first = new Map<string, number>();
  for (const [clip, { record }] of pool.entries())
    if (record.label !== null && !first.has(record.label)) first.set(record.label, clip);
  return first.size === 0 ? [0] : [...first.values()].slice(0, MOST_QUERIES);
}

/** A file name that every system takes, with the end of the id, which tells clips apart. */
export function fileName(index: number, id: string, ending: string): string {
  const safe = id
    .replaceAll(/\.[A-Za-z0-9]{1,5}$/g, '')
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${String(index + 1).padStart(4, '0')}-${safe.slice(-60) || 'clip'}${ending}`;
}
