/**
 * The whole story in a few minutes, with no data of one's own: simulate clips, pretrain on them, and probe the
 * backbone on clips of other simulated patients, beside random weights.
 */
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.ts';
import { makePhantom } from '../phantom/phantom.ts';
import type { PretrainEvent, RunSummary } from './events.ts';
import { pretrain } from './pretrain.ts';
import type { PartialConfig } from './config.ts';
import { probeRun, type RunProbe } from './probe-run.ts';

export interface DemoOptions {
  /** Folder for everything: `train`, `test`, `run`, `probe.json`. Default `demo`. */
  readonly out?: string;
  /** Laid over the demonstration's own configuration. */
  readonly set?: readonly string[];
  /** Clips to train on; half as many to test on. Default 160. */
  readonly clips?: number;
  readonly onProgress?: (stage: DemoStage, done: number, total: number, note?: string) => void;
  readonly onPretrain?: (event: PretrainEvent) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export type DemoStage = 'simulate' | 'probe';

export interface DemoSummary {
  readonly out: string;
  readonly run: RunSummary;
  /** Null when the run was interrupted. */
  readonly probe: RunProbe | null;
  /** Clip accuracy of the linear probe on patients never trained on, mean over foldings (and random backbones). */
  readonly clipAccuracy: { readonly pretrained: number; readonly random: number } | null;
  readonly seconds: number;
}

/**
 * Small enough for two cores and a few minutes. The phantom's patients differ in gain, depth and probe more than its
 * classes differ, so the contrast alone learns patients: λ = 1 lets the labels say which of them are alike. Everything
 * else is the default configuration.
 */
export const DEMO_CONFIG: PartialConfig = {
  objective: { supervisedWeight: 1 },
  view: { size: 64 },
  training: { epochs: 100 },
  schedule: { warmupLength: 5 },
  evaluation: { every: 25 },
  checkpoint: { every: 20 },
};

/** Runs the demonstration. What an earlier one left in `out` is replaced; anything else there is refused. */
export async function demo(options: DemoOptions = {}): Promise<DemoSummary> {
  const started = performance.now();
  const { out = 'demo', clips = 160, signal, onNote } = options;
  const folders = { train: join(out, 'train'), test: join(out, 'test'), run: join(out, 'run') };
  const simulated = clips + Math.ceil(clips / 2);
  let before = 0;
  for (const [name, seed, count] of [
    ['train', 0, clips],
    ['test', 1, simulated - clips],
  ] as const) {
    await makePhantom({
      out: folders[name],
      clips: count,
      seed,
      overwrite: true,
      onProgress: (done) => options.onProgress?.('simulate', before + done, simulated),
      ...(signal === undefined ? {} : { signal }),
    });
    before += count;
  }
  const run = await pretrain({
    dataset: folders.train,
    out: folders.run,
    config: { overrides: DEMO_CONFIG, ...(options.set === undefined ? {} : { set: options.set }) },
    overwrite: true,
    ...(signal === undefined ? {} : { signal }),
    ...(options.onPretrain === undefined ? {} : { onEvent: options.onPretrain }),
  });
  const probe = run.complete
    ? await probeRun(folders.run, folders.test, {
        checkpoint: 'last',
        onProgress: (done, total, note) => options.onProgress?.('probe', done, total, note),
        ...(onNote === undefined ? {} : { onNote }),
        ...(signal === undefined ? {} : { signal }),
      })
    : null;
  const summary: DemoSummary = {
    out,
    run,
    probe,
    clipAccuracy: probe === null ? null : clipAccuracy(probe),
    seconds: (performance.now() - started) / 1000,
  };
  if (probe !== null) writeFileAtomic(join(out, 'probe.json'), [`${JSON.stringify(probe, null, 2)}\n`]);
  return summary;
}

function clipAccuracy({ pretrained, random }: RunProbe): { pretrained: number; random: number } {
  const of = (result: RunProbe['pretrained']): number => result.linear.clip.accuracy.mean;
  return {
    pretrained: of(pretrained),
    random: random.reduce((sum, { result }) => sum + of(result), 0) / random.length,
  };
}
