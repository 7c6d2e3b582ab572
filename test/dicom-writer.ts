/**
 * Writes DICOM objects for tests: any elements (private ones too), any preamble, sequences of defined or undefined
 * length, implicit, explicit, big-endian and deflated encoding, native, RLE and encapsulated frames. It shares no code
 * with the reader under test, and nothing stops it from writing nonsense: every declared value can be overridden.
 */
import { deflateRawSync } from 'node:zlib';

/** The transfer syntaxes by the names used here; any other UID may be given as it is (explicit, encapsulated). */
export const SYNTAXES = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  'big-endian': '1.2.840.10008.1.2.2',
  rle: '1.2.840.10008.1.2.5',
  'jpeg-baseline': '1.2.840.10008.1.2.4.50',
  'jpeg-extended': '1.2.840.10008.1.2.4.51',
  'jpeg-lossless': '1.2.840.10008.1.2.4.57',
  'jpeg-lossless-sv1': '1.2.840.10008.1.2.4.70',
  'jpeg-ls': '1.2.840.10008.1.2.4.80',
  'jpeg-ls-near': '1.2.840.10008.1.2.4.81',
  'jpeg-2000-lossless': '1.2.840.10008.1.2.4.90',
  'jpeg-2000': '1.2.840.10008.1.2.4.91',
  mpeg2: '1.2.840.10008.1.2.4.100',
  h264: '1.2.840.10008.1.2.4.102',
} as const;
export type SyntaxName = keyof typeof SYNTAXES;

/** Tags that tests name often. */
export const TAG = {
  SpecificCharacterSet: 0x00080005,
  ImageType: 0x00080008,
  SOPClassUID: 0x00080016,
  SOPInstanceUID: 0x00080018,
  StudyDate: 0x00080020,
  Modality: 0x00080060,
  RecommendedDisplayFrameRate: 0x00082144,
  PatientName: 0x00100010,
  PatientID: 0x00100020,
  IssuerOfPatientID: 0x00100021,
  CineRate: 0x00180040,
  FrameTime: 0x00181063,
  FrameTimeVector: 0x00181065,
  SequenceOfUltrasoundRegions: 0x00186011,
  StudyInstanceUID: 0x0020000d,
  SeriesInstanceUID: 0x0020000e,
  SamplesPerPixel: 0x00280002,
  PhotometricInterpretation: 0x00280004,
  PlanarConfiguration: 0x00280006,
  NumberOfFrames: 0x00280008,
  FrameIncrementPointer: 0x00280009,
  Rows: 0x00280010,
  Columns: 0x00280011,
  PixelAspectRatio: 0x00280034,
  BitsAllocated: 0x00280100,
  BitsStored: 0x00280101,
  HighBit: 0x00280102,
  PixelRepresentation: 0x00280103,
  WindowCenter: 0x00281050,
  WindowWidth: 0x00281051,
  RescaleIntercept: 0x00281052,
  RescaleSlope: 0x00281053,
  PixelData: 0x7fe00010,
} as const;

/** Items of a sequence, a text (several values joined by `\`), numbers, or the value's bytes as they are. */
export type WriterValue =
  string | number | readonly number[] | Uint8Array | readonly (readonly WriterElement[])[];

export interface WriterElement {
  readonly tag: number;
  readonly vr: string;
  readonly value: WriterValue;
  /** Sequences: undefined length with delimiters instead of a length. Default false. */
  readonly undefinedLength?: boolean;
  /** Written in place of the true length of the value. */
  readonly claimedLength?: number;
}

/** `element(0x00100010, 'PN', 'Doe^Jane')`; sequences take a list of items, each a list of elements. */
export function element(tag: number, vr: string, value: WriterValue): WriterElement {
  return { tag, vr, value };
}

export interface WriterFile {
  /** Default explicit. Anything that is no name of `SYNTAXES` is written as the UID of an explicit little-endian syntax. */
  readonly syntax?: SyntaxName | (string & {});
  /** 128 bytes before `DICM`; shorter ones are padded with zeros; null leaves out preamble, magic and meta group. Default zeros. */
  readonly preamble?: Uint8Array | string | null;
  /** Written in ascending order of tags whatever the order given; the last of equal tags wins. */
  readonly elements: readonly WriterElement[];
  /** More elements of group 0002, or other values for the ones that are always written. */
  readonly meta?: readonly WriterElement[];
}

