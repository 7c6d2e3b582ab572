/** `uscl phantom --out DATASET`. */
import { Command } from 'commander';
import { makePhantom, type PhantomOptions } from '../phantom/phantom.ts';
import { collect, whole, withAction } from './command.ts';

interface Options extends Omit<PhantomOptions, 'framesPerClip' | 'classes'> {
  readonly frames: number;
  readonly class: readonly string[];
}

export function phantomCommand(): Command {
  const command = new Command('phantom')
    .summary('make a dataset of simulated lung clips')
    .description(
      'Simulates labelled lung ultrasound clips, so that everything can be tried without any data.',
    )
    .requiredOption('--out <folder>', 'dataset folder to write')
    .addOption(whole('--clips <number>', 'clips in all', 1).default(96))
    .addOption(whole('--frames <number>', 'frames a clip', 1).default(24))
    .addOption(whole('--size <pixels>', 'side of the frames', 32, 512).default(96))
    .addOption(whole('--patients <number>', 'simulated patients (default: a quarter of the clips)', 1))
    .option('--class <name>', 'class to simulate; repeatable (default: all)', collect, [])
    .addOption(whole('--seed <number>', 'same seed, same clips', 0).default(0))
    .option('--overwrite', 'replace the dataset in --out')
    .addHelpText(
      'after',
      `
Examples:
  uscl phantom --out phantom
  uscl phantom --out test --seed 1 --clips 48       other patients, to test on`,
    );
  return withAction(command, async (output, signal, options: Options) => {
    const { out, frames: framesPerClip, class: named, ...rest } = options;
    const classes = named.length === 0 ? {} : { classes: named };
    const manifest = await output.during('phantom', 'clips', ({ onProgress }) =>
      makePhantom({ ...rest, ...classes, out, framesPerClip, onProgress, signal }),
    );
    const counts = `${manifest.clips} clips, ${manifest.frames} frames`;
    const text = `${counts}, classes ${manifest.classes.join(', ')}\ndataset: ${out}`;
    output.tell({ folder: out, manifest }, text);
  });
}
