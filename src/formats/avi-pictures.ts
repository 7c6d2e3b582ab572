/**
 * What the first picture in an AVI file says of itself: its size and the aspect of its pixels, of Motion JPEG and MPEG-4
 * part 2. Whatever is out of the ordinary gives the file up.
 */
import type { Bytes } from './riff.ts';
import { Bits } from './riff.ts';
import { must } from './video-header.ts';

/** What a picture says of itself. */
export interface InsidePicture {
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
export function jpegPicture(bytes: Bytes): InsidePicture {
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
export function mpeg4Picture(bytes: Bytes): InsidePicture {
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
