/** The tool behind `npm run freeze`: a difference is named whatever it is, and what the clock says is none. */
import { describe, expect, test } from 'vitest';
import { comparison, differences, type Freeze, parseFreeze } from '../../scripts/freeze/compare.ts';
import { laidOut, outline, spoken } from '../../scripts/freeze/record.ts';

const freeze = (values: Freeze['values'], machine: Freeze['machine'] = {}): Freeze => ({
  format: 'uscl-freeze',
  revision: null,
  machine,
  values,
});

describe('differences', () => {
  test('are named from the chapter down: changed, gone, new, emptied', () => {
    const before = { run: { log: { '1': { loss: 1.5, step: 1 } }, gone: 'x', list: [1, 2], full: { a: 1 } } };
    const after = { run: { log: { '1': { loss: 1.25, step: 1 } }, list: [1, 3, 4], full: {}, new: null } };
    expect(differences(before, after)).toEqual([
      { name: 'run/log/1/loss', before: '1.5', after: '1.25' },
      { name: 'run/gone', before: '"x"', after: undefined },
      { name: 'run/list/1', before: '2', after: '3' },
      { name: 'run/full/a', before: '1', after: undefined },
      { name: 'run/list/2', before: undefined, after: '4' },
      { name: 'run/full', before: undefined, after: '{}' },
      { name: 'run/new', before: undefined, after: 'null' },
    ]);
    expect(differences(before, structuredClone(before))).toEqual([]);
  });

  test('are told with their machines, and counted', () => {
    const { text, same } = comparison(
      freeze({ a: { b: 1, c: { d: 2, e: 3 } } }, { cpu: 'one' }),
      freeze({ a: { b: 1, c: { d: 4, e: 5 } } }, { cpu: 'other' }),
    );
    expect(same).toBe(false);
    expect(text).toContain('cpu: "one" → "other"');
    expect(text).toContain('a/c/d: 2 → 4\na/c/e: 3 → 5\n\n2 in a/c\n2 values differ.');
    const part = comparison(freeze({ a: { b: 1 }, c: { d: 1, e: 2 } }), freeze({ a: { b: 1 } }));
    expect(part.text).toBe('c: (a chapter) → (not there)\n\n1 in c\n1 values differ.');
    const alike = comparison(
      freeze({ a: { b: 1 } }, { cpu: 'one' }),
      freeze({ a: { b: 1 } }, { cpu: 'two' }),
    );
    expect(alike.same).toBe(true);
  });
});

describe('a record', () => {
  test('keeps no time, and names the part of a long value in which something changed', () => {
    const clips = (loss: number): unknown[] =>
      Array.from({ length: 20 }, (_, i) => ({
        id: `clip ${i}`,
        loss: i === 7 ? loss : i,
        seconds: Math.random(),
      }));
    const found = differences(outline({ clips: clips(1) }), outline({ clips: clips(2) }));
    expect(found).toEqual([{ name: 'clips/clip 7/loss', before: '1', after: '2' }]);
    expect(outline({ seconds: 1, frame: { seconds: 2 } })).toEqual({ frame: {} });
    expect(outline({ seconds: 1 }, { keep: ['seconds'] })).toEqual({ seconds: 1 });
  });

  test('holds a digest where a value is long beyond its depth, which changes with it', () => {
    const deep = (end: number): unknown => ({ a: { b: [...Array.from({ length: 200 }, (_, i) => i), end] } });
    const [one, two] = [outline(deep(1)), outline(deep(2))];
    expect(JSON.stringify(one).length).toBeLessThan(80);
    expect(differences(one, two).map(({ name }) => name)).toEqual(['a/b']);
  });

  test('holds what is said without progress, durations, addresses and places', () => {
    const text = [
      'ingest: 3/12 clips, 4 s left · a.mp4',
      '12 clips, 30 frames in 2 min 5 s',
      'training 1/3 (fold 1): epoch 2 of 3, 1 s',
      '[mp4 @ 0x5614b4a49240] /tmp/place/a.mp4: it lasts 5 s',
      '',
    ].join('\n');
    expect(spoken(text, { '/tmp/place': 'FOLDER' })).toEqual([
      '12 clips, 30 frames in # s',
      'training 1/3 (fold 1): epoch 2 of 3, # s',
      '[mp4 @ 0x…] FOLDER/a.mp4: it lasts 5 s',
    ]);
  });

  test('is written as JSON that says the same', () => {
    const values = { a: { b: [1, 'two', null, true], long: 'x'.repeat(130) }, c: {} };
    const text = laidOut({ ...freeze(values) });
    expect(parseFreeze(text, 'x.json').values).toEqual(values);
    expect(() => parseFreeze('{"format": "other"}', 'x.json')).toThrow('x.json is no file');
  });
});
