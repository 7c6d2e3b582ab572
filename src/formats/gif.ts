/**
 * Picture size, rate and count of an animated GIF, from its blocks, without unpacking a picture. Only plain files are
 * read: GIF89a, a control extension before every image, one delay throughout, pixels that are square or of a shape not told,
 * a trailer and nothing behind it. Of those, it says what ffprobe would say after reading all packets. For everything else, and for anything
 * broken, it says null. Goes through the file once, a block at a time.
 */
import { ForwardBytes } from './forward-bytes.ts';
import type { ReadAt, VideoHeader } from './video-header.ts';
import { must, unlessUnusual } from './video-header.ts';

const MAX_FILE = 64 * 2 ** 20;
const BLOCK = 2 ** 16;

/** With fewer pictures, ffprobe does not estimate a rate. */
const MIN_FRAMES = 3;
/** It estimates from the first 5 MB, so that many pictures must be there well before. */
const MAX_EARLY = 2 ** 20;
/**
 * Hundredths of a second whose rate survives the estimate. ffprobe moves a rate to the next k/12 pictures a second if
 * that is within 1 %: 14.29 becomes 14.25. These are on that grid, but for 3, which is just too far from it.
 */
const EXACT_DELAYS: ReadonlySet<number> = new Set([
  ...[2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 40, 48, 50, 60, 75, 80, 100],
]);

/** The shape of a pixel is (this + 15) / 64; 0 leaves it open. */
const SQUARE = 49;

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;
const CONTROL = 0xf9;
const COMMENT = 0xfe;
const APPLICATION = 0xff;

/** Reads the blocks of a file of `size` bytes. Rejects only where `readAt` does. */
export function readGifVideo(size: number, readAt: ReadAt): Promise<VideoHeader | null> {
  return unlessUnusual(async () => {
    must(size <= MAX_FILE);
    return readBlocks(new ForwardBytes(size, readAt, BLOCK));
  });
}

async function readBlocks(bytes: ForwardBytes): Promise<VideoHeader> {
  await bytes.need(13);
  for (const letter of 'GIF89a') must(bytes.u8() === letter.charCodeAt(0));
  const width = bytes.u16();
  const height = bytes.u16();
  must(width > 0 && height > 0);
  const flags = bytes.u8();
  bytes.u8();
  const shape = bytes.u8();
  must(shape === 0 || shape === SQUARE);
  await bytes.skip(coloursLength(flags));

  let frames = 0;
  let delay: number | undefined;
  for (;;) {
    await bytes.need(1);
    const kind = bytes.u8();
    if (kind === TRAILER) break;
    // An image without a control extension is another picture or none, depending on the program.
    must(kind === EXTENSION);
    await bytes.need(7);
    const label = bytes.u8();
    if (label !== CONTROL) {
      // Between images, ffprobe ends a picture at one of these: left alone here.
      must(frames === 0 && (label === COMMENT || label === APPLICATION));
      await skipBlocks(bytes);
      continue;
    }
    must(bytes.u8() === 4);
    bytes.u8();
    const told = bytes.u16();
    must(told === (delay ??= told) && EXACT_DELAYS.has(told));
    bytes.u8();
    must(bytes.u8() === 0);
    await skipImage(bytes, width, height);
    frames++;
    must(frames > MIN_FRAMES || bytes.at <= MAX_EARLY);
  }
  must(bytes.left === 0 && frames >= MIN_FRAMES && delay !== undefined);
  return { width, height, pixelAspect: shape === SQUARE ? 1 : null, fps: 100 / delay, frames };
}

async function skipImage(bytes: ForwardBytes, width: number, height: number): Promise<void> {
  await bytes.need(10);
  must(bytes.u8() === IMAGE);
  const [left, top, across, down] = [bytes.u16(), bytes.u16(), bytes.u16(), bytes.u16()];
  must(across > 0 && down > 0 && left + across <= width && top + down <= height);
  await bytes.skip(coloursLength(bytes.u8()));
  await bytes.need(1);
  const codeSize = bytes.u8();
  must(codeSize >= 2 && codeSize <= 8);
  await skipBlocks(bytes);
}

/** ForwardBytes of the colour table that a byte of flags announces. */
function coloursLength(flags: number): number {
  return flags >= 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

/** Skips blocks that begin with their length, up to the empty one; that must not be the first. */
async function skipBlocks(bytes: ForwardBytes): Promise<void> {
  for (let count = 0; ; count++) {
    if (bytes.ready === 0) await bytes.need(1);
    const length = bytes.u8();
    if (length === 0) {
      must(count > 0);
      return;
    }
    // Waiting for each of them would take longer than all the rest.
    if (length > bytes.ready) await bytes.need(length);
    bytes.pass(length);
  }
}
