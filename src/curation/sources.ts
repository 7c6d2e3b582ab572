/**
 * The datasets that a dataset was merged from. What tells them apart (machine, hospital, frame of the picture) is no
 * finding: batches of one source leave nothing to be gained by it, and a classifier may have a head for each.
 */
import { z } from 'zod';
import { dataError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';

/** The sources of a dataset's clips. */
export interface Sources {
  /** Of a dataset that was not merged: its own name alone. */
  readonly names: readonly string[];
  /** Number of each clip's source among `names`. */
  readonly of: Int32Array;
}

const mergedSchema = z.looseObject({
  command: z.literal('merge'),
  of: z.array(z.looseObject({ prefix: z.string(), made: z.unknown() })),
});

/** The sources of a dataset, those of merged ones in place of these. Error: `SOURCE_UNKNOWN` for a clip of none of them. */
export function sourcesOf({ manifest, clips }: Pick<Dataset, 'manifest' | 'clips'>): Sources {
  const prefixes = prefixesOf(manifest.made);
  if (prefixes === null) return { names: [manifest.name], of: new Int32Array(clips.length) };
  const of = Int32Array.from(clips, ({ id }) => {
    const source = prefixes.findIndex((prefix) => id.startsWith(`${prefix}/`));
    if (source !== -1) return source;
    throw dataError(
      'SOURCE_UNKNOWN',
      `The dataset was merged from ${prefixes.join(', ')}, and the clip ${id} is of none of them.`,
      'Merge the datasets again (uscl merge).',
      { where: `clip ${id}` },
    );
  });
  return { names: prefixes, of };
}

/** Prefixes of ids by what made the dataset; null where nothing was merged. */
function prefixesOf(made: unknown): readonly string[] | null {
  const merged = mergedSchema.safeParse(made);
  if (!merged.success) return null;
  return merged.data.of.flatMap(({ prefix, made: earlier }) => {
    return prefixesOf(earlier)?.map((inner) => `${prefix}/${inner}`) ?? [prefix];
  });
}
