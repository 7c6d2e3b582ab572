/**
 * What a DICOM object says of its pictures, checked against the bytes it has before anything is allocated for them:
 * size, frames, samples, colour, bits, tables, timing, and where each frame's bytes are. What this accepts can be
 * decoded one frame at a time within memory that follows from the file's length.
 */
import { elementReader, type DicomElement } from './elements.ts';
import { checkWorking, dicomError } from './errors.ts';
import { codestreamAt, frameLength, framesOfFragments, oneStream, type FrameFragments } from './fragments.ts';
import { colourTable, monochromeTable, paletteTable } from './lookup.ts';
import { tagOf, type Keyword } from './dictionary.ts';
import { nativeLayout, type Packing } from './native.ts';
import type { DicomObject } from './read.ts';
import type { PixelCoding } from './syntaxes.ts';
import { timingOf, type FrameTiming } from './timing.ts';
import { hasValue, numberOf, numbersOf, textOf, valueOf } from './values.ts';

/** How samples are to be understood. The retired ones (HSV, ARGB, CMYK) are not read. */
const PHOTOMETRICS = [
  'MONOCHROME1',
  'MONOCHROME2',
  'PALETTE COLOR',
  'RGB',
  'YBR_FULL',
  'YBR_FULL_422',
  'YBR_PARTIAL_422',
  'YBR_ICT',
  'YBR_RCT',
] as const;
export type Photometric = (typeof PHOTOMETRICS)[number];

interface Picture {
  readonly rows: number;
  readonly columns: number;
  /** Those that are there, at least 1; of video as declared. */
  readonly frames: number;
  /** Number of Frames; undefined where it is missing or no number of frames. */
  readonly declaredFrames: number | undefined;
  readonly timing: FrameTiming;
  /** Height of a pixel over its width, as far as Pixel Aspect Ratio or Pixel Spacing tell; otherwise 1. */
  readonly pixelAspect: number;
}

/** How the samples of a frame are to be read. */
interface Format {
  readonly photometric: Photometric;
  readonly samples: 1 | 3;
  /** Of decoded frames: 3 for everything but monochrome. */
  readonly channels: 1 | 3;
  readonly bitsAllocated: 8 | 16;
  readonly bitsStored: number;
  /** Bits to the right of the stored ones. */
  readonly shift: number;
  readonly signed: boolean;
  /** Of native frames: each plane on its own. */
  readonly planar: boolean;
}

/** A picture or cine loop whose frames `decodeFrame` decodes. */
export interface DicomFrames extends Picture, Format {
  readonly kind: 'frames';
  readonly coding: FrameCoding;
  /** From the pattern of the stored bits to display values: one byte each, three for palettes; null for 8-bit colour. */
  readonly table: Uint8Array | null;
  readonly bytes: Uint8Array;
  readonly source: FrameSource;
  /** Memory that decoding one frame takes, codestream and tables of the codec aside, and what it may take. */
  readonly workingBytes: number;
  readonly workingLimit: number;
  /** Of native frames. */
  readonly packing: Packing;
}

export type FrameCoding = Extract<PixelCoding, 'native' | 'rle' | 'jpeg' | 'jpeg-2000'>;

/** Where frames are: one after another, or in fragments. */
export type FrameSource =
  | {
      readonly kind: 'plain';
      readonly start: number;
      readonly frameBytes: number;
      /** Bytes of samples are the wrong way round: 16-bit samples of big-endian files, 8-bit ones in words of such. */
      readonly swapped: boolean;
    }
  | { readonly kind: 'fragments'; readonly fragments: FrameFragments };

/** Encapsulated video: a stream for a video decoder; `videoParts` has its bytes. */
export interface DicomVideo extends Picture {
  readonly kind: 'video';
  readonly codec: 'mpeg2' | 'h264' | 'hevc';
  readonly bytes: Uint8Array;
  readonly fragments: FrameFragments;
}

/**
 * How much memory decoding may take: with the file itself in memory this keeps the whole below four times the file and
 * 64 MB, whatever sizes the file declares.
 */
