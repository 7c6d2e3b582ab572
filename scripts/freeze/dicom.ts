/** Simulated DICOM objects of every encoding that is read: single pictures, cines with regions, encapsulated video. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { element, TAG, type UltrasoundFile, writeUltrasound } from '../../test/dicom-writer.ts';
import {
  encodeJpeg2000,
  encodeJpegLossless,
  encodeJpegLs,
  type Picture,
} from '../../test/formats/dicom/encoders.ts';
import { coloured, drawScreen, putVideo, type Screen } from './pictures.ts';

const SIZE = { width: 128, height: 96 };
/** About the field of a linear screen of `SIZE`, as a device would declare it. */
const REGION = { x0: 32, y0: 10, x1: 96, y1: 86 };

/** Writes one object of each kind into `folder`; patients have two objects each. */
export async function putDicom(folder: string): Promise<void> {
  let count = 0;
  const put = (name: string, file: Partial<UltrasoundFile> & Pick<UltrasoundFile, 'frames'>): void => {
    count++;
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const identity = { patient: `P${Math.ceil(count / 2)}`, uid: `2.25.${1000 + count}` };
    writeFileSync(path, writeUltrasound({ rows: SIZE.height, columns: SIZE.width, ...identity, ...file }));
  };
  const screen = (seed: number, frames: number): Screen =>
    drawScreen({ ...SIZE, seed, frames, shape: 'linear' });
  const regions = [REGION];
  const single = (seed: number): Buffer => screen(seed, 1).frames[0]!;

  put('native/single.dcm', { frames: [single(1)], regions });
  put('native/cine.dcm', { frames: screen(2, 6).frames, regions, frameTime: 100 });
  put('native/implicit', { frames: screen(3, 4).frames, regions, frameTime: 200, syntax: 'implicit' });
  put('native/deflated.dcm', { frames: screen(4, 3).frames, regions, syntax: 'deflated' });
  put('native/big-endian.dcm', {
    frames: screen(5, 3).frames.map(words),
    ...{ regions, bits: 16, syntax: 'big-endian' },
    elements: [element(TAG.WindowCenter, 'DS', '2000'), element(TAG.WindowWidth, 'DS', '4000')],
  });
  put('native/planes.dcm', { frames: coloured(screen(6, 2)).map(planes), samples: 3, planar: 1, regions });
  put('native/oblong.dcm', {
    frames: screen(7, 2).frames,
    regions,
    elements: [element(TAG.PixelAspectRatio, 'IS', '2\\1')],
  });
  put('coded/rle.dcm', { frames: screen(8, 4).frames, regions, frameTime: 150, syntax: 'rle' });
  const jpeg = { ...SIZE, seed: 9, frames: 3, shape: 'linear' } as const;
  put('coded/jpeg.dcm', {
    frames: await Promise.all(drawScreen(jpeg).frames.map((frame) => jpegOf(frame, 1))),
    ...{ regions, frameTime: 100, syntax: 'jpeg-baseline', offsetTable: true },
  });
  put('coded/jpeg-colour.dcm', {
    frames: await Promise.all(coloured(screen(10, 2)).map((frame) => jpegOf(frame, 3))),
    ...{ regions, samples: 3, photometric: 'YBR_FULL_422', syntax: 'jpeg-baseline', fragmentsPerFrame: 2 },
  });
  put('coded/jpeg-ls.dcm', {
    frames: await Promise.all(screen(11, 2).frames.map((frame) => encodeJpegLs(pictureOf(frame)))),
    ...{ regions, syntax: 'jpeg-ls' },
  });
  put('coded/jpeg-2000.dcm', {
    frames: await Promise.all(screen(12, 2).frames.map((frame) => encodeJpeg2000(pictureOf(frame)))),
    ...{ regions, syntax: 'jpeg-2000-lossless' },
  });
  put('coded/jpeg-lossless.dcm', {
    frames: screen(13, 2).frames.map((frame) => encodeJpegLossless(pictureOf(frame))),
    ...{ regions, syntax: 'jpeg-lossless-sv1' },
  });
  const video = join(folder, 'made.mp4');
  putVideo(video, { ...SIZE, seed: 14, frames: 8, shape: 'linear' });
  put('coded/h264.dcm', {
    frames: [readFileSync(video)],
    ...{ regions, syntax: 'h264', elements: [element(TAG.NumberOfFrames, 'IS', '8')] },
  });
  rmSync(video);

  const trace = { x0: 40, y0: 60, x1: 90, y1: 84, spatialFormat: 3, dataType: 3 };
  put('regions/doppler.dcm', { frames: screen(15, 2).frames, regions: [REGION, trace] });
  put('regions/two.dcm', {
    frames: screen(16, 2).frames,
    regions: [
      { ...REGION, x1: 60 },
      { ...REGION, x0: 66 },
    ],
  });
  put('regions/none.dcm', { frames: screen(17, 4).frames });
  put('regions/whole.dcm', { frames: screen(18, 2).frames, regions: [{ x0: 0, y0: 0, x1: 127, y1: 95 }] });
  put('regions/copy of single.dcm', { frames: [single(1)], regions, uid: '2.25.1001' });
  put('refused/report.dcm', {
    frames: [single(19)],
    elements: [element(TAG.SOPClassUID, 'UI', '1.2.840.10008.5.1.4.1.1.88.33')],
  });
  put('refused/strange.dcm', { frames: [single(20)], regions, syntax: '1.2.3.4' });
}

const pictureOf = (data: Uint8Array): Picture => ({ ...SIZE, components: 1, bits: 8, data });

/** Grey levels of 8 bits as words of 12. */
function words(frame: Buffer): Buffer {
  const wide = Buffer.alloc(2 * frame.length);
  frame.forEach((value, i) => wide.writeUInt16LE(16 * value, 2 * i));
  return wide;
}

/** Interleaved colours as a plane each. */
function planes(frame: Buffer): Buffer {
  const third = frame.length / 3;
  return Buffer.from(frame.map((_, i) => frame[3 * (i % third) + Math.floor(i / third)]!));
}

function jpegOf(frame: Buffer, channels: 1 | 3): Promise<Buffer> {
  const picture = sharp(frame, { raw: { ...SIZE, channels } });
  return (channels === 1 ? picture.toColourspace('b-w') : picture).jpeg({ quality: 95 }).toBuffer();
}
