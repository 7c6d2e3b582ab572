/** Which names of classes a person is told of. */
import { expect, test } from 'vitest';
import { classWarnings, meansMissing } from '../../src/ingest/doubtful-classes.ts';

const told = (classes: readonly string[]) =>
  Object.fromEntries(classWarnings(classes).map(({ code, about }) => [code, about]));

test('classes that differ only in case, blanks, separators or the form of letters are named together', () => {
  expect(told(['COVID', 'Covid', 'covid', 'normal', 'Normal'])).toEqual({
    'classes-alike': ['COVID', 'Covid', 'covid', 'normal', 'Normal'],
  });
  const pairs = [
    ['B-lines', 'b_lines'],
    ['b lines', 'b\u00a0 lines'],
    ['caf\u00e9', 'cafe\u0301'],
    ['ﬁbrosis', 'fibrosis'],
    ['ＣＯＶＩＤ', 'covid'],
    ['cov\u200bid', 'covid'],
    ['STRASSE', 'straße'],
    [' covid', 'covid'],
  ];
  for (const pair of pairs) expect(told([...pair, 'other'])).toEqual({ 'classes-alike': pair });
  expect(classWarnings(['COVID', 'covid'])[0]!.message).toContain('"COVID", "covid"');
});

test('words and marks that tables use for a missing label are named', () => {
  const words =
    'NA na N/A n.a. NaN nan None NULL nil Unknown UNK - -- — ? . #N/A <NA> NaT missing unlabelled TBD Ｎ/Ａ';
  expect(words.split(' ').filter((word) => !meansMissing(word))).toEqual([]);
  expect(['not  available', ' Not Known ', 'n\u200bone'].every(meansMissing)).toBe(true);
  expect(told(['covid', 'NA', 'nan', 'None'])).toEqual({ 'classes-missing': ['NA', 'nan', 'None'] });
});

test('names of true classes are left in peace', () => {
  const names =
    'covid normal pneumonia severity-0 severity-1 F0_ F1_ 0 1 -1 +1 a-lines no-a-lines b-lines no b other nano ana A I II';
  expect(classWarnings(names.split(' '))).toEqual([]);
  expect(classWarnings(['a', 'b', '-1', '1', '1.0', 'T1', 'T-1'])).toEqual([]);
});
