/** Rooms import only from rooms on a lower floor. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SOURCE = join(import.meta.dirname, '..', '..', 'src');

/** `base` is below everything; rooms of one floor do not know each other. */
const FLOORS: Readonly<Record<string, number>> = {
  base: -1,
  formats: 0,
  charts: 0,
  engine: 0,
  objectives: 0,
  dataset: 1,
  models: 1,
  ingest: 2,
  phantom: 2,
  views: 2,
  evaluation: 2,
  methods: 3,
  training: 4,
  report: 5,
  demo: 6,
  cli: 7,
  web: 7,
};

/** Files that stand above all rooms: the public library. */
const ROOF = ['index.ts'];

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .sort();

const roomOf = (file: string): string => file.split('/')[0]!;

/** Modules that a source text names in import, export and dynamic import. */
function importsOf(text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const named = [...code.matchAll(/^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm)];
  const bare = [...code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm)];
  const dynamic = [
    ...code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g),
    ...code.matchAll(/new URL\(\s*['"]([^'"]+\.[tj]s)['"]/g),
  ];
  return [...named, ...bare, ...dynamic].map((match) => match[1]!);
}

const edges = files.flatMap((file) =>
  importsOf(readFileSync(join(SOURCE, file), 'utf8'))
    .filter((target) => target.startsWith('.'))
    .map((target) => ({ file, target: relative(SOURCE, resolve(SOURCE, dirname(file), target)) })),
);

describe('the import graph', () => {
  test('has been read: many files, many imports', () => {
    expect(files.length).toBeGreaterThan(60);
    expect(edges.length).toBeGreaterThan(200);
  });

  test('has only rooms of the house', () => {
    const rooms = new Set(files.filter((file) => !ROOF.includes(file)).map(roomOf));
    expect([...rooms].filter((room) => FLOORS[room] === undefined)).toEqual([]);
  });

  test('goes down only', () => {
    const breaches = edges.filter(({ file, target }) => {
      if (ROOF.includes(file) || roomOf(file) === roomOf(target)) return false;
      return !(FLOORS[roomOf(target)]! < FLOORS[roomOf(file)]!);
    });
    expect(breaches.map(({ file, target }) => `${file} → ${target}`)).toEqual([]);
  });

  test('never enters the library through its front door, nor leaves src', () => {
    expect(edges.filter(({ target }) => ROOF.includes(target) || target.startsWith('..'))).toEqual([]);
  });

  test('has no circle', () => {
    const targets = new Map<string, string[]>();
    for (const { file, target } of edges) targets.set(file, [...(targets.get(file) ?? []), target]);
    const state = new Map<string, 'open' | 'done'>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      state.set(file, 'open');
      for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });
});

/** Folders inside of a room, each of which knows only those before it and no file of the room itself. */
const NESTED: Readonly<Record<string, readonly string[]>> = {
  ingest: ['common', 'field', 'pictures', 'video', 'folders', 'masks', 'dicom', 'recipes'],
};

describe('folders inside of rooms', () => {
  test.each(Object.entries(NESTED))('of %s know only those before them', (room, folders) => {
    const placeOf = (file: string): number =>
      file.split('/').length === 2 ? folders.length : folders.indexOf(file.split('/')[1]!);
    const inside = edges.filter(({ file, target }) => roomOf(file) === room && roomOf(target) === room);
    expect(new Set(inside.map(({ file }) => placeOf(file))).size).toBe(folders.length + 1);
    expect(inside.filter(({ file }) => placeOf(file) === -1)).toEqual([]);
    expect(inside.filter(({ file, target }) => placeOf(target) > placeOf(file))).toEqual([]);
  });
});

describe('what rooms must not touch', () => {
  const importing = (module: RegExp): string[] => [
    ...new Set(
      files.filter((file) =>
        importsOf(readFileSync(join(SOURCE, file), 'utf8')).some((target) => module.test(target)),
      ),
    ),
  ];

  test('only the native backend loads the foreign function interface', () => {
    expect(importing(/^koffi$/).filter((file) => !file.startsWith('engine/onednn/'))).toEqual([]);
  });

  test('no backend is named outside of the engine', () => {
    const outside = edges.filter(
      ({ file, target }) => roomOf(file) !== 'engine' && /^engine\/(onednn|reference)\//.test(target),
    );
    expect(outside).toEqual([]);
  });

  test('commands and bars are the command line’s alone', () => {
    expect(importing(/^(commander|cli-progress)$/).filter((file) => !file.startsWith('cli/'))).toEqual([]);
  });

  test('nothing reaches for the network', () => {
    expect(importing(/^(node:)?(http|https|http2|net|tls|dgram|dns)(\/.*)?$/)).toEqual([]);
    const calling = files.filter((file) =>
      /\bfetch\(|XMLHttpRequest|WebSocket\(/.test(readFileSync(join(SOURCE, file), 'utf8')),
    );
    expect(calling).toEqual([]);
  });

  test('randomness and time have one source', () => {
    const random = files.filter((file) =>
      /Math\.random|randomBytes|randomUUID|getRandomValues/.test(readFileSync(join(SOURCE, file), 'utf8')),
    );
    expect(random).toEqual([]);
  });

  test('libraries do not print', () => {
    const printing = files.filter(
      (file) =>
        roomOf(file) !== 'cli' &&
        /\bconsole\.|process\.std(out|err)\b/.test(readFileSync(join(SOURCE, file), 'utf8')),
    );
    expect(printing).toEqual([]);
  });
});
