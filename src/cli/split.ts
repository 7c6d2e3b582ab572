/** `uscl split DATASET`. */
import { Command, type Option } from 'commander';
import { usageError } from '../base/errors.ts';
import { DUPLICATE_DISTANCE, MAX_DISTANCE } from '../curation/duplicates.ts';
import { type Dataset, openDataset } from '../dataset/reader.ts';
import { makeSplit, type NamedSplit, partOfClips, writeSplit } from '../curation/splits.ts';
import { share, whole, withAction } from './command.ts';

interface Options {
  readonly folds?: number;
  readonly test?: number;
  readonly val?: number;
  readonly name?: string;
  readonly out?: string;
  readonly seed: number;
  readonly distance: number;
  readonly overwrite?: boolean;
}

export function splitCommand(): Command {
  const command = new Command('split')
    .summary('folds, or training, validation and test, kept with a dataset')
    .description(
      'Splits the clips of DATASET and keeps the split with it, for `uscl probe --split NAME`. Groups stay whole, groups ' +
        'that share pictures stay together, and every part has its share of every class as nearly as that allows.',
    )
    .argument('<dataset>', 'folder that `uscl ingest` or `uscl phantom` wrote')
    .addOption(whole('--folds <number>', 'folds for cross-validation', 2))
    .option('--test <share>', 'share of the clips for the test, such as 0.2', share('--test'))
    .option('--val <share>', 'share of the clips for validation', share('--val'))
    .option('--name <name>', 'name of the split (default: folds-K or test)')
    .option(
      '--out <file>',
      'write the split to this file and not into DATASET; --split then takes its path in place of a name',
    )
    .addOption(whole('--seed <number>', 'which of the possible splits', 0).default(0))
    .addOption(distanceOption())
    .option('--overwrite', 'replace a split of that name, or that file')
    .addHelpText(
      'after',
      '\nExamples:\n  uscl split lung --folds 5\n  uscl split lung --test 0.2 --val 0.1 --name main\n  uscl probe runs/lung lung --split main\n  uscl split shared/lung --folds 5 --out folds.json      where DATASET may not be written',
    );
  return withAction(command, (output, _signal, folder: string, options: Options) => {
    const { folds, test, val, seed, distance } = options;
    if ((folds === undefined) === (test === undefined) || (folds !== undefined && val !== undefined)) {
      throw usageError(
        'SPLIT_OPTION',
        'Say either --folds K, or --test SHARE and perhaps --val SHARE.',
        'For example --folds 5, or --test 0.2 --val 0.1.',
      );
    }
    using dataset = openDataset(folder);
    const request =
      folds === undefined
        ? ({ kind: 'parts', test: test ?? 0, validation: val ?? 0 } as const)
        : ({ kind: 'folds', folds } as const);
    const name = options.name ?? (folds === undefined ? 'test' : `folds-${folds}`);
    const split = makeSplit(dataset.clips, name, request, { seed, distance });
    const path = writeSplit(folder, split, options.overwrite ?? false, options.out);
    const parts = summarise(split, dataset);
    output.tell(
      { path, name, kind: split.kind, seed, distance, parts, joined: split.joined },
      describe(split, parts, path),
    );
  });
}

/** `--distance` of commands that look for the same picture. */
export function distanceOption(): Option {
  const text = 'hashes that differ in up to so many bits are the same picture';
  return whole('--distance <bits>', text, 0, MAX_DISTANCE).default(DUPLICATE_DISTANCE);
}

interface PartSummary {
  readonly name: string;
  readonly clips: number;
  readonly groups: number;
  readonly classes: Readonly<Record<string, number>>;
  readonly unlabelled: number;
}

function summarise(split: NamedSplit, { clips, manifest }: Dataset): readonly PartSummary[] {
  const partOf = partOfClips(split, clips);
  return split.parts.map(({ name }, part) => {
    const mine = clips.filter((_, i) => partOf[i] === part);
    return {
      name,
      clips: mine.length,
      groups: new Set(mine.map(({ group }) => group)).size,
      classes: Object.fromEntries(
        manifest.classes.map((label) => [label, mine.filter((clip) => clip.label === label).length]),
      ),
      unlabelled: mine.filter(({ label }) => label === null).length,
    };
  });
}

function describe(split: NamedSplit, parts: readonly PartSummary[], path: string): string {
  return [
    ...parts.map(({ name, clips, groups, classes, unlabelled }) => {
      const labels = Object.entries(classes).map(([label, count]) => `${label} ${count}`);
      return `${name}: ${clips} clips of ${groups} groups (${[...labels, ...(unlabelled > 0 ? [`unlabelled ${unlabelled}`] : [])].join(', ')})`;
    }),
    ...split.joined.map(
      (groups) =>
        `warning: kept together because they share pictures, and perhaps are one patient: ${shorten(groups)}`,
    ),
    `split ${split.name}: ${path}`,
  ].join('\n');
}

function shorten(groups: readonly string[]): string {
  return groups.length <= 6
    ? groups.join(', ')
    : `${groups.slice(0, 6).join(', ')} and ${groups.length - 6} more`;
}
