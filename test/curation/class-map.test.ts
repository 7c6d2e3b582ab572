/** Their classes and ours: files, what they may say, and what is refused. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ClassMap, fitClasses, readClassMap } from '../../src/curation/class-map.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
let count = 0;

function file(content: string, ending = 'yaml'): string {
  const path = join(scratch, `${++count}.${ending}`);
  writeFileSync(path, content);
  return path;
}

const read = (content: string, ending?: string): ClassMap => readClassMap(file(content, ending));
const MODEL = ['covid', 'pneumonia', 'regular'];
const labels = (names: readonly string[]): Map<string, number> =>
  new Map(names.map((name, i) => [name, i + 1]));

describe('without a file', () => {
  test('equal names fit, in the order of the model', () => {
    const fitted = fitClasses(null, MODEL, labels(['regular', 'covid']));
    expect(fitted).toMatchObject({ classes: MODEL, placeOf: [0, 1, 2], unused: [] });
    expect([...fitted.labelOf]).toEqual([
      ['regular', 2],
      ['covid', 0],
    ]);
  });

  test('a label that the model does not know is an error that counts its clips and says what to do', async () => {
    const error = await errorOf(() => fitClasses(null, MODEL, labels(['covid', 'Covid', 'tumour'])));
    expect([error.code, error.kind]).toEqual(['LABEL_UNKNOWN', 'data']);
    expect(error.message).toContain('"Covid" (2 clips), "tumour" (3 clips)');
    expect(error.remedy).toContain('--map');
    expect(error.remedy).toContain('"pneumonia"');
  });
});

describe('a file', () => {
  test.each([
    ['YAML', 'classes:\n  normal: regular\n  viral: pneumonia\n  other: drop\n', 'yaml'],
    ['CSV', 'theirs,ours\nnormal,regular\nviral,pneumonia\nother,drop\n', 'csv'],
  ])('in %s says what is what and what is left out', (_, content, ending) => {
    const map = read(content, ending);
    const fitted = fitClasses(map, MODEL, labels(['normal', 'other', 'covid']));
    expect([...fitted.labelOf]).toEqual([
      ['normal', 2],
      ['other', null],
      ['covid', 0],
    ]);
    expect(fitted.unused).toEqual(['viral']);
  });

  test('goes before equal names', () => {
    const map = read('classes: {covid: drop, regular: covid}');
    expect([...fitClasses(map, MODEL, labels(['covid', 'regular'])).labelOf.values()]).toEqual([null, 0]);
  });

  test('brings classes of the model together; their own names then mean the whole', () => {
    const map = read(
      'classes:\n  sick: abnormal\n  viral: pneumonia\nmerge:\n  abnormal: [covid, pneumonia]\n',
    );
    const fitted = fitClasses(map, MODEL, labels(['sick', 'viral', 'regular', 'covid']));
    expect(fitted.classes).toEqual(['abnormal', 'regular']);
    expect(fitted.placeOf).toEqual([0, 0, 1]);
    expect([...fitted.labelOf.values()]).toEqual([0, 0, 1, 0]);
  });

  test('takes names for names: numbers, yes and null are no values of YAML here', () => {
    const map = read('classes: {1: "0", no: 1, null: drop}');
    const fitted = fitClasses(map, ['0', '1'], labels(['1', 'no', 'null']));
    expect([...fitted.labelOf.values()]).toEqual([0, 1, null]);
  });

  test.each([
    ['a class of ours that is none', 'classes: {normal: healthy}', 'MAP_UNKNOWN_CLASS', 'healthy'],
    ['a merge of what is no class', 'classes: {}\nmerge: {x: [covid, flu]}', 'MAP_UNKNOWN_CLASS', 'flu'],
    [
      'a class merged twice',
      'classes: {}\nmerge: {x: [covid, regular], y: [covid, pneumonia]}',
      'MAP_INVALID',
      'twice',
    ],
    [
      'a merge under the name of another class',
      'classes: {}\nmerge: {regular: [covid, pneumonia]}',
      'MAP_INVALID',
      'regular',
    ],
    [
      'everything merged',
      'classes: {}\nmerge: {x: [covid, pneumonia, regular]}',
      'MAP_INVALID',
      'nothing is left',
    ],
  ])('is refused with %s', async (_, content, code, word) => {
    const error = await errorOf(() => fitClasses(read(content), MODEL, labels(['covid'])));
    expect(error.code).toBe(code);
    expect(error.message).toContain(word);
    expect(error.where).toContain('.yaml');
  });

  test.each([
    ['no map', 'covid: regular', 'yaml', 'MAP_INVALID'],
    ['an unknown key', 'classes: {}\nclases: {}', 'yaml', 'MAP_INVALID'],
    ['a list for a class', 'classes: {a: [b]}', 'yaml', 'MAP_INVALID'],
    ['a merge of one', 'classes: {}\nmerge: {a: [b]}', 'yaml', 'MAP_INVALID'],
    ['a key twice', 'classes:\n  a: b\n  a: c\n', 'yaml', 'MAP_INVALID'],
    ['broken YAML', 'classes: {a: b', 'yaml', 'MAP_INVALID'],
    ['nothing', '', 'yaml', 'MAP_INVALID'],
    ['a row twice', 'theirs,ours\na,b\na,c\n', 'csv', 'MAP_INVALID'],
    ['an empty cell', 'theirs,ours\na,\n', 'csv', 'MAP_INVALID'],
    ['other columns', 'a,b\n1,2\n', 'csv', 'CSV_INVALID'],
  ])('is refused with %s, naming the file', async (_, content, ending, code) => {
    const error = await errorOf(() => read(content, ending));
    expect(error.code).toBe(code);
    expect(error.where).toContain(scratch);
    expect(error.remedy).not.toBe('');
  });

  test('that is not there, or too large, is an error', async () => {
    expect((await errorOf(() => readClassMap(join(scratch, 'absent.yaml')))).code).toBe('MAP_UNREADABLE');
    expect((await errorOf(() => read(`classes: {a: ${'b'.repeat(2 ** 20)}}`))).code).toBe('MAP_INVALID');
  });

  test('cannot say "drop" to a model that has a class of that name', async () => {
    const error = await errorOf(() => fitClasses(read('classes: {a: drop}'), ['drop', 'b'], labels(['a'])));
    expect(error.code).toBe('MAP_INVALID');
  });
});
