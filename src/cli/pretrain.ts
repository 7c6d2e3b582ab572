/** `uscl pretrain DATASET --out RUN`. */
import { RESEARCH_USE } from '../base/research-use.ts';
import { Command } from 'commander';
import type { PretrainEvent, RunSummary } from '../pretrain/events.ts';
import { pretrain } from '../pretrain/pretrain.ts';
import { Stopped, withAction } from './command.ts';
import { duration, type Progress } from './output.ts';
import { allMethods } from '../methods/registry.ts';
import type { GivenLayers } from '../runs/config-layers.ts';
import { layersOf, methodNamedOrIn, type TrainingOptions, withTraining } from './training.ts';

interface Options extends TrainingOptions {
  readonly method?: string;
  readonly init?: string;
}

export function pretrainCommand(): Command {
  const command = new Command('pretrain')
    .summary('pretrain a backbone on the clips of a dataset')
    .description('Pretrains a backbone on the clips of DATASET and writes a run folder.')
    .argument('<dataset>', 'folder that `uscl ingest` or `uscl phantom` wrote')
    .requiredOption('--out <folder>', 'run folder to write')
    .option(
      '--method <name|file>',
      `${allMethods()
        .map(({ name }) => name)
        .join(', ')} (uscl methods says more), or a file that defines one: its code is run`,
    )
    .option(
      '--init <run|file>',
      'weights that the backbone starts from: a run, a checkpoint, or a file of another tool (docs/weights.md)',
    );
  withTraining(
    command,
    'one of the method (uscl methods NAME lists them)',
    'docs/configuration.md',
  ).addHelpText(
    'after',
    `
Examples:
  uscl pretrain lung --out runs/lung
  uscl pretrain lung --out runs/lung --resume
  uscl pretrain lung --out runs/quick --set view.size=112 --set training.epochs=50
  uscl pretrain lung --out runs/unlabelled --set method.supervisedWeight=0
  uscl pretrain lung --out runs/mine --method ./my-method.js
  uscl pretrain lung --out runs/scored --set evaluation.dataset=pocus
  mpirun -n 4 uscl pretrain lung --out runs/lung          four processes, each a part of every batch
  uscl pretrain lung --out runs/from-imagenet --init resnet18.pth --normalise imagenet

Ctrl-C finishes the step, saves a checkpoint and exits with 130; --resume goes on to the same bits.`,
  );
  return withAction(
    command,
    async (output, signal, dataset: string, options: Options) => {
      const { out, resume = false, overwrite = false } = options;
      const method = options.method === undefined ? {} : { method: await methodNamedOrIn(options.method) };
      const summary = await output.during('pretrain', 'steps', (_, progress) =>
        pretrain({
          ...{ dataset, out, resume, overwrite, signal, config: withInit(layersOf(options), options) },
          ...method,
          onEvent: (event) => {
            showEvent(event, progress);
          },
        }),
      );
      output.result(summary);
      if (!summary.complete)
        throw new Stopped(
          `Stopped at step ${summary.step} of ${summary.steps}; the checkpoint is saved. Go on with --resume${options.method === undefined ? '' : ` --method ${options.method}`}.`,
        );
      output.print(describeSummary(summary));
    },
    'several',
  );
}

/** `--init` as the configuration key that it is. */
function withInit(layers: GivenLayers, { init }: Options): GivenLayers {
  if (init === undefined) return layers;
  return { ...layers, set: [...(layers.set ?? []), `init=${JSON.stringify(init)}`] };
}

/** Shows what happens during a run. */
export function showEvent(event: PretrainEvent, progress: Progress): void {
  switch (event.kind) {
    case 'start': {
      const from = event.step === 0 ? '' : `, going on at step ${event.step}`;
      progress.say(
        `${event.trainingClips} clips to train on (${event.labelledClips === 0 ? 'no label is read' : `labels of ${event.labelledClips} are read`}), ${event.validationClips} held out; ` +
          `${event.steps} steps in ${event.epochs} epochs${from}; ${event.backend}, ${event.precision}`,
      );
      return;
    }
    case 'note':
      progress.say(`note: ${event.text}`);
      return;
    case 'step': {
      const { step, loss, pairsPerSecond } = event.entry;
      progress.update(step, event.steps, `loss ${loss.toFixed(3)} · ${pairsPerSecond.toFixed(1)} pairs/s`);
      return;
    }
    case 'score': {
      const { entry, best } = event;
      const score =
        entry.kind === 'knn'
          ? `kNN balanced accuracy ${entry.balancedAccuracy.toFixed(3)}`
          : `held-out loss ${entry.loss.toFixed(3)}, rank ${entry.effectiveRank.toFixed(1)}`;
      progress.say(`epoch ${entry.epoch + 1}: ${score}${best ? ' (best)' : ''}`);
      return;
    }
    case 'checkpoint':
      return;
  }
}

function describeSummary(summary: RunSummary): string {
  const { best } = summary;
  const score =
    best === null
      ? ''
      : `\nbest: epoch ${best.epoch + 1}, ${best.by === 'knn' ? 'kNN balanced accuracy' : 'held-out loss'} ${best.score.toFixed(4)}`;
  return (
    `${summary.steps} steps done in ${duration(summary.seconds)}` +
    (summary.loss === null ? ' (nothing was left to do)' : `, loss ${summary.loss.toFixed(4)}`) +
    `${score}\nrun: ${summary.run}\n${RESEARCH_USE}`
  );
}
