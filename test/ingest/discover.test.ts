/** What is found in a folder: every entry once, as a source, as named with a reason, or as counted. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DiscoverOptions, Discovery, PictureLayout } from '../../src/ingest/folders/discover.ts';
import { discover } from '../../src/ingest/folders/discover.ts';
import type { SourceItem } from '../../src/ingest/common/ingest-plan.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { failureOf, makePicture } from './media.ts';

const scratch = scratchFolder();
let count = 0;

function folderOf(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const folder = join(scratch, `source${++count}`);
  mkdirSync(folder);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const find = (root: string, options: Partial<DiscoverOptions> = {}): Promise<Discovery> =>
  discover(root, { layout: 'auto', ...options });
const kinds = ({ items }: Discovery): string[] => items.map(({ kind, path }) => `${kind} ${path}`);
const named = ({ rejected }: Discovery): Record<string, string> =>
  Object.fromEntries(rejected.map(({ source, reason }) => [source, reason]));

/** The start of a DICOM file: preamble, prefix, length of the meta group. */
function dicom(): Uint8Array {
  const bytes = Buffer.alloc(400);
  bytes.write('DICM', 128, 'latin1');
  bytes.set([2, 0, 0, 0, 0x55, 0x4c, 4, 0, 0xbe, 0, 0, 0], 132);
  return bytes;
}

/** Runs on names that no string can hold. */
const atBytes = (folder: string, name: number[]): Buffer =>
  Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]);

describe('DICOM', () => {
  test('is known by its content, whatever its name; a DICOMDIR is an index and no clip', async () => {
    const found = await find(
      folderOf({
        'study/IM_0001': dicom(),
        'study/1.2.840.113619.2.5.24': dicom(),
        'study/scan.DCM': dicom(),
        'study/film.mp4': dicom(),
        'study/IM_0002': 'something else',
        DICOMDIR: dicom(),
        'second/dicomdir': dicom(),
        'third/DICOMDIR': 'a text of that name',
      }),
    );
    expect(kinds(found)).toEqual(
      [
        'dicom study/1.2.840.113619.2.5.24',
        'video study/IM_0002',
        'dicom study/IM_0001',
        'dicom study/film.mp4',
        'dicom study/scan.DCM',
        'video third/DICOMDIR',
      ].sort((a, b) => (a.slice(6) < b.slice(6) ? -1 : 1)),
    );
    expect(found.indices).toEqual(['DICOMDIR', 'second/dicomdir']);
    expect(found.rejected).toEqual([]);
  });

  test('one file alone is a source', async () => {
    const folder = folderOf({ IM_0001: dicom(), 'a.mp4': 'x', 'b.png': 'x' });
    expect(kinds(await find(join(folder, 'IM_0001')))).toEqual(['dicom IM_0001']);
    expect(kinds(await find(join(folder, 'a.mp4')))).toEqual(['video a.mp4']);
    expect(kinds(await find(join(folder, 'b.png')))).toEqual(['still b.png']);
  });
});

