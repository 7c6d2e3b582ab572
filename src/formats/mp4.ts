/**
 * Picture size, rate and count of the video in an MP4 or QuickTime file, from its header alone. Only plain files are
 * read: one H.264 track in front, stored whole and shown whole, upright, with every picture inside the file. Of those,
 * it says what ffprobe would say after reading all packets. For everything else, and for anything broken, it says null.
 * Never reads more than a few MiB, whatever the file claims.
 */
import { readSps } from './h264-sps.ts';
import type { ReadAt, VideoHeader } from './video-header.ts';
import { must, unlessUnusual } from './video-header.ts';

/** Headers of hours of video are shorter than this. */
const MAX_HEADER = 8 * 2 ** 20;
const MAX_TOP_BOXES = 64;
/** How much of the first picture is looked at for a parameter set of its own. */
const FIRST_PICTURE = 64 * 1024;

const MAX_INT32 = 2 ** 31 - 1;
/** ISO/IEC 14496-12, 6.2.2, as nine 32-bit numbers; nothing is turned, mirrored or scaled. */
const UPRIGHT = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000];
/** Boxes of a sample entry that do not change the picture's shape. */
const HARMLESS: ReadonlySet<string> = new Set(['avcC', 'pasp', 'colr', 'btrt', 'fiel', 'gama', 'chrm']);
const TOP_BOXES: ReadonlySet<string> = new Set(['ftyp', 'free', 'skip', 'wide', 'mdat', 'moov']);

/** Reads the header of a file of `size` bytes. Rejects only where `readAt` does. */
export function readMp4Video(size: number, readAt: ReadAt): Promise<VideoHeader | null> {
  return unlessUnusual(async () => {
    const header = await readHeader(size, readAt);
    const { video, firstAt, firstSize, lengthBytes, sps } = trackOf(header, size);
    const first = await readAt(firstAt, Math.min(firstSize, FIRST_PICTURE));
    requireSameSps(first, firstSize, lengthBytes, sps);
    return video;
  });
}

/** The payload of `moov`, having seen every box of the file. */
async function readHeader(size: number, readAt: ReadAt): Promise<Box> {
  let found: { readonly from: number; readonly to: number } | undefined;
  let at = 0;
  for (let count = 0; at < size; count++) {
    const head = new Box(await readAt(at, 16));
    const type = head.text(4);
    must(count < MAX_TOP_BOXES && TOP_BOXES.has(type) && count > 0 === (type !== 'ftyp'));
    const isLong = head.u32(0) === 1;
    const length = isLong ? head.u64(8) : head.u32(0);
    const from = at + (isLong ? 16 : 8);
    const to = at + length;
    must(to >= from && to <= size);
    if (type === 'moov') {
      must(found === undefined && to - from <= MAX_HEADER);
      found = { from, to };
    }
    at = to;
  }
  must(found !== undefined);
  const bytes = await readAt(found.from, found.to - found.from);
  must(bytes.length === found.to - found.from);
  return new Box(bytes);
}

interface Track {
  readonly video: VideoHeader;
  readonly firstAt: number;
  readonly firstSize: number;
  /** Bytes that tell the length of a NAL unit. */
  readonly lengthBytes: number;
  readonly sps: Uint8Array;
}

function trackOf(moov: Box, fileSize: number): Track {
  const [movie, first, ...rest] = moov.children();
  must(movie?.type === 'mvhd' && first?.type === 'trak');
  must(movie.box.u8(0) <= 1);
  const isLong = movie.box.u8(0) === 1;
  requireUpright(movie.box, isLong ? 48 : 36);
  for (const { type, box } of rest) {
    // The first track is stream 0 where no other box adds a stream before it.
    must(type === 'trak' || type === 'udta' || type === 'iods' || type === 'free');
    if (type === 'trak') must(handlerOf(box.only('mdia')) !== 'vide');
  }
  const track = first.box;
  const media = track.only('mdia');
  must(handlerOf(media) === 'vide');
  const information = media.only('minf');
  requireInside(information.only('dinf').only('dref'));
  const table = information.only('stbl');
  const entry = sampleEntry(table.only('stsd'));
  const pixelAspect = entry.pixelAspect ?? aspectWithout(track.only('tkhd'), entry);
  requireUpright(track.only('tkhd'), track.only('tkhd').u8(0) === 1 ? 52 : 40);

  const header = media.only('mdhd');
  must(header.u8(0) <= 1);
  const timescale = header.u32(header.u8(0) === 1 ? 20 : 12);
  const frames = requireSamples(table, fileSize);
  const times = timesOf(table, frames.count);
  const movieScale = movie.box.u32(isLong ? 20 : 12);
  requireWholeEdit(track.maybe('edts'), times, timescale, movieScale);
  const rate = timescale * frames.count;
  // Beyond these, programs begin to round.
  must(timescale > 0 && rate <= MAX_INT32 && times.duration <= MAX_INT32);
  const { width, height, lengthBytes, sps } = entry;
  return {
    video: { width, height, pixelAspect, fps: rate / times.duration, frames: frames.count },
    ...{ firstAt: frames.firstAt, firstSize: frames.firstSize, lengthBytes, sps },
  };
}

