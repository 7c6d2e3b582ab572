/**
 * Files that say everything of a patient that a file can say, in every place where it can be said, for the tests that
 * nothing of it comes out. The patient's name is a marker; two different markers give files of equal length.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import type { WriterElement, WriterRegion } from '../dicom-writer.ts';
import { element, TAG, writeUltrasound } from '../dicom-writer.ts';

export const WIDTH = 96;
export const HEIGHT = 80;
/** As declared; the second corner is the first pixel that is not kept. */
export const REGION = { x0: 16, y0: 20, x1: 80, y1: 70 } as const;

/** Brighter than any pixel of tissue. */
export const BURNED_IN = 255;

/** Identifiers that two differently marked sources share, so that their pseudonyms are the same. */
export interface Identity {
  readonly patient: string;
  readonly study: string;
  readonly uid: string;
}

export interface Marking extends Identity {
  /** Eight capitals. */
  readonly marker: string;
  /** Outside of the region: bars of this many pixels. */
  readonly bars: number;
}

/** Tissue, different in every frame, never as bright as what is burned in. */
export function tissueAt(x: number, y: number, frame: number): number {
  return 60 + ((x * 37 + y * 91 + frame * 53 + ((x * y) % 7) * 11) % 120);
}

/** [HEIGHT, WIDTH] with tissue in the region and bars outside of it. */
export function pictureOf(frame: number, bars: number): Uint8Array {
  return Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
    const [x, y] = [i % WIDTH, Math.floor(i / WIDTH)];
    if (isInside(x, y)) return tissueAt(x, y, frame);
    return Math.floor(x / bars) % 2 === 0 ? BURNED_IN : 0;
  });
}

export function isInside(x: number, y: number): boolean {
  return x >= REGION.x0 && x < REGION.x1 && y >= REGION.y0 && y < REGION.y1;
}

const REPRESENTATIONS = [
  ...['AE', 'AS', 'AT', 'CS', 'DA', 'DS', 'DT', 'FD', 'FL', 'IS', 'LO', 'LT', 'OB', 'OD', 'OF', 'OL', 'OV'],
  ...['OW', 'PN', 'SH', 'SL', 'SS', 'ST', 'SV', 'TM', 'UC', 'UI', 'UL', 'UN', 'UR', 'US', 'UT', 'UV'],
];

/** Attributes of every representation, standard, nested and private, and all that the standard means for people. */
export function markedElements({ marker, patient, study }: Marking): WriterElement[] {
  const bytes = Buffer.from(marker);
  const text = (tag: number, vr: string): WriterElement => element(tag, vr, `${marker}^JANE`);
  const each = (group: number): WriterElement[] =>
    REPRESENTATIONS.map((vr, i) => element(group * 0x10000 + 0x1000 + i, vr, bytes));
  const nested = (depth: number): WriterElement =>
    element(0x00400275, 'SQ', [
      [text(0x00321060, 'LO'), ...(depth > 0 ? [nested(depth - 1)] : []), ...each(0x0041)],
    ]);
  const icon = [
    element(TAG.SamplesPerPixel, 'US', 1),
    element(TAG.PhotometricInterpretation, 'CS', 'MONOCHROME2'),
    element(TAG.Rows, 'US', 2),
    element(TAG.Columns, 'US', 4),
    element(TAG.BitsAllocated, 'US', 8),
    element(TAG.PixelData, 'OB', bytes),
  ];
  const overlay = (group: number): WriterElement[] => {
    const tag = group * 0x10000;
    return [
      element(tag + 0x10, 'US', HEIGHT),
      element(tag + 0x11, 'US', WIDTH),
      text(tag + 0x22, 'LO'),
      element(tag + 0x40, 'CS', 'G'),
      element(tag + 0x50, 'SS', [1, 1]),
      element(tag + 0x100, 'US', 1),
      element(tag + 0x102, 'US', 0),
      text(tag + 0x1500, 'LO'),
      element(tag + 0x3000, 'OW', Buffer.from(marker.repeat((WIDTH * HEIGHT) / 64))),
    ];
  };
  return [
    ...each(0x0009),
    ...each(0x0041),
    ...each(0x7001),
    element(TAG.ImageType, 'CS', `ORIGINAL\\PRIMARY\\${marker}`),
    ...[0x00080020, 0x00080021, 0x00080022, 0x00080023].map((tag) => text(tag, 'DA')),
    ...[0x00080030, 0x00080031, 0x00080033].map((tag) => text(tag, 'TM')),
    ...[0x00080050, 0x00081010, 0x00200010, 0x0008103e, 0x00081030, 0x00181030].map((tag) => text(tag, 'SH')),
    ...[0x00080080, 0x00080081, 0x00081040, 0x00080070, 0x00081090, 0x00181000, 0x00181020].map((tag) =>
      text(tag, 'LO'),
    ),
    ...[0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070].map((tag) => text(tag, 'PN')),
    ...[0x00100010, 0x00101001, 0x00101005, 0x00101060].map((tag) => text(tag, 'PN')),
    ...[0x00101000, 0x00100021, 0x00101040, 0x00102160, 0x001021b0, 0x00104000].map((tag) => text(tag, 'LO')),
    element(0x00100030, 'DA', marker),
    element(0x00101010, 'AS', marker.slice(0, 4)),
    text(0x00204000, 'LT'),
    text(0x00324000, 'LT'),
    element(TAG.SeriesInstanceUID, 'UI', marker),
    element(0x00200052, 'UI', marker),
    nested(3),
    element(0x0040a730, 'SQ', [[text(0x0040a160, 'UT'), text(0x0040a123, 'PN')]]),
    element(0x00081111, 'SQ', [[text(0x00081155, 'UI')]]),
    element(0x00880200, 'SQ', [icon]),
    element(0x04000561, 'SQ', [[element(0x04000550, 'SQ', [[text(0x00100010, 'PN')]])]]),
    ...[0x5000, 0x5002].flatMap((group) => [
      text(group * 0x10000 + 0x22, 'LO'),
      element(group * 0x10000 + 0x3000, 'OW', bytes),
    ]),
    ...overlay(0x6000),
    ...overlay(0x601e),
    element(0x00280301, 'CS', 'NO'),
    element(0x00120062, 'CS', 'YES'),
    element(0xfffcfffc, 'OB', bytes),
    element(TAG.PatientID, 'LO', patient),
    element(TAG.StudyInstanceUID, 'UI', study),
  ];
}

