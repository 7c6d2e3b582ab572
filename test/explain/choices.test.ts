/** Small decisions of an explanation: which class the heat is of, and where words stand on a sheet. */
import { describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/dataset/reader.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import { targetChooser } from '../../src/explain/options.ts';
import type { PooledClip } from '../../src/explain/clip-pool.ts';
import { camCaptions } from '../../src/explain/cam-picture.ts';
import { centred, lines, pointsOf } from '../../src/charts/sheet.ts';
import { errorOf } from '../pretrain/support.ts';

const record = (label: string | null): ClipRecord => ({
  ...{
    id: 'clip',
    group: 'g',
    label,
    source: '',
    sourceSha256: null,
    frames: 1,
    width: 8,
    height: 8,
    offset: 0,
  },
  ...{ fps: null, original: { width: 8, height: 8, fps: null, frames: 1 }, crop: null, field: null },
  ...{ hashes: [], mask: null, dropped: { black: 0, blank: 0, duplicate: 0 }, flags: [] },
});
const clip = (label: string | null): PooledClip => ({
  dataset: {} as unknown as Dataset,
  record: record(label),
  source: 'clips',
});
const classes = ['a', 'b', 'c'];
const rows = (...all: number[][]): Float32Array[] => all.map((row) => Float32Array.from(row));

describe('the class that is explained', () => {
  const pool = [clip('b'), clip('z'), clip(null)];

  test('predicted: the largest sum over frames, for every clip', () => {
    const chooser = targetChooser({ target: 'predicted', classes, pool });
    expect(pool.map((one) => chooser.explains(one))).toEqual([true, true, true]);
    expect(chooser.classOf(pool[1]!, rows([0.2, 0.5, 0.3], [0.2, 0.2, 0.6], [0.1, 0.45, 0.45]))).toBe(2);
    expect(chooser.classOf(pool[0]!, rows([0.6, 0.3, 0.1]))).toBe(0);
  });

  test('label: the clip’s own, for clips whose label the network knows', () => {
    const chooser = targetChooser({ target: 'label', classes, pool });
    expect(pool.map((one) => chooser.explains(one))).toEqual([true, false, false]);
    expect(chooser.classOf(pool[0]!, rows([1, 0, 0]))).toBe(1);
  });

  test('a class by its name, for every clip', () => {
    const chooser = targetChooser({ target: 'c', classes, pool });
    expect(pool.map((one) => chooser.explains(one))).toEqual([true, true, true]);
    expect(pool.map((one) => chooser.classOf(one, rows([1, 0, 0])))).toEqual([2, 2, 2]);
  });

  test('is refused where the network has none of the kind', async () => {
    const none = await errorOf(() => targetChooser({ target: 'label', classes, pool: pool.slice(1) }));
    expect(none).toMatchObject({ code: 'CAM_TARGET', kind: 'usage' });
    expect(none.message).toContain('No clip has a label');
    const unknown = await errorOf(() => targetChooser({ target: 'd', classes, pool }));
    expect(unknown.message).toContain('"d"');
    expect(unknown.remedy).toContain('a, b, c');
  });
});

test('a picture of heat says what of, how sure, of which frame, and where the heat lies', () => {
  const facts = { class: 'b', probability: 0.8349, insideShare: 0.9061, frame: 'frame 3 of 9' };
  expect(camCaptions(clip('a'), facts).map(({ text }) => text)).toEqual([
    'what speaks for b, given 83 %',
    'labelled a · frame 3 of 9 · 91 % of the heat inside the field',
    'clip',
    'Research use only, not a medical device.',
  ]);
  expect(camCaptions(clip(null), { ...facts, insideShare: null })[1]!.text).toBe(
    'labelled no label · frame 3 of 9 · field not known, or no heat',
  );
});

test('a small picture stands in the middle of its tile, the odd pixel to the right and below', () => {
  const tile = (width: number, height: number) => ({
    input: new Uint8Array(3 * width * height),
    raw: { width, height, channels: 3 as const },
  });
  expect(centred(tile(20, 30), 100, 50, 30)).toMatchObject({ left: 105, top: 50 });
  expect(centred(tile(30, 13), 100, 50, 30)).toMatchObject({ left: 100, top: 58 });
});

describe('words on a sheet', () => {
  const placed = (text: string): (readonly [number, number, number, string])[] =>
    [...text.matchAll(/<text x="([\d.]+)" y="([\d.]+)" font-size="(\d+)"[^>]*>([^<]*)</g)].map(
      ([, x, y, size, shown]) => [Number(x), Number(y), Number(size), shown!],
    );

  test('stand one line below the other, three pixels apart', () => {
    expect(placed(lines([{ text: 'one' }, { text: 'two' }], 10, 20, 500))).toEqual([
      [10, 32, 12, 'one'],
      [10, 47, 12, 'two'],
    ]);
    expect(placed(lines([{ text: 'one' }, { text: 'two' }], 0, 0, 500, 20))).toEqual([
      [0, 20, 20, 'one'],
      [0, 43, 20, 'two'],
    ]);
  });

  test('keep their end where they are too long, and four letters in any case', () => {
    // A letter is 0.61 · 12 = 7.32 pixels wide: ten go into 74.
    expect(placed(lines([{ text: '0123456789' }], 0, 0, 74))[0]![3]).toBe('0123456789');
    expect(placed(lines([{ text: '0123456789x' }], 0, 0, 74))[0]![3]).toBe('…23456789x');
    expect(placed(lines([{ text: '0123456789' }], 0, 0, 1))[0]![3]).toBe('…789');
  });

  test('are bold and coloured where that is asked for, and never markup', () => {
    const text = lines([{ text: '<b>&', bold: true, colour: '#123456' }], 0, 0, 500);
    expect(text).toContain('fill="#123456" font-weight="bold"');
    expect(text).toContain('&lt;b&gt;&amp;');
    expect(lines([{ text: 'x' }], 0, 0, 500)).not.toContain('bold');
  });
});

test('an outline is scaled about the corner of its picture, from the pixel that lies there', () => {
  const corner = { left: 100, top: 50 };
  const outline = [
    [0, 0],
    [10, 4],
    [2, 8],
  ] as const;
  expect(pointsOf(outline, corner, 2, 0.5)).toBe('100.0,50.0 120.0,52.0 104.0,54.0');
  expect(pointsOf(outline, corner, 2, 0.5, { x: 2, y: 4 })).toBe('96.0,48.0 116.0,50.0 100.0,52.0');
});
