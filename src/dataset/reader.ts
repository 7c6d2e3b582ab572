/**
 * Opens a clip dataset for reading. Opening is cheap (manifest, clip list and the size of the store are checked, no
 * frame is read); a frame is one positioned read, so readers share nothing and need no order.
 */
import { closeSync, existsSync, fstatSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { dataError, messageOf, systemCode, type UsclError } from '../base/errors.ts';
import { readAll } from '../base/files.ts';
import { readBounded } from '../base/read-bounded.ts';
import { Resources } from '../base/resources.ts';
import { corrupt, LIMITS, maskBytes, parseClips, parseManifest, storeBytes } from './parse.ts';
import { FILES, frameBytes, type ClipRecord, type Manifest } from './types.ts';

/**
 * Opens the dataset in `folder`. Dispose of it (`using`) to close the store.
 * Errors: `DATASET_MISSING`, `DATASET_NOT_A_DATASET`, `DATASET_VERSION`, `DATASET_CORRUPT` (with file, line and key),
 * `DATASET_TRUNCATED`, `DATASET_EMPTY`, `DATASET_UNREADABLE`.
 */
export function openDataset(folder: string): Dataset {
  requireFolder(folder);
  const manifestPath = join(folder, FILES.manifest);
  const clipsPath = join(folder, FILES.clips);
  const manifest = parseManifest(partOf(manifestPath, LIMITS.manifest), manifestPath);
  const clips = parseClips(partOf(clipsPath, LIMITS.clips), clipsPath, manifest);
  if (clips.length === 0)
    throw dataError(
      'DATASET_EMPTY',
      `The dataset ${folder} has no clips.`,
      'Ingest a source with at least one readable clip.',
      { where: clipsPath },
    );
  return new Dataset(folder, manifest, clips);
}

/** A clip dataset on disk, open for reading. Holds a file: dispose of it. */
export class Dataset implements Disposable {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly clips: readonly ClipRecord[];
  readonly #frames: PackedFile;
  readonly #masks: PackedFile | null;
  readonly #open: Resources;

  constructor(folder: string, manifest: Manifest, clips: readonly ClipRecord[]) {
    this.folder = folder;
    this.manifest = manifest;
    this.clips = clips;
    using opening = new Resources();
    const open = (file: string, bytes: number): PackedFile =>
      opening.use(new PackedFile(join(folder, file), bytes));
    this.#frames = open(FILES.frames, storeBytes(clips, manifest.channels));
    const masks = maskBytes(clips);
    this.#masks = masks === 0 ? null : open(FILES.masks, masks);
    this.#open = opening.move();
  }

  /**
   * Frame `frame` (0-based) of a clip of this dataset as [height, width, channels], 8 bits. Written to the start of
   * `target` where one is given (at least a frame long; a view of exactly the frame is returned), else to a new array.
   * Throws `RangeError` for a frame the clip does not have, `DATASET_CORRUPT` when the store shrank after opening.
   */
  readFrame(clip: ClipRecord, frame: number, target?: Uint8Array): Uint8Array {
    const length = frameBytes(clip, this.manifest.channels);
    return this.#frames.read(clip, frame, clip.offset, length, target);
  }

  /**
   * The segmentation mask of a frame as [height, width], 0 outside and 1 inside; null where the clip has none. Target
   * and errors as for `readFrame`.
   */
  readMask(clip: ClipRecord, frame: number, target?: Uint8Array): Uint8Array | null {
    if (clip.mask === null) return null;
    if (this.#masks === null) throw new RangeError(`Clip ${clip.id} is not a clip of ${this.folder}.`);
    return this.#masks.read(clip, frame, clip.mask, frameBytes(clip, 1), target);
  }

  [Symbol.dispose](): void {
    this.#open[Symbol.dispose]();
  }
}

/** A file of frames (or masks), packed clip by clip. */
class PackedFile implements Disposable {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string, expected: number) {
    this.#path = path;
    const file = openReadable(path);
    const size = fstatSync(file).size;
    if (size !== expected) {
      closeSync(file);
      throw dataError(
        'DATASET_TRUNCATED',
        `${path} has ${size} bytes; the clip list needs ${expected}.`,
        'The copy is incomplete or mixed with another dataset: copy the whole folder again or ingest again.',
        { where: path },
      );
    }
    this.#file = file;
  }

  read(clip: ClipRecord, frame: number, offset: number, length: number, target?: Uint8Array): Uint8Array {
    if (this.#file === undefined) throw new Error(`The file ${this.#path} is closed.`);
    if (!Number.isInteger(frame) || frame < 0 || frame >= clip.frames)
      throw new RangeError(`Clip ${clip.id} has frames 0 to ${clip.frames - 1}, not ${frame}.`);
    const bytes = target ?? new Uint8Array(length);
    if (bytes.length < length)
      throw new RangeError(`A frame of clip ${clip.id} has ${length} bytes; the target ${bytes.length}.`);
    const position = offset + frame * length;
    const whole = bytes.length === length ? bytes : bytes.subarray(0, length);
    const got = this.#read(this.#file, whole, position);
    if (got === length) return whole;
    throw corrupt(
      `${this.#path}, byte ${position + got}`,
      `The store ends inside clip ${clip.id}; it was cut off while open.`,
    );
  }

  #read(file: number, bytes: Uint8Array, position: number): number {
    try {
      return readAll(file, bytes, position);
    } catch (thrown) {
      throw unreadable(this.#path, messageOf(thrown), thrown);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }
}

function requireFolder(folder: string): void {
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory();
  if (isFolder === true && existsSync(join(folder, FILES.manifest))) return;
  throw dataError(
    isFolder === true ? 'DATASET_NOT_A_DATASET' : 'DATASET_MISSING',
    isFolder === undefined
      ? `There is no dataset at ${folder}.`
      : isFolder
        ? `The folder ${folder} is not a clip dataset: it has no ${FILES.manifest}.`
        : `${folder} is a file; a clip dataset is a folder.`,
    'Give the folder that `uscl ingest SOURCE --out FOLDER` or `uscl phantom --out FOLDER` wrote.',
    { where: folder },
  );
}

function partOf(path: string, limit: number): Uint8Array {
  return readBounded(path, limit, (reason, cause, isTooLarge) => {
    if (isTooLarge) return corrupt(path, `The file cannot be read: ${reason}.`);
    return cause === undefined ? unreadable(path, reason) : missingOr(path, cause);
  });
}

function openReadable(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (thrown) {
    throw missingOr(path, thrown);
  }
}

function missingOr(path: string, thrown: unknown): UsclError {
  return systemCode(thrown) === 'ENOENT'
    ? corrupt(path, `The dataset is incomplete: ${path} is missing.`, thrown)
    : unreadable(path, messageOf(thrown), thrown);
}

function unreadable(path: string, reason: string, cause?: unknown): UsclError {
  return dataError(
    'DATASET_UNREADABLE',
    `Cannot read ${path}: ${reason}.`,
    'Check the permissions of the folder and the health of the disk.',
    { where: path, cause },
  );
}
