/** Which clip is tested in which fold, and what is known of leaks: `folds.json`, for whoever reads a run later. */
import { z } from 'zod';
import type { Dataset } from '../../dataset/reader.ts';
import type { Overlap } from '../provenance.ts';
import type { FinetuneConfig } from './config.ts';
import type { FoldPlan } from './folds.ts';

const recordSchema = z.strictObject({
  format: z.literal('uscl-folds'),
  version: z.literal(1),
  protocol: z.enum(['honest', 'legacy']),
  /** Of the dataset; null for folds drawn anew. */
  split: z.string().nullable(),
  classes: z.array(z.string()),
  folds: z.int(),
  /** Groups that share pictures and were therefore never parted. */
  joined: z.array(z.array(z.string())),
  /** Leaks that were allowed, in words. */
  leaks: z.array(z.string()),
  /** Tested clips that the weights had seen before; null where that is not known (or nothing to be known: random). */
  overlap: z.strictObject({ seen: z.int(), labelsSeen: z.int() }).nullable(),
  /** Every clip; `label` −1 for none; `fold` by seed: −1 always trains, −2 takes no part. */
  clips: z.array(
    z.strictObject({ id: z.string(), unit: z.string(), label: z.int(), fold: z.array(z.int()) }),
  ),
});
export type FoldsRecord = Readonly<z.infer<typeof recordSchema>>;
export { recordSchema as foldsRecordSchema };

export function foldsRecord(
  dataset: Dataset,
  config: FinetuneConfig,
  plan: FoldPlan,
  found: { readonly leaks: readonly string[]; readonly overlap: Overlap | null },
): FoldsRecord {
  const { overlap } = found;
  return {
    format: 'uscl-folds',
    version: 1,
    protocol: config.protocol,
    split: config.split,
    classes: [...plan.classes],
    folds: plan.folds,
    joined: plan.joined.map((groups) => [...groups]),
    leaks: [...found.leaks],
    overlap: overlap === null ? null : { seen: overlap.seen, labelsSeen: overlap.labelsSeen },
    clips: dataset.clips.map(({ id }, clip) => ({
      id,
      unit: plan.unitOf[clip]!,
      label: plan.labels[clip]!,
      fold: plan.foldings.map(({ fold }) => fold[clip]!),
    })),
  };
}
