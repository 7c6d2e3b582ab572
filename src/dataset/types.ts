/**
 * What a clip dataset is on disk: `dataset.json` (a `Manifest`), `clips.jsonl` (a `ClipRecord` a line) and
 * `frames.bin` (all frames, 8-bit, packed). Zod schemas here are the single source of these shapes.
 */
import { z } from 'zod';

export const FORMAT_VERSION = 1;

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
  dropped: z.strictObject({ black: z.int().min(0), duplicate: z.int().min(0) }),
  /** Short machine-readable remarks: `still`, `few-frames`, `mostly-black`, … */
  flags: z.array(z.string()),
});
export type ClipRecord = Readonly<z.infer<typeof clipSchema>>;

export const manifestSchema = z.strictObject({
  format: z.literal('uscl-dataset'),
  version: z.literal(FORMAT_VERSION),
  name: z.string(),
  licence: z.string().nullable(),
  citation: z.string().nullable(),
  /** Where a user gets the original data. */
  homepage: z.string().nullable(),
  classes: z.array(z.string()),
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
export type Manifest = Readonly<z.infer<typeof manifestSchema>>;

export const FILES = { manifest: 'dataset.json', clips: 'clips.jsonl', frames: 'frames.bin' } as const;

/** Name under which `uscl inspect` may leave a picture inside the folder; the only other file a dataset may hold. */
export const CONTACT_SHEET = 'contact-sheet.png';

/** A clip before it is in a store: the writer fills in how many frames came and where they lie. */
export type ClipDraft = Omit<ClipRecord, 'offset' | 'frames'>;

/** Bytes of one stored frame. */
export function frameBytes(clip: Pick<ClipRecord, 'width' | 'height'>, channels: number): number {
  return clip.width * clip.height * channels;
}
