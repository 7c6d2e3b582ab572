/**
 * From the bytes of `dataset.json` and `clips.jsonl` to validated records. Bounded: sizes are checked before
 * anything is allocated, and every complaint names the file, the line and the key. Knows nothing of file handles.
 */
import type { z } from 'zod';
import { dataError, messageOf, type UsclError } from '../base/errors.ts';
import type { ClipRecord, Manifest } from './types.ts';
import { clipSchema, FILES, FORMAT_VERSION, frameBytes, manifestSchema } from './types.ts';

/** Largest accepted files and line; two orders of magnitude above what a hundred thousand clips need. */
export const LIMITS = { manifest: 64 * 2 ** 20, clips: 256 * 2 ** 20, line: 2 ** 20 } as const;

const REMAKE = 'Make the dataset again with `uscl ingest` or `uscl phantom`, or restore it from a copy.';

/** A `data` error about a dataset that cannot be used as it is. */
export function corrupt(where: string, message: string, cause?: unknown): UsclError {
  return dataError('DATASET_CORRUPT', message, REMAKE, { where, cause });
}

/** Parses `dataset.json`. Throws `DATASET_CORRUPT`, `DATASET_NOT_A_DATASET` or `DATASET_VERSION`. */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  const value = parseJson(bytes, path);
  const header = typeof value === 'object' && value !== null ? value : {};
  const format = 'format' in header ? header.format : undefined;
  if (format !== 'uscl-dataset')
    throw dataError(
      'DATASET_NOT_A_DATASET',
      `${path} is not the manifest of a clip dataset: its "format" is ${show(format)}, not "uscl-dataset".`,
      'Give the folder that `uscl ingest` or `uscl phantom` wrote.',
      { where: path },
    );
  const version = 'version' in header ? header.version : undefined;
  if (version !== FORMAT_VERSION)
    throw dataError(
      'DATASET_VERSION',
      `The dataset has format version ${show(version)}; this program reads version ${FORMAT_VERSION}.`,
      'Ingest the source again with this version, or use the version that made the dataset.',
      { where: path },
    );
  return validate(manifestSchema, value, path);
}

/** Parses `clips.jsonl` and checks it against the manifest: counts, unique ids, known labels, dense packing. */
export function parseClips(bytes: Uint8Array, path: string, manifest: Manifest): readonly ClipRecord[] {
  const clips: ClipRecord[] = [];
  const lineOf = new Map<string, number>();
  const classes = new Set(manifest.classes);
  let start = 0;
  let offset = 0;
  let masks = 0;
  let frames = 0;
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    const where = `${path}, line ${line}`;
    if (newline === -1) throw corrupt(where, 'The last line of the clip list is cut off.');
    if (end - start > LIMITS.line)
      throw corrupt(where, `The line has ${end - start} bytes; at most ${LIMITS.line} are read.`);
    const clip = validate(clipSchema, parseJson(bytes.subarray(start, end), where), where);
    const earlier = lineOf.get(clip.id);
    if (earlier !== undefined)
      throw corrupt(where, `Clip id ${show(clip.id)} was already used in line ${earlier}.`);
    if (clip.label !== null && !classes.has(clip.label))
      throw corrupt(
        where,
        `Clip ${show(clip.id)} has the label ${show(clip.label)}, which is not among the classes in ${FILES.manifest}.`,
      );
    if (clip.offset !== offset)
      throw corrupt(
        where,
        `Clip ${show(clip.id)} starts at byte ${clip.offset} of ${FILES.frames}, but the clip before it ends at ${offset}.`,
      );
    offset += clip.frames * frameBytes(clip, manifest.channels);
    if (!Number.isSafeInteger(offset)) throw corrupt(where, `Clip ${show(clip.id)} is impossibly large.`);
    if (clip.mask !== null) {
      if (clip.mask !== masks)
        throw corrupt(
          where,
          `The masks of clip ${show(clip.id)} start at byte ${clip.mask} of ${FILES.masks}, but those before end at ${masks}.`,
        );
      masks += clip.frames * frameBytes(clip, 1);
    }
    frames += clip.frames;
    lineOf.set(clip.id, line);
    clips.push(clip);
    start = end + 1;
  }
  if (clips.length !== manifest.clips || frames !== manifest.frames)
    throw corrupt(
      path,
      `The clip list has ${clips.length} clips with ${frames} frames; ${FILES.manifest} promises ${manifest.clips} with ${manifest.frames}.`,
    );
  return clips;
}

/** Bytes that `frames.bin` must have for these clips. */
export function storeBytes(clips: readonly ClipRecord[], channels: number): number {
  const last = clips.at(-1);
  return last === undefined ? 0 : last.offset + last.frames * frameBytes(last, channels);
}

/** Bytes that `masks.bin` must have for these clips. */
export function maskBytes(clips: readonly ClipRecord[]): number {
  const last = clips.findLast(({ mask }) => mask !== null);
  return last === undefined ? 0 : (last.mask ?? 0) + last.frames * frameBytes(last, 1);
}

function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw corrupt(where, `Not valid JSON: ${messageOf(thrown)}.`, thrown);
  }
}

function validate<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue === undefined || issue.path.length === 0 ? '' : `"${issue.path.map(String).join('.')}": `;
  throw corrupt(where, `${key}${issue?.message ?? 'invalid'}.`, result.error);
}

/** A value in a message: quoted and cut, so that a hostile file cannot flood the terminal. */
function show(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) return 'missing';
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}
