/**
 * The whole story in a few minutes, with no data of one's own: simulate clips, pretrain on them, probe the backbone on
 * other simulated patients, fine-tune it there beside random weights, explain it on patients that no network has met,
 * and write one page with all of it.
 */
import { join } from 'node:path';
import { mean } from '../base/collect.ts';
import { makePhantom } from '../phantom/phantom.ts';
import { writeReport } from '../report/report.ts';
import type { PartialConfig } from '../runs/config.ts';
import type { PretrainEvent, RunSummary } from '../pretrain/events.ts';
import { explain } from '../explain/explain.ts';
import type { PartialFinetuneConfig } from '../finetune/config.ts';
import { finetune } from '../finetune/finetune.ts';
import { pretrain } from '../pretrain/pretrain.ts';
import { keepProbe, probeRun, type RunProbe } from '../probe/probe-run.ts';

export interface DemoOptions {
  /** Folder for everything; `DEMO_PARTS` says what is in it. Default `demo`. */
  readonly out?: string;
  /** Laid over the demonstration's own configuration of pretraining. */
  readonly set?: readonly string[];
  /** Clips to train on; half as many to test on. Default 160. */
  readonly clips?: number;
  /** Laid over the demonstration's own configuration of fine-tuning. */
  readonly finetune?: PartialFinetuneConfig;
  readonly onProgress?: (stage: DemoStage, done: number, total: number, note?: string) => void;
  readonly onPretrain?: (event: PretrainEvent) => void;
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export type DemoStage = 'simulate' | 'probe' | 'finetune' | 'explain' | 'report';

/** What is in the folder of a demonstration. */
export const DEMO_PARTS = {
  /** Clips to pretrain on, to probe and fine-tune on, and to explain; simulated patients differ between them. */
  train: 'train',
  test: 'test',
  unseen: 'unseen',
  /** The pretraining run, and two fine-tuning runs: from its weights and from random ones. */
  run: 'pretrained',
  tuned: 'from-pretrained',
  scratch: 'from-random',
  report: 'report.html',
} as const;

export interface DemoSummary {
  readonly out: string;
  readonly run: RunSummary;
  /** All below: null when the run was interrupted. */
  readonly probe: RunProbe | null;
  /** Clip accuracy of the linear probe on patients never trained on, mean over foldings (and random backbones). */
  readonly clipAccuracy: { readonly pretrained: number; readonly random: number } | null;
  /** Path of the page. */
  readonly report: string | null;
  readonly seconds: number;
}

/**
 * Small enough for two cores and a few minutes. The phantom's patients differ in gain, depth and probe more than its
 * classes differ, so the contrast alone learns patients: λ = 1 lets the labels say which of them are alike. Everything
 * else is the default configuration.
 */
export const DEMO_CONFIG: PartialConfig = {
  method: { supervisedWeight: 1 },
  view: { size: 64 },
  training: { epochs: 100 },
  schedule: { warmupLength: 5 },
  evaluation: { every: 25 },
  checkpoint: { every: 20 },
};

/** Few labels, as pretraining is for: a quarter of the training clips of each fold. */
const FINETUNE_CONFIG: PartialFinetuneConfig = {
  layers: 'all',
  labelRates: [0.25],
  folds: 3,
  seeds: 1,
  training: { epochs: 10 },
  earlyStopping: null,
  view: { size: 64 },
};

/** Runs the demonstration. What an earlier one left in `out` is replaced; anything else there is refused. */
export async function demo(options: DemoOptions = {}): Promise<DemoSummary> {
  const started = performance.now();
  const { out = 'demo', signal } = options;
  const at = (part: keyof typeof DEMO_PARTS): string => join(out, DEMO_PARTS[part]);
  const stop = signal === undefined ? {} : { signal };
  await simulate(options, at);
  const run = await pretrain({
    dataset: at('train'),
    out: at('run'),
    config: { overrides: DEMO_CONFIG, ...(options.set === undefined ? {} : { set: options.set }) },
    overwrite: true,
    ...stop,
    ...(options.onPretrain === undefined ? {} : { onEvent: options.onPretrain }),
  });
  const summary = (rest: Pick<DemoSummary, 'probe' | 'clipAccuracy' | 'report'>): DemoSummary => ({
    ...{ out, run, ...rest },
    seconds: (performance.now() - started) / 1000,
  });
  if (!run.complete) return summary({ probe: null, clipAccuracy: null, report: null });
  const probe = await probeRun(at('run'), at('test'), {
    checkpoint: 'last',
    onProgress: (done, total, note) => options.onProgress?.('probe', done, total, note),
    ...(options.onNote === undefined ? {} : { onNote: options.onNote }),
    ...stop,
  });
  keepProbe(at('run'), probe);
  await tune(options, at);
  await explain({
    source: at('tuned'),
    data: [at('unseen')],
    cam: {},
    map: {},
    overwrite: true,
    onProgress: (done, total, note) => options.onProgress?.('explain', done, total, note),
    ...stop,
  });
  await writeReport([at('scratch'), at('tuned'), at('run')], at('report'), {
    title: 'Demonstration on simulated clips',
    datasets: [at('test'), at('train')],
    onProgress: (done, total, note) => options.onProgress?.('report', done, total, note),
    ...stop,
  });
  return summary({ probe, clipAccuracy: clipAccuracy(probe), report: at('report') });
}

type Place = (part: keyof typeof DEMO_PARTS) => string;

async function simulate(options: DemoOptions, at: Place): Promise<void> {
  const { clips = 160, signal } = options;
  const parts = [
    ['train', clips],
    ['test', Math.ceil(clips / 2)],
    ['unseen', Math.ceil(clips / 4)],
  ] as const;
  const total = parts.reduce((sum, [, count]) => sum + count, 0);
  let before = 0;
  for (const [seed, [part, count]] of parts.entries()) {
    await makePhantom({
      out: at(part),
      clips: count,
      seed,
      overwrite: true,
      onProgress: (done) => options.onProgress?.('simulate', before + done, total),
      ...(signal === undefined ? {} : { signal }),
    });
    before += count;
  }
}

/** The same fine-tuning from the run's weights and from random ones. */
async function tune(options: DemoOptions, at: Place): Promise<void> {
  const { signal } = options;
  const parts = [
    [at('run'), at('tuned')],
    ['random', at('scratch')],
  ] as const;
  for (const [i, [source, out]] of parts.entries()) {
    const { complete } = await finetune({
      ...{ source, out, dataset: at('test'), overwrite: true },
      // Only one of them is explained; the other needs no final model.
      config: { overrides: { ...FINETUNE_CONFIG, finalModel: i === 0, ...options.finetune } },
      ...(signal === undefined ? {} : { signal }),
      onEvent: (event) => {
        if (event.kind === 'step')
          options.onProgress?.(
            'finetune',
            event.done,
            event.total,
            i === 0 ? 'pretrained' : 'random weights',
          );
        if (event.kind === 'note') options.onNote?.(event.text);
      },
    });
    // An interrupted training is no error there; here nothing can follow it.
    if (!complete) signal?.throwIfAborted();
  }
}

function clipAccuracy({ pretrained, random }: RunProbe): { pretrained: number; random: number } {
  const of = (result: RunProbe['pretrained']): number => result.linear.clip.accuracy.mean;
  return { pretrained: of(pretrained), random: mean(random.map(({ result }) => of(result))) };
}