/** The pictures are in this file and not in another one. */
function requireInside(dref: Box): void {
  const [place, ...others] = dref.children(8);
  must(dref.u32(4) === 1 && others.length === 0);
  must((place?.type === 'url ' || place?.type === 'alis') && place.box.u32(0) === 1);
}

function handlerOf(media: Box): string {
  return media.only('hdlr').text(8);
}

interface SampleEntry {
  readonly width: number;
  readonly height: number;
  readonly pixelAspect: number | null;
  readonly spsAspect: number | null;
  readonly lengthBytes: number;
  readonly sps: Uint8Array;
}

/** The one sample entry, whose size must be that of the parameter set: the decoder goes by the latter. */
function sampleEntry(stsd: Box): SampleEntry {
  const [entry, ...others] = stsd.children(8);
  must(stsd.u32(4) === 1 && entry?.type === 'avc1' && others.length === 0);
  const width = entry.box.u16(24);
  const height = entry.box.u16(26);
  const inside = entry.box.children(78);
  must(inside.every(({ type }) => HARMLESS.has(type)));
  const settings = entry.box.only('avcC', 78);
  must(settings.u8(0) === 1 && (settings.u8(5) & 31) === 1);
  const lengthBytes = (settings.u8(4) & 3) + 1;
  const sps = settings.part(8, settings.u16(6));
  const picture = readSps(sps);
  must(picture !== null && picture.width === width && picture.height === height);
  const pasp = entry.box.maybe('pasp', 78);
  let pixelAspect: number | null = null;
  if (pasp !== undefined) {
    const [across, down] = [pasp.u32(0), pasp.u32(4)];
    // Larger ones are rounded by players.
    must(across > 0 && down > 0 && across < 2 ** 15 && down < 2 ** 15);
    pixelAspect = across / down;
  }
  return { width, height, pixelAspect, spsAspect: picture.pixelAspect, lengthBytes, sps };
}

/** Without a box for it, a track shown at another size than it is coded in has pixels of that shape: unusual. */
function aspectWithout(tkhd: Box, { width, height, spsAspect }: SampleEntry): number | null {
  must(tkhd.u8(0) <= 1);
  const at = tkhd.u8(0) === 1 ? 88 : 76;
  must(tkhd.u32(at) === width * 0x10000 && tkhd.u32(at + 4) === height * 0x10000);
  return spsAspect;
}

function requireUpright(box: Box, at: number): void {
  must(UPRIGHT.every((value, i) => box.u32(at + 4 * i) === value));
}

/** Every sample has bytes, and they are in the file. */
function requireSamples(
  table: Box,
  fileSize: number,
): { readonly count: number; readonly firstAt: number; readonly firstSize: number } {
  const sizes = table.only('stsz');
  must(sizes.u32(4) === 0);
  const count = sizes.u32(8);
  must(count > 0 && sizes.length === 12 + 4 * count);
  const keys = table.maybe('stss');
  if (keys !== undefined) must(keys.entries(4) > 0 && keys.u32(8) === 1);

  const near = table.maybe('stco');
  const far = table.maybe('co64');
  must((near === undefined) !== (far === undefined));
  const offsets = near ?? far;
  must(offsets !== undefined);
  const chunks = offsets.entries(near === undefined ? 8 : 4);
  const offsetOf = (chunk: number): number =>
    near === undefined ? offsets.u64(8 + 8 * chunk) : offsets.u32(8 + 4 * chunk);

  const runs = table.only('stsc');
  const runCount = runs.entries(12);
  must(runCount > 0 && runs.u32(8) === 1);
  let sample = 0;
  for (let run = 0; run < runCount; run++) {
    const from = runs.u32(8 + 12 * run);
    const to = run + 1 < runCount ? runs.u32(20 + 12 * run) : chunks + 1;
    const each = runs.u32(12 + 12 * run);
    must(runs.u32(16 + 12 * run) === 1 && each > 0 && to > from && to <= chunks + 1);
    for (let chunk = from; chunk < to; chunk++) {
      let at = offsetOf(chunk - 1);
      must(each <= count - sample);
      for (const end = sample + each; sample < end; sample++) {
        const size = sizes.u32(12 + 4 * sample);
        at += size;
        must(size > 0 && at <= fileSize);
      }
    }
  }
  must(sample === count);
  return { count, firstAt: offsetOf(0), firstSize: sizes.u32(12) };
}

