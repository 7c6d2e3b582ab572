/**
 * Whether a PNG is an animation (APNG), by the headers of its chunks: no pixel is decoded, and of a still nothing is
 * read behind the place where its pixels begin. The picture library shows the first picture of one only; ffmpeg has
 * all, so an animation goes the way of videos.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';

const SIGNATURE = '89504e470d0a1a0a';
/** Length and type of a chunk, and the first value in it. */
const HEAD_BYTES = 12;
const READ_BYTES = 256;
/** No program writes as many chunks before the second picture; a file that has them is a still. */
const MAX_CHUNKS = 65_536;

/** Bytes from `at` on, `length` of them or what there is. */
type Reader = (at: number, length: number) => Buffer;

/** Whether the file at `path` is one. A file that cannot be opened is none: who decodes it says what is wrong with it. */
export function isAnimatedPng(path: string): boolean {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  // Of most stills one read has all that is asked for.
  const buffer = Buffer.alloc(READ_BYTES);
  let [from, filled] = [0, 0];
  try {
    return isAnimation((at, length) => {
      if (at + length > from + filled) {
        filled = readSync(file, buffer, 0, READ_BYTES, at);
        from = at;
      }
      return buffer.subarray(at - from, Math.min(at - from + length, filled));
    });
  } catch {
    return false;
  } finally {
    closeSync(file);
  }
}

/** As `isAnimatedPng`, of a file in memory. */
export function holdsAnimatedPng(bytes: Buffer): boolean {
  return isAnimation((at, length) => bytes.subarray(at, at + length));
}

/**
 * One that declares a single picture is a still where that is the picture every reader shows, and has no second one all
 * the same.
 */
function isAnimation(read: Reader): boolean {
  if (read(0, 8).toString('hex') !== SIGNATURE) return false;
  let isDeclared = false;
  let hasPixels = false;
  let pictures = 0;
  for (let at = 8, chunks = 0; chunks < MAX_CHUNKS; chunks++) {
    const head = read(at, HEAD_BYTES);
    if (head.length < HEAD_BYTES) return false;
    const type = head.toString('latin1', 4, 8);
    if (type === 'acTL' && !hasPixels) {
      const declared = head.readUInt32BE(8);
      if (declared > 1) return true;
      isDeclared = declared === 1;
    }
    // What has pixels before the first picture of the animation hides them from it.
    if (type === 'fcTL' && isDeclared && (++pictures > 1 || hasPixels)) return true;
    if (type === 'IDAT') hasPixels = true;
    if (hasPixels && !isDeclared) return false;
    at += HEAD_BYTES + head.readUInt32BE(0);
  }
  return false;
}
