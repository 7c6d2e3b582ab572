/** The parts of ingest that need no media: tables, sizes, cleaning, order, child processes. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { AheadQueue, inOrder } from '../../src/ingest/ahead.ts';
import { hasCallipers } from '../../src/ingest/callipers.ts';
import { withoutEmptyFrames } from '../../src/ingest/clean.ts';
import { captureOutput, streamOutput } from '../../src/video/command.ts';
import { parseCsv, readCsv } from '../../src/formats/csv.ts';
import { displaySize, sizeComplaint, storedSize } from '../../src/video/geometry.ts';
import { labelsFromTable } from '../../src/ingest/folders/labels.ts';
import { compareNatural, fileComplaint, stemOf } from '../../src/ingest/common/paths.ts';
import type { SourceItem } from '../../src/ingest/common/ingest-plan.ts';
import { framesByMotion, motionOf } from '../../src/ingest/frame-streams.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { failure, failureOf } from './media.ts';

const scratch = scratchFolder();
const table = (text: string): Uint8Array => Buffer.from(text);

describe('tables', () => {
  test('any table written by RFC 4180 is read back, with LF, CRLF or CR, with or without a last line end', () => {
    const cell = fc
      .string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r\n', ';', ' b', '0') })
      .map((s) => s.trim());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 6 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        fc.boolean(),
        (rows, newline, last, mark) => {
          const quote = (text: string): string =>
            /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
          const lines = [['clip', 'label', 'more'], ...rows].map((row) => row.map(quote).join(','));
          const text = `${mark ? '\uFEFF' : ''}${lines.join(newline)}${last ? newline : ''}`;
          const read = parseCsv(table(text), 't.csv', ['clip', 'label']);
          expect(read.map(({ cells }) => [...cells.values()])).toEqual(rows);
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  test('column names are found whatever their case, blanks and order; blank lines are nothing', () => {
    const rows = parseCsv(table('Label , CLIP\nx, a.mp4 \n\n  \ny,b.mp4\n'), 't.csv', ['clip', 'label']);
    expect(rows.map(({ line, cells }) => [line, cells.get('clip'), cells.get('label')])).toEqual([
      [2, 'a.mp4', 'x'],
      [5, 'b.mp4', 'y'],
    ]);
  });

  test('a row after a cell with line breaks still has its true line', () => {
    const rows = parseCsv(table('clip,label\n"a\n\nb",x\nc,y\n'), 't.csv', ['clip', 'label']);
    expect(rows.map(({ line }) => line)).toEqual([2, 5]);
  });

  test.each([
    ['nothing', '', 't.csv', /empty/],
    ['a missing column', 'clip,lable\na,b\n', 't.csv, line 1', /no column "label".*"lable"/],
    ['a column twice', 'clip,label,clip\n', 't.csv, line 1', /called "clip"/],
    ['a short row', 'clip,label\na,b\nc\n', 't.csv, line 3', /1 cells; the header has 2/],
    ['a long row', 'clip,label\na,b,c\n', 't.csv, line 2', /3 cells/],
    ['an open quote', 'clip,label\n"a,b\nc,d\n', 't.csv, line 2', /never closed/],
    ['text after a quote', 'clip,label\n"a"x,b\n', 't.csv, line 2', /after a closing/],
    ['a quote inside', 'clip,label\na"b,c\n', 't.csv, line 2', /inside an unquoted/],
  ])('%s is one error with its line', (_name, text, where, message) => {
    const error = failure(() => parseCsv(table(text), 't.csv', ['clip', 'label']));
    expect(error).toMatchObject({ code: 'CSV_INVALID', exitCode: 3, where });
    expect(error.message).toMatch(message);
  });

  const cellsOf = (bytes: Uint8Array) =>
    parseCsv(bytes, 't.csv', ['clip', 'label']).map(({ line, cells }) => [line, ...cells.values()]);

  test.each([
    ['semicolons', 'clip;label\na;b,c\n'],
    ['tabs', 'clip\tlabel\na\tb,c\n'],
    ['quoted names between semicolons', '"clip";"Label"\na;"b,c"\n'],
    ['carriage returns', 'clip;label\ra;b,c\r'],
    ['carriage returns without the last', 'clip;label\ra;b,c'],
  ])('%s are read', (_name, text) => {
    expect(cellsOf(table(text))).toEqual([[2, 'a', 'b,c']]);
  });

  test.each([
    ['sep=,', 'sep=,\r\nclip,label\r\na;d,b\r\n'],
    ['sep=;', 'SEP=;\nclip;label\na;b\n'],
    ['a quoted sep=|', '"sep=|"\rclip|label\ra|b\r'],
    ['sep= with a byte-order mark', '\uFEFFsep=\t\nclip\tlabel\na\tb\n'],
  ])('a first line %s names the separator and is no row', (_name, text) => {
    expect(cellsOf(table(text))).toEqual([[3, text.includes('a;d') ? 'a;d' : 'a', 'b']]);
  });

  test('a comma between the required columns goes before a semicolon that is part of a name', () => {
    const rows = parseCsv(table('clip,label,x;y\na,b;c,1\n'), 't.csv', ['clip', 'label']);
    expect([...rows[0]!.cells]).toEqual([
      ['clip', 'a'],
      ['label', 'b;c'],
      ['x;y', '1'],
    ]);
  });

  test('UTF-16 as Excel writes it is read in both byte orders; without a mark it is named', () => {
    const little = Buffer.from('\uFEFFclip\tlabel\r\nä\tB-Linien\r\n', 'utf16le');
    expect(cellsOf(little)).toEqual([[2, 'ä', 'B-Linien']]);
    expect(cellsOf(Buffer.from(little).swap16())).toEqual([[2, 'ä', 'B-Linien']]);
    const error = failure(() => cellsOf(Buffer.from('clip,label\na,b\n', 'utf16le')));
    expect(error).toMatchObject({ code: 'CSV_INVALID', exitCode: 3 });
    expect(error.message).toMatch(/UTF-16 without a byte-order mark/);
  });

  test('a workbook is named as what it is', () => {
    for (const head of ['504b0304', 'd0cf11e0'])
      expect(failure(() => cellsOf(Buffer.from(`${head}0000`, 'hex'))).message).toMatch(/workbook/);
  });

  test('a pipe or a device in the place of a table is refused, not waited for', () => {
    execFileSync('mkfifo', [join(scratch, 'pipe.csv')]);
    for (const path of [join(scratch, 'pipe.csv'), '/dev/zero']) {
      const error = failure(() => readCsv(path, ['clip']));
      expect(error).toMatchObject({ code: 'CSV_UNREADABLE', exitCode: 3, where: path });
      expect(error.message).toMatch(/it is a (pipe|device)/);
    }
  });

  test('a table that cannot be read, or is no text', () => {
    expect(failure(() => readCsv(join(scratch, 'none.csv'), ['clip'])).code).toBe('CSV_UNREADABLE');
    expect(failure(() => readCsv(scratch, ['clip'])).code).toBe('CSV_UNREADABLE');
    for (const [bytes, message] of [
      [[0x63, 0xe4, 0x41], 'It is not UTF-8 text.'],
      [[0xff, 0xfe, 0x41], 'It is not whole UTF-16 text.'],
    ] as const)
      expect(failure(() => parseCsv(Uint8Array.from(bytes), 't.csv', ['clip']))).toMatchObject({
        code: 'CSV_INVALID',
        message,
      });
  });

  test('random damage gives rows of the right width or a UsclError', () => {
    const base = Buffer.from('clip,label,group\r\n"a ""1"".mp4",x,p1\r\nb.mp4,,p2\r\n"c\nd.mp4",y,p1\r\n');
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            at: fc.nat(base.length - 1),
            remove: fc.nat(3),
            insert: fc.constantFrom('"', ',', '\n', '\r', '\0', 'é', ''),
          }),
          { minLength: 1, maxLength: 5 },
        ),
        (edits) => {
          let bytes: Buffer = base;
          for (const { at, remove, insert } of edits) {
            bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(insert), bytes.subarray(at + remove)]);
          }
          try {
            for (const { cells } of parseCsv(bytes, 't.csv', ['clip'])) expect(cells.has('clip')).toBe(true);
          } catch (thrown) {
            if (!(thrown instanceof UsclError)) throw thrown;
          }
        },
      ),
      { seed: 5, numRuns: 1000 },
    );
  });
});

describe('label tables', () => {
  const items: SourceItem[] = ['a/one.mp4', 'a/two.mp4', 'b/two.mp4', 'three.x.mp4'].map((path) => ({
    kind: 'video',
    path,
  }));
  let count = 0;
  const join4 = (text: string) => {
    const path = join(scratch, `labels${++count}.csv`);
    writeFileSync(path, `clip,label,group\n${text}`);
    return labelsFromTable(items, path);
  };

  test('match by path, file name or stem; classes in natural order; groups default to the clip', () => {
    const { clips, classes, unmatchedLabels, withoutRow } = join4(
      'one,10,p1\na/two.mp4,9,\nthree.x,,p1\nfour.mp4,9,p3\n',
    );
    expect(clips.map(({ item, label, group }) => [item.path, label, group])).toEqual([
      ['a/one.mp4', '10', 'p1'],
      ['a/two.mp4', '9', 'a/two.mp4'],
      ['b/two.mp4', null, 'b/two.mp4'],
      ['three.x.mp4', null, 'p1'],
    ]);
    expect(classes).toEqual(['9', '10']);
    expect(unmatchedLabels).toEqual(['four.mp4']);
    expect(withoutRow).toEqual(['b/two.mp4']);
  });

  test('names match however they are composed, separated or padded; a full path wins', () => {
    const odd: SourceItem[] = [
      'e\u0301t\u00e9.mp4',
      'dir/ \u5eb7.mp4 ',
      'x/a,"b"\n.mp4',
      'n/n.mp4',
      'n.mp4',
    ].map((path) => ({
      kind: 'video',
      path,
    }));
    const path = join(scratch, 'odd.csv');
    writeFileSync(
      path,
      'clip,label\n\u00e9te\u0301,a\ndir\\ \u5eb7.mp4,b\n"./x/a,""b""\n.mp4",c\nn.mp4,d\nn/n.mp4,e\n',
    );
    const { clips, unmatchedLabels } = labelsFromTable(odd, path);
    expect(clips.map(({ label }) => label)).toEqual(['a', 'b', 'c', 'e', 'd']);
    expect(unmatchedLabels).toEqual([]);
  });

  test('of two files whose names differ only in composition, each can be said', () => {
    const twins: SourceItem[] = ['\u00fc.mp4', 'u\u0308.mp4'].map((path) => ({ kind: 'video', path }));
    const path = join(scratch, 'twins.csv');
    writeFileSync(path, 'clip,label\n\u00fc.mp4,a\nu\u0308.mp4,b\n');
    expect(labelsFromTable(twins, path).clips.map(({ label }) => label)).toEqual(['a', 'b']);
    writeFileSync(path, 'clip,label\n\u00fc,a\n');
    expect(failure(() => labelsFromTable(twins, path)).code).toBe('LABELS_AMBIGUOUS');
  });

  test('any paths can be labelled by a table that quotes them', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      '.',
      ' ',
      ',',
      '"',
      '\n',
      '+',
      '[',
      '\u00e9',
      'e\u0301',
      '\u8d85',
      '/',
      '10',
    );
    const name = fc
      .array(piece, { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join('').replace(/^[/\s.]+|[/\s]+$/g, ''))
      .filter((text) => text !== '');
    const file = join(scratch, 'any.csv');
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), (paths) => {
        const quoted = paths.map((text, i) => `"${text.replaceAll('"', '""')}",l${i}`);
        writeFileSync(file, `clip,label\n${quoted.join('\n')}\n`);
        const all = paths.map((text): SourceItem => ({ kind: 'video', path: text }));
        const { clips, withoutRow } = labelsFromTable(all, file);
        expect(clips.map(({ label }) => label)).toEqual(paths.map((_, i) => `l${i}`));
        expect(withoutRow).toEqual([]);
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  test.each([
    ['one row for two clips', 'two.mp4,x,\n', 'LABELS_AMBIGUOUS', /a\/two\.mp4 and b\/two\.mp4/],
    ['two rows for one clip', 'one,x,\na/one.mp4,y,\n', 'LABELS_DUPLICATE', /line 2/],
    ['a table of something else', 'zzz,x,\nyyy,y,\n', 'LABELS_NO_MATCH', /"zzz".*a\/one\.mp4/],
    ['a table without rows', '', 'LABELS_NO_MATCH', /no rows/],
  ])('%s is an error', (_name, text, code, message) => {
    const error = failure(() => join4(text));
    expect(error).toMatchObject({ code, exitCode: 3 });
    expect(error.message).toMatch(message);
  });
});

describe('sizes', () => {
  test('the shorter side becomes the wanted one, the aspect stays, nothing is enlarged', () => {
    expect(storedSize({ width: 640, height: 480 }, 240)).toEqual({ width: 320, height: 240 });
    expect(storedSize({ width: 480, height: 640 }, 240)).toEqual({ width: 240, height: 320 });
    expect(storedSize({ width: 100, height: 50 }, 256)).toEqual({ width: 100, height: 50 });
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 8000 }),
        fc.integer({ min: 16, max: 8000 }),
        fc.integer({ min: 16, max: 512 }),
        (width, height, size) => {
          const stored = storedSize({ width, height }, size);
          expect(Math.min(stored.width, stored.height)).toBe(Math.min(width, height, size));
          const exact = (width * Math.min(size, width, height)) / Math.min(width, height);
          expect(Math.abs(stored.width - exact)).toBeLessThanOrEqual(0.5);
        },
      ),
      { seed: 2 },
    );
  });

  test('oblong pixels and turned pictures count as displayed', () => {
    expect(displaySize({ width: 720, height: 576 }, 16 / 15, 0)).toEqual({ width: 768, height: 576 });
    expect(displaySize({ width: 720, height: 576 }, 16 / 15, -90)).toEqual({ width: 576, height: 768 });
    expect(displaySize({ width: 10, height: 20 }, 1, 180)).toEqual({ width: 10, height: 20 });
    expect(sizeComplaint({ width: 8, height: 900 })).toMatch(/8×900/);
    expect(sizeComplaint({ width: 60000, height: 60000 })).toMatch(/pixels, more than/);
    expect(sizeComplaint({ width: 640, height: 480 })).toBeUndefined();
  });
});

describe('names', () => {
  test('natural order counts numbers as numbers, of any length, and is total', () => {
    const names = ['f10', 'f9', 'f009b', 'f9a', 'g1', 'f', `f${'9'.repeat(40)}`, 'f10x2', 'f10x10'];
    expect(names.toSorted(compareNatural)).toEqual([
      'f',
      'f9',
      'f9a',
      'f009b',
      'f10',
      'f10x2',
      'f10x10',
      `f${'9'.repeat(40)}`,
      'g1',
    ]);
    const name = fc.string({ unit: fc.constantFrom('a', '0', '1', '10', '.'), maxLength: 5 });
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compareNatural(a, b)) + Math.sign(compareNatural(b, a))).toBe(0);
        if (compareNatural(a, b) === 0) expect(a).toBe(b);
        if (compareNatural(a, b) <= 0 && compareNatural(b, c) <= 0)
          expect(compareNatural(a, c)).toBeLessThanOrEqual(0);
      }),
      { seed: 4, numRuns: 2000 },
    );
  });

  test('stems lose the last extension only, and hidden files keep their name', () => {
    expect(['a/b.c.mp4', 'b', 'a.b/c', '.hidden'].map(stemOf)).toEqual(['b.c', 'b', 'c', '.hidden']);
  });

  test('links and paths out of the source are refused, links inside are fine', () => {
    const root = join(scratch, 'root');
    mkdirSync(root);
    writeFileSync(join(scratch, 'secret.mp4'), '');
    writeFileSync(join(root, 'in.mp4'), '');
    symlinkSync('in.mp4', join(root, 'good.mp4'));
    symlinkSync('../secret.mp4', join(root, 'bad.mp4'));
    symlinkSync('nowhere.mp4', join(root, 'dangling.mp4'));
    expect(fileComplaint(root, 'good.mp4')).toBeUndefined();
    expect(fileComplaint(root, 'bad.mp4')).toMatch(/out of the source/);
    expect(fileComplaint(root, '../secret.mp4')).toMatch(/out of the source/);
    expect(fileComplaint(root, 'dangling.mp4')).toMatch(/no such file/);
    expect(fileComplaint(root, '.')).toMatch(/not a regular file/);
  });
});

describe('empty frames', () => {
  const grey = (level: number): Uint8Array => new Uint8Array(1000).fill(level);
  const noisy = (seed: number): Uint8Array =>
    Uint8Array.from({ length: 1000 }, (_, i) => 50 + ((i * 7919 + seed * 104729) % 97));

  test('black frames and repeats of the last kept frame go, and are counted', async () => {
    const dropped = { black: 0, blank: 0, duplicate: 0 };
    const dark = grey(16);
    dark[3] = 255;
    const almost = Uint8Array.from(noisy(1));
    almost[5] = almost[5]! + 20;
    const kept: Uint8Array[] = [];
    const frames = [grey(0), dark, noisy(1), noisy(1), almost, noisy(2), grey(0), noisy(2), noisy(1)];
    for await (const frame of withoutEmptyFrames(frames, dropped)) kept.push(frame);
    expect(kept).toEqual([noisy(1), noisy(2), noisy(1)]);
    expect(dropped).toEqual({ black: 3, blank: 0, duplicate: 3 });
  });

  test('a picture that fades slowly is not frozen: the comparison is with the frame that was kept', async () => {
    const dropped = { black: 0, blank: 0, duplicate: 0 };
    // One pixel in a hundred brightens by one level a frame: 0.01 on average, below the threshold of 0.05.
    const frames = Array.from({ length: 60 }, (_, f) =>
      Uint8Array.from({ length: 1000 }, (_, i) => 70 + ((i * 37) % 60) + (i % 100 === 0 ? f : 0)),
    );
    let kept = 0;
    for await (const frame of withoutEmptyFrames(frames, dropped)) kept += frame.length / 1000;
    expect(kept).toBe(10);
    expect(dropped.duplicate).toBe(50);
  });
});

describe('frames by motion', () => {
  test('the first frame and equal steps of motion, never more than asked for', () => {
    expect(framesByMotion([0, 0, 0, 0, 4, 4, 4, 4, 0, 0], 4)).toEqual([0, 4, 5, 6]);
    expect(framesByMotion([0, 1, 1, 1, 1, 1, 1, 1], 4)).toEqual([0, 2, 4, 6]);
    expect(framesByMotion([0, 0, 0], 3)).toEqual([0]);
    expect(framesByMotion([0], 5)).toEqual([0]);
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 255, noNaN: true }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        (values, count) => {
          const motion = [0, ...values];
          const chosen = framesByMotion(motion, count);
          expect(chosen[0]).toBe(0);
          expect(chosen.length).toBeLessThanOrEqual(Math.min(count, motion.length));
          expect([...new Set(chosen)].sort((a, b) => a - b)).toEqual(chosen);
        },
      ),
      { seed: 6 },
    );
  });

  test('a moving organ counts, noise and marks that stand still do not', async () => {
    const size = { width: 60, height: 48 };
    const frame = (at: number, noise: number): Uint8Array =>
      Uint8Array.from({ length: 60 * 48 }, (_, i) =>
        Math.hypot((i % 60) - at, Math.floor(i / 60) - 24) < 10
          ? 200
          : 40 + ((i * 7919 + noise * 104729) % 9),
      );
    const motion = await motionOf(
      (async function* () {
        yield* await Promise.resolve([frame(20, 1), frame(20, 2), frame(28, 3)]);
      })(),
      size,
    );
    expect(motion[0]).toBe(0);
    expect(motion[2]).toBeGreaterThan(8 * motion[1]!);
  });
});

describe('callipers', () => {
  const size = { width: 120, height: 100 };
  const tissue = (): Uint8Array =>
    Uint8Array.from({ length: 120 * 100 }, (_, i) => 30 + ((i * 7919 + (i >> 7) * 31) % 60));
  const cross = (frame: Uint8Array, x: number, y: number, slope: 0 | 1): void => {
    for (let k = -5; k <= 5; k++) {
      frame[(y + slope * k) * 120 + x + k] = 240;
      frame[(y + k) * 120 + x - slope * k] = 240;
    }
  };

  test('two crosses of a kind are callipers; one, a line, a blob and plain tissue are not', () => {
    const marked = (mark: (frame: Uint8Array) => void): boolean => {
      const frame = tissue();
      mark(frame);
      return hasCallipers(frame, size, 1);
    };
    for (const slope of [0, 1] as const) {
      expect(
        marked((frame) => {
          cross(frame, 30, 40, slope);
          cross(frame, 80, 60, slope);
        }),
      ).toBe(true);
      expect(
        marked((frame) => {
          cross(frame, 30, 40, slope);
        }),
      ).toBe(false);
    }
    expect(
      marked((frame) => {
        for (let x = 20; x < 100; x++) frame.fill(240, 50 * 120 + x, 50 * 120 + x + 1);
        for (let y = 20; y < 26; y++) frame.fill(250, y * 120 + 60, y * 120 + 70);
      }),
    ).toBe(false);
    expect(hasCallipers(tissue(), size, 1)).toBe(false);
  });
});

describe('work ahead', () => {
  async function* count(to: number, log: string[] = []): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let i = 0; i < to; i++) {
        await Promise.resolve();
        log.push(`made ${i}`);
        yield Uint8Array.of(i, 0, 0, 0);
      }
    } finally {
      log.push('closed');
    }
  }

  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

  test('keeps order and stops at the limit until somebody reads', async () => {
    const log: string[] = [];
    const queue = new AheadQueue(count(10, log), 12);
    await settle();
    expect(log).toEqual(['made 0', 'made 1', 'made 2']);
    const got: number[] = [];
    for await (const chunk of queue) got.push(chunk[0]!);
    expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(log.at(-1)).toBe('closed');
  });

  test('gives the error after the chunks before it, and closes a source that is stopped or left', async () => {
    async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
      yield* count(2);
      throw new Error('broken');
    }
    const got: number[] = [];
    const queue = new AheadQueue(failing());
    await settle();
    await expect(
      (async () => {
        for await (const chunk of queue) got.push(chunk[0]!);
      })(),
    ).rejects.toThrow('broken');
    expect(got).toEqual([0, 1]);

    for (const leave of [true, false]) {
      const log: string[] = [];
      const other = new AheadQueue(count(100, log), 8);
      if (leave) for await (const chunk of other) if (chunk[0] === 3) break;
      await other.stop();
      expect(log.at(-1)).toBe('closed');
      expect(log.length).toBeLessThan(20);
    }
  });

  test('items are taken in order though later ones finish first, never more than the width at once', async () => {
    let open = 0;
    let most = 0;
    async function* source(item: number): AsyncGenerator<Uint8Array, void, undefined> {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, item % 3 === 0 ? 6 : 0));
      yield Uint8Array.of(item);
      open--;
    }
    const taken: number[] = [];
    const items = [0, 1, 2, 3, 4, 5, 6, 7];
    await inOrder(
      items,
      3,
      (item) => ({ frames: new AheadQueue(source(item)) }),
      async ({ frames }, index) => {
        for await (const chunk of frames) taken.push(chunk[0]!);
        expect(taken.at(-1)).toBe(items[index]);
      },
    );
    expect(taken).toEqual(items);
    expect(most).toBe(3);
  });

  test('a long item does not keep the others waiting', async () => {
    const gate: { open: () => void } = { open: () => undefined };
    const isOpen = new Promise<void>((resolve) => (gate.open = resolve));
    const ended: number[] = [];
    async function* source(item: number): AsyncGenerator<Uint8Array, void, undefined> {
      if (item === 0) await isOpen;
      await Promise.resolve();
      yield Uint8Array.of(item);
      ended.push(item);
      // The last one can only be reached while the first is still at it.
      if (item === 9) gate.open();
    }
    await inOrder(
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      2,
      (item) => ({ frames: new AheadQueue(source(item)) }),
      async ({ frames }) => {
        for await (const chunk of frames) expect(chunk).toHaveLength(1);
      },
    );
    expect(ended).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
  });

  test('items that hold much are not worked on at once, and one that is too large only alone', async () => {
    const MIB = 2 ** 20;
    const weights = [1, 90, 90, 90, 500, 1, 500, 500, 90, 1].map((weight) => weight * MIB);
    let [held, most, together] = [0, 0, 0];
    const live = new Set<number>();
    async function* source(item: number): AsyncGenerator<Uint8Array, void, undefined> {
      held += weights[item]!;
      live.add(item);
      if (weights[item]! > 192 * MIB) expect([...live]).toEqual([item]);
      else most = Math.max(most, held);
      together = Math.max(together, live.size);
      for (let step = 0; step < 5; step++) await new Promise((resolve) => setTimeout(resolve, 1));
      yield Uint8Array.of(item);
      held -= weights[item]!;
      live.delete(item);
    }
    const taken: number[] = [];
    await inOrder(
      [...weights.keys()],
      4,
      (item) => ({ frames: new AheadQueue(source(item)) }),
      async ({ frames }) => {
        for await (const chunk of frames) taken.push(chunk[0]!);
      },
      (item) => weights[item]!,
    );
    expect(taken).toEqual([...weights.keys()]);
    expect(most).toBe(181 * MIB);
    expect(together).toBe(3);
  });

  test('when taking fails, everything under way is closed before the error arrives', async () => {
    const logs: string[][] = [];
    const start = () => {
      const log: string[] = [];
      logs.push(log);
      return { frames: new AheadQueue(count(1000, log), 8) };
    };
    const take = (): Promise<void> => Promise.reject(new Error('disk full'));
    await expect(inOrder([1, 2, 3, 4], 3, start, take)).rejects.toThrow('disk full');
    expect(logs.map((log) => log.at(-1))).toEqual(['closed', 'closed', 'closed']);
  });
});

describe('child processes', () => {
  const node = process.execPath;

  test('a program that is not there, one that says nothing, one that says too much', async () => {
    const bounds = { silenceSeconds: 30, maxBytes: 1000 };
    expect(await failureOf(captureOutput('uscl-no-such-program', [], bounds))).toMatchObject({
      code: 'TOOL_MISSING',
      exitCode: 5,
    });
    const mute = captureOutput(node, ['-e', 'setTimeout(() => {}, 600000)'], {
      silenceSeconds: 0.2,
      maxBytes: 10,
    });
    expect(await failureOf(mute)).toMatchObject({ code: 'TOOL_SILENT', kind: 'data' });
    const loud = captureOutput(node, ['-e', 'for (;;) console.log("x".repeat(1000))'], bounds);
    expect((await failureOf(loud)).code).toBe('TOOL_OUTPUT');
  });

  test('exit code and first complaints come back, bounded', async () => {
    const script =
      'process.stderr.write("oh no\\n" + "x".repeat(100000)); process.stdout.write("out"); process.exitCode = 7';
    const { code, complaints, output } = await captureOutput(node, ['-e', script], {
      silenceSeconds: 30,
      maxBytes: 10,
    });
    expect([code, output, complaints.slice(0, 6), complaints.length]).toEqual([7, 'out', 'oh no\n', 16384]);
  });

  test('an abort ends the program and throws its reason; leaving the stream ends the program too', async () => {
    const abort = new AbortController();
    const script = 'console.log(process.pid); setInterval(() => console.log("x"), 5)';
    const stream = streamOutput(node, ['-e', script], { silenceSeconds: 30, signal: abort.signal });
    const first = await stream.next();
    const pid = first.done === true ? 0 : Number(first.value.toString());
    abort.abort(new Error('enough'));
    await expect(
      (async () => {
        for await (const chunk of stream) expect(chunk.length).toBeGreaterThan(0);
      })(),
    ).rejects.toThrow('enough');
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);

    let other = 0;
    for await (const chunk of streamOutput(node, ['-e', script], { silenceSeconds: 30 })) {
      other = Number(String(chunk).split('\n')[0]);
      break;
    }
    expect(() => process.kill(other, 0)).toThrow(/ESRCH/);
  });
});
