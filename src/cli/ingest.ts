/** `uscl ingest SOURCE --out DATASET`. */
import { Command } from 'commander';
import { told } from '../base/collect.ts';
import { ingest } from '../ingest/ingest.ts';
import { DEFAULT_FPS, DEFAULT_SIZE, type IngestOptions } from '../ingest/options.ts';
import { type IngestSummary, NothingTaken } from '../ingest/summary.ts';
import type { Rejection } from '../ingest/common/ingest-plan.ts';
import { BLUES_LABELS, GALLBLADDER_PARTS, RECIPES } from '../ingest/recipes/recipes.ts';
import { choice, frameRate, picturesOption, whole, withAction } from './command.ts';
import { duration, listed, oneLine, type Output } from './output.ts';

/** Options that have another name in the library stand here; the others are its own. */
interface Options extends Omit<IngestOptions, 'source'> {
  readonly label?: string;
  readonly stills?: boolean;
  readonly part?: string;
  readonly colour?: boolean;
  readonly jobs?: number;
}

export function ingestCommand(): Command {
  const command = new Command('ingest')
    .summary('make a dataset of videos, frame folders or stills')
    .description('Reads the clips in SOURCE (a folder or a file) and writes them as a dataset.')
    .argument('<source>', 'DICOM files, videos (whatever ffprobe reads), folders of frames, single pictures')
    .requiredOption('--out <folder>', 'dataset folder to write')
    .option('--labels <file>', 'CSV with the columns clip, label and optionally group (patient)')
    .addOption(
      choice('--recipe <name>', 'a public set with known labels and groups: see uscl recipes', RECIPES),
    )
    .addOption(choice('--label <kind>', 'covid-blues: what to label clips with', BLUES_LABELS))
    .option('--stills', 'pocus: take single pictures as clips of one frame')
    .addOption(choice('--part <which>', 'gallbladder: only this part', GALLBLADDER_PARTS))
    .option('--fps <number>', 'frames kept a second of video, or all', frameRate, DEFAULT_FPS)
    .addOption(whole('--size <pixels>', 'stored length of the shorter side', 16, 2048).default(DEFAULT_SIZE))
    .addOption(
      choice('--sampling <how>', 'keep frames uniform in time, or as many at equal steps of motion', [
        'time',
        'motion',
      ]).default('time'),
    )
    .option('--colour', 'store three channels (default: grey)')
    .addOption(
      choice('--crop <how>', 'blank and cut off what is not ultrasound, or keep the whole picture', [
        'auto',
        'none',
      ]).default('auto'),
    )
    .option(
      '--fields <file>',
      'YAML or CSV of fields given by hand: clip (or pattern) and rectangle or polygon',
    )
    .option('--allow-unmasked', 'take DICOM clips without a field too, with what is burned into the pixels')
    .option('--refuse-unmasked', 'refuse every clip without a field')
    .option(
      '--key-file <file>',
      'secret bytes: patients, files and folders get pseudonyms that hold across datasets',
    )
    .addOption(picturesOption())
    .option('--name <name>', 'name of the dataset')
    .option('--strict', 'stop at the first source that cannot be read')
    .option('--overwrite', 'replace the dataset in --out; clips of it that are unchanged are taken over')
    .option('--no-reuse', 'decode everything again, also what an earlier ingest to --out left')
    .addOption(whole('--jobs <number>', 'clips decoded at once (default: cores)', 1, 1024))
    .addHelpText(
      'after',
      `
Examples:
  uscl ingest videos/ --out lung --labels lung.csv
  uscl ingest frames/ --out lung --pictures frames      a folder a clip, optionally below class folders
  uscl ingest covid_blues --recipe covid-blues --label b-lines --out blues
  uscl ingest covid19_ultrasound --recipe pocus --out pocus
  uscl ingest Dataset_BUSI_with_GT --recipe busi --out busi
  uscl ingest export/ --out clips --key-file site.key   pseudonyms by a key that you keep

An ingest that was stopped or killed goes on when the same command is given again.

labels.csv:
  clip,label,group
  patient7_left.mp4,b-lines,patient7`,
    );
  return withAction(command, async (output, signal, source: string, options: Options) => {
    const { label, stills, part, colour = false, jobs, ...rest } = options;
    const recipeOptions = { label, stills, part };
    const summary = await output
      .during('ingest', 'clips', ({ onProgress }) =>
        ingest({
          ...{ ...rest, source, recipeOptions, parallel: jobs, channels: colour ? 3 : 1 },
          ...{ onProgress, signal },
        }),
      )
      .catch((thrown: unknown) => {
        if (thrown instanceof NothingTaken) tellNothing(output, thrown);
        throw thrown;
      });
    output.tell(summary, describe(summary));
  });
}

