/**
 * Picture size, rate and count of the video in an MPEG program stream, from its start codes, without decoding. Only
 * plain files are read: one MPEG-1 or MPEG-2 stream and nothing beside it, whole frames without repeated fields, one
 * sequence header (repeated word for word), every part in its place. Of those, it says what ffprobe would say after
 * reading all packets. For everything else, and for anything broken, it says null. Goes through the file once.
 */
import { ForwardBytes } from './forward-bytes.ts';
import type { ReadAt, VideoHeader } from './video-header.ts';
import { must, unlessUnusual } from './video-header.ts';

const MAX_FILE = 64 * 2 ** 20;
const BLOCK = 2 ** 18;

/** With fewer pictures, ffprobe does not estimate a rate. */
const MIN_FRAMES = 3;
/** It estimates from the first 5 MB, so that many pictures must be there well before. */
const MAX_EARLY = 2 ** 20;

/** ISO/IEC 13818-1, table 2-18, and the start codes of 2.5.3. */
const PACK = 0xba;
const SYSTEM = 0xbb;
const END = 0xb9;
const PADDING = 0xbe;
const VIDEO = 0xe0;

/** ISO/IEC 13818-2, table 6-1; slices have the codes from 1 on. */
const PICTURE = 0;
const LAST_SLICE = 0xaf;
const SEQUENCE = 0xb3;
const EXTENSION = 0xb5;
const SEQUENCE_END = 0xb7;
const GROUP = 0xb8;
/** Longest head that is looked into. */
const MAX_HEAD = 8;

/** Pictures a second by their code: ISO/IEC 13818-2, table 6-4. */
const RATES: readonly (number | undefined)[] = [
  ...[undefined, 24_000 / 1001, 24, 25, 30_000 / 1001, 30, 50, 60_000 / 1001, 60],
];

/** Reads a file of `size` bytes. Rejects only where `readAt` does. */
export function readMpegVideo(size: number, readAt: ReadAt): Promise<VideoHeader | null> {
  return unlessUnusual(async () => {
    must(size <= MAX_FILE);
    const pictures = new Pictures();
    await readPackets(new ForwardBytes(size, readAt, BLOCK), pictures);
    return pictures.finish();
  });
}

/** Hands the video's bytes on, without what wraps them. */
async function readPackets(bytes: ForwardBytes, pictures: Pictures): Promise<void> {
  let before: number | undefined;
  let isFirst = true;
  while (bytes.left > 0) {
    const code = (await bytes.take(4)).getUint32(0) - 0x100;
    if (code === PACK) {
      await skipPackHead(bytes);
    } else if (code === END) {
      must(bytes.left === 0 && !isFirst);
    } else {
      must(before !== undefined && (code === SYSTEM || code === PADDING || code === VIDEO));
      const body = await bytes.take((await bytes.take(2)).getUint16(0));
      if (code === SYSTEM) requireSystemHead(body, before);
      // Programs tell the kind of file from its begin.
      if (isFirst) must(code === SYSTEM);
      isFirst = false;
      if (code === VIDEO) {
        const from = payloadOf(body);
        must(from < body.byteLength);
        pictures.add(new Uint8Array(body.buffer, body.byteOffset + from, body.byteLength - from), bytes.at);
      }
    }
    before = code;
  }
}

/** MPEG-1 and MPEG-2 differ here; all bits whose value is given are looked at. */
async function skipPackHead(bytes: ForwardBytes): Promise<void> {
  const head = await bytes.take(8);
  if (head.getUint8(0) >>> 4 === 2) {
    must([0, 2, 4, 7].every((at) => (head.getUint8(at) & 1) === 1) && head.getUint8(5) >= 0x80);
    return;
  }
  must((head.getUint8(0) & 0xc4) === 0x44 && (head.getUint8(2) & 4) === 4 && (head.getUint8(4) & 4) === 4);
  must((head.getUint8(5) & 1) === 1);
  const rest = await bytes.take(2);
  must((rest.getUint8(0) & 3) === 3);
  const stuffing = await bytes.take(rest.getUint8(1) & 7);
  for (let i = 0; i < stuffing.byteLength; i++) must(stuffing.getUint8(i) === 0xff);
}

/** Programs look for the next start code inside of it, so it must not hold one. */
function requireSystemHead(body: DataView, before: number): void {
  must(before === PACK && body.byteLength >= 6 && body.byteLength < 256 && body.getUint8(0) >= 0x80);
  for (let i = 0; i + 1 < body.byteLength; i++) must(body.getUint16(i) !== 0);
}

/** Where in a video packet the video begins. */
function payloadOf(body: DataView): number {
  let at = 0;
  const next = (): number => {
    must(at < body.byteLength);
    return body.getUint8(at++);
  };
  const requireTime = (kind: number): void => {
    must(next() >>> 4 === kind && (body.getUint8(at - 1) & 1) === 1);
    next();
    must((next() & 1) === 1);
    next();
    must((next() & 1) === 1);
  };
  const first = next();
  if ((first & 0xc0) === 0x80) {
    // Neither scrambled, nor with fields that are rare.
    const flags = next();
    const length = next();
    must((first & 0x30) === 0 && (flags & 0x3e) === 0 && flags >>> 6 !== 1);
    const start = at;
    if (flags & 0x80) requireTime(flags >>> 6);
    if (flags & 0x40) requireTime(1);
    if (flags & 1) {
      // Of what may be extended, only the size of a buffer.
      must((next() & 0xf1) === 0x10);
      must(next() >>> 6 === 1);
      next();
    }
    must(at <= start + length);
    while (at < start + length) must(next() === 0xff);
    return at;
  }
  at = 0;
  while (next() === 0xff) must(at <= 16);
  if (body.getUint8(at - 1) >>> 6 === 1) {
    next();
    next();
  }
  const kind = body.getUint8(at - 1);
  if (kind === 0x0f) return at;
  at--;
  must(kind >>> 4 === 2 || kind >>> 4 === 3);
  requireTime(kind >>> 4);
  if (kind >>> 4 === 3) requireTime(1);
  return at;
}

