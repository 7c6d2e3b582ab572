/** `uscl predict RUN FILE…`. */
import { Command } from 'commander';
import { RESEARCH_USE } from '../base/research-use.ts';
import { type FilePrediction } from '../predict/answers.ts';
import { type PredictOptions, Predictor } from '../predict/predict.ts';
import { ABSTAIN_BELOW, type ModelUse } from '../trainer/opened-model.ts';
import {
  type PredictionCounts,
  type PredictionFormat,
  predictTo,
  predictToFile,
  type TableRows,
} from '../predict/write.ts';
import { defined } from '../base/collect.ts';
import { requireFree } from '../base/files.ts';
import {
  choice,
  frameRate,
  framesOption,
  picturesOption,
  share,
  whole,
  withAction,
  withMachine,
} from './command.ts';
import { oneLine, type Output, percent, type Watch } from './output.ts';

interface Options extends ModelUse, Omit<PredictOptions, 'onProgress' | 'signal' | 'channels'> {
  readonly abstain: number;
  readonly colour?: boolean;
  readonly format?: PredictionFormat;
  readonly rows: TableRows;
  readonly out?: string;
  readonly overwrite?: boolean;
}

/** Some of the files could not be read: the exit code of data errors. */
const SOME_FAILED = 3;

export function predictCommand(): Command {
  const command = new Command('predict')
    .summary('what a fine-tuned model says of videos, pictures and DICOM files')
    .description(
      'Class probabilities of every frame and clip of FILES by the model of RUN. Frames are found, blanked, cropped and ' +
        `scaled as by uscl ingest, with the settings that the model learned with. ${RESEARCH_USE}`,
    )
    .argument('<run>', 'folder of a finished uscl finetune, or a safetensors file that it wrote')
    .argument('<file...>', 'videos, pictures, DICOM files, or folders of these')
    .option(
      '--abstain <probability>',
      'no answer where the likeliest class has a smaller probability; 0: always answer',
      share('--abstain'),
      ABSTAIN_BELOW,
    )
    .addOption(framesOption())
    .option(
      '--fps <rate>',
      'frames a second taken of videos, or all (default: as the model learned)',
      frameRate,
    )
    .addOption(whole('--size <pixels>', 'shorter side of frames (default: as the model learned)', 16, 2048))
    .option('--colour', 'read three channels (default: as the model learned)')
    .addOption(
      choice('--crop <how>', 'cut to the ultrasound or not (default: as the model learned)', [
        'auto',
        'none',
      ]),
    )
    .option('--fields <file>', 'YAML or CSV of fields given by hand, as for uscl ingest')
    .option('--allow-unmasked', 'take DICOM clips without a field too')
    .option('--refuse-unmasked', 'refuse every clip without a field')
    .option('--key-file <file>', 'secret bytes for the names of DICOM clips, as for uscl ingest')
    .addOption(picturesOption())
    .addOption(
      choice('--format <format>', 'of the result (default: by the ending of --out)', ['csv', 'json']),
    )
    .addOption(choice('--rows <which>', 'rows of a CSV table', ['clips', 'frames', 'all']).default('all'))
    .option('--out <file>', 'write the result to a file')
    .option('--overwrite', 'replace the file in --out')
    .addHelpText(
      'after',
      `
Examples:
  uscl predict runs/lung clip.mp4
  uscl predict runs/lung clips/*.mp4 --out lung.csv --rows clips
  uscl predict runs/lung export/ --abstain 0.8 --json      DICOM: names of clips, not of files, are written
  uscl predict runs/lung clip.mp4 --fps all --format csv   every frame

Files that cannot be read are named, the rest goes on, and the exit code is 3.`,
    );
  // One JSON object on stdout is what --json means everywhere.
  command.hook('preAction', () => {
    const { format, out } = command.opts<Options>();
    if (format === 'json' && out === undefined) command.setOptionValue('json', true);
  });
  return withAction(
    withMachine(command),
    async (output, signal, run: string, files: readonly string[], options: Options) => {
      if (options.out !== undefined) requireFree(options.out, options.overwrite ?? false);
      const failed = await output.during('predict', '%', (watch) =>
        predict(run, files, options, output, watch, signal),
      );
      output.note(RESEARCH_USE);
      if (failed > 0) process.exitCode = SOME_FAILED;
    },
  );
}

/** Number of files that could not be read. */
async function predict(
  run: string,
  files: readonly string[],
  options: Options,
  output: Output,
  { onProgress, onNote }: Watch,
  signal: AbortSignal,
): Promise<number> {
  const {
    backend,
    device,
    threads,
    precision,
    out,
    rows,
    overwrite = false,
    abstain,
    colour,
    ...rest
  } = options;
  using predictor = new Predictor(run, { onNote, ...defined({ backend, device, threads, precision }) });
  const settings: PredictOptions = {
    ...{ ...rest, abstainBelow: abstain, channels: colour === true ? 3 : undefined },
    ...{ onProgress, signal },
  };
  const lines: string[] = [];
  const visitor = {
    clip: (clip: FilePrediction, path: string) => {
      lines.push(clipText(clip, path));
    },
    failed: (_: unknown, path: string, reason: string) => {
      lines.push(`${oneLine(path)}: not read: ${oneLine(reason)}`);
    },
  };
  const format = formatOf(options);
  if (out !== undefined) {
    const counts = await predictToFile(out, predictor, files, settings, {
      ...{ format: format ?? 'csv', rows, overwrite, visitor },
    });
    output.result({ file: out, ...counts });
    for (const line of lines) output.print(line);
    output.print(`${countsText(counts)}: ${out}`);
    return counts.failed;
  }
  if (format === 'csv' && !output.json) {
    const counts = await predictTo(
      (text) => {
        output.table(text);
      },
      predictor,
      files,
      settings,
      { format, rows },
    );
    output.note(countsText(counts));
    return counts.failed;
  }
  const result = await predictor.files(files, settings, visitor);
  output.result(result);
  for (const line of lines) output.print(line);
  return result.failed.length;
}

function formatOf({ format, out }: Options): PredictionFormat | undefined {
  if (format !== undefined || out === undefined) return format;
  return out.toLowerCase().endsWith('.json') ? 'json' : 'csv';
}

function clipText({ name, frames, mean, vote, flags }: FilePrediction, path: string): string {
  const written = name === path ? '' : ` (written as ${name})`;
  const sure = `${mean.likeliest} ${percent(mean.confidence)}`;
  const said = mean.answer === null ? `no answer (likeliest ${sure})` : sure;
  const votes = `${percent(Math.max(...vote.shares))} of ${frames.length} frames ${vote.likeliest}`;
  const remarks = flags.length === 0 ? '' : `; ${flags.join(', ')}`;
  return `${oneLine(path)}${written}: ${said}; ${frames.length === 1 ? 'one frame' : votes}${remarks}`;
}

function countsText({ clips, frames, withheld, failed }: PredictionCounts): string {
  return `${clips} clips, ${frames} frames; ${withheld} without an answer, ${failed} files not read`;
}