/** All that was refused: where nothing was taken, nothing else tells what to do. */
function tellNothing(output: Output, { rejected, notes }: NothingTaken): void {
  if (rejected.length > 0) output.note(`not taken: ${rejected.length}`);
  for (const { source, reason } of rejected) output.note(`  ${oneLine(`${source}: ${reason}`)}`);
  for (const note of notes) output.note(`note: ${note}`);
}

function describe(summary: IngestSummary): string {
  const { clips, frames, groups, dropped, rejected, damaged, remarks, unmatchedLabels, withoutRow } = summary;
  const classes = counts(summary.classes);
  const flags = counts(summary.flags);
  const { withinGroups, acrossGroups, pairs } = summary.alike;
  const reasonsOf = (found: readonly Rejection[]): string[] =>
    found.map(({ source, reason }) => `${source}: ${reason}`);
  return told([
    `${clips} clips, ${frames} frames, ${groups} groups in ${duration(summary.seconds)}`,
    classes !== '' && `classes: ${classes}; unlabelled ${summary.unlabelled}`,
    summary.reused > 0 && `taken over from an earlier ingest: ${summary.reused} clips`,
    `dropped frames: ${dropped.black} black, ${dropped.blank} blank, ${dropped.duplicate} duplicate`,
    ...describeFields(summary),
    flags !== '' && `flags: ${flags}`,
    withinGroups > 0 && `pairs of clips in one group that look alike: ${withinGroups}`,
    ...listed(
      'warning: clips of two groups that look alike, so the groups may be one patient',
      pairs.map(({ a, b }) => `${a} and ${b}`),
      acrossGroups,
    ),
    ...listed('not taken', reasonsOf(rejected)),
    ...listed('damaged in parts', reasonsOf(damaged)),
    ...listed('read otherwise than as they are', reasonsOf(remarks)),
    ...listed('label rows that fit no source', unmatchedLabels),
    ...describeAbsent(summary),
    ...listed('clips without a label row', withoutRow),
    ...listed('entries of the field file that fit no clip', summary.unusedFields),
    ...summary.warnings.map(({ message }) => `warning: ${message}`),
    ...summary.notes.map((note) => `note: ${note}`),
    `dataset: ${summary.folder}`,
    `Look it over with: uscl inspect ${summary.folder}`,
  ]).join('\n');
}

/** `covid 12, regular 7`. */
function counts(of: Readonly<Record<string, number>>): string {
  return Object.entries(of)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

/** Rows of a published table that have no file, counted by reason. */
function describeAbsent({ absent }: IngestSummary): string[] {
  const reasons = Object.entries(absent).sort(([, a], [, b]) => b.length - a.length);
  if (reasons.length === 0) return [];
  const count = reasons.reduce((sum, [, names]) => sum + names.length, 0);
  return [
    `rows of the table without a file: ${count}`,
    ...reasons.map(([why, names]) => `  ${names.length} ${why}`),
  ];
}

/** How the fields were known, and how sure the finder is of those it found. */
function describeFields({ crops }: IngestSummary): string[] {
  const counts = (['declared', 'given', 'found'] as const)
    .map((from) => ({ from, count: crops.filter((crop) => crop.from === from).length }))
    .filter(({ count }) => count > 0)
    .map(({ from, count }) => `${count} ${from}`);
  if (counts.length === 0) return [];
  const without = crops.filter(({ from }) => from === null).length;
  if (without > 0) counts.push(`${without} without`);
  const sure = crops
    .flatMap(({ from, confidence }) => (from === 'found' ? [confidence ?? 0] : []))
    .sort((a, b) => a - b);
  const found =
    sure.length === 0
      ? ''
      : `; confidence of those found: ${(sure[0] ?? 0).toFixed(2)} to ${(sure.at(-1) ?? 0).toFixed(2)}, median ${(sure[sure.length >> 1] ?? 0).toFixed(2)}`;
  return [`ultrasound fields: ${counts.join(', ')}${found}`];
}
