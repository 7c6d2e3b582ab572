/**
 * From what a person gives to a complete, checked pretraining configuration. Later layers win: a saved run or the
 * dataset's channels, preset, YAML file, overrides of a program, `key=value` settings.
 */
import type { Backend } from '../engine/backend.ts';
import { type ConfigKind, type GivenLayers, resolveLayers } from './config-layers.ts';
import { type Config, configSchema, type PartialConfig } from './config.ts';

/** As described: mix, then augment; an own coefficient a view; the classifier reads the representation. */
const paper: PartialConfig = {
  view: { spg: { order: 'mix-then-augment', coefficients: 'independent', anchor: 'middle' } },
};

const reference: PartialConfig = {
  view: { spg: { order: 'augment-then-mix', coefficients: 'shared', anchor: 'random' } },
  batch: { lastBatch: 'keep' },
  data: { rateMode: 'replace', validation: { augment: true } },
  model: { classifierInput: 'projection', normMomentum: 0.19 },
  objective: { supervisedReduction: 'sum-of-views' },
  schedule: { warmup: 'hold', warmupLength: 10, horizon: 300 },
};

/**
 * Named starting points over one switchboard. `paper` is the method as the USCL paper describes it, `reference` as its
 * published code computes it (each field above is one of the differences), `default` what this project starts from.
 */
export const PRESETS = { default: paper, paper, reference } as const satisfies Record<string, PartialConfig>;

export interface ConfigSources extends GivenLayers {
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

/**
 * The configuration with the choices that it leaves to the machine made (backend, threads, precision): a saved run says
 * what it ran with, not `auto`.
 */
export function settled<Given extends Pick<Config, 'backend' | 'threads' | 'precision'>>(
  config: Given,
  backend: Backend,
): Given {
  const { name, threads, precisions } = backend.describe();
  return {
    ...config,
    backend: name === 'reference' ? 'reference' : 'onednn',
    threads,
    precision: config.precision === 'auto' ? (precisions[0] ?? 'f32') : config.precision,
  };
}
