/** `uscl audit DATASET [OTHER]`. */
import { existsSync, realpathSync } from 'node:fs';
import { Command } from 'commander';
import { told } from '../base/collect.ts';
import { auditDatasets, type AuditOptions, type AuditResult } from '../curation/audit.ts';
import { auditSheet } from '../curation/audit-sheet.ts';
import { openDataset } from '../dataset/reader.ts';
import { AUDIT_SHEET } from '../dataset/types.ts';
import { whole, withAction } from './command.ts';
import { sheetOf, sheetProblem } from './sheet.ts';
import { distanceOption } from './split.ts';

/** Leaks are faults of the data: the exit code of all data errors. */
const LEAKS = 3;

interface Options extends AuditOptions {
  readonly sheet: string | boolean;
}

export function auditCommand(): Command {
  const command = new Command('audit')
    .summary('clips that two datasets share, or that one holds twice')
    .description(
      'Lists clips of DATASET and OTHER that are suspected to be the same, by content of the file, by picture, and by ' +
        'name. Without OTHER (or with the same folder twice): duplicates within DATASET; across two groups they are a ' +
        'warning that both may be one patient.',
    )
    .argument('<dataset>', 'such as the one for pretraining')
    .argument('[other]', 'such as the one for the test')
    .option('--sheet <file>', `where to write both frames of each pair (default: ${AUDIT_SHEET} in DATASET)`)
    .option('--no-sheet', 'write no picture')
    .addOption(distanceOption())
    .option('--every-frame', 'compare every frame, not up to 16 a clip: finds short pieces of long clips')
    .option('--no-changed', 'do not look for copies that were cut, written on or mirrored')
    .addOption(whole('--limit <number>', 'pairs listed at most', 1, 100_000).default(1000))
    .addHelpText(
      'after',
      `
Examples:
  uscl audit pretraining test
  uscl audit lung --json

Exit code: 0 where no clip leaks, ${LEAKS} where pairs are the same by content or picture (within one dataset: across
groups). A name alone is listed and does not count. Where the picture cannot be written, the pairs are listed all the same.`,
    );
  return withAction(
    command,
    async (output, signal, folder: string, other: string | undefined, options: Options) => {
      using first = openDataset(folder);
      using second = other === undefined || isSame(folder, other) ? null : openDataset(other);
      const result = await output.during('audit', 'frames', ({ onProgress }) =>
        auditDatasets(first, second, { ...options, signal, onProgress }),
      );
      const place = { folder, name: AUDIT_SHEET, wanted: result.pairs.length > 0 };
      const sheet = await sheetOf(options.sheet, place, (to) => auditSheet(result, first, second, to));
      output.tell(
        { ...result, sheet: sheet.path, sheetProblem: sheet.problem },
        [describe(result, sheet.path), ...sheetProblem(sheet)].join('\n'),
      );
      if (result.leaks > 0) process.exitCode = LEAKS;
    },
  );
}

/** Whether two paths lead to one folder; one that leads nowhere is for `openDataset` to refuse. */
function isSame(folder: string, other: string): boolean {
  return existsSync(other) && realpathSync(other) === realpathSync(folder);
}

function describe(result: AuditResult, sheet: string | null): string {
  const { first, second, counts, suspected, leaks, pairs, skipped, unhashed } = result;
  const lines = pairs.map(({ a, b, reasons, distance, matches, correlation, mirrored, sameGroup }) => {
    const bits = distance === null ? '' : `, ${distance} bits apart, ${matches} frames alike`;
    const pixels =
      correlation === null ? '' : `, correlation ${correlation.toFixed(2)}${mirrored ? ', mirrored' : ''}`;
    const groups = second !== null ? '' : sameGroup ? ', one group' : `, groups ${a.group} and ${b.group}`;
    return `  ${a.id} = ${b.id}: ${reasons.join(', ')}${bits}${pixels}${groups}`;
  });
  const where = second === null ? `within ${first.folder}` : `between ${first.folder} and ${second.folder}`;
  return told([
    suspected === 0
      ? `No clips suspected to be the same ${where}.`
      : `${suspected} pairs of clips suspected to be the same ${where} (content ${counts['same content']}, picture ${counts['same picture']}, changed picture ${counts['changed picture']}, name ${counts['same name']}):`,
    ...lines,
    pairs.length < suspected && `  … and ${suspected - pairs.length} more`,
    skipped > 0 &&
      `note: ${skipped} pairs that might be changed copies were not compared: their clips have many nearer ones.`,
    unhashed > 0 && `note: ${unhashed} clips have no perceptual hashes; only content and name were compared.`,
    leaks > 0 &&
      (second === null
        ? `warning: ${leaks} pairs lie across groups, which may be one patient. uscl split keeps clips of equal content or picture together; for those found as changed pictures only, give them one group and ingest again.`
        : `warning: ${leaks} pairs leak: leave these clips out of one of the two.`),
    sheet !== null && `pictures: ${sheet}`,
  ]).join('\n');
}
