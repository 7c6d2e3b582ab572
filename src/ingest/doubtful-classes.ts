/**
 * Names of classes that a table most likely did not mean: several spellings of one class, and words for a missing
 * label. They are classes all the same, because a table's words are taken as they are; a person is told.
 */
import { groupBy } from '../base/collect.ts';
import type { Warning } from './common/ingest-plan.ts';

/** How tables write that there is no label, as `folded` leaves it: people, spreadsheets, pandas, R and SQL. */
const MISSING: ReadonlySet<string> = new Set([
  ...'na n/a n.a n.a. #n/a #na <na> nan #nan nat none null nil undefined unknown unk unspecified missing'.split(
    ' ',
  ),
  ...'unlabelled unlabeled tbd tba #null! #value! #ref! #div/0! #name? #num! k.a. unbekannt inconnu'.split(
    ' ',
  ),
  ...['not available', 'not applicable', 'not known', 'not labelled', 'not labeled', 'no label', 'k. a.'],
]);

/** Warnings of classes that differ only in spelling, and of classes that seem to mean a missing label. */
export function classWarnings(classes: readonly string[]): readonly Warning[] {
  const alike = [...groupBy(classes, comparable).values()].filter((names) => names.length > 1);
  const missing = classes.filter(meansMissing);
  const warnings = [
    {
      code: 'classes-alike',
      message: `Classes differ only in case, blanks, separators or the form of their letters, and are classes of their own: ${alike.map(quoted).join('; ')}. If they are one, write them alike in the table.`,
      about: alike.flat(),
    },
    {
      code: 'classes-missing',
      message: `Classes look like words for a missing label and are taken as classes: ${quoted(missing)}. If these clips have no label, leave their cells empty.`,
      about: missing,
    },
  ];
  return warnings.filter(({ about }) => about.length > 0);
}

/** Whether a label most likely says that there is none. */
export function meansMissing(name: string): boolean {
  const text = folded(name);
  return MISSING.has(text) || /^[-–—_?.*#!/\\()[\]<>"'` ]*$/.test(text);
}

/** One spelling for names that a reader takes for the same. A dash before a number is its sign. */
function comparable(name: string): string {
  return folded(name).replaceAll(/(?<=[\p{L}\p{N}])[\s_\p{Pd}]+(?=[\p{L}\p{N}])/gu, ' ');
}

/** Compatibility forms (ﬁ, full-width letters) and case are one, and what cannot be seen is left out. */
function folded(name: string): string {
  return name
    .normalize('NFKC')
    .replaceAll(/\p{Cf}/gu, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