/** The bytes of a DICOM file. */
export function writeDicom(file: WriterFile): Uint8Array {
  const { syntax = 'explicit', preamble = '' } = file;
  const uid = isSyntaxName(syntax) ? SYNTAXES[syntax] : syntax;
  const coding: Coding = { implicit: syntax === 'implicit', bigEndian: syntax === 'big-endian' };
  const body = encodeElements(file.elements, coding);
  if (preamble === null) return body;
  const meta = encodeElements(
    [
      element(0x00020001, 'OB', Uint8Array.of(0, 1)),
      element(0x00020002, 'UI', '1.2.840.10008.5.1.4.1.1.3.1'),
      element(0x00020003, 'UI', '2.25.1'),
      element(0x00020010, 'UI', uid),
      element(0x00020012, 'UI', '2.25.2'),
      ...(file.meta ?? []),
    ],
    EXPLICIT,
  );
  const head = Buffer.alloc(132);
  head.set(Buffer.from(preamble).subarray(0, 128));
  head.write('DICM', 128);
  const length = encodeElements([element(0x00020000, 'UL', meta.length)], EXPLICIT);
  return Buffer.concat([head, length, meta, syntax === 'deflated' ? deflateRawSync(body) : body]);
}

/** One ultrasound region of (0018,6011); corners are inclusive pixels, as the standard has it. */
export interface WriterRegion {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  /** 1 = 2-D tissue, 2 = colour flow, 3 = spectral (Doppler, M-mode…), 4 = wave form, 5 = graphics. Default 1. */
  readonly spatialFormat?: number;
  /** 1 = tissue, 2 = colour flow, 3 = PW Doppler, 10 = ECG, … Default 1. */
  readonly dataType?: number;
  readonly flags?: number;
}

export interface UltrasoundFile {
  readonly rows: number;
  readonly columns: number;
  /** Native syntaxes and RLE: the samples of each frame (RLE is coded here). Others: each frame's codestream. */
  readonly frames: readonly Uint8Array[];
  readonly syntax?: WriterFile['syntax'];
  readonly preamble?: WriterFile['preamble'];
  /** Default MONOCHROME2, or RGB where `samples` is 3. */
  readonly photometric?: string;
  /** Default 1. */
  readonly samples?: 1 | 3;
  /** Default 8. 16-bit samples are given little-endian and swapped where the syntax asks for it. */
  readonly bits?: number;
  readonly planar?: 0 | 1;
  readonly regions?: readonly WriterRegion[];
  /** Milliseconds. */
  readonly frameTime?: number;
  /** Default `patient`. */
  readonly patient?: string;
  /** Default 2.25.3. */
  readonly uid?: string;
  /** Encapsulated: several fragments a frame, and whether the basic offset table is filled. Defaults 1, false. */
  readonly fragmentsPerFrame?: number;
  readonly offsetTable?: boolean;
  /** Added to, or put in place of, what the object has otherwise. */
  readonly elements?: readonly WriterElement[];
}

/** A (multi-frame) ultrasound object that is right in all its parts, as far as `elements` leaves it so. */
export function writeUltrasound(file: UltrasoundFile): Uint8Array {
  return writeDicom({
    syntax: file.syntax ?? 'explicit',
    ...(file.preamble === undefined ? {} : { preamble: file.preamble }),
    elements: ultrasoundElements(file),
  });
}

/** What `writeUltrasound` writes after the meta group. */
export function ultrasoundElements(file: UltrasoundFile): WriterElement[] {
  const { syntax = 'explicit', samples = 1, bits = 8, frames } = file;
  const multi = frames.length > 1;
  return [
    element(TAG.SOPClassUID, 'UI', `1.2.840.10008.5.1.4.1.1.${multi ? '3' : '6'}.1`),
    element(TAG.SOPInstanceUID, 'UI', file.uid ?? '2.25.3'),
    element(TAG.Modality, 'CS', 'US'),
    element(TAG.PatientID, 'LO', file.patient ?? 'patient'),
    element(TAG.StudyInstanceUID, 'UI', '2.25.4'),
    element(TAG.SeriesInstanceUID, 'UI', '2.25.5'),
    ...(file.frameTime === undefined
      ? []
      : [
          element(TAG.FrameTime, 'DS', String(file.frameTime)),
          element(TAG.FrameIncrementPointer, 'AT', TAG.FrameTime),
        ]),
    ...(file.regions === undefined
      ? []
      : [element(TAG.SequenceOfUltrasoundRegions, 'SQ', file.regions.map(regionItem))]),
    element(TAG.SamplesPerPixel, 'US', samples),
    element(TAG.PhotometricInterpretation, 'CS', file.photometric ?? (samples === 3 ? 'RGB' : 'MONOCHROME2')),
    ...(samples === 1 ? [] : [element(TAG.PlanarConfiguration, 'US', file.planar ?? 0)]),
    ...(multi ? [element(TAG.NumberOfFrames, 'IS', String(frames.length))] : []),
    element(TAG.Rows, 'US', file.rows),
    element(TAG.Columns, 'US', file.columns),
    element(TAG.BitsAllocated, 'US', bits),
    element(TAG.BitsStored, 'US', bits),
    element(TAG.HighBit, 'US', bits - 1),
    element(TAG.PixelRepresentation, 'US', 0),
    pixelData(file, syntax, bits, samples),
    ...(file.elements ?? []),
  ];
}