/** Follows the start codes of a video, which may lie across packets. */
class Pictures {
  #state = 0xffffffff;
  /** The start code last seen, how many bytes came behind it, and the first of these. */
  #code: number | undefined;
  #length = 0;
  readonly #head = new Uint8Array(MAX_HEAD);
  /** What has been finished last: tells what may come next. */
  #last: 'sequence' | 'sequence extension' | 'group' | 'picture' | 'picture extension' | 'slice' | undefined;
  #sequence: Uint8Array | undefined;
  #extension: Uint8Array | undefined;
  #isMpeg2: boolean | undefined;
  #frames = 0;

  /** `end` is where in the file these bytes end. */
  add(bytes: Uint8Array, end: number): void {
    for (const byte of bytes) {
      if (this.#state === 1) {
        this.#finishPart(this.#length - 3);
        this.#code = byte;
        this.#length = 0;
      } else {
        if (this.#length < MAX_HEAD) this.#head[this.#length] = byte;
        this.#length++;
      }
      // Only the last three bytes matter.
      this.#state = ((this.#state << 8) | byte) & 0xffffff;
    }
    must(this.#frames > MIN_FRAMES || end <= MAX_EARLY);
  }

  finish(): VideoHeader {
    if (this.#code === SEQUENCE_END) must(this.#length === 0 && this.#last === 'slice');
    else this.#finishPart(this.#length);
    const sequence = this.#sequence;
    must(this.#last === 'slice' && this.#frames >= MIN_FRAMES && sequence !== undefined);
    const width = sequence[0]! * 16 + (sequence[1]! >>> 4);
    const height = (sequence[1]! & 15) * 256 + sequence[2]!;
    const fps = RATES[sequence[3]! & 15];
    must(width > 0 && height > 0 && fps !== undefined);
    const shape = sequence[3]! >>> 4;
    let pixelAspect = 1;
    if (shape !== 1) {
      // The shape of the whole picture; MPEG-1 has another table.
      must(this.#isMpeg2 === true && (shape === 2 || shape === 3));
      pixelAspect = shape === 2 ? (4 * height) / (3 * width) : (16 * height) / (9 * width);
    }
    return { width, height, pixelAspect, fps, frames: this.#frames };
  }

  /** Looks at what came behind the start code last seen, now that its length is known. */
  #finishPart(length: number): void {
    const code = this.#code;
    // The video begins with a start code, and with that of a sequence.
    if (code === undefined) {
      must(length === 0 && this.#last === undefined);
      return;
    }
    const last = this.#last;
    if (code >= 1 && code <= LAST_SLICE) {
      must(length > 0);
      must(last === 'slice' || last === (this.#isMpeg2 === true ? 'picture extension' : 'picture'));
      if (last !== 'slice') this.#frames++;
      this.#last = 'slice';
    } else if (code === SEQUENCE) {
      // With a matrix behind it, it is longer.
      must(last === undefined || last === 'slice');
      must(length === 8 && (this.#head[6]! & 0x20) === 0x20 && (this.#head[7]! & 3) === 0);
      this.#sequence = sameAs(this.#sequence, this.#head);
      this.#last = 'sequence';
    } else if (code === EXTENSION) {
      this.#finishExtension(length);
    } else if (code === GROUP) {
      must(length === 4 && (last === this.#sequenceEnd() || last === 'slice'));
      this.#isMpeg2 ??= false;
      this.#last = 'group';
    } else {
      must(code === PICTURE && length >= 4);
      must(last === 'group' || last === 'slice' || last === this.#sequenceEnd());
      this.#isMpeg2 ??= false;
      const type = (this.#head[1]! >>> 3) & 7;
      must(type === 1 || (this.#frames > 0 && (type === 2 || type === 3)));
      this.#last = 'picture';
    }
  }

  #finishExtension(length: number): void {
    const kind = this.#head[0]! >>> 4;
    if (kind === 1) {
      must(length === 6 && this.#last === 'sequence' && this.#isMpeg2 !== false);
      const [, second = 0, third = 0, fourth = 0, , sixth = 0] = this.#head;
      // 4:2:0, of 12 bits in size, at the rate of the header.
      must((second & 7) === 2 && (third & 0xe0) === 0 && (fourth & 1) === 1 && (sixth & 0x7f) === 0);
      this.#extension = sameAs(this.#extension, this.#head.subarray(0, 6));
      this.#isMpeg2 = true;
      this.#last = 'sequence extension';
      return;
    }
    must(kind === 8 && length >= 5 && this.#last === 'picture' && this.#isMpeg2 === true);
    // A whole frame, no field of it shown twice.
    must((this.#head[2]! & 3) === 3 && (this.#head[3]! & 2) === 0);
    this.#last = 'picture extension';
  }

  /** What ends the head of a sequence. */
  #sequenceEnd(): 'sequence' | 'sequence extension' {
    return this.#isMpeg2 === true ? 'sequence extension' : 'sequence';
  }
}

/** A copy of the first one; all later ones must be the same. */
function sameAs(first: Uint8Array | undefined, head: Uint8Array): Uint8Array {
  if (first === undefined) return head.slice();
  must(first.every((value, i) => head[i] === value));
  return first;
}
