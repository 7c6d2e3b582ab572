/**
 * A still picture, or a folder of pictures that are the frames of one clip, as a `ClipSource`. The first readable
 * picture's size holds for all; pictures that cannot be read are left out and count as damage.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { dataError, systemCode, UsclError } from '../../base/errors.ts';
import { accessComplaint, fileNameOf } from '../common/paths.ts';
import type { ClipSource } from '../common/source.ts';
import { brightestOf, decodeStill, openStill, type Scale, scaleFor, type Still } from './still.ts';

/** Opens the pictures at paths relative to `root`, in order. Errors: `STILL_UNREADABLE`, `SOURCE_UNREADABLE`. */
export async function openPictures(root: string, paths: readonly string[]): Promise<ClipSource> {
  const several = paths.length > 1;
  let first: First | undefined = await firstReadable(root, paths);
  const { width, height, depth } = first.still;
  let remarks: readonly string[] = [];
  let digest: string | undefined;
  /** The picture that was read on opening is not read again. */
  const open = async (index: number, path: string): Promise<Still> =>
    first?.index === index ? first.still : openStill(join(root, path));
  /** One scale for all pictures, where the first has more than 8 bits; all are read for it beforehand. */
  const commonScale = async (signal: AbortSignal | undefined): Promise<Scale | null> => {
    if (depth === 'uchar') return null;
    let brightest = 0;
    for (const [index, path] of paths.entries()) {
      signal?.throwIfAborted();
      try {
        const still = await open(index, path);
        if (still.depth !== 'uchar') brightest = Math.max(brightest, await brightestOf(still));
      } catch (thrown) {
        // Told when it is decoded.
        if (!isAboutPicture(thrown)) throw thrown;
      }
    }
    return scaleFor(brightest, depth);
  };
  return {
    // Picture folders do not tell how fast they were taken.
    ...{ width, height, fps: null, frameCount: paths.length },
    ...{ declaredField: null, mayIdentify: false, flags: [] },
    get remarks() {
      return remarks;
    },
    async *frames({ size = { width, height }, channels, signal }) {
      const hash = createHash('sha256');
      const damage: string[] = [];
      const scale = await commonScale(signal);
      if (scale !== null && scale.remark !== null) remarks = [scale.remark];
      for (const [index, path] of paths.entries()) {
        signal?.throwIfAborted();
        try {
          const still = await open(index, path);
          if (first?.index === index) first = undefined;
          if (still.width !== width || still.height !== height) {
            const found = `it has ${still.width}×${still.height} pixels, the first ${width}×${height}`;
            throw unreadable(found);
          }
          const frame = await decodeStill(still, size, channels, scale ?? undefined);
          // The hash of a lone file is that of its bytes; in a folder, names and lengths keep files apart.
          if (several) hash.update(`${fileNameOf(path)}\0${still.bytes.length}\0`);
          hash.update(still.bytes);
          yield frame;
        } catch (thrown) {
          if (!several || !isAboutPicture(thrown)) throw thrown;
          damage.push(complaintOf(path, thrown));
        }
      }
      const [complaint] = damage;
      if (damage.length === paths.length) throw noneReadable(damage.length, complaint ?? '');
      digest = hash.digest('hex');
      return damage.length > 1 ? `${complaint} (and ${damage.length - 1} more)` : complaint;
    },
    sha256() {
      if (digest === undefined) throw new Error('The pictures are not read yet.');
      return Promise.resolve(digest);
    },
  };
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

function isAboutPicture(thrown: unknown): boolean {
  return thrown instanceof UsclError || systemCode(thrown) !== undefined;
}

function complaintOf(path: string, thrown: unknown): string {
  const complaint = thrown instanceof UsclError ? thrown.message : accessComplaint(thrown, path);
  return `${fileNameOf(path)}: ${complaint}`;
}

function noneReadable(count: number, first: string): UsclError {
  return unreadable(`none of its ${count} pictures can be read; ${first}`);
}

function unreadable(reason: string): UsclError {
  return dataError('SOURCE_UNREADABLE', reason, 'Mend the pictures or leave them out.');
}