interface Times {
  readonly duration: number;
  /** Earliest and latest time of presentation. */
  readonly first: number;
  readonly last: number;
}

function timesOf(table: Box, count: number): Times {
  const steps = runLengths(table.only('stts'), count);
  const shifts = table.maybe('ctts');
  const offsets = shifts === undefined ? undefined : runLengths(shifts, count);
  let [time, first, last] = [0, Infinity, -Infinity];
  for (let i = 0; i < count; i++) {
    const shown = time + (offsets?.next() ?? 0);
    first = Math.min(first, shown);
    last = Math.max(last, shown);
    const step = steps.next();
    must(step > 0);
    time += step;
  }
  return { duration: time, first, last };
}

/** The values of a run-length table that has exactly `count` of them; none is negative. */
function runLengths(box: Box, count: number): { next(): number } {
  const entries = box.entries(8);
  let total = 0;
  for (let i = 0; i < entries; i++) {
    const length = box.u32(8 + 8 * i);
    must(length > 0 && box.u32(12 + 8 * i) <= MAX_INT32);
    total += length;
  }
  must(total === count);
  let entry = -1;
  let left = 0;
  return {
    next() {
      if (left === 0) left = box.u32(8 + 8 * ++entry);
      left--;
      return box.u32(12 + 8 * entry);
    },
  };
}

/** An edit list may only name the whole of the track, or be missing. */
function requireWholeEdit(edits: Box | undefined, times: Times, timescale: number, movieScale: number): void {
  if (edits === undefined) {
    must(times.first === 0);
    return;
  }
  const list = edits.only('elst');
  must(list.entries(12) === 1 && list.u32(16) === 0x10000);
  const [length, start] = [list.u32(8), list.u32(12)];
  must(movieScale > 0 && start === times.first);
  must(start + (length * timescale) / movieScale > times.last);
}

/** Parameter sets among the pictures would have the last word. */
function requireSameSps(picture: Uint8Array, whole: number, lengthBytes: number, expected: Uint8Array): void {
  for (let at = 0; at < whole;) {
    const from = at + lengthBytes;
    // Behind a picture's own data no set comes that matters for it.
    if (from >= picture.length) return;
    let length = 0;
    for (let i = at; i < from; i++) length = length * 256 + picture[i]!;
    must(length > 0 && from + length <= whole);
    const type = picture[from]! & 31;
    if (type >= 1 && type <= 5) return;
    if (type === 7) {
      const sps = picture.subarray(from, from + length);
      must(sps.length === expected.length && sps.every((value, i) => value === expected[i]));
    }
    at = from + length;
  }
}

/** Bytes of a box without its head; whatever is asked of it that is not there gives the file up. */
class Box {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#view.byteLength;
  }

  #need(at: number, length: number): void {
    must(at >= 0 && at + length <= this.length);
  }

  u8(at: number): number {
    this.#need(at, 1);
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    this.#need(at, 2);
    return this.#view.getUint16(at);
  }

  u32(at: number): number {
    this.#need(at, 4);
    return this.#view.getUint32(at);
  }

  u64(at: number): number {
    const value = this.u32(at) * 2 ** 32 + this.u32(at + 4);
    must(value <= Number.MAX_SAFE_INTEGER);
    return value;
  }

  /** How many entries of `size` bytes a table says it has and has. */
  entries(size: number): number {
    const count = this.u32(4);
    must(this.u32(0) === 0 && this.length === 8 + count * size);
    return count;
  }

  /** Four characters. */
  text(at: number): string {
    this.#need(at, 4);
    return String.fromCharCode(...this.part(at, 4));
  }

  part(at: number, length: number): Uint8Array {
    this.#need(at, length);
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length);
  }

  /** The boxes inside, from an offset on; they must fill it. */
  children(at = 0): { readonly type: string; readonly box: Box }[] {
    const found: { readonly type: string; readonly box: Box }[] = [];
    for (let from = at; from < this.length;) {
      const size = this.u32(from);
      must(size >= 8);
      found.push({ type: this.text(from + 4), box: new Box(this.part(from + 8, size - 8)) });
      from += size;
    }
    return found;
  }

  maybe(type: string, at = 0): Box | undefined {
    const found = this.children(at).filter((child) => child.type === type);
    must(found.length <= 1);
    return found[0]?.box;
  }

  only(type: string, at = 0): Box {
    const box = this.maybe(type, at);
    must(box !== undefined);
    return box;
  }
}
