/** Fine-tuning runs of a second on the plain backend. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendKind } from '../../src/engine/core/backend.ts';
import type { FinetuneEvent, FinetuneSummary } from '../../src/finetune/events.ts';
import { finetune, type FinetuneOptions } from '../../src/finetune/finetune.ts';
import { readEpochLog } from '../../src/finetune/epoch-log.ts';
import { PLAIN, settingsOf, VENDOR } from '../backend.ts';

/** Two folds of the ten clips of `tinyDataset`, once, in two steps an epoch. */
export const TUNE: readonly string[] = [
  ...settingsOf(PLAIN),
  'precision=f32',
  'view.size=16',
  'model.width=2',
  'batch.size=4',
  'framesPerClip={train: 2, test: 3}',
  'loader.workers=0',
  'folds=2',
  'seeds=1',
  'training.epochs=3',
  'schedule.warmup=none',
];

/** The same on the vendor's kernels: one thread, so that neighbours who take a core cost nothing but time. */
export function tuneOn(vendor: BackendKind): readonly string[] {
  return [...TUNE, ...settingsOf(vendor), 'view.size=32', 'model.width=16'];
}

/** On the backend that is tested. */
export const TUNE_VENDOR = tuneOn(VENDOR);
/** Whatever backend is tested. */
export const TUNE_ONEDNN = tuneOn('onednn');

export interface TunedRun {
  readonly summary: FinetuneSummary;
  readonly events: readonly FinetuneEvent[];
  readonly notes: readonly string[];
}

/** Runs with `TUNE` and further settings; collects what happened. */
export async function tune(
  source: string,
  dataset: string,
  out: string,
  set: readonly string[] = [],
  options: Partial<FinetuneOptions> = {},
): Promise<TunedRun> {
  const events: FinetuneEvent[] = [];
  const summary = await finetune({
    source,
    dataset,
    out,
    config: { set: [...TUNE, ...set] },
    ...options,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  const notes = events.flatMap((event) => (event.kind === 'note' ? [event.text] : []));
  return { summary, events, notes };
}

/** Everything of a run that must not depend on when, how fast and in how many calls it was made. */
export function timeless(run: string): Readonly<Record<string, unknown>> {
  const text = (...path: string[]): string => readFileSync(join(run, ...path), 'base64');
  const cells = readdirSync(join(run, 'cells')).sort();
  return {
    files: readdirSync(run)
      .filter((name) => !name.startsWith('events.'))
      .sort(),
    cells,
    results: cells
      .filter((name) => name.endsWith('.json'))
      .map((name) => readFileSync(join(run, 'cells', name), 'utf8').replace(/"seconds":[^,]*,/, '')),
    predictions: text('predictions.json'),
    metrics: text('metrics.json'),
    model: existsSync(join(run, 'checkpoints')) ? text('checkpoints', 'best.safetensors') : null,
    log: readEpochLog(run).map(
      ({ time: _t, trainSeconds: _s, scoreSeconds: _c, imagesPerSecond: _i, memory: _m, ...entry }) => entry,
    ),
  };
}