const WORKING_FACTOR = 3;
const WORKING_FLOOR = 56 * 2 ** 20;

export type DicomImage = DicomFrames | DicomVideo;

/**
 * The image of an object.
 *
 * @throws UsclError (kind `data`) `DICOM_NO_IMAGE` for objects without pictures, `DICOM_UNSUPPORTED` for kinds that are
 *   not read, `DICOM_PIXELS`, `DICOM_PALETTE` for descriptions that contradict themselves or the bytes,
 *   `DICOM_TRUNCATED` for fewer bytes than frames need, `DICOM_TOO_LARGE`.
 */
export function imageOf(object: DicomObject): DicomImage {
  const element = pixelElement(object);
  const { pixels } = object.syntax;
  if (pixels === 'unknown')
    throw dicomError(
      'DICOM_UNSUPPORTED',
      `Pixels in ${object.syntax.name} are not read.`,
      'TransferSyntaxUID',
    );
  const picture = pictureOf(object);
  const { declaredFrames } = picture;
  const timed = (frames: number): { frames: number; timing: FrameTiming } => ({
    frames,
    timing: timingOf(object, frames),
  });
  if (pixels === 'mpeg2' || pixels === 'h264' || pixels === 'hevc') {
    const fragments = oneStream(fragmentsOf(object, element));
    // Times are as many as frames: a number that the bytes cannot hold must not be believed before them.
    const { timing } = timed(Math.min(declaredFrames ?? 1, object.bytes.length));
    const frames = declaredFrames ?? 1;
    return { kind: 'video', codec: pixels, ...picture, frames, timing, bytes: object.bytes, fragments };
  }
  const { rows, columns } = picture;
  const format = formatOf(object);
  const ranges = isEncapsulated(object, element) ? fragmentsOf(object, element) : undefined;
  const coding = codingOf(object, ranges);
  const workingBytes = workingBytesOf(coding, format, rows * columns);
  const inflated = object.syntax.deflated ? object.bytes.length : 0;
  const limit = WORKING_FACTOR * object.fileBytes + WORKING_FLOOR - inflated;
  checkWorking(workingBytes, limit, 'Rows, Columns');
  const place =
    ranges === undefined
      ? plainPlace(object, element, format, picture)
      : fragmentPlace(object, ranges, coding, format, picture);
  const table = tableOf(object, format);
  return {
    kind: 'frames',
    ...picture,
    ...format,
    coding,
    table,
    bytes: object.bytes,
    workingBytes,
    workingLimit: limit,
    ...place,
    ...timed(place.frames),
  };
}

/** The bytes of an encapsulated video, in order, without copying. */
export function* videoParts(video: DicomVideo): Generator<Uint8Array, void, undefined> {
  const { ranges } = video.fragments;
  for (let i = 0; i < ranges.length; i += 2) yield video.bytes.subarray(ranges[i], ranges[i + 1]);
}

function pixelElement(object: DicomObject): DicomElement {
  const element = object.elements.get(tagOf('PixelData'));
  if (element !== undefined) {
    if (element.end <= object.bytes.length) return element;
    throw dicomError('DICOM_TRUNCATED', 'Only the head of the object was read.', 'PixelData');
  }
  for (const keyword of ['FloatPixelData', 'DoubleFloatPixelData'] as const)
    if (hasValue(object, keyword))
      throw dicomError(
        'DICOM_UNSUPPORTED',
        'Pixels are floating-point numbers, which are not read.',
        keyword,
      );
  throw dicomError('DICOM_NO_IMAGE', `The object has no pixels: it is ${kindOf(object)}.`, 'PixelData');
}

/** Kinds of objects without pictures, by their class (PS3.4 annex B, PS3.6). */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^1\.2\.840\.10008\.1\.3\.10$/, 'a DICOMDIR, the index of a medium'],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11(\.|$)/, 'a presentation state'],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88(\.|$)/, 'a structured report'],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.104(\.|$)/, 'an encapsulated document'],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.9(\.|$)/, 'a wave form'],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.66(\.|$)/, 'raw data, a registration or a segmentation'],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(3|6|7)(\.|$)/, 'an image object that lost its pixels'],
];

