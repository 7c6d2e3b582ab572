/**
 * Classifiers of clips from several datasets: one head for all, or a head for each source. All heads lie side by side in one
 * linear layer, in which each has a column for each of its classes. A row is answered by the head of its source alone: the
 * scores of other columns count as −∞, which leaves them no probability and no gradient. So sources whose labels mean
 * different things do not compete, and what tells sources apart answers nothing.
 */
import { z } from 'zod';
import { usageError } from '../base/errors.ts';
import { highest } from '../objectives/soft-cross-entropy.ts';
import type { MethodGiven, ViewRows } from './method.ts';

/** Whether labels of all sources are answered by one head. */
export type HeadSharing = 'shared' | 'per-source';

/** Option: one head or several. */
export function headsOption(usual: HeadSharing) {
  return z
    .enum(['shared', 'per-source'])
    .default(usual)
    .describe(
      'classes of all sources in one head, or a head for each source, that tells apart the classes its labels name',
    );
}

/** Columns of one head, one a class. */
interface Head {
  readonly from: number;
  readonly classes: readonly number[];
}

/** The heads of a run. */
export interface SourceHeads {
  /** Features of the linear layer. */
  readonly columns: number;
  /** Whether a label of this source has a column. */
  readonly knows: (label: number, source: number) => boolean;
  /** [rows] the column of each label; −1 where there is none. */
  readonly columnsOf: (rows: ViewRows) => Int32Array;
  /** The scores [views·rows, columns] with −∞ outside of each row's own head. The scores themselves stay. */
  readonly ownScores: (scores: Float32Array, rows: ViewRows) => Float32Array;
}

/** Heads for the labels that may be read. Of `per-source` ones a source with fewer than two labelled classes has none. */
export function sourceHeads(
  sharing: HeadSharing,
  { classes, sources }: Pick<MethodGiven, 'classes' | 'sources'>,
): SourceHeads {
  const one: Head = { from: 0, classes: Array.from({ length: classes }, (_, label) => label) };
  let columns = sharing === 'shared' ? classes : 0;
  const heads = sources.map(({ classes: own }): Head | null => {
    if (sharing === 'shared') return one;
    if (own.length < 2) return null;
    const head = { from: columns, classes: own };
    columns += own.length;
    return head;
  });
  const columnOf = (label: number, source: number): number => {
    const head = heads[source] ?? null;
    const place = head?.classes.indexOf(label) ?? -1;
    return head === null || place === -1 ? -1 : head.from + place;
  };
  return {
    columns,
    knows: (label, source) => columnOf(label, source) !== -1,
    columnsOf: ({ labels, sources: of }) => labels.map((label, row) => columnOf(label, of[row]!)),
    ownScores(scores, { sources: of }) {
      const own = new Float32Array(scores.length).fill(-Infinity);
      for (let row = 0; row * columns < scores.length; row++) {
        const head = heads[of[row % of.length]!] ?? null;
        if (head === null) continue;
        const from = row * columns + head.from;
        own.set(scores.subarray(from, from + head.classes.length), from);
      }
      return own;
    },
  };
}

/**
 * Refuses heads of a method that learns by nothing else, where no two classes can be told apart. Error: `METHOD_LABELS`
 * naming what each source has.
 */
export function requireHeads(
  method: string,
  { columns }: SourceHeads,
  sources: MethodGiven['sources'],
): void {
  if (columns >= 2 && new Set(sources.flatMap(({ classes }) => classes)).size >= 2) return;
  const have = sources.map(({ name, classes }) => `${name} has ${classes.length}`).join(', ');
  throw usageError(
    'METHOD_LABELS',
    `The method "${method}" learns to tell classes apart, and no source has labels of two classes that may be read (${have}).`,
    'Use a dataset with labels of two classes and a higher data.labelRate, method.heads=shared, or a method that needs no labels.',
    { where: `method ${method}` },
  );
}

/**
 * Mean over the columns that labels name of the share of their rows that are answered rightly; 0 where there is no label.
 * @param scores [views·clips, columns], as `ownScores` gives them.
 * @param labels [clips], columns; −1 for none.
 */
export function balancedAccuracy(scores: Float32Array, labels: Int32Array, columns: number): number {
  const [seen, right] = [new Float64Array(columns), new Float64Array(columns)];
  for (let row = 0; row * columns < scores.length; row++) {
    const label = labels[row % labels.length]!;
    if (label < 0) continue;
    seen[label]!++;
    if (highest(scores, row * columns, columns) === label) right[label]!++;
  }
  const shares = [...seen].flatMap((count, column) => (count === 0 ? [] : [right[column]! / count]));
  return shares.reduce((sum, share) => sum + share / shares.length, 0);
}
