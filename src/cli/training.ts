/** What `uscl pretrain` and `uscl finetune` have in common: options, their layers of configuration. */
import type { Command } from 'commander';
import type { Method } from '../methods/method.ts';
import { findMethod, methodNamed } from '../methods/registry.ts';
import { loadMethod } from '../runs/method-file.ts';
import { type GivenLayers, readConfigFile } from '../runs/config-layers.ts';
import { NORMALISATION_FORMS, normalisationOf, normaliseSettings } from '../views/normalisations.ts';
import { collect } from './command.ts';

/** What `withTraining` reads. */
export interface TrainingOptions {
  readonly out: string;
  readonly preset?: string;
  readonly config?: string;
  readonly set: readonly string[];
  readonly normalise?: string;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly json?: boolean;
}

/** `--preset`, `--config`, `--set`, `--normalise`, `--resume` and `--overwrite`. */
export function withTraining(command: Command, presets: string, guide: string): Command {
  return command
    .option('--preset <name>', `starting configuration: ${presets}`)
    .option('--config <file>', `YAML file with configuration keys (${guide})`)
    .option('--set <key=value>', 'set one configuration key; repeatable, wins over --config', collect, [])
    .option(
      '--normalise <name|numbers>',
      `how images are normalised, where the weights do not say it: ${NORMALISATION_FORMS}`,
    )
    .option('--resume', 'continue the run in --out at its exact step (start it where there is none)')
    .option('--overwrite', 'replace the run in --out');
}

/** The layers of configuration that were given. */
export function layersOf({
  preset,
  config,
  set,
  normalise,
}: Pick<TrainingOptions, 'preset' | 'config' | 'set' | 'normalise'>): GivenLayers {
  const own = normalise === undefined ? [] : normaliseSettings(normalisationOf(normalise, '--normalise'));
  return {
    ...(preset === undefined ? {} : { preset }),
    ...(config === undefined ? {} : { file: readConfigFile(config) }),
    set: [...set, ...own],
  };
}

/** `--method` of commands that read runs. */
export function withMethodFile(command: Command): Command {
  return command.option(
    '--method <file>',
    'file that defines the method of a pretraining run, where it is none of this program; its code is run',
    collect,
    [],
  );
}

/** Installs the methods of these files. Errors: those of `loadMethod`. */
export async function useMethods(files: readonly string[]): Promise<void> {
  for (const file of files) await loadMethod(file);
}

/** The method of this name, or of the file at this path. Errors: `METHOD_MISSING`, those of `loadMethod`. */
export async function methodNamedOrIn(given: string): Promise<Method> {
  const isPath = /[./\\]/.test(given);
  return findMethod(given) ?? (isPath ? await loadMethod(given) : methodNamed(given));
}
