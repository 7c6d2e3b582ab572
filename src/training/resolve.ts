/**
 * From what a person gives to a complete, checked pretraining configuration. Later layers win: a saved run or the
 * dataset's channels, preset, YAML file, overrides of a program, `key=value` settings.
 */
import { type ConfigKind, type GivenLayers, presetIn, resolveLayers } from './config-layers.ts';
import { type Config, configSchema } from './config.ts';
import { type Preset, PRESETS } from './presets.ts';

export { readConfigFile } from './config-layers.ts';

export interface ConfigSources extends GivenLayers<Preset> {
  /** Channels of the dataset: what `view.channels` is unless a source says otherwise. */
  readonly channels?: 1 | 3;
  /** A saved run's configuration; the other sources are laid over it. */
  readonly base?: Config;
}

const KIND: ConfigKind<Config> = { schema: configSchema, presets: PRESETS, guide: 'docs/configuration.md' };

/** Complete configuration of `sources`. Errors: `CONFIG_UNKNOWN_KEY`, `CONFIG_INVALID`, `CONFIG_FILE`. */
export function resolveConfig(sources: ConfigSources = {}): Config {
  const { base, channels = 1, ...given } = sources;
  const tree = base ?? { view: { channels } };
  return resolveLayers(KIND, { tree, complete: base !== undefined }, given);
}

/** The preset of this name, or `CONFIG_INVALID`. */
export function presetNamed(name: unknown): Preset {
  return presetIn(PRESETS, name);
}
