import { describe, expect, test } from 'vitest';
import { balancedAccuracy, requireHeads, sourceHeads } from '../../src/methods/source-heads.ts';
import { crossEntropy } from '../../src/objectives/cross-entropy.ts';
import { failure } from '../failures.ts';
import { labelledRows } from './support.ts';

/** Three sources: classes 1, 3 and 4; class 2 alone; classes 3 and 0. */
const SOURCES = [
  { name: 'lung', classes: [1, 3, 4] },
  { name: 'liver', classes: [2] },
  { name: 'breast', classes: [0, 3] },
];
const GIVEN = { classes: 5, sources: SOURCES };
const rows = { ...labelledRows(3, 2, 3, -1, 0), sources: Int32Array.of(0, 1, 2, 0, 2) };

describe('a head for each source', () => {
  const heads = sourceHeads('per-source', GIVEN);

  test('has a column for each class that its labels name, in the order of sources', () => {
    expect(heads.columns).toBe(5);
    expect([...heads.columnsOf(rows)]).toEqual([1, -1, 4, -1, 3]);
    expect([...heads.columnsOf({ ...rows, sources: Int32Array.of(2, 0, 0, 1, 0) })]).toEqual([
      4, -1, 1, -1, -1,
    ]);
  });

  test('knows the labels that have a column, and no others', () => {
    const known = SOURCES.flatMap((_, source) =>
      [0, 1, 2, 3, 4].filter((label) => heads.knows(label, source)).map((label) => [source, label]),
    );
    expect(known).toEqual([
      [0, 1],
      [0, 3],
      [0, 4],
      [2, 0],
      [2, 3],
    ]);
    expect(heads.knows(-1, 0)).toBe(false);
  });

  test('lets each row answer by the columns of its source alone, in every view, and leaves the scores as they are', () => {
    const scores = Float32Array.from({ length: 2 * 5 * 5 }, (_, i) => i);
    const own = heads.ownScores(scores, rows);
    const no = -Infinity;
    const view = (from: number): readonly number[] => [
      ...[from, from + 1, from + 2, no, no],
      ...[no, no, no, no, no],
      ...[no, no, no, from + 13, from + 14],
      ...[from + 15, from + 16, from + 17, no, no],
      ...[no, no, no, from + 23, from + 24],
    ];
    expect([...own]).toEqual([...view(0), ...view(25)]);
    expect(scores[3]).toBe(3);
  });

  test('is taught as if it were alone, and other heads are not', () => {
    const scores = Float32Array.from({ length: 2 * 5 * 5 }, (_, i) => Math.sin(7 * i));
    const gradient = new Float32Array(scores.length).fill(NaN);
    const own = heads.ownScores(scores, rows);
    const found = crossEntropy(own, heads.columnsOf(rows), 5, gradient, { reduction: 'mean' });
    // Rows 0 (lung), 2 and 4 (breast) have a label that a head knows, in two views.
    const expected = { loss: 0, gradient: new Float32Array(scores.length) };
    for (const [row, from, width, label] of [
      [0, 0, 3, 1],
      [2, 3, 2, 1],
      [4, 3, 2, 0],
    ] as const)
      for (const view of [0, 1]) {
        const start = (view * 5 + row) * 5 + from;
        const alone = new Float32Array(width);
        const one = crossEntropy(scores.subarray(start, start + width), Int32Array.of(label), width, alone, {
          reduction: 'mean',
        });
        expected.loss += one.loss / 6;
        expected.gradient.set(
          alone.map((value) => value / 6),
          start,
        );
      }
    expect(found.loss).toBeCloseTo(expected.loss, 12);
    expect(found.labelled).toBe(6);
    gradient.forEach((value, i) => {
      expect(value, String(i)).toBeCloseTo(expected.gradient[i]!, 7);
      if (expected.gradient[i] === 0) expect(Math.abs(value)).toBe(0);
    });
  });
});

describe('one head', () => {
  const heads = sourceHeads('shared', GIVEN);

  test('is that of a classifier of all classes, whatever the source', () => {
    expect(heads.columns).toBe(5);
    expect([...heads.columnsOf(rows)]).toEqual([...rows.labels]);
    const scores = Float32Array.from({ length: 25 }, (_, i) => Math.cos(i));
    expect(heads.ownScores(scores, rows)).toEqual(scores);
    expect(heads.knows(2, 1)).toBe(true);
  });
});

describe('heads that nothing can be learnt by', () => {
  const refused = (sharing: 'shared' | 'per-source', ...classes: readonly (readonly number[])[]) =>
    failure(() => {
      const sources = classes.map((own, i) => ({ name: `source${i}`, classes: own }));
      requireHeads('supervised', sourceHeads(sharing, { classes: 3, sources }), sources);
    });

  test.each([
    ['per-source', [[0], [1]], 'source0 has 1, source1 has 1'],
    ['per-source', [[], [2]], 'source0 has 0, source1 has 1'],
    ['shared', [[1], [1]], 'source0 has 1, source1 has 1'],
  ] as const)('are refused, and it is said what there is (%s, %j)', (sharing, classes, said) => {
    const error = refused(sharing, ...classes);
    expect(error).toMatchObject({ code: 'METHOD_LABELS', kind: 'usage', where: 'method supervised' });
    expect(error.message).toContain(said);
    expect(error.remedy).toContain('data.labelRate');
  });

  test.each([
    ['per-source', [[0], [1, 2]]],
    ['shared', [[0], [1]]],
  ] as const)('are not those of two classes (%s, %j)', (sharing, classes) => {
    const sources = classes.map((own, i) => ({ name: `source${i}`, classes: own }));
    expect(() => {
      requireHeads('supervised', sourceHeads(sharing, { classes: 3, sources }), sources);
    }).not.toThrow();
  });
});

describe('balanced accuracy', () => {
  test('is the mean of the shares of classes that occur, over all views', () => {
    // Columns 0, 1 and 2; of class 0 three of four views are right, of class 2 none of two; class 1 is missing.
    const answers = [0, 0, 1, 1, 0, 1, 0, 2];
    const labels = Int32Array.of(0, 0, 2, -1);
    const scores = Float32Array.from(answers.flatMap((own) => [0, 1, 2].map((c) => (c === own ? 1 : 0))));
    expect(balancedAccuracy(scores, labels, 3)).toBeCloseTo((3 / 4 + 0) / 2, 12);
  });

  test('is 0 without a label, 1 where all is right', () => {
    expect(balancedAccuracy(new Float32Array(6), Int32Array.of(-1, -1), 3)).toBe(0);
    expect(balancedAccuracy(Float32Array.of(1, 0, 0, 1), Int32Array.of(0, 1), 2)).toBe(1);
  });
});
