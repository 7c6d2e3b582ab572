/** Checks for resuming a fine-tuning run: which keys may have changed since it was started, and which may not. */
import { join } from 'node:path';
import { z } from 'zod';
import { requireSameKeys, resumeChanged } from '../runs/resume.ts';
import { requireSameText } from '../runs/method-text.ts';
import { readRunFile, RUN_FILES } from '../runs/run-folder.ts';
import type { FinetuneConfig } from './config.ts';
import type { Source } from '../runs/provenance.ts';
import { withoutUnused } from '../views/augment-levels.ts';

/** Keys that never change a result. */
const FREE: readonly string[] = ['loader', 'saveSeconds', 'cacheMegabytes', 'keepModels', 'finalModel'];

/** The part of a configuration that decides the predictions of a fold. */
export function resultConfig({ classMap, classes, unlabelled, device, ...rest }: FinetuneConfig): unknown {
  const { augment } = rest.view;
  // What is hashed has the keys of the first form, in their order: folds of earlier runs stay what they were.
  const earlier = Object.entries(rest).flatMap(([key, value]): (readonly [string, unknown])[] => {
    if (key === 'training') {
      const { epochs, steps } = rest.training;
      return [['epochs', epochs], ...(steps === null ? [] : [['steps', steps] as const])];
    }
    if (key === 'batch') return [['batch', rest.batch.size]];
    if (key === 'view') return [[key, { ...rest.view, augment: augment && withoutUnused(augment) }]];
    if (key === 'earlyStopping')
      return [
        [key, value],
        ['clipNorm', rest.training.clipNorm],
      ];
    return FREE.includes(key) ? [] : [[key, value]];
  });
  return {
    ...Object.fromEntries(earlier),
    ...(Object.keys(classMap).length > 0 ? { classMap } : {}),
    ...(classes === null ? {} : { classes }),
    ...(unlabelled === null ? {} : { unlabelled }),
    ...(rest.backend === 'torch' ? { device } : {}),
  };
}

/** Refuses to go on under another configuration, with other weights or on other clips. Error: `RESUME_CHANGED`. */
export function requireSameRun(
  run: string,
  saved: FinetuneConfig,
  config: FinetuneConfig,
  source: Source,
  dataset: string,
): void {
  requireSameKeys(saved, config, FREE);
  if (saved.unlabelled !== null) requireSameText(saved.unlabelled, 'unlabelled');
  const read = <Parsed>(file: string, schema: z.ZodType<Parsed>): Parsed =>
    readRunFile(join(run, file), schema, {
      what: `The run cannot be continued: ${file}`,
      remedy: 'Restore that file from a backup, or start a new run.',
    });
  const before = read(RUN_FILES.source, z.object({ sha256: z.string().nullable() }));
  if (before.sha256 !== source.sha256)
    throw resumeChanged(RUN_FILES.source, 'The weights are not those the run was started with.');
  if (read(RUN_FILES.dataset, z.object({ hash: z.string() })).hash !== dataset)
    throw resumeChanged(RUN_FILES.dataset, 'The dataset is not the one the run was started with.');
}
