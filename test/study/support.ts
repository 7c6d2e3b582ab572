/** A study of a few seconds on simulated clips. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { makePhantom } from '../../src/phantom/phantom.ts';
import { runStudy, type StudyEvent, type StudyOptions, type StudyOutcome } from '../../src/study/study.ts';

type Tree = Record<string, unknown>;

/** The study file as an object, so that a test changes what it is about. */
export function smallStudy(): Tree {
  return {
    name: 'small',
    seeds: 2,
    pretraining: {
      on: ['pool'],
      set: [
        ...['view.size=32', 'model.width=8', 'precision=f32', 'loader.workers=0', 'batch.size=8'],
        ...['training.steps=4', 'data.validation.fraction=0', 'schedule.warmup=none'],
      ],
    },
    recipes: [
      { name: 'random', weights: 'random' },
      { name: 'uscl', method: 'uscl', preset: 'paper' },
      { name: 'simclr', method: 'simclr' },
    ],
    targets: [{ name: 'clinic', data: 'clinic' }],
    protocols: {
      probe: { folds: 2, seeds: 2, framesPerClip: 2, k: 3 },
      finetune: {
        set: [
          ...['layers=all', 'folds=2', 'training.steps=4', 'batch.size=8', 'precision=f32'],
          ...['framesPerClip={train: 2, test: 2}', 'loader.workers=0', 'earlyStopping=null'],
        ],
        labelRates: [0.5, 1],
        candidates: [
          { name: 'low', set: ['optimizer.learningRate=0.0001'] },
          { name: 'high', set: ['optimizer.learningRate=0.003'] },
        ],
      },
    },
    endpoint: { reader: 'finetune', labelRates: [0.5, 1], targets: ['clinic'] },
    controls: ['random'],
    resamples: 200,
  };
}

/** Datasets `one`, `two`, their merger `pool`, and `clinic`, of which no clip is in the pool. */
export async function studyData(folder: string): Promise<string> {
  for (const [seed, name] of ['one', 'two', 'clinic'].entries())
    await makePhantom({ out: join(folder, name), clips: 18, framesPerClip: 3, size: 48, seed });
  await mergeDatasets({
    datasets: [join(folder, 'one'), join(folder, 'two')],
    prefixes: ['one', 'two'],
    out: join(folder, 'pool'),
    name: 'pool',
  });
  return folder;
}

/** Writes a study file into a folder of its own. */
export function writeStudy(folder: string, study: Tree): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'study.yaml');
  writeFileSync(path, stringify(study));
  return path;
}

export interface Ran {
  readonly outcome: StudyOutcome;
  readonly events: readonly StudyEvent[];
  /** Jobs that this call did. */
  readonly did: readonly string[];
}

/** Runs a study, results and work in `folder`. */
export async function ran(
  folder: string,
  data: string,
  study: Tree = smallStudy(),
  options: Partial<StudyOptions> = {},
): Promise<Ran> {
  const events: StudyEvent[] = [];
  const outcome = await runStudy(writeStudy(folder, study), {
    ...{ data, out: join(folder, 'out'), work: join(folder, 'work'), threads: 1 },
    ...options,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  return { outcome, events, did: events.flatMap((event) => (event.kind === 'done' ? [event.job] : [])) };
}

/** A copy of the results and the work of a finished study, to be spoilt. */
export function copied(from: string, to: string): string {
  cpSync(from, to, { recursive: true });
  return to;
}