function kindOf(object: DicomObject): string {
  const uid = textOf(object, 'SOPClassUID') ?? textOf(object.meta, 'MediaStorageSOPClassUID') ?? '';
  return KINDS.find(([pattern]) => pattern.test(uid))?.[1] ?? 'of another kind';
}

function pictureOf(object: DicomObject): Omit<Picture, 'frames' | 'timing'> {
  const rows = whole(object, 'Rows', 1, 0xffff);
  const columns = whole(object, 'Columns', 1, 0xffff);
  const number = numberOf(object, 'NumberOfFrames');
  const isNumber = number !== undefined && Number.isInteger(number) && number >= 1 && number <= 0x7fffffff;
  return { rows, columns, declaredFrames: isNumber ? number : undefined, pixelAspect: aspectOf(object) };
}

function formatOf(object: DicomObject): Format {
  const photometric = photometricOf(object);
  const grey = photometric === 'MONOCHROME1' || photometric === 'MONOCHROME2';
  const samples = grey || photometric === 'PALETTE COLOR' ? 1 : 3;
  const declared = numberOf(object, 'SamplesPerPixel') ?? samples;
  if (declared !== samples)
    throw pixels(
      'SamplesPerPixel',
      `${photometric} has ${samples} samples a pixel, and ${declared} are declared`,
    );
  const bitsAllocated = numberOf(object, 'BitsAllocated');
  if (bitsAllocated !== 8 && bitsAllocated !== 16)
    throw dicomError(
      'DICOM_UNSUPPORTED',
      bitsAllocated === undefined
        ? 'The object does not say how many bits a sample has.'
        : `Samples of ${bitsAllocated} bits are not read; only 8 and 16.`,
      'BitsAllocated',
    );
  const bitsStored = hasValue(object, 'BitsStored')
    ? whole(object, 'BitsStored', 1, bitsAllocated)
    : bitsAllocated;
  const highBit = hasValue(object, 'HighBit')
    ? whole(object, 'HighBit', bitsStored - 1, bitsAllocated - 1)
    : bitsStored - 1;
  return {
    photometric,
    samples,
    channels: grey ? 1 : 3,
    bitsAllocated,
    bitsStored,
    shift: highBit + 1 - bitsStored,
    signed: numberOf(object, 'PixelRepresentation') === 1,
    planar: samples === 3 && numberOf(object, 'PlanarConfiguration') === 1,
  };
}

function photometricOf(object: DicomObject): Photometric {
  const text = textOf(object, 'PhotometricInterpretation');
  const known = PHOTOMETRICS.find((name) => name === text);
  if (known !== undefined) return known;
  if (text === undefined)
    throw pixels('PhotometricInterpretation', 'it does not say how samples are to be shown');
  throw dicomError(
    'DICOM_UNSUPPORTED',
    `Only ${PHOTOMETRICS.join(', ')} pictures are read, and this is something else.`,
    'PhotometricInterpretation',
  );
}

/** Height of a pixel over its width; absurd ratios count as absent. */
function aspectOf(object: DicomObject): number {
  for (const keyword of ['PixelAspectRatio', 'PixelSpacing'] as const) {
    const [vertical = 0, horizontal = 0] = numbersOf(object, keyword, 2);
    const ratio = vertical / horizontal;
    if (ratio >= 0.1 && ratio <= 10) return ratio;
  }
  return 1;
}

type Place = Pick<DicomFrames, 'source' | 'packing' | 'frames'>;
type Declared = Pick<Picture, 'rows' | 'columns' | 'declaredFrames'>;

