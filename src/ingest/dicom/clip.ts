/**
 * A DICOM file as a `ClipSource`: pictures decoded frame by frame, encapsulated video by ffmpeg. Its field is what the
 * file declares credibly, or none; its digest is of the coded pixels alone. Nothing else of the file comes out of here.
 */
import { createHash } from 'node:crypto';
import { dataError, isDataError, messageOf, type UsclError } from '../../base/errors.ts';
import { decodeFrame } from '../../formats/dicom/decode.ts';
import type { DicomFrames, DicomImage, DicomVideo } from '../../formats/dicom/image.ts';
import { imageOf, videoParts } from '../../formats/dicom/image.ts';
import type { DicomObject } from '../../formats/dicom/read.ts';
import { readDicom } from '../../formats/dicom/read.ts';
import type { VideoTools } from '../ffmpeg.ts';
import { findVideoTools } from '../ffmpeg.ts';
import type { Size } from '../geometry.ts';
import { displaySize, sizeComplaint } from '../geometry.ts';
import type { ClipSource, FrameRequest } from '../source.ts';
import { decodeVideo } from '../video.ts';
import { probeVideo } from '../video-probe.ts';
import { flagsOf, readWhole, regionsOf } from './header.ts';
import type { PseudonymKey } from './identity.ts';
import { contentDigest } from './identity.ts';
import { kindComplaint } from './kinds.ts';
import { frameOf } from './pixels.ts';
import { PrivateFile } from './private-file.ts';
import type { DeclaredField } from './regions.ts';
import { fieldOfRegions, REGION_REMARKS, scaledField } from './regions.ts';
import { remarkFlags } from './remarks.ts';
import { roundedRate, sampledFrames } from './sampling.ts';

export interface DicomClip extends ClipSource {
  /** Why the file declares no field that can be believed, for a person; fixed words. Null where it does. */
  readonly fieldRemark: string | null;
}

export interface DicomClipOptions {
  /** The key of the plan. */
  readonly key: PseudonymKey | null;
  /** Null: looked for when the file holds video. */
  readonly tools?: VideoTools | null;
  readonly signal?: AbortSignal | undefined;
}

/** Aspect ratios of pixels that are nearer to 1 than this are measurements, not oblong pixels. */
const SQUARE = 0.02;

/**
 * Opens the file at an absolute path. Errors: those of `readDicom` and `imageOf`, `DICOM_NOT_ULTRASOUND`,
 * `DICOM_NO_IMAGE`, `DICOM_FILE_SIZE`, `DICOM_PICTURE_SIZE`; for video those of `probeVideo`; `DICOM_CODESTREAM` and
 * those of `decodeVideo` while frames are read. Messages may go to the screen, not into files.
 */
export async function openDicomClip(path: string, options: DicomClipOptions): Promise<DicomClip> {
  const object = readDicom(await readWhole(path));
  const complaint = kindComplaint(object);
  if (complaint !== undefined) throw complaint;
  const image = imageOf(object);
  return image.kind === 'video' ? openVideo(object, image, options) : openFrames(object, image, options);
}

/** Where a file says that the tissue is, in pixels of its rows and columns. */
export function declaredField(object: DicomObject, size: Size): DeclaredField {
  try {
    return fieldOfRegions(regionsOf(object), size);
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    return { field: null, remark: 'regions-damaged' };
  }
}

function openFrames(object: DicomObject, image: DicomFrames, { key }: DicomClipOptions): DicomClip {
  const stored = { width: image.columns, height: image.rows };
  const size = squareSize(image);
  checkSize(size);
  return {
    ...size,
    ...fieldFor(declaredField(object, stored), stored, size),
    fps: roundedRate(image.timing.fps),
    frameCount: image.frames,
    mayIdentify: true,
    flags: [...flagsOf(object), ...remarkFlags(object, image)],
    remarks: [],
    frames: (request) => decodeFrames(image, size, request),
    sha256: () => Promise.resolve(contentDigest(key, digestOf(image))),
  };
}

