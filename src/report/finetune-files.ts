/** Files of a fine-tuning run. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { provenanceSchema } from '../training/provenance.ts';
import { RUN_FILES } from '../training/run-folder.ts';

const epochSchema = z.object({
  labelRate: z.number(),
  seed: z.int(),
  fold: z.int().nullable(),
  epoch: z.int(),
  trainLoss: z.number(),
  trainAccuracy: z.number(),
  innerLoss: z.number().nullable(),
  innerBalancedAccuracy: z.number().nullable(),
  learningRate: z.number(),
  best: z.boolean(),
});
export type EpochEntry = Readonly<z.infer<typeof epochSchema>>;

export const sourceSchema = z.object({
  kind: z.enum(['random', 'weights']),
  given: z.string(),
  sha256: z.string().nullable(),
  step: z.int().nullable(),
  epoch: z.int().nullable(),
  trainedOn: z.array(provenanceSchema).nullable(),
});
export type Source = Readonly<z.infer<typeof sourceSchema>>;

export const foldsSchema = z.object({ leaks: z.array(z.string()) });

export function readEpochs(folder: string): EpochEntry[] {
  const path = join(folder, RUN_FILES.log);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => epochSchema.parse(JSON.parse(line)));
}
