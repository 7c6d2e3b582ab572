/** The ingest settings of the frames that a model learned from, so that other files can be prepared in the same way. */
import { z } from 'zod';
import type { Manifest } from '../dataset/types.ts';
import { DEFAULT_FPS } from '../ingest/options.ts';

export const ingestedSchema = z.strictObject({
  /** Frames a second. */
  fps: z.union([z.number().positive(), z.literal('all')]),
  /** Stored length of the shorter side in pixels. */
  size: z.int().min(16).max(2048),
  channels: z.union([z.literal(1), z.literal(3)]),
  crop: z.enum(['auto', 'none']),
});
export type Ingested = Readonly<z.infer<typeof ingestedSchema>>;

const madeSchema = z.object({
  fps: ingestedSchema.shape.fps.catch(DEFAULT_FPS),
  crop: ingestedSchema.shape.crop.catch('auto'),
});

/** The ingest settings of a dataset, by its manifest. A dataset that no ingest made has an ingest's defaults. */
export function ingestedAs({ size, channels, made }: Manifest): Ingested {
  return { ...madeSchema.parse(made), size: Math.max(16, Math.min(2048, size)), channels };
}