async function openVideo(
  object: DicomObject,
  video: DicomVideo,
  options: DicomClipOptions,
): Promise<DicomClip> {
  const { key, signal } = options;
  const tools = options.tools ?? (await findVideoTools());
  using file = new PrivateFile(videoParts(video));
  const info = await probeVideo(file.path, signal);
  const isAsDeclared = info.width === video.columns && info.height === video.rows;
  return {
    width: info.width,
    height: info.height,
    ...fieldFor(
      isAsDeclared ? declaredField(object, info) : { field: null, remark: 'picture-size-differs' },
      info,
      info,
    ),
    fps: roundedRate(info.fps),
    frameCount: info.frames,
    mayIdentify: true,
    flags: flagsOf(object),
    remarks: info.remarks,
    async *frames({ channels, fps, size = info, signal: stop }) {
      using again = new PrivateFile(videoParts(video));
      return yield* decodeVideo(again.path, info, { channels, fps, size, tools, signal: stop });
    },
    sha256: () => Promise.resolve(contentDigest(key, digestOf(video))),
  };
}

function fieldFor(
  { field, remark }: DeclaredField,
  from: Size,
  to: Size,
): Pick<DicomClip, 'declaredField' | 'fieldRemark'> {
  return {
    declaredField: field === null ? null : scaledField(field, from, to),
    fieldRemark: remark === null ? null : REGION_REMARKS[remark],
  };
}

/** Frames that cannot be decoded, or are not there, are told, as of damaged videos; a clip without any is an error. */
async function* decodeFrames(
  image: DicomFrames,
  original: Size,
  { channels, fps, size = original, signal }: FrameRequest,
): AsyncGenerator<Uint8Array, string | undefined, undefined> {
  const indices = sampledFrames(image.frames, secondsOf(image), fps);
  let first: UsclError | undefined;
  let lost = 0;
  for (const index of indices) {
    signal?.throwIfAborted();
    let frame: Uint8Array;
    try {
      frame = await frameOf(await decodeFrame(image, index), size, channels);
    } catch (thrown) {
      if (!isDataError(thrown)) throw thrown;
      first ??= thrown;
      lost++;
      continue;
    }
    yield frame;
  }
  if (first !== undefined && lost === indices.length) throw first;
  const { frames, declaredFrames = 0 } = image;
  const damage = [
    ...(frames < declaredFrames ? [`It declares ${declaredFrames} frames and holds ${frames}.`] : []),
    ...(first === undefined
      ? []
      : [`${lost} of ${indices.length} frames cannot be decoded: ${messageOf(first)}`]),
  ];
  return damage.length === 0 ? undefined : damage.join(' ');
}

function secondsOf({ frames, timing }: DicomFrames): ArrayLike<number> | null {
  if (timing.times !== null) return timing.times;
  const { fps } = timing;
  return fps === null ? null : Float64Array.from({ length: frames }, (_, index) => index / fps);
}

function squareSize({ columns, rows, pixelAspect }: DicomFrames): Size {
  const size = { width: columns, height: rows };
  return Math.abs(pixelAspect - 1) < SQUARE ? size : displaySize(size, 1 / pixelAspect, 0);
}

function checkSize(size: Size): void {
  const complaint = sizeComplaint(size);
  if (complaint === undefined) return;
  throw dataError('DICOM_PICTURE_SIZE', complaint, 'Leave it out.');
}

/** SHA-256 of how the picture is laid out and of its coded bytes: equal for one scan under two headers. */
function digestOf(image: DicomImage): string {
  const { rows, columns, frames, bytes } = image;
  const hash = createHash('sha256').update(`${rows} ${columns} ${frames} ${image.kind}\0`);
  for (const [start, end] of pixelRanges(image)) hash.update(bytes.subarray(start, end));
  return hash.digest('hex');
}

function pixelRanges(image: DicomImage): [start: number, end: number][] {
  const source =
    image.kind === 'video' ? ({ kind: 'fragments', fragments: image.fragments } as const) : image.source;
  if (source.kind === 'plain') return [[source.start, source.start + source.frameBytes * image.frames]];
  const { ranges } = source.fragments;
  return Array.from({ length: ranges.length / 2 }, (_, i) => [ranges[2 * i]!, ranges[2 * i + 1]!]);
}