const FRAMES = 6;
const TISSUE: WriterRegion = { ...REGION };

/** A native multi-frame object with overlays in the bits above the stored ones, and bytes behind the last frame. */
export function nativeFile(marking: Marking): Uint8Array {
  const { marker, bars, uid } = marking;
  const frames = Array.from({ length: FRAMES }, (_, frame) => {
    const picture = pictureOf(frame, bars);
    const words = Buffer.alloc(2 * picture.length);
    picture.forEach((value, i) => {
      words[2 * i] = value;
      words[2 * i + 1] = marker.charCodeAt(i % marker.length);
    });
    return words;
  });
  return writeUltrasound({
    ...{ rows: HEIGHT, columns: WIDTH, frames, bits: 16, frameTime: 200, uid, regions: [TISSUE] },
    preamble: marker.repeat(16),
    elements: [
      ...markedElements(marking),
      element(TAG.SOPInstanceUID, 'UI', uid),
      element(TAG.BitsStored, 'US', 8),
      element(TAG.HighBit, 'US', 7),
      element(TAG.PixelData, 'OW', Buffer.concat([...frames, Buffer.from(marker.repeat(4))])),
    ],
  });
}

/** Baseline JPEG frames with comments, EXIF and application data. */
export async function jpegFile(marking: Marking): Promise<Uint8Array> {
  const { marker, bars, uid } = marking;
  const raw = { width: WIDTH, height: HEIGHT, channels: 1 as const };
  const frames = await Promise.all(
    Array.from({ length: FRAMES }, async (_, frame) => {
      const coded = await sharp(pictureOf(frame, bars), { raw })
        .toColourspace('b-w')
        .jpeg({ quality: 95 })
        .toBuffer();
      return padTo(withComments(coded, marker), 2 ** 14);
    }),
  );
  return writeUltrasound({
    ...{ rows: HEIGHT, columns: WIDTH, frames, syntax: 'jpeg-baseline', frameTime: 200, uid },
    regions: [TISSUE],
    preamble: marker.repeat(16),
    elements: [...markedElements(marking), element(TAG.SOPInstanceUID, 'UI', uid)],
  });
}

