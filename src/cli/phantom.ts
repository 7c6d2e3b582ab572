/** `uscl phantom --out DATASET`. */
import { Command } from 'commander';
import { makePhantom } from '../phantom/phantom.ts';
import { collect, runCommand, wholeNumber, withJson } from './command.ts';

interface Options {
  readonly out: string;
  readonly clips: number;
  readonly frames: number;
  readonly size: number;
  readonly patients?: number;
  readonly class: readonly string[];
  readonly seed: number;
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

export function phantomCommand(): Command {
  const command = new Command('phantom')
    .summary('make a dataset of simulated lung clips')
    .description(
      'Simulates labelled lung ultrasound clips, so that everything can be tried without any data.',
    )
    .requiredOption('--out <folder>', 'dataset folder to write')
    .option('--clips <number>', 'clips in all', wholeNumber('--clips', 1), 96)
    .option('--frames <number>', 'frames a clip', wholeNumber('--frames', 1), 24)
    .option('--size <pixels>', 'side of the frames', wholeNumber('--size', 32, 512), 96)
    .option(
      '--patients <number>',
      'simulated patients (default: a quarter of the clips)',
      wholeNumber('--patients', 1),
    )
    .option('--class <name>', 'class to simulate; repeatable (default: all)', collect, [])
    .option('--seed <number>', 'same seed, same clips', wholeNumber('--seed', 0), 0)
    .option('--overwrite', 'replace the dataset in --out')
    .addHelpText(
      'after',
      `
Examples:
  uscl phantom --out phantom
  uscl phantom --out test --seed 1 --clips 48       other patients, to test on`,
    );
  return withJson(command).action((options: Options) =>
    runCommand(options, async (output, signal) => {
      const manifest = await output.during('phantom', 'clips', ({ onProgress }) =>
        makePhantom({
          out: options.out,
          clips: options.clips,
          framesPerClip: options.frames,
          size: options.size,
          seed: options.seed,
          ...(options.patients === undefined ? {} : { patients: options.patients }),
          ...(options.class.length === 0 ? {} : { classes: options.class }),
          overwrite: options.overwrite ?? false,
          onProgress,
          signal,
        }),
      );
      output.result({ folder: options.out, manifest });
      output.print(
        `${manifest.clips} clips, ${manifest.frames} frames, classes ${manifest.classes.join(', ')}\ndataset: ${options.out}`,
      );
    }),
  );
}
