/** From what a person gives to a complete, checked fine-tuning configuration. */
import { type ConfigKind, type GivenLayers, presetIn, resolveLayers } from '../config-layers.ts';
import type { Tree } from '../config-errors.ts';
import {
  FINETUNE_PRESETS,
  type FinetuneConfig,
  type FinetunePreset,
  finetuneSchema,
  seedsOf,
} from './config.ts';

export type FinetuneLayers = GivenLayers<FinetunePreset>;

const KIND: ConfigKind<FinetuneConfig> = {
  schema: finetuneSchema,
  presets: FINETUNE_PRESETS,
  guide: 'docs/finetuning.md',
};

/**
 * Complete configuration of the layers over `under` (network and view of the weights) or over a saved run's. Errors:
 * `CONFIG_UNKNOWN_KEY`, `CONFIG_INVALID`, `CONFIG_FILE`.
 */
export function resolveFinetune(
  given: FinetuneLayers = {},
  under: Tree = {},
  saved?: FinetuneConfig,
): FinetuneConfig {
  const tree = saved ?? under;
  const config = resolveLayers(KIND, { tree, complete: saved !== undefined }, given);
  return {
    ...config,
    seeds: seedsOf(config).length,
    labelRates: [...new Set(config.labelRates)].sort((a, b) => a - b),
  };
}

/** The preset of this name, or `CONFIG_INVALID`. */
export function finetunePresetNamed(name: unknown): FinetunePreset {
  return presetIn(FINETUNE_PRESETS, name);
}
