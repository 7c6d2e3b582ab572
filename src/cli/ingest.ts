/** `uscl ingest SOURCE --out DATASET`. */
import { Command, Option } from 'commander';
import { DEFAULT_FPS, DEFAULT_SIZE, ingest, type IngestSummary } from '../ingest/ingest.ts';
import type { PictureLayout } from '../ingest/discover.ts';
import { NothingTaken } from '../ingest/nothing-taken.ts';
import { BLUES_LABELS, GALLBLADDER_PARTS, type RecipeName, RECIPES } from '../ingest/recipes.ts';
import { frameRate, runCommand, withJson, wholeNumber } from './command.ts';
import { duration, listed, oneLine, type Output } from './output.ts';

interface Options {
  readonly out: string;
  readonly name?: string;
  readonly labels?: string;
  readonly recipe?: RecipeName;
  readonly label?: string;
  readonly stills?: boolean;
  readonly part?: string;
  readonly fps: number | 'all';
  readonly sampling: 'time' | 'motion';
  readonly size: number;
  readonly colour?: boolean;
  readonly crop: 'auto' | 'none';
  readonly fields?: string;
  readonly allowUnmasked?: boolean;
  readonly refuseUnmasked?: boolean;
  readonly keyFile?: string;
  readonly jobs?: number;
  readonly pictures: PictureLayout;
  readonly strict?: boolean;
  readonly overwrite?: boolean;
  readonly reuse: boolean;
  readonly json?: boolean;
}

export function ingestCommand(): Command {
  const command = new Command('ingest')
    .summary('make a dataset of videos, frame folders or stills')
    .description('Reads the clips in SOURCE (a folder or a file) and writes them as a dataset.')
    .argument('<source>', 'DICOM files, videos (whatever ffprobe reads), folders of frames, single pictures')
    .requiredOption('--out <folder>', 'dataset folder to write')
    .option('--labels <file>', 'CSV with the columns clip, label and optionally group (patient)')
    .addOption(
      new Option('--recipe <name>', 'a public set with known labels and groups: see uscl recipes').choices(
        RECIPES,
      ),
    )
    .addOption(new Option('--label <kind>', 'covid-blues: what to label clips with').choices(BLUES_LABELS))
    .option('--stills', 'pocus: take single pictures as clips of one frame')
    .addOption(new Option('--part <which>', 'gallbladder: only this part').choices(GALLBLADDER_PARTS))
    .option('--fps <number>', 'frames kept a second of video, or all', frameRate, DEFAULT_FPS)
    .option(
      '--size <pixels>',
      'stored length of the shorter side',
      wholeNumber('--size', 16, 2048),
      DEFAULT_SIZE,
    )
    .addOption(
      new Option('--sampling <how>', 'keep frames uniform in time, or as many at equal steps of motion')
        .choices(['time', 'motion'])
        .default('time'),
    )
    .option('--colour', 'store three channels (default: grey)')
    .addOption(
      new Option('--crop <how>', 'blank and cut off what is not ultrasound, or keep the whole picture')
        .choices(['auto', 'none'])
        .default('auto'),
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
    .addOption(
      new Option('--pictures <how>', 'folders of pictures are clips (frames) or collections (stills)')
        .choices(['auto', 'frames', 'stills'])
        .default('auto'),
    )
    .option('--name <name>', 'name of the dataset')
    .option('--strict', 'stop at the first source that cannot be read')
    .option('--overwrite', 'replace the dataset in --out; clips of it that are unchanged are taken over')
    .option('--no-reuse', 'decode everything again, also what an earlier ingest to --out left')
    .option('--jobs <number>', 'clips decoded at once (default: cores)', wholeNumber('--jobs', 1, 1024))
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
  return withJson(command).action((source: string, options: Options) =>
    runCommand(options, async (output, signal) => {
      const summary = await output
        .during('ingest', 'clips', ({ onProgress }) =>
          ingest({
            source,
            out: options.out,
            name: options.name,
            labels: options.labels,
            recipe: options.recipe,
            recipeOptions: { label: options.label, stills: options.stills, part: options.part },
            fps: options.fps,
            sampling: options.sampling,
            crop: options.crop,
            fields: options.fields,
            allowUnmasked: options.allowUnmasked,
            refuseUnmasked: options.refuseUnmasked,
            keyFile: options.keyFile,
            parallel: options.jobs,
            reuse: options.reuse,
            size: options.size,
            channels: options.colour === true ? 3 : 1,
            pictures: options.pictures,
            strict: options.strict,
            overwrite: options.overwrite,
            onProgress,
            signal,
          }),
        )
        .catch((thrown: unknown) => {
          if (thrown instanceof NothingTaken) tellNothing(output, thrown);
          throw thrown;
        });
      output.result(summary);
      output.print(describe(summary));
    }),
  );
}

/** All that was refused: where nothing was taken, nothing else tells what to do. */
function tellNothing(output: Output, { rejected, notes }: NothingTaken): void {
  if (rejected.length > 0) output.note(`not taken: ${rejected.length}`);
  for (const { source, reason } of rejected) output.note(`  ${oneLine(`${source}: ${reason}`)}`);
  for (const note of notes) output.note(`note: ${note}`);
}

function describe(summary: IngestSummary): string {
  const { clips, frames, groups, dropped, rejected, damaged, remarks, unmatchedLabels, withoutRow } = summary;
  const lines = [`${clips} clips, ${frames} frames, ${groups} groups in ${duration(summary.seconds)}`];
  const classes = Object.entries(summary.classes).map(([name, count]) => `${name} ${count}`);
  if (classes.length > 0) lines.push(`classes: ${classes.join(', ')}; unlabelled ${summary.unlabelled}`);
  if (summary.reused > 0) lines.push(`taken over from an earlier ingest: ${summary.reused} clips`);
  lines.push(
    `dropped frames: ${dropped.black} black, ${dropped.blank} blank, ${dropped.duplicate} duplicate`,
  );
  lines.push(...describeFields(summary));
  const flags = Object.entries(summary.flags).map(([name, count]) => `${name} ${count}`);
  if (flags.length > 0) lines.push(`flags: ${flags.join(', ')}`);
  const { withinGroups, acrossGroups, pairs } = summary.alike;
  if (withinGroups > 0) lines.push(`pairs of clips in one group that look alike: ${withinGroups}`);
  lines.push(
    ...listed(
      'warning: clips of two groups that look alike, so the groups may be one patient',
      pairs.map(({ a, b }) => `${a} and ${b}`),
      acrossGroups,
    ),
  );
  lines.push(
    ...listed(
      'not taken',
      rejected.map(({ source, reason }) => `${source}: ${reason}`),
    ),
  );
  lines.push(
    ...listed(
      'damaged in parts',
      damaged.map(({ source, reason }) => `${source}: ${reason}`),
    ),
  );
  lines.push(
    ...listed(
      'read otherwise than as they are',
      remarks.map(({ source, reason }) => `${source}: ${reason}`),
    ),
  );
  lines.push(...listed('label rows that fit no source', unmatchedLabels));
  lines.push(...describeAbsent(summary));
  lines.push(...listed('clips without a label row', withoutRow));
  lines.push(...listed('entries of the field file that fit no clip', summary.unusedFields));
  lines.push(...summary.warnings.map(({ message }) => `warning: ${message}`));
  lines.push(...summary.notes.map((note) => `note: ${note}`));
  lines.push(`dataset: ${summary.folder}`, `Look it over with: uscl inspect ${summary.folder}`);
  return lines.join('\n');
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
