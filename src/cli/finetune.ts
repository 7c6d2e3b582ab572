/** `uscl finetune SOURCE DATASET --out RUN`. */
import { Command } from 'commander';
import { readClassMap } from '../curation/class-map.ts';
import type { FinetuneEvent, FinetuneSummary } from '../finetune/events.ts';
import { finetune } from '../finetune/finetune.ts';
import { finetuneTable } from '../finetune/table.ts';
import { classMapOf } from '../finetune/class-selection.ts';
import { defined } from '../base/collect.ts';
import { choice, optionError, Stopped, withAction } from './command.ts';
import { duration, type Progress } from './output.ts';
import {
  layersOf,
  methodNamedOrIn,
  type TrainingOptions,
  useMethods,
  withMethodFile,
  withTraining,
} from './training.ts';

interface Options extends TrainingOptions {
  readonly labelRate?: readonly number[];
  readonly protocol?: 'honest' | 'legacy';
  readonly split?: string;
  readonly layers?: string;
  readonly unlabelled?: string;
  readonly map?: string;
  readonly classes?: readonly string[];
  readonly final: boolean;
  readonly allowLeaks?: boolean;
  readonly method: readonly string[];
}

export function finetuneCommand(): Command {
  const command = new Command('finetune')
    .summary('train a classifier on labelled clips, cross-validated, and say how good it is')
    .description(
      'Trains a classifier on the labelled clips of DATASET, starting from SOURCE, and tests it on clips that training ' +
        'never saw: in folds that do not part a patient, several times. Leaves predictions, figures with intervals, and a ' +
        'final model for `uscl predict`.',
    )
    .argument(
      '<source>',
      'run folder, checkpoint, file of weights (PyTorch or safetensors, see uscl import), or: random',
    )
    .argument('<dataset>', 'labelled dataset that `uscl ingest` or `uscl phantom` wrote')
    .requiredOption('--out <folder>', 'run folder to write')
    .option(
      '--layers <which>',
      'what trains beside the classifier: head, last-block, all, or name patterns a,b',
    )
    .addOption(
      choice(
        '--protocol <name>',
        'honest: the epoch is chosen on clips held out of training; legacy: on the test, as the published code (optimistic)',
        ['honest', 'legacy'],
      ),
    )
    .option('--label-rate <rates>', 'shares of the training labels to use, e.g. 0.1,0.25,1: a curve', rates)
    .option(
      '--split <name>',
      'use this split of the dataset (uscl split; a name, or the path of a file), draw no folds',
    )
    .option('--map <file>', 'YAML or CSV: which class of the dataset counts as which, or drop')
    .option('--classes <names>', 'tell these classes apart, a,b,c; clips of others take no part', names)
    .option(
      '--unlabelled <method>',
      'learn from clips without a label too, by this method: a name of `uscl methods`, or the path of a file',
    )
    .option('--no-final', 'do not train the final model on all labelled clips')
    .option('--allow-leaks', 'go on although the split or the labels of pretraining leak');
  withTraining(command, 'default or reference', 'docs/finetuning.md').addHelpText(
    'after',
    `
What happens: for each seed the labelled clips are dealt into folds by group. Each fold is tested once by a network
trained on the others; of these a fifth is held out to choose the epoch. All predictions are kept and scored together.

Examples:
  uscl finetune runs/lung pocus --out runs/pocus            from a pretrained run
  uscl finetune random pocus --out runs/pocus-random        the same budget from random weights: compare with it
  uscl finetune runs/lung pocus --out runs/all --layers all --set training.epochs=40
  uscl finetune runs/lung pocus --out runs/quick --layers head --set view.augment=null --set seeds=1
  uscl finetune runs/lung pocus --out runs/two --classes covid,regular
  uscl finetune runs/lung pocus --out runs/sick --map classes.yaml
  uscl finetune runs/lung pocus --out runs/curve --label-rate 0.1,0.25,0.5,1
  uscl finetune imagenet-resnet18.safetensors pocus --out runs/imagenet
  uscl finetune runs/lung pocus --out runs/published --preset reference --protocol legacy
  mpirun -n 4 uscl finetune runs/lung pocus --out runs/pocus   four processes share the trainings
  uscl compare-runs runs/pocus runs/pocus-random            is the difference more than luck?

classes.yaml:
  classes:
    covid: sick             # two classes that count as one
    pneumonia: sick
    uncertain: drop         # clips of this class take no part

Keys worth knowing: training.epochs, seeds, folds, batch.size, layers, norms, framesPerClip.train, optimizer.learningRate, layerRates,
classWeights, labelSmoothing, mixup, earlyStopping, view.augment, view.variants, unlabelled (docs/finetuning.md has all).

Ctrl-C finishes the step, saves, and exits with 130; --resume goes on to the same bits.`,
  );
  return withAction(
    withMethodFile(command),
    async (output, signal, source: string, dataset: string, options: Options) => {
      await useMethods(options.method);
      const { out, resume = false, overwrite = false, allowLeaks = false } = options;
      const { unlabelled: by } = options;
      const method = by === undefined ? undefined : (await methodNamedOrIn(by)).name;
      const config = { ...layersOf(options), overrides: overridesOf(options, method) };
      const summary = await output.during('finetune', 'steps', (_, progress) =>
        finetune({
          ...{ source, dataset, out, resume, overwrite, allowLeaks, signal, config },
          onEvent: (event) => {
            showEvent(event, progress);
          },
        }),
      );
      output.result(summary);
      if (!summary.complete)
        throw new Stopped(
          `Stopped after ${summary.foldRunsDone} of ${summary.foldRuns} trainings; what was done is saved. Go on with --resume.`,
        );
      output.print(describeSummary(summary));
    },
    'several',
  );
}

