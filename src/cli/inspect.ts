/** `uscl inspect DATASET`. */
import { Command } from 'commander';
import { openDataset } from '../dataset/reader.ts';
import { CONTACT_SHEET } from '../dataset/types.ts';
import { contactSheet } from '../ingest/contact-sheet.ts';
import { type Inspection, inspectDataset } from '../ingest/inspect.ts';
import { type OutlineSheet, outlineSheet } from '../ingest/outline-sheet.ts';
import { usageError } from '../base/errors.ts';
import { withAction } from './command.ts';
import { byteSize } from './output.ts';
import { sheetOf, sheetProblem, writeSheet } from './sheet.ts';

interface Options {
  readonly sheet: string | boolean;
  readonly source?: string;
  readonly outlines?: string;
}

type Outlines = OutlineSheet & { readonly path: string };

/** Stored sizes named in the report. */
const SIZES = 8;

export function inspectCommand(): Command {
  const command = new Command('inspect')
    .summary('clips, classes, groups and problems of a dataset, and a contact sheet')
    .description(
      'Says what is in DATASET and what in it would spoil training, and writes a contact sheet (PNG).',
    )
    .argument('<dataset>', 'folder that `uscl ingest` or `uscl phantom` wrote')
    .option('--sheet <file>', `where to write the contact sheet (default: ${CONTACT_SHEET} in the dataset)`)
    .option('--no-sheet', 'write no contact sheet')
    .option(
      '--source <folder>',
      'folder the dataset was made from, to show the fields on the whole originals',
    )
    .option(
      '--outlines <file>',
      'where to write that picture (PNG); it holds what was cut away, names of patients too',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  uscl inspect lung\n  uscl inspect lung --json --sheet lung.png\n  uscl inspect lung --source videos --outlines check.png',
    );
  return withAction(command, async (output, signal, folder: string, options: Options) => {
    if ((options.source === undefined) !== (options.outlines === undefined)) {
      throw usageError(
        'OPTION_INVALID',
        '--source and --outlines belong together.',
        'Give both: where the originals are, and where to write the picture of them.',
        { where: options.source === undefined ? '--source' : '--outlines' },
      );
    }
    using dataset = openDataset(folder);
    const inspection = inspectDataset(dataset);
    const sheet = await sheetOf(options.sheet, { folder, name: CONTACT_SHEET }, (to) =>
      contactSheet(dataset, to),
    );
    const { source, outlines } = options;
    const drawn: Outlines[] = [];
    const outlined =
      source === undefined || outlines === undefined
        ? null
        : await writeSheet(outlines, '--outlines', async (path) => {
            drawn.push({ path, ...(await outlineSheet(dataset, source, path, { signal })) });
          });
    output.result({
      ...inspection,
      contactSheet: sheet.path,
      sheetProblem: sheet.problem,
      outlines: drawn[0] ?? null,
      outlinesProblem: outlined?.problem ?? null,
    });
    output.print([describe(inspection, sheet.path), ...sheetProblem(sheet)].join('\n'));
    for (const one of drawn) output.print(describeOutlines(one));
    if (outlined?.problem) output.print(sheetProblem(outlined).join('\n'));
  });
}

function describeOutlines({ path, clips, missing }: Outlines): string {
  return `outlines on ${clips} originals: ${path} (may show what names patients; ${missing.length} clips have no source there)`;
}

function describe(found: Inspection, sheet: string | null): string {
  const range = ({ min, median, max }: { min: number; median: number; max: number }): string =>
    min === max ? String(min) : `${min} to ${max}, median ${median}`;
  const lines = [
    `${found.name} (${found.licence ?? 'licence not stated'})`,
    `${found.clips} clips (${found.stills} stills), ${found.frames} frames, ${found.groups.length} groups, ${byteSize(found.bytes)}`,
    `frames a clip: ${range(found.framesPerClip)}${found.fps === null ? '' : `; a second: ${range(found.fps)}`}`,
    `stored sizes: ${sizesOf(found)}; channels ${found.channels}`,
    'classes:',
    ...found.classes.map(
      ({ label, clips, frames, groups }) =>
        `  ${label ?? '(unlabelled)'}: ${clips} clips, ${frames} frames, ${groups} groups`,
    ),
    `dropped at ingest: ${found.dropped.black} black, ${found.dropped.blank} blank, ${found.dropped.duplicate} duplicate frames`,
    `ultrasound fields: ${found.fields.declared} declared, ${found.fields.found} found${
      found.fields.confidence === null ? '' : ` (confidence ${range(found.fields.confidence)})`
    }, ${found.fields.given} given, ${found.fields.none} clips without`,
    found.problems.length === 0 ? 'no problems found' : 'problems:',
    ...found.problems.map(({ level, message }) => `  ${level}: ${message}`),
    ...(sheet === null ? [] : [`contact sheet: ${sheet}`]),
  ];
  return lines.join('\n');
}

/** The most frequent sizes, and how many others there are. */
function sizesOf({ sizes }: Inspection): string {
  const shown = sizes.slice(0, SIZES).map(({ width, height, clips }) => `${width}×${height} (${clips})`);
  const others = sizes.slice(SIZES);
  if (others.length > 0) {
    const clips = others.reduce((sum, size) => sum + size.clips, 0);
    shown.push(`${others.length} others (${clips}; --json lists them)`);
  }
  return shown.join(', ');
}
