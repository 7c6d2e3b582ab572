/**
 * Freezes what a built checkout does: drives its command line on simulated clips and writes what came out as values by
 * name. Two such files say whether a change of the code's shape has changed anything else.
 *
 *     npm run freeze -- --out before.json
 *     npm run freeze -- --out after.json --cli ../other/dist/cli/main.js
 *     npm run freeze -- --compare before.json after.json
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { comparison, type Freeze, parseFreeze } from './compare.ts';
import { datasetChapter, simulationChapter } from './datasets.ts';
import { ingestChapter, sourceChapter } from './ingests.ts';
import { laidOut, type Tree } from './record.ts';
import { type Renames, Stage } from './stage.ts';
import { finetuningChapter, pretrainingChapter } from './training.ts';
import { useChapter } from './use.ts';
import { wordChapter } from './words.ts';

const { values: options, positionals } = parseArgs({
  options: {
    out: { type: 'string' },
    cli: { type: 'string', default: join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js') },
    rename: { type: 'string', multiple: true, default: [] },
    folder: { type: 'string' },
    chapters: { type: 'string' },
    compare: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});

/** In this order: later ones use what earlier ones wrote. */
const CHAPTERS: Readonly<Record<string, (stage: Stage) => void | Promise<void>>> = {
  sources: sourceChapter,
  simulation: simulationChapter,
  ingest: ingestChapter,
  datasets: datasetChapter,
  pretraining: pretrainingChapter,
  finetuning: finetuningChapter,
  use: useChapter,
  words: wordChapter,
};

const HELP = `Freezes what a built checkout does, as values by name.

  --out FILE       where to write them
  --cli FILE       dist/cli/main.js of the checkout (this one)
  --rename C:A=B   the option A of the command C is called B there; repeatable
  --folder DIR     keep what the program wrote there (a new folder)
  --chapters A,B   only these of ${Object.keys(CHAPTERS).join(', ')}; later ones need earlier ones

  --compare A B    every value of two such files that differs; exit code 1 where there is one`;

if (options.help) console.log(HELP);
else if (options.compare) compare(positionals);
else if (options.out === undefined) usage('--out FILE or --compare A B is missing.');
else await freeze(options.out);

function compare(files: readonly string[]): void {
  const [before, after, ...more] = files.map((path) => parseFreeze(readFileSync(path, 'utf8'), path));
  if (before === undefined || after === undefined || more.length > 0) {
    usage('--compare takes two files.');
    return;
  }
  const { text, same } = comparison(before, after);
  console.log(text);
  process.exitCode = same ? 0 : 1;
}

async function freeze(out: string): Promise<void> {
  const kept = options.folder;
  if (kept !== undefined) mkdirSync(kept);
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'uscl-freeze-'));
  try {
    const stage = new Stage(options.cli, folder, renamesOf(options.rename));
    const wanted = options.chapters?.split(',') ?? Object.keys(CHAPTERS);
    for (const name of wanted) {
      const chapter = CHAPTERS[name];
      if (chapter === undefined) throw new Error(`There is no chapter "${name}".`);
      const began = performance.now();
      await chapter(stage);
      console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
    }
    mkdirSync(dirname(out), { recursive: true });
    const { revision = null, ...facts } = stage.machine;
    const values = stage.values;
    const made: Freeze = { format: 'uscl-freeze', revision, machine: { ...versions(), ...facts }, values };
    writeFileSync(out, `${laidOut({ ...made })}\n`);
    for (const call of stage.unexpected) console.log(`otherwise than meant: ${call}`);
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function versions(): Tree {
  const version = execFileSync('ffmpeg', ['-version'], { encoding: 'utf8' }).split('\n')[0]!;
  return {
    node: process.version,
    architecture: arch(),
    ffmpeg: version.replace(/ Copyright.*/, ''),
    libvips: sharp.versions.vips,
  };
}

function renamesOf(texts: readonly string[]): Renames {
  const renames: Record<string, Record<string, string>> = {};
  for (const text of texts) {
    const [, command, from, to] = /^([\w-]+):(--[\w-]+)=(--[\w-]+)$/.exec(text) ?? [];
    if (command === undefined || from === undefined || to === undefined)
      throw new Error(`--rename must be COMMAND:--OLD=--NEW, not "${text}".`);
    renames[command] = { ...renames[command], [from]: to };
  }
  return renames;
}

function usage(text: string): void {
  console.error(`${text}\n\n${HELP}`);
  process.exitCode = 2;
}