/** Options that are configuration keys under a shorter name. */
function overridesOf(options: Options, method: string | undefined): Record<string, unknown> {
  const { labelRate, protocol, split, layers, map, classes, final } = options;
  const named = ['head', 'last-block', 'all'];
  return {
    ...defined({ labelRates: labelRate, protocol, split, classes }),
    ...(layers === undefined ? {} : { layers: named.includes(layers) ? layers : layers.split(',') }),
    ...(map === undefined ? {} : { classMap: classMapOf(readClassMap(map)) }),
    ...(method === undefined ? {} : { unlabelled: { name: method } }),
    ...(final ? {} : { finalModel: false }),
  };
}

function showEvent(event: FinetuneEvent, progress: Progress): void {
  switch (event.kind) {
    case 'start': {
      const { foldRuns, foldRunsDone, clips, groups, classes, folds, seeds, trained, parameters } = event;
      const going = foldRunsDone === 0 ? '' : `, ${foldRunsDone} of them done`;
      progress.say(
        `${clips} labelled clips of ${groups} groups, ${classes.length} classes; ${folds} folds × ${seeds} seeds: ` +
          `${foldRuns} trainings${going}; ${millions(trained)} of ${millions(parameters)} parameters train` +
          `${event.frozenUpTo === 'input' ? '' : ` (frozen up to ${event.frozenUpTo})`}; ${event.backend}, ${event.precision}`,
      );
      return;
    }
    case 'note':
      progress.say(`note: ${event.text}`);
      return;
    case 'step':
      progress.update(event.done, event.total, `${event.imagesPerSecond.toFixed(0)} images/s`);
      return;
    case 'epoch':
      return;
    case 'fold-run': {
      const { key, number, foldRuns, epoch, epochs, seconds } = event;
      const which = key.fold === null ? 'final model' : `fold ${key.fold + 1}`;
      progress.say(
        `training ${number}/${foldRuns} (label rate ${key.labelRate}, seed ${key.seed}, ${which}): ` +
          `epoch ${epoch + 1} of ${epochs}, ${duration(seconds)}`,
      );
    }
  }
}

function describeSummary({ evaluation, run, seconds, model, leaks }: FinetuneSummary): string {
  return [
    ...(evaluation === null ? [] : [finetuneTable(evaluation)]),
    ...leaks.map((leak) => `warning: leak allowed: ${leak}`),
    `done in ${duration(seconds)}; run: ${run}${model === null ? '' : `; model: ${model}`}`,
  ].join('\n');
}

function millions(count: number): string {
  return count < 1e5 ? String(count) : `${(count / 1e6).toFixed(2)} M`;
}

function names(text: string): readonly string[] {
  const given = text.split(',').map((name) => name.trim());
  if (given.length >= 2 && !given.includes('') && new Set(given).size === given.length) return given;
  throw optionError(
    '--classes',
    'name at least two different classes',
    text,
    'Write for example covid,regular; names that hold a comma as --set \'classes=["a, b", "c"]\'.',
  );
}

function rates(text: string): readonly number[] {
  const values = text.split(',').map(Number);
  if (text.trim() !== '' && values.every((value) => value > 0 && value <= 1)) return values;
  throw optionError('--label-rate', 'be shares above 0 and up to 1', text, 'Write for example 0.1,0.25,1.');
}
