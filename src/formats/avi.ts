/**
 * Picture size, rate and count of the video in an AVI file, from its headers alone. Only plain files are read: one
 * stream of MPEG-4 part 2, Motion JPEG or uncompressed pictures, in one RIFF of less than 2 GiB, whose old-style index
 * names exactly the chunks that are there. Of those, it says what ffprobe 5.1 would say after reading all packets. For
 * everything else, and for anything broken, it says null. Never reads more than a few MiB and the heads of the chunks,
 * whatever the file claims.
 */
import { jpegPicture, mpeg4Picture } from './avi-pictures.ts';
import { Bytes, CHUNK_HEAD, evenLength } from './riff.ts';
import type { ReadAt, VideoHeader } from './video-header.ts';
import { must, unlessUnusual } from './video-header.ts';

/** The pictures must begin within this; headers are a few KiB and what programs reserve for tags. */
const MAX_HEADER = 64 * 1024;
const MAX_CHUNKS = 20_000;
/** How much of the first picture is looked at for its headers. */
const FIRST_PICTURE = 16 * 1024;
/** Heads of chunks so close together are read at once, until this many bytes were read. */
const NEAR = 4096;
const MAX_SPAN = 64 * 1024;
const MAX_SPANS = 4 * 2 ** 20;
/** Heads read at the same time. */
const BATCH = 32;

const MAX_INT32 = 2 ** 31 - 1;
const MAX_SIDE = 8191;
/** Larger fields of unknown meaning make programs believe that they have lost their way. */
const MAX_SKIPPED = 1_000_000;
/** `AVIF_MUSTUSEINDEX`: the order of the chunks is not that of the pictures. */
const MUST_USE_INDEX = 0x20;
const RIFF_HEAD = 12;
const INDEX_ENTRY = 16;

const MPEG4: ReadonlySet<string> = new Set(['FMP4', 'XVID', 'xvid', 'DIVX', 'divx', 'DX50']);
const JPEG = 'MJPG';
/** Uncompressed: rows from the bottom up, or a name for the order of the samples. */
const PLAIN = '\0\0\0\0';
const UNCOMPRESSED: ReadonlySet<string> = new Set([PLAIN, 'I420', 'YUY2', 'Y800']);
const PICTURE_CHUNKS: ReadonlySet<string> = new Set(['00dc', '00db']);

/** Reads the headers of a file of `size` bytes. Rejects only where `readAt` does. */
export function readAviVideo(size: number, readAt: ReadAt): Promise<VideoHeader | null> {
  return unlessUnusual(async () => {
    const riff = new Bytes(await readAt(0, RIFF_HEAD));
    must(size <= MAX_INT32 && riff.text(0) === 'RIFF' && riff.text(8) === 'AVI ');
    must(riff.u32(4) + CHUNK_HEAD === size);
    const { stream, movi } = readHeader(new Bytes(await readAt(0, Math.min(size, MAX_HEADER))));
    const chunks = await readIndex(size, movi, readAt);
    await requireChunks(chunks, readAt);
    const first = chunks[0];
    must(first !== undefined && first.length > 0);
    const picture = await readAt(first.at + CHUNK_HEAD, Math.min(first.length, FIRST_PICTURE));
    const pictureAspect = aspectInside(new Bytes(picture), stream);
    return {
      ...{ width: stream.width, height: stream.height, pixelAspect: stream.pixelAspect ?? pictureAspect },
      // An empty chunk means that the picture before is shown longer.
      ...{ fps: stream.fps, frames: chunks.filter(({ length }) => length > 0).length },
    };
  });
}

