import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readFieldFile } from '../../src/ingest/field/file.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { failure } from './media.ts';

const scratch = scratchFolder();
let count = 0;

function write(text: string | Uint8Array, ending = 'yaml'): string {
  const path = join(scratch, `fields${++count}.${ending}`);
  writeFileSync(path, text);
  return path;
}

const YAML = `
fields:
  - clips: "a/b [1] (x+).mp4"
    rectangle: [10, 20, 300, 200]
  - clips: "a/*.mp4"
    polygon: [[0, 0], [10, 0], [5, 8]]
  - clips: "**/two.dcm"
    polygons: [[[0, 0], [10, 0], [5, 8]], [[20, 0], [30, 0], [25, 8]]]
  - clips: "whole/?.png"
    field: whole
  - clips: "**"
    field: none
`;

describe('the field file', () => {
  test('gives the first entry that matches, names with special characters too', () => {
    const file = readFieldFile(write(YAML));
    expect(file.find('a/b [1] (x+).mp4')).toEqual({
      kind: 'field',
      field: {
        shape: 'rectangle',
        outlines: [
          [
            [10, 20],
            [310, 20],
            [310, 220],
            [10, 220],
          ],
        ],
        confidence: 1,
        from: 'given',
      },
    });
    expect(file.find('a/c.mp4')).toMatchObject({ kind: 'field', field: { shape: 'polygon', from: 'given' } });
    // One star does not cross folders.
    expect(file.find('a/c/d.mp4')).toEqual({ kind: 'none' });
    expect(file.find('two.dcm')).toMatchObject({ field: { outlines: { length: 2 } } });
    expect(file.find('x/y/two.dcm')).toMatchObject({ field: { outlines: { length: 2 } } });
    expect(file.find('whole/1.png')).toEqual({ kind: 'whole' });
    expect(file.find('whole/12.png')).toEqual({ kind: 'none' });
  });

  test('tells which patterns matched nothing', () => {
    const file = readFieldFile(write(YAML));
    file.find('a/c.mp4');
    expect(file.unused()).toEqual(['a/b [1] (x+).mp4', '**/two.dcm', 'whole/?.png', '**']);
  });

  test('as a table', () => {
    const file = readFieldFile(
      write(
        'clip,field\n"a,b.mp4",rectangle 1 2 30 40\n*.png,polygon 0 0 10 0 5 8\n*.dcm,whole\n*.gif,none\n',
        'csv',
      ),
    );
    expect(file.find('a,b.mp4')).toMatchObject({ field: { shape: 'rectangle' } });
    expect(file.find('x.png')).toMatchObject({
      field: {
        outlines: [
          [
            [0, 0],
            [10, 0],
            [5, 8],
          ],
        ],
      },
    });
    expect(file.find('x.dcm')).toEqual({ kind: 'whole' });
    expect(file.find('x.gif')).toEqual({ kind: 'none' });
    expect(file.find('x.mp4')).toBeUndefined();
  });

  test('a pattern of many stars is matched in no time', () => {
    const file = readFieldFile(write(`fields: [{clips: "${'*a'.repeat(40)}", field: none}]`));
    expect(file.find('a'.repeat(39) + 'b'.repeat(2000))).toBeUndefined();
  });

  test.each([
    ['fields: 5', 'FIELDS_INVALID'],
    ['fields: [{clips: a, rectangle: [1, 2, 0, 4]}]', 'FIELDS_INVALID'],
    ['fields: [{clips: a, rectangle: [1, 2, 3]}]', 'FIELDS_INVALID'],
    ['fields: [{clips: a, polygon: [[0, 0], [1, 1]]}]', 'FIELDS_INVALID'],
    ['fields: [{clips: a, field: all}]', 'FIELDS_INVALID'],
    ['fields: [{clips: a, field: none, rectangle: [0, 0, 9, 9]}]', 'FIELDS_INVALID'],
    ['fields: [{clips: "", field: none}]', 'FIELDS_INVALID'],
    ['fields: [', 'FIELDS_INVALID'],
    ['', 'FIELDS_INVALID'],
  ])('%s is refused', (text, code) => {
    const path = write(text);
    const error = failure(() => readFieldFile(path));
    expect(error).toMatchObject({ code, exitCode: 3 });
    expect(error.where).toContain(path);
  });

  test.each([
    'rectangle 1 2 3',
    'rectangle 1 2 x 4',
    'rectangle 1 2 -3 4',
    'polygon 1 2 3 4',
    'circle 1 2 3',
    '',
  ])('the cell "%s" is refused with its line', (cell) => {
    const path = write(`clip,field\na.mp4,${cell}\n`, 'csv');
    expect(failure(() => readFieldFile(path))).toMatchObject({
      code: 'FIELDS_INVALID',
      where: `${path}, line 2`,
    });
  });

  test('bytes that are no text, and a missing file', () => {
    expect(failure(() => readFieldFile(write(Uint8Array.of(0xff, 0xfe, 0x00))))).toMatchObject({
      code: 'FIELDS_INVALID',
    });
    expect(failure(() => readFieldFile(join(scratch, 'missing.yaml')))).toMatchObject({
      code: 'FIELDS_UNREADABLE',
    });
  });
});