function pixelData(file: UltrasoundFile, syntax: string, bits: number, samples: number): WriterElement {
  if (syntax === 'implicit' || syntax === 'explicit' || syntax === 'deflated' || syntax === 'big-endian') {
    const value = Buffer.concat(file.frames);
    if (syntax === 'big-endian' && bits === 16) value.swap16();
    return element(TAG.PixelData, bits === 16 ? 'OW' : 'OB', value);
  }
  const coded =
    syntax === 'rle'
      ? file.frames.map((frame) =>
          encodeRle(frame, {
            pixels: file.rows * file.columns,
            samples,
            bytes: bits / 8,
            planar: file.planar ?? 0,
          }),
        )
      : file.frames;
  return element(
    TAG.PixelData,
    'OB',
    encapsulate(coded, {
      fragmentsPerFrame: file.fragmentsPerFrame ?? 1,
      offsetTable: file.offsetTable ?? false,
    }),
  );
}

function regionItem(region: WriterRegion): WriterElement[] {
  return [
    element(0x00186012, 'US', region.spatialFormat ?? 1),
    element(0x00186014, 'US', region.dataType ?? 1),
    element(0x00186016, 'UL', region.flags ?? 2),
    element(0x00186018, 'UL', region.x0),
    element(0x0018601a, 'UL', region.y0),
    element(0x0018601c, 'UL', region.x1),
    element(0x0018601e, 'UL', region.y1),
    element(0x00186024, 'US', 3),
    element(0x00186026, 'US', 3),
    element(0x0018602c, 'FD', 0.05),
    element(0x0018602e, 'FD', 0.05),
  ];
}

/** The value of an encapsulated Pixel Data element: offset table, fragments, delimiter. Write it with VR OB. */
export function encapsulate(
  frames: readonly Uint8Array[],
  options: { readonly fragmentsPerFrame?: number; readonly offsetTable?: boolean } = {},
): Encapsulated {
  const pieces: Uint8Array[] = [];
  const offsets: number[] = [];
  let at = 0;
  for (const frame of frames) {
    offsets.push(at);
    const count = options.fragmentsPerFrame ?? 1;
    const size = Math.max(2, 2 * Math.ceil(frame.length / count / 2));
    for (let i = 0; i < count; i++) {
      const piece = item(padded(frame.subarray(i * size, (i + 1) * size), 0));
      pieces.push(piece);
      at += piece.length;
    }
  }
  const table = Buffer.alloc(options.offsetTable === true ? 4 * offsets.length : 0);
  if (options.offsetTable === true) offsets.forEach((offset, i) => table.writeUInt32LE(offset, 4 * i));
  return new Encapsulated([item(table), ...pieces, delimiter(0xe0dd, false)]);
}

/** Bytes of an encapsulated value, so that the element gets an undefined length. */
export class Encapsulated extends Uint8Array {
  constructor(pieces: readonly Uint8Array[] | number) {
    if (typeof pieces === 'number') super(pieces);
    else super(Buffer.concat(pieces));
  }
}

/** Run-length coding of one frame (PS3.5 annex G): one segment a byte plane, most significant first. */
export function encodeRle(
  frame: Uint8Array,
  layout: {
    readonly pixels: number;
    readonly samples: number;
    /** A sample; little-endian. */
    readonly bytes: number;
    readonly planar: 0 | 1;
  },
): Uint8Array {
  const { pixels, samples, bytes, planar } = layout;
  const segments: Uint8Array[] = [];
  for (let sample = 0; sample < samples; sample++)
    for (let byte = bytes - 1; byte >= 0; byte--) {
      const plane = Uint8Array.from({ length: pixels }, (_, i) => {
        const place = planar === 1 ? sample * pixels + i : i * samples + sample;
        return frame[place * bytes + byte]!;
      });
      segments.push(packBits(plane));
    }
  const header = Buffer.alloc(64);
  header.writeUInt32LE(segments.length, 0);
  let at = 64;
  segments.forEach((segment, i) => {
    header.writeUInt32LE(at, 4 + 4 * i);
    at += segment.length;
  });
  return Buffer.concat([header, ...segments]);
}

function packBits(plane: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (let at = 0; at < plane.length;) {
    let run = 1;
    while (run < 128 && plane[at + run] === plane[at]) run++;
    if (run > 2) {
      out.push(257 - run, plane[at]!);
      at += run;
      continue;
    }
    const start = at;
    while (at < plane.length && at - start < 128) {
      if (plane[at] === plane[at + 1] && plane[at] === plane[at + 2]) break;
      at++;
    }
    out.push(at - start - 1, ...plane.subarray(start, at));
  }
  return padded(Uint8Array.from(out), 0);
}

