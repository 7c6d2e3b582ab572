/**
 * What `uscl explain` leaves in its folder: `explain.json`, checked when it is read, beside the pictures it names. Paths
 * are relative to that folder. Numbers are complete even where no picture was asked for.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { dataError, messageOf, systemCode } from '../../base/errors.ts';

export const EXPLANATION_FILE = 'explain.json';
/** Folder of explanations inside of a run. */
export const EXPLANATION_FOLDER = 'explain';

const share = z.number().min(0).max(1);

const clipRef = {
  clip: z.string(),
  group: z.string(),
  label: z.string().nullable(),
  /** Dataset, or folder of the source, that the clip came from. */
  source: z.string(),
};

const camEntrySchema = z.strictObject({
  ...clipRef,
  frame: z.int().min(0),
  /** The class whose score is explained, and the probability the network gives it. */
  class: z.string(),
  probability: share,
  /** The class the network holds for most probable. */
  predicted: z.string(),
  /** Share of the heat inside the ultrasound field; null without a field, or without any heat. */
  insideShare: share.nullable(),
  /** Share of the picture that is field: what heat spread evenly would give; null without a field. */
  fieldShare: share.nullable(),
  png: z.string().nullable(),
});
export type CamEntry = Readonly<z.infer<typeof camEntrySchema>>;

const camVideoSchema = z.strictObject({
  ...clipRef,
  class: z.string(),
  frames: z.int().min(1),
  fps: z.number().positive(),
  file: z.string(),
});
export type CamVideo = Readonly<z.infer<typeof camVideoSchema>>;

/** Means over clips (each clip the mean of its frames), of those with a field and heat. */
const camMeanSchema = z.strictObject({
  clips: z.int().min(0),
  insideShare: share.nullable(),
  fieldShare: share.nullable(),
});

const camSchema = z.strictObject({
  /** The value that was looked at, and its size in cells. */
  layer: z.string(),
  cells: z.strictObject({ width: z.int().min(1), height: z.int().min(1) }),
  /** `predicted`: the most probable class; `label`: the clip's own; or a class by name. */
  target: z.string(),
  entries: z.array(camEntrySchema),
  videos: z.array(camVideoSchema),
  summary: z.strictObject({
    clips: z.int().min(0),
    /** Clips that were not explained, because they have no label where the label's class was asked for. */
    leftOut: z.int().min(0),
    /** Frames in whose map nothing speaks for the class. */
    withoutHeat: z.int().min(0),
    /** Clips without a known field. */
    withoutField: z.int().min(0),
    /** Clips whose field was looked for now, because the dataset was not cut to it. */
    fieldsFoundNow: z.int().min(0),
    all: camMeanSchema,
    /** Only clips whose field does not fill the picture; of the others the share is 1 whatever the network does. */
    partial: camMeanSchema,
  }),
});
export type CamExplanation = Readonly<z.infer<typeof camSchema>>;

/** How often near clips share a value, beside how often clips drawn at random would; of so many clips asked about. */
const agreementSchema = z.strictObject({ nearest: share, chance: share, clips: z.int().min(1) }).nullable();

const mapSchema = z.strictObject({
  points: z.array(z.strictObject({ ...clipRef, x: z.number(), y: z.number() })),
  neighbours: z.int().min(1),
  minDist: z.number(),
  epochs: z.int().min(1),
  seed: z.int(),
  trustworthiness: z.number().nullable(),
  /** Among the five nearest clips in the features; of class and source with the clip's own group left out. */
  agreement: z.strictObject({ class: agreementSchema, group: agreementSchema, source: agreementSchema }),
  csv: z.string(),
  svg: z.strictObject({ class: z.string(), group: z.string(), source: z.string() }),
});
export type MapExplanation = Readonly<z.infer<typeof mapSchema>>;

const neighboursSchema = z.strictObject({
  query: z.strictObject(clipRef),
  /** Whether clips of the query's group could be answered. */
  sameGroup: z.boolean(),
  answers: z.array(z.strictObject({ ...clipRef, similarity: z.number().min(-1.001).max(1.001) })),
  png: z.string(),
});
export type NeighbourExplanation = Readonly<z.infer<typeof neighboursSchema>>;

/** The form of `explain.json`. */
export const explanationSchema = z.strictObject({
  format: z.literal('uscl-explanation'),
  version: z.literal(1),
  /** File name and digest of the weights, and where in training they were saved. */
  weights: z.strictObject({
    file: z.string(),
    sha256: z.string(),
    step: z.int().nullable(),
    epoch: z.int().nullable(),
  }),
  data: z
    .array(
      z.strictObject({
        name: z.string(),
        hash: z.string(),
        clips: z.int().min(1),
        /** Clips that these weights were trained on; null where it is not known. */
        seen: z.int().min(0).nullable().optional(),
      }),
    )
    .min(1),
  /** Frames looked at a clip, uniform in time. */
  framesPerClip: z.int().min(1),
  cam: camSchema.nullable(),
  map: mapSchema.nullable(),
  neighbours: z.array(neighboursSchema),
  notice: z.string(),
});

/**
 * What an explanation found, as `explain.json` holds it.
 * @interface
 */
export type Explanation = Readonly<z.infer<typeof explanationSchema>>;

export const RESEARCH_ONLY = 'Research use only, not a medical device.';

/** Reads what was explained in `folder`; null where nothing was. Errors: `EXPLANATION_DAMAGED`. */
export function readExplanation(folder: string): Explanation | null {
  const path = join(folder, EXPLANATION_FILE);
  try {
    return explanationSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return null;
    throw dataError(
      'EXPLANATION_DAMAGED',
      `The explanation cannot be read: ${thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown)}.`,
      'Run `uscl explain` again with --overwrite.',
      { where: path, cause: thrown },
    );
  }
}