describe('what is no file to read', () => {
  test('links out, links to folders, loops and dangling links are named and not followed', async () => {
    const outside = folderOf({ 'secret.mp4': 'x' });
    const root = folderOf({ 'a/in.mp4': 'x', 'b.txt': '' });
    symlinkSync('in.mp4', join(root, 'a/alias.mp4'));
    symlinkSync(join(outside, 'secret.mp4'), join(root, 'a/out.mp4'));
    symlinkSync(outside, join(root, 'elsewhere'));
    symlinkSync('..', join(root, 'a/up'));
    symlinkSync('round.mp4', join(root, 'round.mp4'));
    symlinkSync('nowhere.mp4', join(root, 'dangling.mp4'));
    const found = await find(root);
    expect(kinds(found)).toEqual(['video a/alias.mp4', 'video a/in.mp4']);
    expect(named(found)).toEqual({
      'a/out.mp4': 'it is a link that leads out of the source folder',
      'a/up': 'it is a link to a folder',
      'dangling.mp4': 'there is no such file',
      elsewhere: 'it is a link to a folder',
      'round.mp4': 'it is a link that leads to itself',
    });
  });

  test('pipes, sockets, devices and empty files are named and never waited for', async () => {
    const root = folderOf({ 'good.mp4': 'x', 'empty.mp4': '' });
    execFileSync('mkfifo', [join(root, 'pipe'), join(root, 'pipe.png')]);
    symlinkSync('pipe', join(root, 'link'));
    symlinkSync('/dev/zero', join(root, 'zero'));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve));
    try {
      const found = await find(root);
      expect(kinds(found)).toEqual(['video good.mp4']);
      expect(named(found)).toEqual({
        'empty.mp4': 'it is empty',
        link: 'it is a pipe',
        pipe: 'it is a pipe',
        'pipe.png': 'it is a pipe',
        socket: 'it is a socket',
        zero: 'it is a link that leads out of the source folder',
      });
    } finally {
      server.close();
    }
  });

  test.skipIf(process.getuid?.() === 0)(
    'folders and files that may not be read (skipped for root)',
    async () => {
      const root = folderOf({ 'shut/a.mp4': 'x', 'b.mp4': 'x', 'c.mp4': 'x' });
      chmodSync(join(root, 'shut'), 0);
      chmodSync(join(root, 'c.mp4'), 0);
      const found = await find(root);
      chmodSync(join(root, 'shut'), 0o700);
      expect(kinds(found)).toEqual(['video b.mp4']);
      expect(named(found)).toEqual({ 'c.mp4': 'you may not read it', shut: 'you may not read it' });
      chmodSync(root, 0);
      const error = await failureOf(find(root));
      chmodSync(root, 0o700);
      expect(error).toMatchObject({ code: 'SOURCE_UNREADABLE', exitCode: 3 });
    },
  );

  test('names that are not UTF-8 are named, files and folders', async () => {
    const root = folderOf({ 'good.mp4': 'x' });
    closeSync(openSync(atBytes(root, [0x61, 0xff, 0x2e, 0x6d, 0x70, 0x34]), 'w'));
    closeSync(openSync(atBytes(root, [0xc3, 0x28, 0x2e, 0x70, 0x6e, 0x67]), 'w'));
    mkdirSync(atBytes(root, [0x64, 0xe9]));
    // A name that holds the replacement character itself is a name like others.
    writeFileSync(join(root, 'odd\uFFFD.mp4'), 'x');
    const found = await find(root);
    expect(kinds(found)).toEqual(['video good.mp4', 'video odd\uFFFD.mp4']);
    expect(named(found)).toEqual({
      'a\uFFFD.mp4': 'its name is not valid UTF-8; rename it',
      'd\uFFFD': 'its name is not valid UTF-8; rename it',
      '\uFFFD(.png': 'its name is not valid UTF-8; rename it',
    });
  });

  test('folders too deep, and paths longer than the system takes', async () => {
    const root = folderOf({ 'a.mp4': 'x' });
    const deep = Array.from({ length: 34 }, (_, i) => `d${i}`).join('/');
    mkdirSync(join(root, deep), { recursive: true });
    writeFileSync(join(root, deep.split('/').slice(0, 32).join('/'), 'last.mp4'), 'x');
    writeFileSync(join(root, deep, 'beyond.mp4'), 'x');
    // Two paths of which each is short enough, one below the other.
    const [upper, lower] = [folderOf(), Array.from({ length: 10 }, () => 'n'.repeat(250)).join('/')];
    mkdirSync(join(root, 'long', lower), { recursive: true });
    mkdirSync(join(upper, lower), { recursive: true });
    writeFileSync(join(upper, lower, 'z.mp4'), 'x');
    renameSync(join(upper, 'n'.repeat(250)), join(root, 'long', lower, 'm'));
    const found = await find(root);
    renameSync(join(root, 'long', lower, 'm'), join(upper, 'm'));
    expect(kinds(found).map((path) => path.replace(/.*\//, ''))).toEqual(['video a.mp4', 'last.mp4']);
    expect(found.rejected.map(({ reason }) => reason)).toEqual([
      'it lies more than 32 folders deep',
      'its path is too long for the system',
    ]);
  });

  test('what vanishes between listing and reading is named, and the rest goes on', async () => {
    const root = folderOf({ 'a/1.mp4': 'x', 'b/1.mp4': 'x', 'b/2.mp4': 'x', 'c/1.mp4': 'x' });
    // The walk pauses before files are read: then the last folder goes.
    const looking = find(root);
    await new Promise((resolve) => setTimeout(resolve, 0));
    rmSync(join(root, 'c'), { recursive: true });
    rmSync(join(root, 'b/2.mp4'));
    const found = await looking;
    expect(kinds(found).slice(0, 2)).toEqual(['video a/1.mp4', 'video b/1.mp4']);
    for (const { reason } of found.rejected) expect(reason).toBe('there is no such file');
  });
});

describe('folders of pictures', () => {
  const paths = (items: readonly SourceItem[]): unknown[] =>
    items.map((item) => [item.path, item.kind === 'frames' ? item.files.length : item.kind]);

  test('are one clip where names differ in numbers only and sizes agree, also far apart', async () => {
    const root = folderOf();
    for (let i = 0; i < 40; i++) {
      await makePicture(join(root, 'clip', `f${i}.png`), i);
      await makePicture(join(root, 'set', `s (${i}).png`), i, i === 39 ? 48 : 40);
    }
    writeFileSync(join(root, 'clip', 'f7.png'), 'no picture');
    expect(paths((await find(root)).items).slice(0, 2)).toEqual([
      ['clip', 40],
      ['set/s (0).png', 'still'],
    ]);
  });

  test.each<[PictureLayout, unknown[]]>([
    [
      'frames',
      [
        ['.', 2],
        ['v', 1],
      ],
    ],
    [
      'stills',
      [
        ['1.png', 'still'],
        ['2.png', 'still'],
        ['v/1.png', 'still'],
      ],
    ],
  ])('said to be %s', async (layout, expected) => {
    // A folder of the name of the source, so that pictures in the source itself cannot have it.
    const root = join(folderOf(), 'v');
    for (const path of ['1.png', '2.png', 'v/1.png']) await makePicture(join(root, path), 1);
    expect(paths((await find(root, { layout })).items)).toEqual(expected);
  });
});

test('a large folder is read in pieces, in order, and can be stopped', async () => {
  const root = folderOf();
  for (let i = 0; i < 1500; i++) writeFileSync(join(root, `c${i}.mp4`), 'x');
  const { items } = await find(root);
  expect(items).toHaveLength(1500);
  expect(items.map(({ path }) => path)).toEqual(items.map(({ path }) => path).toSorted());
  await expect(find(root, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
});

test('a dataset inside the source is no source, nor is the place where the new one goes', async () => {
  const root = folderOf({
    'old/frames.bin': 'x',
    'old/dataset.json': '{}',
    'old/clips.jsonl': '',
    'old/contact-sheet.png': 'x',
    'old/broken.mp4': '',
    'new/a.mp4': 'x',
    'kept/frames.bin': 'x',
  });
  const found = await find(root, { skip: join(root, 'new') });
  expect(kinds(found)).toEqual(['video kept/frames.bin']);
  expect(found).toMatchObject({ ignored: 6, rejected: [] });
});

test('any tree of any names: every entry is found, named or counted exactly once, in order, the same each time', async () => {
  const piece = fc.constantFrom(
    ...[
      'a',
      'b',
      '.',
      ' ',
      '+',
      '(1)',
      '[x]',
      '{}',
      '%03d',
      "'",
      '"',
      '`$HOME`',
      '\\',
      '\n',
      '\t',
      '\u001b[31m',
      '\u202e',
    ],
    ...['é', 'e\u0301', '超', '🫁', '-i', '*', '?', '~', ':', ';', '|', '#', '9', '10'],
  );
  const name = fc
    .tuple(
      fc.array(piece, { minLength: 1, maxLength: 5 }),
      fc.constantFrom('', '.mp4', '.MP4', '.png', '.dcm', '.txt', '.'),
      fc.constantFrom('', 'n'.repeat(200)),
    )
    .map(([parts, extension, filler]) => `${parts.join('')}${filler}${extension}`)
    .filter((text) => text !== '.' && text !== '..' && Buffer.byteLength(text) <= 255);
  const kind = fc.constantFrom('file', 'file', 'dicom', 'empty', 'folder', 'link', 'loop', 'out', 'pipe');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 2 }), kind), { maxLength: 12 }),
      async (plan) => {
        const root = folderOf();
        const files: string[] = [];
        for (const [parts, what] of plan) {
          const path = parts.join('/');
          try {
            mkdirSync(dirname(join(root, path)), { recursive: true });
            if (what === 'folder') mkdirSync(join(root, path));
            else if (what === 'link') symlinkSync('a', join(root, path));
            else if (what === 'loop') symlinkSync('.', join(root, path));
            else if (what === 'out') symlinkSync('/etc/hostname', join(root, path));
            else if (what === 'pipe') execFileSync('mkfifo', ['--', join(root, path)], { stdio: 'pipe' });
            else
              writeFileSync(join(root, path), what === 'dicom' ? dicom() : what === 'empty' ? '' : 'x', {
                flag: 'wx',
              });
            if (what !== 'folder') files.push(path);
          } catch {
            // The name is taken already, or a file stands where a folder should.
          }
        }
        const found = await find(root, { layout: 'stills' });
        const hidden = (path: string): boolean => path.split('/').some((part) => part.startsWith('.'));
        const texts = (path: string): boolean => path.endsWith('.txt');
        const seen = [...found.items.map(({ path }) => path), ...found.rejected.map(({ source }) => source)];
        // Links to folders are named whatever they are called; hidden things and texts are counted.
        const expected = files.filter((path) => !hidden(path) && (!texts(path) || seen.includes(path)));
        expect(seen.toSorted()).toEqual(expected.toSorted());
        const counted = files.filter((path) => !seen.includes(path));
        expect(found.ignored).toBeGreaterThanOrEqual(counted.length === 0 ? 0 : 1);
        expect(found.items.map(({ path }) => path)).toEqual(found.items.map(({ path }) => path).toSorted());
        expect(await find(root, { layout: 'stills' })).toEqual(found);
        rmSync(root, { recursive: true });
      },
    ),
    { seed: 11, numRuns: 60 },
  );
});
