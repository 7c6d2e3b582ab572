/** `uscl probe RUN DATASET`. */
import { Command } from 'commander';
import { UsclError } from '../base/errors.ts';
import { keepProbe, probeRun, type ProbeRunOptions, type RunProbe } from '../probe/probe-run.ts';
import { probeTable } from '../probe/probe-table.ts';
import { isRun } from '../runs/run-folder.ts';
import { choice, whole, withAction, withBackend } from './command.ts';
import type { Output } from './output.ts';
import { useMethods, withMethodFile } from './training.ts';

interface Options extends Omit<ProbeRunOptions, 'framesPerClip'> {
  readonly frames: number;
  readonly method: readonly string[];
}

export function probeCommand(): Command {
  const command = new Command('probe')
    .summary('what a pretrained backbone has learnt, beside random weights')
    .description(
      'kNN and linear probe on the frozen features of RUN on the labelled clips of DATASET, cross-validated with folds ' +
        'that never split a group, beside backbones of the same shape with random weights.',
    )
    .argument('<run>', 'run folder, checkpoint, or file of weights (PyTorch or safetensors, see uscl import)')
    .argument('<dataset>', 'labelled dataset')
    .addOption(choice('--checkpoint <which>', 'of the run', ['best', 'last']).default('best'))
    .addOption(whole('--frames <number>', 'frames embedded a clip', 1).default(8))
    .addOption(whole('--folds <number>', 'folds of the cross-validation', 2).default(5))
    .addOption(whole('--seeds <number>', 'different foldings', 1).default(5))
    .addOption(whole('--k <number>', 'neighbours of the kNN', 1).default(10))
    .addOption(whole('--random-inits <number>', 'random backbones to compare with', 0, 100).default(3))
    .option(
      '--split <name>',
      'use this split of the dataset (uscl split; a name, or the path of a file) and not --folds and --seeds',
    )
    .option('--allow-leaks', 'go on although the split or the labels of pretraining leak')
    .addHelpText(
      'after',
      `
Examples:
  uscl probe runs/lung pocus
  uscl probe runs/lung pocus --json > probe.json
  uscl probe runs/lung pocus --split main
  uscl probe imagenet-resnet18.safetensors pocus`,
    );
  return withAction(
    withBackend(withMethodFile(command)),
    async (output, signal, run: string, dataset: string, options: Options) => {
      await useMethods(options.method);
      const { frames: framesPerClip, ...rest } = options;
      const result = await output.during('probe', '%', (watch) =>
        probeRun(run, dataset, { ...rest, framesPerClip, ...watch, signal }),
      );
      output.tell(result, probeTable(result));
      keep(run, result, output);
    },
  );
}

/** Into the run, for its reports; a run that cannot be written to loses nothing but that. */
function keep(run: string, result: RunProbe, output: Output): void {
  if (!isRun(run)) return;
  try {
    output.note(`kept for reports of the run: ${keepProbe(run, result)}`);
  } catch (thrown) {
    if (!(thrown instanceof UsclError)) throw thrown;
    output.note(`note: the probe was not kept for reports: ${thrown.message}`);
  }
}
