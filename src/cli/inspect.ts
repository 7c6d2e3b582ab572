/** `uscl inspect DATASET`. */
import { join } from 'node:path';
import { Command } from 'commander';
import { openDataset } from '../dataset/reader.ts';
import { CONTACT_SHEET } from '../dataset/types.ts';
import { contactSheet } from '../ingest/contact-sheet.ts';
import { type Inspection, inspectDataset } from '../ingest/inspect.ts';
import { runCommand, withJson } from './command.ts';
import { byteSize } from './output.ts';

interface Options {
  readonly sheet?: string;
  readonly json?: boolean;
}

export function inspectCommand(): Command {
  const command = new Command('inspect')
    .summary('clips, classes, groups and problems of a dataset, and a contact sheet')
    .description(
      'Says what is in DATASET and what in it would spoil training, and writes a contact sheet (PNG).',
    )
    .argument('<dataset>', 'folder that `uscl ingest` or `uscl phantom` wrote')
    .option('--sheet <file>', `where to write the contact sheet (default: ${CONTACT_SHEET} in the dataset)`)
    .addHelpText('after', '\nExamples:\n  uscl inspect lung\n  uscl inspect lung --json --sheet lung.png');
  return withJson(command).action((folder: string, options: Options) =>
    runCommand(options, async (output) => {
      using dataset = openDataset(folder);
      const inspection = inspectDataset(dataset);
      const sheet = options.sheet ?? join(folder, CONTACT_SHEET);
      await contactSheet(dataset, sheet);
      output.result({ ...inspection, contactSheet: sheet });
      output.print(describe(inspection, sheet));
    }),
  );
}

function describe(found: Inspection, sheet: string): string {
  const range = ({ min, median, max }: { min: number; median: number; max: number }): string =>
    min === max ? String(min) : `${min} to ${max}, median ${median}`;
  const lines = [
    `${found.name} (${found.licence ?? 'licence not stated'})`,
    `${found.clips} clips (${found.stills} stills), ${found.frames} frames, ${found.groups.length} groups, ${byteSize(found.bytes)}`,
    `frames a clip: ${range(found.framesPerClip)}${found.fps === null ? '' : `; a second: ${range(found.fps)}`}`,
    `stored sizes: ${found.sizes.map(({ width, height, clips }) => `${width}×${height} (${clips})`).join(', ')}; channels ${found.channels}`,
    'classes:',
    ...found.classes.map(
      ({ label, clips, frames, groups }) =>
        `  ${label ?? '(unlabelled)'}: ${clips} clips, ${frames} frames, ${groups} groups`,
    ),
    `dropped at ingest: ${found.dropped.black} black, ${found.dropped.duplicate} duplicate frames`,
    found.problems.length === 0 ? 'no problems found' : 'problems:',
    ...found.problems.map(({ level, message }) => `  ${level}: ${message}`),
    `contact sheet: ${sheet}`,
  ];
  return lines.join('\n');
}