function plainPlace(object: DicomObject, element: DicomElement, format: Format, picture: Declared): Place {
  const present = element.end - element.start;
  const { packing, frameBytes, frames } = nativeLayout(
    { ...format, ...picture },
    present,
    picture.declaredFrames,
  );
  const { bigEndian } = object.coding;
  const swapped = bigEndian && (format.bitsAllocated === 16 || element.vr === 'OW');
  return { source: { kind: 'plain', start: element.start, frameBytes, swapped }, packing, frames };
}

function fragmentPlace(
  object: DicomObject,
  ranges: readonly number[],
  coding: FrameCoding,
  format: Format,
  picture: Declared,
): Place {
  const fragments = framesOfFragments(object.bytes, ranges, {
    declared: picture.declaredFrames,
    codestream: coding === 'native' ? undefined : coding,
    extended: valueOf(object, 'ExtendedOffsetTable'),
  });
  const frames = fragments.first.length - 1;
  const source = { kind: 'fragments', fragments } as const;
  if (coding !== 'native') return { source, packing: 'whole', frames };
  const present = frameLength(fragments, 0);
  return { source, packing: nativeLayout({ ...format, ...picture }, present, 1).packing, frames };
}

/** Whether pixel data come in fragments: by their undefined length, or by how they begin where that slipped. */
function isEncapsulated(
  { syntax, bytes }: DicomObject,
  { start, end, undefinedLength }: DicomElement,
): boolean {
  if (undefinedLength || syntax.pixels === 'native') return undefinedLength;
  if (end - start >= 8 && Buffer.from(bytes.subarray(start, start + 4)).toString('hex') === 'feff00e0')
    return true;
  throw pixels('PixelData', `the pixel data are not in fragments, as ${syntax.name} needs`);
}

/** What frames are coded in: what the first one begins with, otherwise as declared. */
function codingOf({ syntax, bytes }: DicomObject, ranges: readonly number[] | undefined): FrameCoding {
  if (ranges === undefined) return 'native';
  const seen = codestreamAt(bytes, ranges[2]!, ranges[3]!);
  if (seen !== undefined) return seen;
  const { pixels: declared } = syntax;
  if (declared === 'rle' || declared === 'jpeg' || declared === 'jpeg-2000') return declared;
  if (declared === 'encapsulated-native') return 'native';
  throw pixels(
    'PixelData',
    `the pixel data are in fragments, which ${syntax.name} does not have, and what is in them is not known`,
  );
}

function fragmentsOf(object: DicomObject, element: DicomElement): number[] {
  const ranges = elementReader(object.bytes).fragments(element);
  if (ranges.length < 4)
    throw dicomError('DICOM_TRUNCATED', 'The pixel data have no fragments.', 'PixelData');
  return ranges;
}

/** What decoding takes, codestream buffers aside: samples, what becomes of them on the way, and the result. */
function workingBytesOf(
  coding: FrameCoding,
  { samples, bitsAllocated, channels }: Format,
  pixels: number,
): number {
  const sampleBytes = bitsAllocated / 8;
  // JPEG 2000 decodes to 32-bit samples, then packs them; wide colour passes through a table.
  const perSample = (coding === 'jpeg-2000' ? 4 : 0) + sampleBytes + (samples === 3 ? sampleBytes - 1 : 0);
  return pixels * (samples * perSample + channels);
}

function tableOf(object: DicomObject, format: Format): Uint8Array | null {
  if (format.photometric === 'PALETTE COLOR') return paletteTable(object, format);
  if (format.samples === 1) return monochromeTable(object, format, format.photometric === 'MONOCHROME1');
  return format.bitsAllocated === 8 && format.bitsStored === 8 ? null : colourTable(format);
}

function whole(object: DicomObject, keyword: Keyword, low: number, high: number): number {
  const value = numberOf(object, keyword);
  if (value === undefined) throw pixels(keyword, `${keyword} is missing or is no number`);
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw pixels(keyword, `${keyword} is ${value}, where ${low} to ${high} is possible`);
}

function pixels(keyword: Keyword, complaint: string): Error {
  return dicomError('DICOM_PIXELS', `The description of the pixels cannot be true: ${complaint}.`, keyword);
}
