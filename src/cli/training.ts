/** What `uscl pretrain` and `uscl finetune` have in common: options, their layers of configuration. */
import type { Command } from 'commander';
import { type GivenLayers, presetIn, readConfigFile } from '../runs/config-layers.ts';
import { collect } from './command.ts';

/** What `withTraining` reads. */
export interface TrainingOptions {
  readonly out: string;
  readonly preset?: string;
  readonly config?: string;
  readonly set: readonly string[];
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

/** `--preset`, `--config`, `--set`, `--resume` and `--overwrite`. */
export function withTraining(command: Command, presets: string, guide: string): Command {
  return command
    .option('--preset <name>', `starting configuration: ${presets}`)
    .option('--config <file>', `YAML file with configuration keys (${guide})`)
    .option('--set <key=value>', 'set one configuration key; repeatable, wins over --config', collect, [])
    .option('--resume', 'continue the run in --out at its exact step (start it where there is none)')
    .option('--overwrite', 'replace the run in --out');
}

/** The layers of configuration that were given. A name that is none of `presets` is refused before anything is read. */
export function layersOf(
  { preset, config, set }: Pick<TrainingOptions, 'preset' | 'config' | 'set'>,
  presets: Parameters<typeof presetIn>[0],
): GivenLayers {
  if (preset !== undefined) presetIn(presets, preset);
  return {
    ...(preset === undefined ? {} : { preset }),
    ...(config === undefined ? {} : { file: readConfigFile(config) }),
    set,
  };
}
