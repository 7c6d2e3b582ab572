/** What a probe found, kept in the run it was made of: `probes/DATASET.json`, for the reports of that run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, UsclError } from '../base/errors.ts';
import { writeFileAtomic } from '../base/files.ts';
import { probeComparisonSchema, probeResultSchema } from '../evaluation/probe-result.ts';
import type { RunProbe } from './probe-run.ts';
import { RUN_FILES } from './run-folder.ts';

const runProbeSchema = z.strictObject({
  format: z.literal('uscl-run-probe'),
  version: z.literal(1),
  weights: z.strictObject({ path: z.string(), step: z.number().nullable(), epoch: z.number().nullable() }),
  dataset: z.strictObject({ folder: z.string(), name: z.string(), hash: z.string() }),
  split: z.string().nullable(),
  joined: z.array(z.array(z.string())),
  leaks: z.array(z.string()),
  overlap: z.strictObject({ seen: z.number(), labelsSeen: z.number() }).nullable(),
  pretrained: probeResultSchema,
  random: z.array(z.strictObject({ seed: z.number(), result: probeResultSchema })),
  differences: z.array(probeComparisonSchema),
});

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
  try {
    return runProbeSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (thrown) {
    throw new UsclError({
      kind: 'data',
      code: 'RUN_DAMAGED',
      message: `A probe of the run cannot be read: ${thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown)}.`,
      where: path,
      remedy: 'Remove that file, or probe the dataset again (uscl probe RUN DATASET).',
      cause: thrown,
    });
  }
}
