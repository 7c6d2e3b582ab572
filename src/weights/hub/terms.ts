/**
 * The sets that weights have learnt from, one by one, with the terms of each. A merged dataset states those of its parts side by
 * side (`curation/merge.ts`), and its clips are called by them, so that a pool can be told into its sets.
 */
import type { Provenance } from '../../runs/provenance.ts';

/** A set, and what its terms are. */
export interface LearntSet {
  readonly name: string;
  /** The method or task that was trained on it, as provenance says it. */
  readonly by: string;
  /** Clips that were trained on; null where that is not known. */
  readonly clips: number | null;
  /** Null where nobody has said so. */
  readonly licence: string | null;
  readonly citation: string | null;
}

/** The sets of a training, those of a pool one by one. */
export function setsOf({ name, by, terms, clips }: Provenance): readonly LearntSet[] {
  const trained = clips.filter(({ role }) => role === 'training').map(({ id }) => id);
  const whole: LearntSet = {
    ...{ name, by: by ?? 'unknown', clips: clips.length === 0 ? null : trained.length },
    ...{ licence: terms?.licence ?? null, citation: terms?.citation ?? null },
  };
  return parted(
    whole,
    clips.map(({ id }) => id),
    trained,
  );
}

function parted(set: LearntSet, ids: readonly string[], trained: readonly string[]): readonly LearntSet[] {
  const prefixes = [...new Set(ids.map((id) => id.split('/', 1)[0]!))];
  const licences = set.licence === null ? null : sideBySide(set.licence, prefixes);
  // Every part of a pool states a licence, or that it states none.
  if (licences?.size !== prefixes.length) return [set];
  const citations = set.citation === null ? null : sideBySide(set.citation, prefixes);
  return prefixes.flatMap((prefix) => {
    const within = (all: readonly string[]): string[] =>
      all.flatMap((id) => (id.startsWith(`${prefix}/`) ? [id.slice(prefix.length + 1)] : []));
    const own = within(trained);
    const licence = licences.get(prefix)!;
    const part: LearntSet = {
      ...{ name: prefix, by: set.by, clips: own.length },
      licence: licence === NOT_STATED ? null : licence,
      citation: citations?.get(prefix) ?? null,
    };
    return parted(part, within(ids), own);
  });
}

/** What a merged dataset writes for a part that states no licence. */
const NOT_STATED = 'not stated';

/** The text of each part in `a: TEXT; b: TEXT`, whatever the texts hold; null where the text is none of parts. */
function sideBySide(text: string, names: readonly string[]): ReadonlyMap<string, string> | null {
  const starts = names
    .flatMap((name) => {
      const head = `${name}: `;
      if (text.startsWith(head)) return [{ name, from: 0, at: head.length }];
      const place = text.indexOf(`; ${head}`);
      return place < 0 ? [] : [{ name, from: place, at: place + 2 + head.length }];
    })
    .sort((a, b) => a.from - b.from);
  if (starts[0]?.from !== 0) return null;
  return new Map(starts.map(({ name, at }, i) => [name, text.slice(at, starts[i + 1]?.from ?? text.length)]));
}

/** Licences that the hub knows by a name of its own. */
const HUB_NAMES: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [/^CC BY((?:-(?:NC|ND|SA))*) (\d\.\d)$/, ([, more, version]) => `cc-by${more!.toLowerCase()}-${version!}`],
  [/^CC0(?: 1\.0)?$/, () => 'cc0-1.0'],
  [/^MIT$/, () => 'mit'],
  [/^Apache-2\.0$/, () => 'apache-2.0'],
];

/** The hub's name of the one licence of all sets; null where there are several, or one that it does not know. */
export function hubLicence(sets: readonly LearntSet[]): string | null {
  const names = new Set(
    sets.map(({ licence }) => {
      for (const [pattern, nameOf] of HUB_NAMES) {
        const match = pattern.exec(licence ?? '');
        if (match !== null) return nameOf(match);
      }
      return null;
    }),
  );
  const [only] = names;
  return names.size === 1 ? (only ?? null) : null;
}