interface Coding {
  readonly implicit: boolean;
  readonly bigEndian: boolean;
}
const EXPLICIT: Coding = { implicit: false, bigEndian: false };

function isSyntaxName(name: string): name is SyntaxName {
  return Object.hasOwn(SYNTAXES, name);
}

/** Elements as they are given: doubled ones and wrong orders too. */
export function encodeAs(
  elements: readonly WriterElement[],
  as: 'implicit' | 'explicit' | 'big-endian' = 'explicit',
): Buffer {
  const coding = { implicit: as === 'implicit', bigEndian: as === 'big-endian' };
  return Buffer.concat(elements.map((one) => encode(one, coding)));
}

function encodeElements(elements: readonly WriterElement[], coding: Coding): Buffer {
  const unique = new Map(elements.map((one) => [one.tag, one]));
  return Buffer.concat([...unique.values()].sort((a, b) => a.tag - b.tag).map((one) => encode(one, coding)));
}

/** Value representations whose explicit form has two reserved bytes and a length of four. */
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

function encode(one: WriterElement, coding: Coding): Buffer {
  const value = encodeValue(one, coding);
  const open =
    value instanceof Encapsulated || (one.vr === 'SQ' && one.undefinedLength === true)
      ? 0xffffffff
      : value.length;
  const length = one.claimedLength ?? open;
  const head = [u16(one.tag >>> 16, coding), u16(one.tag & 0xffff, coding)];
  if (coding.implicit) head.push(u32(length, coding));
  else if (LONG.has(one.vr)) head.push(Buffer.from(one.vr), Buffer.alloc(2), u32(length, coding));
  else head.push(Buffer.from(one.vr), u16(length, coding));
  return Buffer.concat([...head, value]);
}

function encodeValue({ vr, value, undefinedLength = false }: WriterElement, coding: Coding): Uint8Array {
  if (value instanceof Encapsulated) return value;
  if (value instanceof Uint8Array) return padded(value, 0);
  if (typeof value === 'string') return padded(Buffer.from(value), vr === 'UI' || vr === 'OB' ? 0 : 0x20);
  if (typeof value === 'number') return encodeNumbers(vr, [value], coding);
  if (isNumbers(value)) return encodeNumbers(vr, value, coding);
  const items = value.map((elements) => {
    const body = encodeElements(elements, coding);
    const head = [
      u16(0xfffe, coding),
      u16(0xe000, coding),
      u32(undefinedLength ? 0xffffffff : body.length, coding),
    ];
    return Buffer.concat([...head, body, ...(undefinedLength ? [delimiter(0xe00d, coding.bigEndian)] : [])]);
  });
  return Buffer.concat([...items, ...(undefinedLength ? [delimiter(0xe0dd, coding.bigEndian)] : [])]);
}

function isNumbers(value: readonly unknown[]): value is readonly number[] {
  return value.length > 0 && value.every((one) => typeof one === 'number');
}

function encodeNumbers(vr: string, values: readonly number[], coding: Coding): Buffer {
  return Buffer.concat(
    values.map((value) => {
      switch (vr) {
        case 'US':
          return u16(value, coding);
        case 'SS':
          return u16(value & 0xffff, coding);
        case 'OW':
          return u16(value, coding);
        case 'UL':
          return u32(value, coding);
        case 'SL':
          return u32(value >>> 0, coding);
        case 'AT':
          return Buffer.concat([u16(value >>> 16, coding), u16(value & 0xffff, coding)]);
        case 'FL':
        case 'FD': {
          const bytes = Buffer.alloc(vr === 'FL' ? 4 : 8);
          if (vr === 'FL') bytes.writeFloatLE(value);
          else bytes.writeDoubleLE(value);
          return coding.bigEndian ? bytes.reverse() : bytes;
        }
        case 'OB':
          return Buffer.of(value);
        default:
          throw new RangeError(`numbers of VR ${vr} are written as text or bytes`);
      }
    }),
  );
}

function u16(value: number, { bigEndian }: Coding): Buffer {
  const bytes = Buffer.alloc(2);
  if (bigEndian) bytes.writeUInt16BE(value);
  else bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number, { bigEndian }: Coding): Buffer {
  const bytes = Buffer.alloc(4);
  if (bigEndian) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
}

function item(value: Uint8Array): Buffer {
  return Buffer.concat([u16(0xfffe, EXPLICIT), u16(0xe000, EXPLICIT), u32(value.length, EXPLICIT), value]);
}

function delimiter(elementNumber: number, bigEndian: boolean): Buffer {
  const coding = { implicit: false, bigEndian };
  return Buffer.concat([u16(0xfffe, coding), u16(elementNumber, coding), u32(0, coding)]);
}

function padded(bytes: Uint8Array, filler: number): Uint8Array {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(filler)]);
}
