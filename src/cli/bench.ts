/** `uscl bench`. */
import { Command } from 'commander';
import { PRESETS } from '../runs/config.ts';
import { bench, type BenchResult } from './bench/bench.ts';
import { defined } from '../base/collect.ts';
import { collect, runCommand, whole, withJson } from './command.ts';
import { byteSize, percent } from './output.ts';
import { layersOf } from './training.ts';

interface Options {
  readonly config?: string;
  readonly set: readonly string[];
  readonly dataset?: string;
  readonly steps: number;
  readonly json?: boolean;
}

const KERNELS_SHOWN = 12;

export function benchCommand(): Command {
  const command = new Command('bench')
    .summary('how fast a real training step is here')
    .description(
      'Times the step of `uscl pretrain`, with its loader and with a constant batch, and says where it goes; then steps of ' +
        'fine-tuning and inference with the same network.',
    )
    .option('--dataset <folder>', 'dataset to load from (default: made-up clips of 340×256 pixels)')
    .addOption(whole('--steps <number>', 'measured steps of each kind', 1, 10_000).default(8))
    .option('--config <file>', 'YAML file with configuration keys')
    .option('--set <key=value>', 'set one configuration key; repeatable', collect, [])
    .addHelpText(
      'after',
      `
Examples:
  uscl bench
  uscl bench --set precision=f32 --set view.size=112
  uscl bench --json --set model.backbone=resnet50 --set batch.pairs=16`,
    );
  return withJson(command).action((options: Options) =>
    runCommand(options, async (output, signal) => {
      const result = await output.during('bench', 'steps', (watch) =>
        bench({
          ...{ config: layersOf(options, PRESETS), steps: options.steps, ...watch, signal },
          ...defined({ dataset: options.dataset }),
        }),
      );
      output.tell(result, describe(result));
    }),
  );
}

function describe(result: BenchResult): string {
  const { config, environment, shares, images } = result;
  const slower = 1 - result.pairsPerSecond / result.pairsPerSecondConstant;
  const kernels = result.kernels
    .slice(0, KERNELS_SHOWN)
    .map(({ node, kernel, seconds }) => `  ${(1000 * seconds).toFixed(1).padStart(8)} ms  ${node} ${kernel}`);
  return [
    `${environment.cpu}, ${environment.backend.library} (${environment.backend.instructionSet}), ${environment.backend.threads} threads`,
    `${config.model.backbone}, ${config.size} px, ${config.batch.pairs} pairs, ${config.precision}`,
    `${result.pairsPerSecond.toFixed(2)} pairs/s (${result.secondsPerStep.toFixed(3)} s a step); ` +
      `constant batch ${result.pairsPerSecondConstant.toFixed(2)} pairs/s; the loader costs ${percent(Math.max(0, slower))}`,
    `of a step: ${Object.entries(shares)
      .map(([part, share]) => `${part} ${percent(share)}`)
      .join(', ')}`,
    `peak memory ${byteSize(result.peakMemory)}`,
    `images a second: pretraining step ${images.pretraining.toFixed(0)}; fine-tuning of all layers ${images.all.toFixed(0)}, ` +
      `of the last block ${images.lastBlock.toFixed(0)}; inference ${images.inference.toFixed(0)}`,
    `slowest kernels (of ${result.kernels.length}), a step:`,
    ...kernels,
  ].join('\n');
}
