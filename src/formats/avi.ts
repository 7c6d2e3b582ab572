/**
 * Picture size, rate and count of the video in an AVI file, from its headers alone. Only plain files are read: one
 * stream of MPEG-4 part 2, Motion JPEG or uncompressed pictures, in one RIFF of less than 2 GiB, whose old-style index
 * names exactly the chunks that are there. Of those, it says what ffprobe 5.1 would say after reading all packets. For
 * everything else, and for anything broken, it says null. Never reads more than a few MiB and the heads of the chunks,
 * whatever the file claims.
 */
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
const CHUNK_HEAD = 8;
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

interface InsidePicture {
  readonly width: number;
  readonly height: number;
  readonly aspect: readonly [number, number] | null;
}

const START_OF_IMAGE = 0xffd8;
const START_OF_SCAN = 0xffda;
const BASELINE = 0xffc0;
const APP0 = 0xffe0;
/** Tables of quantisation and codes, restart interval, comment. */
const JPEG_TABLES: ReadonlySet<number> = new Set([0xffdb, 0xffc4, 0xffdd, 0xfffe]);

/** One or two samples across and down. */
const SAMPLINGS: ReadonlySet<number> = new Set([0x11, 0x12, 0x21, 0x22]);

/** A baseline JPEG up to its data (ITU-T T.81, annex B; JFIF 1.02). */
function jpegPicture(bytes: Bytes): InsidePicture {
  must(bytes.u16(0, 'big') === START_OF_IMAGE);
  let frame: Pick<InsidePicture, 'width' | 'height'> | undefined;
  let aspect: InsidePicture['aspect'] = null;
  for (let at = 2; ;) {
    const marker = bytes.u16(at, 'big');
    const segment = bytes.part(at + 4, bytes.u16(at + 2, 'big') - 2);
    if (marker === START_OF_SCAN) {
      must(frame !== undefined);
      return { ...frame, aspect };
    }
    if (marker === BASELINE) {
      must(frame === undefined);
      frame = baselineFrame(segment);
    } else if (marker === APP0) {
      must(frame === undefined && aspect === null && segment.text(0) === 'JFIF' && segment.length === 14);
      aspect = [segment.u16(8, 'big'), segment.u16(10, 'big')];
    } else {
      must(JPEG_TABLES.has(marker));
    }
    at += 4 + segment.length;
  }
}

function baselineFrame(segment: Bytes): Pick<InsidePicture, 'width' | 'height'> {
  const components = segment.u8(5);
  must(segment.u8(0) === 8 && segment.length === 6 + 3 * components);
  must(components === 1 || components === 3);
  for (let i = 0; i < components; i++) must(SAMPLINGS.has(segment.u8(7 + 3 * i)));
  return { height: segment.u16(1, 'big'), width: segment.u16(3, 'big') };
}

const VISUAL_SEQUENCE = 0xb0;
const USER_DATA = 0xb2;
const GROUP_OF_PICTURES = 0xb3;
const VISUAL_OBJECT = 0xb5;
const PICTURE = 0xb6;
const LAST_OBJECT = 0x1f;
const LAST_LAYER = 0x2f;
/** Upper half of a profile of studios, whose headers are different. */
const STUDIO = 0xe;

/** MPEG-4 part 2 up to the head of its first picture, which must be a whole one (ISO/IEC 14496-2, 6.2). */
function mpeg4Picture(bytes: Bytes): InsidePicture {
  let layer: Layer | undefined;
  must(bytes.u32(0, 'big') >>> 8 === 1);
  for (let at = 0; ;) {
    const code = bytes.u8(at + 3);
    const from = at + 4;
    const to = nextStartCode(bytes, from);
    const segment = bytes.part(from, to - from);
    if (code === PICTURE) {
      must(layer !== undefined);
      requireWholePicture(new Bits(segment), layer);
      return layer;
    }
    if (code > LAST_OBJECT && code <= LAST_LAYER) {
      must(layer === undefined);
      layer = layerOf(new Bits(segment));
    } else if (code === VISUAL_SEQUENCE) {
      must(segment.u8(0) >> 4 !== STUDIO);
    } else {
      must(code <= LAST_OBJECT || code === VISUAL_OBJECT || code === USER_DATA || code === GROUP_OF_PICTURES);
    }
    at = to;
  }
}

/** Where the next start code begins, or the end. */
function nextStartCode(bytes: Bytes, from: number): number {
  for (let at = from; at + 3 < bytes.length; at++) {
    if (bytes.u8(at) === 0 && bytes.u8(at + 1) === 0 && bytes.u8(at + 2) === 1) return at;
  }
  return bytes.length;
}

interface Layer extends InsidePicture {
  /** Bits of a picture's time within a second. */
  readonly timeBits: number;
  readonly isInterlaced: boolean;
}

