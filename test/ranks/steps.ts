/** A few steps of a method on a dataset, as one of several ranks or alone, with what they computed. */
import { openDataset } from '../../src/dataset/reader.ts';
import { openBackend } from '../../src/engine/open.ts';
import type { Ranks } from '../../src/engine/ranks/communicator.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { splitClips } from '../../src/runs/training-clips.ts';
import { BatchSchedule, openFeed } from '../../src/trainer/methods/batch-schedule.ts';
import { MethodNetwork } from '../../src/trainer/methods/method-network.ts';
import { openMethod } from '../../src/trainer/methods/open-method.ts';

export interface Job {
  readonly dataset: string;
  /** Settings of each training. */
  readonly settings: readonly (readonly string[])[];
  readonly steps: number;
}

export interface Computed {
  readonly losses: readonly (readonly number[])[];
  /** Of the first step. */
  readonly gradients: readonly number[];
  readonly norms: readonly number[];
  readonly values: readonly number[];
  /** Running means and variances. */
  readonly statistics: readonly number[];
  /** What the method keeps between steps. */
  readonly kept: Readonly<Record<string, readonly number[]>>;
}

/** The steps of one training; of `normParts` see `MethodNetwork`. */
export async function compute(
  { dataset: folder, steps }: Job,
  set: readonly string[],
  ranks: Ranks,
  normParts = 1,
): Promise<Computed> {
  using dataset = openDataset(folder);
  const config = resolveConfig({ set, channels: 1 });
  using backend = openBackend({ kind: config.backend, threads: 1 });
  const split = splitClips(dataset.clips, dataset.manifest.classes, config.data, config.seed, null);
  const opened = openMethod({ config, dataset }, split);
  const batchSchedule = new BatchSchedule({ dataset, opened, config });
  using network = new MethodNetwork({ backend, config, opened, ranks, normParts });
  await using feed = openFeed({ dataset, opened, config, batchSchedule, from: { step: 0 }, ranks });
  const losses: number[][] = [];
  const norms: number[] = [];
  let gradients: readonly number[] = [];
  for (let step = 0; step < steps; step++) {
    const result = await network.step(() => feed.next(), batchSchedule.batchesIn(step), 1e-3, 1);
    losses.push(result.losses.flatMap((one) => Object.values(one)));
    norms.push(result.gradientNorm);
    if (step === 0) gradients = [...network.parameters.gradients.read()];
  }
  const kept = Object.entries(opened.open.state ?? {}).map(([name, data]) => [name, [...data]] as const);
  const values = [...network.parameters.values.read()];
  const statistics = [...network.parameters.statistics.read()];
  return { losses, gradients, norms, values, statistics, kept: Object.fromEntries(kept) };
}
