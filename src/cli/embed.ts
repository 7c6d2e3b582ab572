/** `uscl embed RUN DATASET --out FILE`. */
import { Command } from 'commander';
import { RESEARCH_USE } from '../base/research-use.ts';
import { embedFile, type EmbedFileOptions, type EmbedSummary } from '../embed/embed.ts';
import { TABLE_FORMATS } from '../embed/tables.ts';
import { table } from './columns.ts';
import { choice, whole, withAction, withBackend } from './command.ts';
import { useMethods, withMethodFile } from './training.ts';

interface Options extends Omit<EmbedFileOptions, 'framesPerClip'> {
  readonly out: string;
  readonly frames: number;
  readonly method: readonly string[];
}

export function embedCommand(): Command {
  const command = new Command('embed')
    .summary('features of a dataset as a table, for other programs')
    .description(
      'Writes what the frozen backbone of RUN makes of the frames or clips of DATASET: a row each, with clip, frame, patient (group), ' +
        'label and source, then the features f0, f1, …. A NumPy matrix has a file beside it that names its rows.',
    )
    .argument('<run>', 'run folder, checkpoint, or file of weights (PyTorch or safetensors, see uscl import)')
    .argument('<dataset>', 'dataset, labelled or not')
    .requiredOption('--out <file>', 'file to write, .csv, .npy or .parquet')
    .addOption(choice('--format <name>', 'form of the file (default: the end of its name)', TABLE_FORMATS))
    .addOption(
      choice('--per <what>', 'a row for each frame, or for each clip (mean of its frames)', [
        'frame',
        'clip',
      ]).default('frame'),
    )
    .addOption(whole('--frames <number>', 'frames embedded a clip', 1).default(8))
    .addOption(choice('--checkpoint <which>', 'of the run', ['best', 'last']).default('best'))
    .option('--overwrite', 'replace the file in --out')
    .addHelpText(
      'after',
      `
Examples:
  uscl embed runs/lung pocus --out features.parquet
  uscl embed runs/lung pocus --per clip --out features.csv
  uscl embed imagenet.safetensors pocus --frames 1 --out features.npy
In Python: pandas.read_parquet("features.parquet"), numpy.load("features.npy"); in R: read.csv("features.csv")`,
    );
  return withAction(
    withBackend(withMethodFile(command)),
    async (output, signal, run: string, dataset: string, options: Options) => {
      await useMethods(options.method);
      const { frames: framesPerClip, out, ...rest } = options;
      const summary = await output.during('embed', 'frames', (watch) =>
        embedFile(run, dataset, out, { ...rest, framesPerClip, ...watch, signal }),
      );
      output.tell({ ...summary, use: RESEARCH_USE }, describe(summary));
    },
  );
}

function describe(summary: EmbedSummary): string {
  const { out, rowsFile, per, rows, dim, clips, unlabelled, seen, labelsSeen } = summary;
  const known = seen === null ? null : `${seen} of these clips, and labels of ${labelsSeen ?? 0}`;
  return table([
    [
      'rows',
      `${rows}, one a ${per}, of ${clips} clips${unlabelled === 0 ? '' : `, ${unlabelled} without a label`}`,
    ],
    ['features', `${dim} a row`],
    ['weights', summary.weights.path],
    ['trained on', known ?? 'it is not known what the weights learnt from'],
    ['written', out],
    ['names of rows', rowsFile],
    ['use', RESEARCH_USE],
  ]).join('\n');
}
