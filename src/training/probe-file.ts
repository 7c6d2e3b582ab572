/** What a probe found, kept in the run it was made of: `probes/DATASET.json`, for the reports of that run. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../base/files.ts';
import { probeComparisonSchema, probeResultSchema } from '../evaluation/probe-result.ts';
import { readRunFile, RUN_FILES } from './run-folder.ts';

const runProbeSchema = z.strictObject({
  format: z.literal('uscl-run-probe'),
  version: z.literal(1),
  weights: z.strictObject({ path: z.string(), step: z.number().nullable(), epoch: z.number().nullable() }),
  dataset: z.strictObject({ folder: z.string(), name: z.string(), hash: z.string() }),
  /** The split of the dataset that was used; null for folds drawn anew. */
  split: z.string().nullable(),
  /** Groups that share pictures and were therefore never parted; of folds drawn anew. */
  joined: z.array(z.array(z.string()).readonly()).readonly(),
  /** Leaks that were allowed, in words; without any the scores test generalisation. */
  leaks: z.array(z.string()).readonly(),
  /** Null where it is not known what the weights were trained on. */
  overlap: z.strictObject({ seen: z.number(), labelsSeen: z.number() }).nullable(),
  pretrained: probeResultSchema,
  random: z.array(z.strictObject({ seed: z.number(), result: probeResultSchema })),
  /** Pretrained minus random, one for each random backbone, on the same folds. */
  differences: z.array(probeComparisonSchema),
});
export type RunProbe = Readonly<z.infer<typeof runProbeSchema>>;

/** Keeps a probe in the folder of its run and returns the file's path. Errors: those of writing. */
export function keepProbe(run: string, probe: RunProbe): string {
  // The hash parts datasets of one name.
  const name = `${probe.dataset.name.replaceAll(/[^\w.-]+/g, '-')}-${probe.dataset.hash.slice(0, 8)}.json`;
  const path = join(run, RUN_FILES.probes, name);
  writeFileAtomic(path, [`${JSON.stringify(probe)}\n`]);
  return path;
}

/** The probes of a run, by the names of their files. Error: `RUN_DAMAGED`. */
export function readProbes(run: string): readonly RunProbe[] {
  const folder = join(run, RUN_FILES.probes);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .sort()
    .map((name) => readProbe(join(folder, name)));
}

function readProbe(path: string): RunProbe {
  const remedy = 'Remove that file, or probe the dataset again (uscl probe RUN DATASET).';
  return readRunFile(path, runProbeSchema, { what: 'A probe of the run', remedy });
}
