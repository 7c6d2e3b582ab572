/**
 * What a clip dataset is on disk: `dataset.json` (a `Manifest`), `clips.jsonl` (a `ClipRecord` a line) and
 * `frames.bin` (all frames, 8-bit, packed). Zod schemas here are the single source of these shapes.
 */
import { z } from 'zod';

export const FORMAT_VERSION = 2;

/**
 * The ultrasound field of a clip: where in the original picture there is tissue. Everything outside of the outlines
 * was blanked before it was stored.
 */
export const fieldSchema = z.strictObject({
  shape: z.enum(['sector', 'convex', 'linear', 'rectangle', 'polygon']),
  /** Closed polygons in original pixels, [x, y] each; more than one for pictures side by side. */
  outlines: z.array(z.array(z.tuple([z.number(), z.number()])).min(3)).min(1),
  /** 0 to 1: how sure the finder is; 1 for what a person gave, and for a declared region that it did not cut. */
  confidence: z.number().min(0).max(1),
  /**
   * `declared`: ultrasound regions of a DICOM file, perhaps cut along a fan in them; `found`: by looking at the pixels;
   * `given`: by a person.
   */
  from: z.enum(['declared', 'found', 'given']),
});

/**
 * Where the ultrasound lies in stored frames.
 * @interface
 */
export type Field = Readonly<z.infer<typeof fieldSchema>>;

/** One clip. Frames of a clip share one stored size; `frames.bin` holds them consecutively from `offset`. */
export const clipSchema = z.strictObject({
  /** Unique in the dataset, stable between ingests of the same source. */
  id: z.string().min(1),
  /** What must never be split: the patient, or the clip itself where nothing better is known. */
  group: z.string().min(1),
  /** A name in the manifest's `classes`, or null for unlabelled. */
  label: z.string().nullable(),
  /** File or folder the clip came from, relative to the ingested source. */
  source: z.string(),
  /** SHA-256 of the source bytes (hex), for leak audits; null for simulated clips. */
  sourceSha256: z.string().nullable(),
  frames: z.int().min(1),
  /** Stored size in pixels. The shorter side is the dataset's `size` unless the original was smaller. */
  width: z.int().min(1),
  height: z.int().min(1),
  /** Byte offset of the first frame in `frames.bin`; a frame is height × width × channels bytes, row-major, interleaved. */
  offset: z.int().min(0),
  /** Stored frames a second, or null for stills. */
  fps: z.number().positive().nullable(),
  original: z.strictObject({
    width: z.int().min(1),
    height: z.int().min(1),
    fps: z.number().positive().nullable(),
    frames: z.int().min(1),
  }),
  /** Region of the original that was kept, in original pixels; null for all of it. */
  crop: z.strictObject({ x: z.int(), y: z.int(), width: z.int(), height: z.int() }).nullable(),
  /** The ultrasound field that was kept; null where none was looked for or found. */
  field: fieldSchema.nullable(),
  /** Frames left out: dark ones, ones of a single shade, and ones equal to the frame before (frozen). */
  dropped: z.strictObject({
    black: z.int().min(0),
    blank: z.int().min(0),
    duplicate: z.int().min(0),
  }),
  /** Perceptual hashes (64 bits, hex) of up to 16 stored frames, uniform in time: for finding near-duplicates. */
  hashes: z.array(z.string().regex(/^[0-9a-f]{16}$/)),
  /** Byte offset in `masks.bin` of the clip's masks (height × width bytes a frame, 0 outside, else the structure, 1 where there is one), or null. */
  mask: z.int().min(0).nullable(),
  /** Short machine-readable remarks: `still`, `few-frames`, `mostly-black`, … */
  flags: z.array(z.string()),
});

/**
 * What a dataset knows of a clip: a line of `clips.jsonl`.
 * @interface
 */
export type ClipRecord = Readonly<z.infer<typeof clipSchema>>;

/** Identity, the unit that must not be split (a patient), and the class name or null. */
export type LabelledClip = Pick<ClipRecord, 'id' | 'group' | 'label'>;

/** The form of `manifest.json`. */
export const manifestSchema = z.strictObject({
  format: z.literal('uscl-dataset'),
  version: z.literal(FORMAT_VERSION),
  name: z.string(),
  licence: z.string().nullable(),
  citation: z.string().nullable(),
  /** Where a user gets the original data. */
  homepage: z.string().nullable(),
  classes: z.array(z.string()),
  /** Names of the values 1, 2, … in the masks; without it 1 is inside. */
  structures: z.array(z.string().min(1)).min(1).max(255).optional(),
  channels: z.union([z.literal(1), z.literal(3)]),
  /** Stored length of the shorter side in pixels. */
  size: z.int().min(8),
  clips: z.int().min(0),
  frames: z.int().min(0),
  /** Command, options and versions that made it. */
  made: z.record(z.string(), z.unknown()),
  /** Source files that did not become clips, with the reason. */
  rejected: z.array(z.strictObject({ source: z.string(), reason: z.string() })),
});

/**
 * What a dataset is: its `manifest.json`.
 * @interface
 */
export type Manifest = Readonly<z.infer<typeof manifestSchema>>;

export const FILES = {
  manifest: 'dataset.json',
  clips: 'clips.jsonl',
  frames: 'frames.bin',
  masks: 'masks.bin',
  /** How an ingest knows again what it has already read (`journal.ts`). */
  journal: 'ingest.jsonl',
} as const;

/** Folder inside of a dataset for the splits that `uscl split` makes, one `NAME.json` each. */
export const SPLITS = 'splits';

/** Names under which `uscl inspect` and `uscl audit` may leave a picture inside the folder. */
export const CONTACT_SHEET = 'contact-sheet.png';
export const AUDIT_SHEET = 'audit.png';

/** A clip before it is in a store: the writer fills in how many frames came, where they lie and what they look like. */
export type ClipDraft = Omit<ClipRecord, 'offset' | 'frames' | 'hashes' | 'mask' | 'field'> & {
  /** Default null. */
  readonly field?: Field | null;
};

/** Bytes of one stored frame. */
export function frameBytes(clip: Pick<ClipRecord, 'width' | 'height'>, channels: number): number {
  return clip.width * clip.height * channels;
}
