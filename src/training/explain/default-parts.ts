/**
 * What is explained where nobody said what: everything that these weights and clips allow, with a note about what they do
 * not. Also which clips are asked about where none was named.
 */
import { FEWEST_CLIPS } from '../../evaluation/embedding-map.ts';
import type { PooledClip } from './clip-pool.ts';
import type { Part } from './out-folder.ts';

/** Clips that are asked about at most. */
const MOST_QUERIES = 8;

/** The parts that can be made; `note` is told of each that cannot, and why. */
export function defaultParts(
  pool: readonly PooledClip[],
  classes: readonly string[] | null,
  note: (text: string) => void,
): Partial<Record<Part, Record<string, never>>> {
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