function withComments(jpeg: Buffer, marker: string): Buffer {
  const segment = (mark: number, text: string): Buffer => {
    const body = Buffer.from(text);
    return Buffer.concat([Buffer.of(0xff, mark, (body.length + 2) >> 8, (body.length + 2) & 255), body]);
  };
  const extra = [segment(0xfe, marker), segment(0xe1, `Exif\0\0${marker}`), segment(0xef, marker)];
  return Buffer.concat([jpeg.subarray(0, 2), ...extra, jpeg.subarray(2)]);
}

/** To one length, so that files of two markings have one. */
function padTo(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]);
}

/** H.264 in MP4 with titles and comments; bars are white strips above and below the region. */
export function videoFile(marking: Marking, folder: string): Uint8Array {
  const { marker, bars, uid } = marking;
  const path = join(folder, 'encapsulated.mp4');
  mkdirSync(folder, { recursive: true });
  const [w, h] = [192, 160];
  const boxes = [
    `drawbox=x=${bars}:y=0:w=${8 * bars}:h=28:color=white:t=fill`,
    `drawbox=x=0:y=144:w=${10 * bars}:h=16:color=white:t=fill`,
  ];
  const picture = `geq=lum='70+mod(X*7+Y*3+N*31\\,90)':cb=128:cr=128,${boxes.join(',')}`;
  execFileSync('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', `color=s=${w}x${h}:r=5:d=1.2`, '-vf', picture],
    ...['-c:v', 'libx264', '-qp', '0', '-g', '1', '-pix_fmt', 'yuv420p', '-threads', '1'],
    ...['-metadata', `title=${marker}`, '-metadata', `comment=${marker}`, path],
  ]);
  return writeUltrasound({
    ...{ rows: h, columns: w, frames: [readFileSync(path)], syntax: 'h264', uid },
    regions: [{ x0: 16, y0: 32, x1: 176, y1: 140 }],
    preamble: marker.repeat(16),
    elements: [
      ...markedElements(marking),
      element(TAG.SOPInstanceUID, 'UI', uid),
      element(TAG.SOPClassUID, 'UI', '1.2.840.10008.5.1.4.1.1.3.1'),
      element(TAG.NumberOfFrames, 'IS', '6'),
    ],
  });
}

/** Objects that are refused: a report, no regions, regions of the whole picture, cut short, not a picture at all. */
export function refusedFiles(marking: Marking): Readonly<Record<string, Uint8Array>> {
  const elements = [...markedElements(marking), element(TAG.SOPInstanceUID, 'UI', `${marking.uid}.9`)];
  const frames = [new Uint8Array(WIDTH * HEIGHT).fill(90)];
  const size = { rows: HEIGHT, columns: WIDTH, frames };
  const whole = { x0: 0, y0: 0, x1: WIDTH - 1, y1: HEIGHT - 1 };
  return {
    report: writeUltrasound({
      ...size,
      elements: [...elements, element(TAG.SOPClassUID, 'UI', '1.2.840.10008.5.1.4.1.1.88.33')],
    }),
    private: writeUltrasound({
      ...size,
      elements: [...elements, element(TAG.SOPClassUID, 'UI', marking.marker)],
    }),
    plain: writeUltrasound({ ...size, uid: `${marking.uid}.8`, elements: elements.slice(0, -1) }),
    whole: writeUltrasound({
      ...size,
      regions: [whole],
      uid: `${marking.uid}.7`,
      elements: elements.slice(0, -1),
    }),
    colours: writeUltrasound({
      ...size,
      elements: [...elements, element(TAG.PhotometricInterpretation, 'CS', marking.marker)],
    }),
    syntax: writeUltrasound({ ...size, elements, syntax: `1.2.${marking.marker}` }),
    short: nativeFile(marking).subarray(0, 9000),
  };
}

/** Writes a source: an export of a clinic, folders named after the patient. */
export async function writeMarkedSource(root: string, marking: Marking): Promise<void> {
  const { marker, uid } = marking;
  const put = (path: string, bytes: Uint8Array): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  };
  const person = `${marker}^JANE 19610402`;
  put(`${person}/${marker}1`, nativeFile({ ...marking, uid: `${uid}.1` }));
  put(`${person}/${marker} jpeg.dcm`, await jpegFile({ ...marking, uid: `${uid}.2` }));
  put(`${person}/sub ${marker}/IM0003`, videoFile({ ...marking, uid: `${uid}.3` }, join(root, '..', 'made')));
  for (const [name, bytes] of Object.entries(refusedFiles(marking)))
    put(`${person}/${name} ${marker}`, bytes);
}