/** Table 6-12; 0 is forbidden, and 15 is told in numbers. */
const LAYER_ASPECTS: readonly (readonly [number, number] | undefined)[] = [
  undefined,
  ...([
    [1, 1],
    [12, 11],
    [10, 11],
    [16, 11],
    [40, 33],
  ] as const),
];
const EXTENDED_ASPECT = 15;

/** The head of a video object layer (6.2.3) with rectangular 8-bit pictures and no rare tools. */
function layerOf(bits: Bits): Layer {
  bits.u(1 + 8);
  let version = 1;
  if (bits.u(1) === 1) {
    version = bits.u(4);
    bits.u(3);
  }
  const kind = bits.u(4);
  const aspect = kind === EXTENDED_ASPECT ? ([bits.u(8), bits.u(8)] as const) : LAYER_ASPECTS[kind];
  must(aspect !== undefined);
  if (bits.u(1) === 1) {
    must(bits.u(2) === 1);
    bits.u(1);
    if (bits.u(1) === 1) skipBufferSizes(bits);
  }
  must(bits.u(2) === 0);
  bits.one();
  const resolution = bits.u(16);
  must(resolution > 0);
  const timeBits = Math.max(1, 32 - Math.clz32(resolution - 1));
  bits.one();
  if (bits.u(1) === 1) bits.u(timeBits);
  bits.one();
  const width = bits.u(13);
  bits.one();
  const height = bits.u(13);
  bits.one();
  const isInterlaced = bits.u(1) === 1;
  bits.u(1);
  // No sprites, 8 bits a sample, no matrices of its own.
  must(bits.u(version === 1 ? 1 : 2) === 0);
  bits.zero();
  if (bits.u(1) === 1) must(bits.u(2) === 0);
  if (version !== 1) bits.u(1);
  // Nothing said of complexity; slices or not; no partitioned data.
  bits.one();
  bits.u(1);
  bits.zero();
  if (version !== 1) must(bits.u(2) === 0);
  bits.zero();
  return { width, height, aspect, timeBits, isInterlaced };
}

function skipBufferSizes(bits: Bits): void {
  for (const length of [15, 15, 15]) {
    bits.u(length);
    bits.one();
  }
  bits.u(3 + 11);
  bits.one();
  bits.u(15);
  bits.one();
}

/** A picture that needs no other and is not left out (6.2.5). */
function requireWholePicture(bits: Bits, { timeBits, isInterlaced }: Layer): void {
  must(bits.u(2) === 0);
  while (bits.u(1) === 1);
  bits.one();
  bits.u(timeBits);
  bits.one();
  bits.one();
  bits.u(3 + (isInterlaced ? 2 : 0));
  must(bits.u(5) > 0);
}

/** Chunks of an odd length have a byte behind them. */
function evenLength(length: number): number {
  return length + (length % 2);
}

/** Some bytes; what is asked of them that is not there gives the file up. Numbers are little-endian unless said. */
class Bytes {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#view.byteLength;
  }

  #need(at: number, length: number): void {
    must(length >= 0 && at + length <= this.length);
  }

  u8(at: number): number {
    this.#need(at, 1);
    return this.#view.getUint8(at);
  }

  u16(at: number, order: 'big' | 'little' = 'little'): number {
    this.#need(at, 2);
    return this.#view.getUint16(at, order === 'little');
  }

  u32(at: number, order: 'big' | 'little' = 'little'): number {
    this.#need(at, 4);
    return this.#view.getUint32(at, order === 'little');
  }

  /** Four characters. */
  text(at: number): string {
    this.#need(at, 4);
    return String.fromCharCode(this.u8(at), this.u8(at + 1), this.u8(at + 2), this.u8(at + 3));
  }

  part(at: number, length: number): Bytes {
    this.#need(at, length);
    return new Bytes(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length));
  }

  /** The chunks inside, from an offset on; they must fill it. */
  children(at: number): { readonly type: string; readonly bytes: Bytes }[] {
    const found: { readonly type: string; readonly bytes: Bytes }[] = [];
    for (let from = at; from < this.length;) {
      const length = this.u32(from + 4);
      found.push({ type: this.text(from), bytes: this.part(from + CHUNK_HEAD, length) });
      from += CHUNK_HEAD + evenLength(length);
      must(from <= this.length);
    }
    return found;
  }
}

/** Bits of some bytes, the highest first. */
class Bits {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  /** An unsigned number of `count` bits, up to 32. */
  u(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      value = value * 2 + ((this.#bytes.u8(this.#at >> 3) >> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  one(): void {
    must(this.u(1) === 1);
  }

  zero(): void {
    must(this.u(1) === 0);
  }
}
