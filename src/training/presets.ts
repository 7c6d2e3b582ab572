/**
 * Named starting points over one switchboard. `paper` is the method as the USCL paper describes it, `reference` as its
 * published code computes it (each field below is one of the differences), `default` what this project starts from.
 */
import type { PartialConfig } from './config.ts';

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

export const PRESETS = { default: paper, paper, reference } as const satisfies Record<string, PartialConfig>;

export type Preset = keyof typeof PRESETS;