interface Stream {
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** From the header; the pictures have one of their own. */
  readonly pixelAspect: number | null;
  /** As the header says; nothing else in such a file tells of time, and ffprobe does not round it. */
  readonly fps: number;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** All that comes before the pictures, and where they are. */
function readHeader(head: Bytes): { readonly stream: Stream; readonly movi: Range } {
  let stream: Stream | undefined;
  for (let at = RIFF_HEAD; ;) {
    const type = head.text(at);
    const length = head.u32(at + 4);
    const from = at + CHUNK_HEAD;
    if (type === 'LIST' && head.text(from) === 'movi') {
      must(stream !== undefined && length % 2 === 0 && length > 4);
      return { stream, movi: { from: from + 4, to: from + length } };
    }
    // The header comes first.
    const inside = head.part(from, length);
    if (type === 'LIST' && inside.text(0) === 'hdrl') {
      must(stream === undefined && at === RIFF_HEAD);
      stream = streamOf(inside);
    } else if (type === 'LIST') {
      requireTags(inside);
    } else {
      must(type === 'JUNK' && length <= MAX_SKIPPED);
    }
    at = from + evenLength(length);
  }
}

/** Words about the file. */
function requireTags(list: Bytes): void {
  must(list.text(0) === 'INFO' && list.length % 2 === 0);
  for (const { type, bytes } of list.children(4)) must(/^[A-Z0-9]{4}$/.test(type) && bytes.length > 0);
}

function streamOf(hdrl: Bytes): Stream {
  must(hdrl.length % 2 === 0);
  const [main, list, ...others] = hdrl.children(4);
  must(main?.type === 'avih' && main.bytes.length === 56 && list?.type === 'LIST');
  must((main.bytes.u32(12) & MUST_USE_INDEX) === 0);
  must(others.every(({ type, bytes }) => type === 'JUNK' && bytes.length <= MAX_SKIPPED));

  must(list.bytes.text(0) === 'strl' && list.bytes.length % 2 === 0);
  const [header, format, ...more] = list.bytes.children(4);
  must(header?.type === 'strh' && format?.type === 'strf');
  const { fps } = timesOf(header.bytes);
  const { codec, width, height } = pictureFormat(format.bytes);
  let pixelAspect: number | null = null;
  const seen = new Set<string>();
  for (const { type, bytes } of more) {
    must((type === 'JUNK' || !seen.has(type)) && bytes.length <= MAX_SKIPPED);
    seen.add(type);
    if (type === 'vprp') pixelAspect = describedAspect(bytes);
    else must(type === 'JUNK' || type === 'strn');
  }
  return { codec, width, height, pixelAspect, fps };
}

function timesOf(strh: Bytes): { readonly fps: number } {
  must(strh.text(0) === 'vids' && (strh.length === 48 || strh.length === 56));
  const scale = strh.u32(20);
  const rate = strh.u32(24);
  must(scale > 0 && scale <= MAX_INT32 && rate > 0 && rate <= MAX_INT32);
  // A stream may start late.
  must(strh.u32(28) === 0);
  return { fps: rate / scale };
}

function pictureFormat(strf: Bytes): Pick<Stream, 'codec' | 'width' | 'height'> {
  const codec = strf.text(16);
  const [width, signedHeight, depth] = [strf.u32(4), strf.u32(8) | 0, strf.u16(14)];
  // A negative height means rows from the top down.
  const height = codec === PLAIN ? Math.abs(signedHeight) : signedHeight;
  must(strf.u32(0) === 40 && strf.u16(12) === 1);
  must(width > 0 && width <= MAX_SIDE && height > 0 && height <= MAX_SIDE);
  if (codec === PLAIN) {
    must((depth === 24 && strf.length === 40) || (depth === 8 && strf.length === 40 + 4 * 256));
  } else {
    must(
      strf.length === 40 &&
        (UNCOMPRESSED.has(codec) || (depth === 24 && (MPEG4.has(codec) || codec === JPEG))),
    );
  }
  return { codec, width, height };
}

/** Aspect of the pixels from that of the picture. */
function describedAspect(vprp: Bytes): number {
  must(vprp.length > 36 && vprp.length % 2 === 0);
  const [down, across, width, height] = [vprp.u16(20), vprp.u16(22), vprp.u32(24), vprp.u32(28)];
  must(down > 0 && across > 0 && width > 0 && height > 0);
  // Larger ones are rounded by programs.
  must(width < 2 ** 15 && height < 2 ** 15);
  return (across * height) / (down * width);
}

/** A chunk of the stream: where its head is, and the bytes behind that. */
interface StreamChunk {
  readonly type: string;
  readonly at: number;
  readonly length: number;
}

/** What the index says, where it fills the list of pictures without a gap and is the end of the file. */
async function readIndex(size: number, movi: Range, readAt: ReadAt): Promise<StreamChunk[]> {
  const length = size - movi.to - CHUNK_HEAD;
  must(length > 0 && length % INDEX_ENTRY === 0 && length <= MAX_CHUNKS * INDEX_ENTRY);
  const index = new Bytes(await readAt(movi.to, length + CHUNK_HEAD));
  must(index.text(0) === 'idx1' && index.u32(4) === length && index.length === length + CHUNK_HEAD);
  const chunks: StreamChunk[] = [];
  // Programs count from the start of the file or from that of the list.
  const offset = movi.from - index.u32(CHUNK_HEAD + 8);
  let at = movi.from;
  for (let entry = CHUNK_HEAD; entry < index.length; entry += INDEX_ENTRY) {
    const chunk = { type: index.text(entry), at, length: index.u32(entry + 12) };
    must(PICTURE_CHUNKS.has(chunk.type) && index.u32(entry + 8) + offset === at);
    chunks.push(chunk);
    at += CHUNK_HEAD + evenLength(chunk.length);
    must(at <= movi.to);
  }
  must(at === movi.to);
  return chunks;
}

/** The chunks are there as the index has them: programs go by the chunks and use the index to jump. */
async function requireChunks(chunks: readonly StreamChunk[], readAt: ReadAt): Promise<void> {
  let batch: Promise<void>[] = [];
  let spent = 0;
  for (let first = 0; first < chunks.length;) {
    const from = chunks[first]!.at;
    let last = first;
    for (let next = first + 1; next < chunks.length; next++) {
      const end = chunks[next]!.at + CHUNK_HEAD;
      const isNear = chunks[next]!.at - chunks[last]!.at <= NEAR;
      if (!isNear || end - from > MAX_SPAN || spent + end - from > MAX_SPANS) break;
      last = next;
    }
    batch.push(requireHeads(chunks.slice(first, last + 1), readAt));
    spent += chunks[last]!.at + CHUNK_HEAD - from;
    first = last + 1;
    if (batch.length < BATCH && first < chunks.length) continue;
    await Promise.all(batch);
    batch = [];
  }
}

async function requireHeads(chunks: readonly StreamChunk[], readAt: ReadAt): Promise<void> {
  const from = chunks[0]!.at;
  const bytes = new Bytes(await readAt(from, chunks.at(-1)!.at + CHUNK_HEAD - from));
  for (const { type, at, length } of chunks) {
    must(bytes.text(at - from) === type && bytes.u32(at - from + 4) === length);
  }
}

/** What the first picture says of its pixels, having made sure that it has the size the header names. */
function aspectInside(picture: Bytes, stream: Stream): number | null {
  if (UNCOMPRESSED.has(stream.codec)) return null;
  const inside = stream.codec === JPEG ? jpegPicture(picture) : mpeg4Picture(picture);
  const { width, height } = stream;
  must(inside.width === width && inside.height === height);
  if (inside.aspect === null) return null;
  const [across, down] = inside.aspect;
  must(across > 0 && down > 0);
  // Where not one pixel is left of a side, programs do not believe it.
  must(Math.floor(across < down ? (width * across) / down : (height * down) / across) > 0);
  return across / down;
}
