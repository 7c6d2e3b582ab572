/**
 * A still picture, or a folder of pictures that are the frames of one clip, as a `ClipSource`. The first readable
 * picture's size holds for all; pictures that cannot be read are left out and count as damage.
 */
import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { dataError, systemCode, UsclError } from '../base/errors.ts';
import { accessComplaint, fileNameOf } from './paths.ts';
import type { ClipSource, FrameRequest } from './source.ts';
import { brightestOf, decodeStill, openStill, type Scale, scaleFor, type Still } from './still.ts';

/** Opens the pictures at paths relative to `root`, in order. Errors: `STILL_UNREADABLE`, `SOURCE_UNREADABLE`. */
export async function openPictures(root: string, paths: readonly string[]): Promise<ClipSource> {
  const source = new Pictures(root, paths, await firstReadable(root, paths));
  return source;
}

interface First {
  readonly index: number;
  readonly still: Still;
}

async function firstReadable(root: string, paths: readonly string[]): Promise<First> {
  let complaint = '';
  for (const [index, path] of paths.entries()) {
    try {
      return { index, still: await openStill(join(root, path)) };
    } catch (thrown) {
      if (paths.length === 1 || !isAboutPicture(thrown)) throw thrown;
      if (index === 0) complaint = complaintOf(path, thrown);
    }
  }
  throw noneReadable(paths.length, complaint);
}

class Pictures implements ClipSource {
  readonly width: number;
  readonly height: number;
  /** Picture folders do not tell how fast they were taken. */
  readonly fps = null;
  readonly frameCount: number;
  readonly declaredField = null;
  readonly mayIdentify = false;
  readonly flags: readonly string[] = [];
  remarks: readonly string[] = [];
  readonly #root: string;
  readonly #paths: readonly string[];
  #first: First | undefined;
  #digest: string | undefined;

  constructor(root: string, paths: readonly string[], first: First) {
    this.width = first.still.width;
    this.height = first.still.height;
    this.frameCount = paths.length;
    this.#root = root;
    this.#paths = paths;
    this.#first = first;
  }

  async *frames({
    size = this,
    channels,
    signal,
  }: FrameRequest): AsyncGenerator<Uint8Array, string | undefined, undefined> {
    const hash = createHash('sha256');
    const damage: string[] = [];
    const several = this.#paths.length > 1;
    const scale = await this.#scale(signal);
    if (scale !== null && scale.remark !== null) this.remarks = [scale.remark];
    for (const [index, path] of this.#paths.entries()) {
      signal?.throwIfAborted();
      try {
        const still = await this.#open(index, path);
        if (still.width !== this.width || still.height !== this.height) {
          throw unreadable(
            `it has ${still.width}×${still.height} pixels, the first ${this.width}×${this.height}`,
          );
        }
        const frame = await decodeStill(still, size, channels, scale ?? undefined);
        addToHash(hash, several ? fileNameOf(path) : '', still.bytes);
        yield frame;
      } catch (thrown) {
        if (!several || !isAboutPicture(thrown)) throw thrown;
        damage.push(complaintOf(path, thrown));
      }
    }
    const [first] = damage;
    if (damage.length === this.#paths.length) throw noneReadable(damage.length, first ?? '');
    this.#digest = hash.digest('hex');
    return damage.length > 1 ? `${first} (and ${damage.length - 1} more)` : first;
  }

  sha256(): Promise<string> {
    if (this.#digest === undefined) throw new Error('The pictures are not read yet.');
    return Promise.resolve(this.#digest);
  }

  /** One scale for all pictures, where the first has more than 8 bits; all are read for it beforehand. */
  async #scale(signal: AbortSignal | undefined): Promise<Scale | null> {
    const { depth = 'uchar' } = this.#first?.still ?? {};
    if (depth === 'uchar') return null;
    let brightest = 0;
    for (const [index, path] of this.#paths.entries()) {
      signal?.throwIfAborted();
      try {
        const first = this.#first?.index === index ? this.#first.still : undefined;
        const still = first ?? (await openStill(join(this.#root, path)));
        if (still.depth !== 'uchar') brightest = Math.max(brightest, await brightestOf(still));
      } catch (thrown) {
        // Told when it is decoded.
        if (!isAboutPicture(thrown)) throw thrown;
      }
    }
    return scaleFor(brightest, depth);
  }

  /** The picture that was read on opening is not read again. */
  async #open(index: number, path: string): Promise<Still> {
    if (this.#first?.index !== index) return openStill(join(this.#root, path));
    const { still } = this.#first;
    this.#first = undefined;
    return still;
  }
}

function isAboutPicture(thrown: unknown): boolean {
  return thrown instanceof UsclError || systemCode(thrown) !== undefined;
}

function complaintOf(path: string, thrown: unknown): string {
  const complaint = thrown instanceof UsclError ? thrown.message : accessComplaint(thrown, path);
  return `${fileNameOf(path)}: ${complaint}`;
}

/** The hash of a lone file is that of its bytes; in a folder, names and lengths keep files apart. */
function addToHash(hash: Hash, name: string, bytes: Buffer): void {
  if (name !== '') hash.update(`${name}\0${bytes.length}\0`);
  hash.update(bytes);
}

function noneReadable(count: number, first: string): UsclError {
  return unreadable(`none of its ${count} pictures can be read; ${first}`);
}

function unreadable(reason: string): UsclError {
  return dataError('SOURCE_UNREADABLE', reason, 'Mend the pictures or leave them out.');
}
