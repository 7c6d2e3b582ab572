/** `uscl report RUN… --out FILE.html`. */
import { Command } from 'commander';
import { told } from '../base/collect.ts';
import { countsOf } from '../dataset/identifying.ts';
import { bytes, counted } from '../report/numbers.ts';
import { type ReportOptions, type ReportSummary, writeReport } from '../report/report.ts';
import { collect, whole, withAction } from './command.ts';
import { useMethods, withMethodFile } from './training.ts';

interface Options extends Omit<ReportOptions, 'datasets'> {
  readonly out: string;
  readonly dataset: readonly string[];
  readonly method: readonly string[];
}

export function reportCommand(): Command {
  const command = new Command('report')
    .summary('one HTML file that tells of runs: results, data, methods, mistakes')
    .description(
      'Writes one self-contained HTML file about RUN: what was done on what data, scores with intervals, figures with their ' +
        'numbers, mistakes, text for a methods section, a model card, configuration and environment. Of several runs, ' +
        'side by side: all are compared with the first by paired tests.',
    )
    .argument('<run...>', 'folders that uscl pretrain, finetune or evaluate --out wrote')
    .requiredOption('--out <file>', 'the HTML file; an earlier report is replaced')
    .option(
      '--dataset <folder>',
      'dataset of a run: tells its terms and shows frames of the worst mistakes; may be repeated',
      collect,
      [],
    )
    .option('--no-pictures', 'leave out every picture of a clip, Grad-CAM too')
    .addOption(whole('--mistakes <number>', 'mistakes shown with a frame', 0, 200).default(12))
    .addOption(whole('--cams <number>', 'Grad-CAM pictures shown', 0, 200).default(12))
    .option('--title <text>', 'heading of the page')
    .option('--overwrite', 'replace a file that is no report')
    .addHelpText(
      'after',
      `
Examples:
  uscl report runs/finetuned --out report.html
  uscl report runs/random runs/pretrained --out compared.html --dataset lung

Pictures of clips get into the page only with --dataset, or where uscl explain has left them in the run.
Research use only, not a medical device.`,
    );
  return withAction(
    withMethodFile(command),
    async (output, signal, runs: readonly string[], options: Options) => {
      await useMethods(options.method);
      const { out, dataset: datasets, ...rest } = options;
      const summary = await output.during('report', 'percent', ({ onProgress }) =>
        writeReport(runs, out, { ...rest, datasets, signal, onProgress }),
      );
      output.tell(summary, describe(summary));
    },
  );
}

function describe({ path, bytes: size, runs, notCompared, pictures, identifying }: ReportSummary): string {
  return told([
    `${path}: ${counted(runs.length, 'run')}, ${bytes(size)}`,
    ...notCompared.map(
      ({ run, against, reason }) => `note: ${run} was not compared with ${against}: ${reason}`,
    ),
    pictures === 0
      ? 'It holds no picture of a clip.'
      : `It holds ${counted(pictures, 'picture')} of clips: pass it on only where the dataset's terms allow that.`,
    identifying.length > 0 &&
      `warning: names of clips, groups or classes may identify patients: ${countsOf(identifying)} (${identifying.flatMap(({ examples }) => examples).join(', ')}). The page may show them; ingest with --key-file to have pseudonyms.`,
    'Research use only, not a medical device.',
  ]).join('\n');
}
