/** `uscl merge DATASET… --out DATASET`. */
import { Command, Option } from 'commander';
import { told } from '../base/collect.ts';
import { mergeDatasets, type MergeOptions, type MergeSummary } from '../curation/merge.ts';
import { choice, withAction } from './command.ts';
import { listed } from './output.ts';

interface Options extends Omit<MergeOptions, 'datasets' | 'channels'> {
  readonly channels?: '1' | '3';
}

export function mergeCommand(): Command {
  const command = new Command('merge')
    .summary('one dataset of several')
    .description(
      'Copies the clips of all DATASETS into a new dataset, for pretraining on them at once. Ids and groups begin with ' +
        'the name of the dataset they came from; classes are the union.',
    )
    .argument('<dataset...>', 'folders that `uscl ingest` or `uscl phantom` wrote, two or more')
    .requiredOption('--out <folder>', 'dataset folder to write')
    .option('--name <name>', 'name of the merged dataset (default: the names with + between)')
    .option(
      '--prefixes <names>',
      'what ids and groups of each dataset begin with, with commas between (default: the names of the datasets)',
      (text: string) => text.split(',').map((name) => name.trim()),
    )
    .addOption(
      choice('--channels <number>', 'where datasets differ: make colour grey, or repeat grey', ['1', '3']),
    )
    .addOption(new Option('--unlabelled', 'leave all labels out').conflicts('separateClasses'))
    .option('--separate-classes', 'classes of one name stay apart: they get the prefix too')
    .option('--keep-groups', 'groups of one name are one patient in every dataset, and stay one group')
    .option('--overwrite', 'replace the dataset in --out')
    .addHelpText(
      'after',
      `
Examples:
  uscl merge pocus busi --out both
  uscl merge pocus busi --out both --unlabelled
  uscl merge monday tuesday --out week --prefixes mon,tue --keep-groups   one hospital, one --key-file`,
    );
  return withAction(command, async (output, signal, datasets: readonly string[], options: Options) => {
    const channels = options.channels === undefined ? undefined : options.channels === '3' ? 3 : 1;
    const summary = await output.during('merge', 'clips', ({ onProgress }) =>
      mergeDatasets({ ...options, datasets, channels, onProgress, signal }),
    );
    output.tell(summary, describe(summary, options.keepGroups ?? false));
  });
}

function describe(summary: MergeSummary, keepGroups: boolean): string {
  const { manifest, parts, classes, unlabelled, groups, sharedClasses, sharedGroups, sizes, alike } = summary;
  const counts = Object.entries(classes).map(([label, count]) => `${label} ${count}`);
  const converted = parts.filter((part) => part.converted).map(({ prefix }) => prefix);
  const splits = parts.flatMap((part) => part.splits.map((split) => `${part.prefix}/${split}`));
  return told([
    `${manifest.clips} clips, ${manifest.frames} frames, ${groups} groups: ${parts.map(({ prefix, clips }) => `${prefix} ${clips}`).join(', ')}`,
    ...(counts.length > 0 ? [`classes: ${counts.join(', ')}; unlabelled ${unlabelled}`] : ['no labels']),
    converted.length > 0 &&
      `converted to ${manifest.channels === 1 ? 'grey' : 'three channels'}: ${converted.join(', ')}`,
    sizes.length > 0 && `note: stored sizes differ (shorter sides ${sizes.join(', ')}); clips keep theirs.`,
    sharedClasses.length > 0 &&
      `note: one class in several datasets: ${sharedClasses.join(', ')}; if they mean different things, say --separate-classes.`,
    keepGroups && `groups in several datasets: ${sharedGroups.length}`,
    splits.length > 0 && `note: splits are not taken over: ${splits.join(', ')}; make them with uscl split.`,
    ...listed(
      'warning: clips of two datasets and groups that look alike, so a fold could leak',
      alike.pairs.map(([a, b]) => `${a} and ${b}`),
      alike.count,
    ),
    `dataset: ${summary.folder}`,
    `Look it over with: uscl inspect ${summary.folder}`,
  ]).join('\n');
}
