/** Rooms import only from rooms on a lower floor. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const SOURCE = join(import.meta.dirname, '..', '..', 'src');

/** `base` is below everything; rooms of one floor do not know each other. */
const FLOORS: Readonly<Record<string, number>> = {
  base: -1,
  formats: 0,
  video: 0,
  charts: 0,
  engine: 0,
  objectives: 0,
  dataset: 1,
  models: 1,
  curation: 2,
  views: 2,
  ingest: 3,
  phantom: 3,
  evaluation: 3,
  methods: 3,
  runs: 4,
  trainer: 5,
  pretrain: 6,
  finetune: 6,
  embed: 6,
  probe: 6,
  predict: 6,
  evaluate: 6,
  explain: 6,
  weights: 6,
  report: 7,
  demo: 8,
  study: 8,
  cli: 9,
};

/** Files that stand above all rooms: the public library, one file a door. */
const ROOF = ['index.ts', ...readdirSync(join(SOURCE, 'exports')).map((name) => `exports/${name}`)];

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

/** The circles that a walk along the arrows of a graph meets. */
function circlesOf(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const circles: string[] = [];
  const visit = (one: string, path: readonly string[]): void => {
    if (state.get(one) === 'done') return;
    if (state.get(one) === 'open') {
      circles.push([...path.slice(path.indexOf(one)), one].join(' → '));
      return;
    }
    state.set(one, 'open');
    for (const target of graph.get(one) ?? []) visit(target, [...path, one]);
    state.set(one, 'done');
  };
  for (const one of graph.keys()) visit(one, []);
  return circles;
}

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
    const targets = new Map<string, Set<string>>();
    for (const { file, target } of edges) targets.set(file, (targets.get(file) ?? new Set()).add(target));
    expect(circlesOf(targets)).toEqual([]);
  });
});

describe('folders within a room', () => {
  /** The part of a path below `folder`: a folder's name, or '.' for a file of its own. */
  const partBelow = (folder: string, file: string): string => {
    const parts = file.slice(folder.length + 1).split('/');
    return parts.length === 1 ? '.' : parts[0]!;
  };

  test('import each other in one direction, at every depth', () => {
    const graphs = new Map<string, Map<string, Set<string>>>();
    for (const { file, target } of edges) {
      if (ROOF.includes(file) || roomOf(file) !== roomOf(target)) continue;
      // Every folder that holds both.
      for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) {
        if (!target.startsWith(`${folder}/`)) continue;
        const [from, to] = [partBelow(folder, file), partBelow(folder, target)];
        if (from === to) continue;
        const graph = graphs.get(folder) ?? new Map<string, Set<string>>();
        graphs.set(folder, graph.set(from, (graph.get(from) ?? new Set()).add(to)));
      }
    }
    const circles = [...graphs].flatMap(([folder, graph]) =>
      circlesOf(graph).map((circle) => `${folder}: ${circle}`),
    );
    expect(circles).toEqual([]);
    expect(graphs.size).toBeGreaterThan(3);
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

  test('only native parts of the engine load the foreign function interface', () => {
    const native = /^engine\/(native|onednn|torch\/native|ranks\/(mpi|nccl))\//;
    expect(importing(/^koffi$/).filter((file) => !native.test(file))).toEqual([]);
  });

  test('libraries are loaded, and the stack of their functions is sized, at one door', () => {
    const loading = files.filter((file) =>
      /\bkoffi\s*\.\s*(load|config)\(|\{[^}]*\b(load|config)\b[^}]*\} = koffi\b/.test(
        readFileSync(join(SOURCE, file), 'utf8'),
      ),
    );
    expect(loading).toEqual(['engine/native/foreign.ts']);
  });

  test('no backend is named outside of the engine', () => {
    const outside = edges.filter(
      ({ file, target }) =>
        roomOf(file) !== 'engine' && /^engine\/(native|onednn|torch|reference|separate)\//.test(target),
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
