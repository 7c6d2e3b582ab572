/**
 * A DICOM file as a `ClipSource`: pictures decoded frame by frame, encapsulated video by ffmpeg. Its field is what the
 * file declares credibly, or none; its digest is of the coded pixels alone. Nothing else of the file comes out of here.
 */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { told } from '../../base/collect.ts';
import { dataError, isDataError, messageOf, type UsclError } from '../../base/errors.ts';
import { withChannels } from '../../dataset/channels.ts';
import type { Field } from '../../dataset/types.ts';
import { decodeFrame, type DecodedFrame } from '../../formats/dicom/decode.ts';
import type { DicomFrames, DicomImage, DicomVideo } from '../../formats/dicom/image.ts';
import { imageOf, videoParts } from '../../formats/dicom/image.ts';
import { type DicomObject, readDicom } from '../../formats/dicom/read.ts';
import { findVideoTools, type VideoTools } from '../../video/ffmpeg.ts';
import { displaySize, type Size, sizeComplaint } from '../../video/geometry.ts';
import type { ClipSource, FrameRequest } from '../common/source.ts';
import { decodeVideo } from '../video/decode.ts';
import { probeVideo } from '../../video/probe.ts';
import { flagsOf, readWhole, regionsOf, remarkFlags, requireUltrasound } from './header.ts';
import { contentDigest, type PseudonymKey } from './identity.ts';
import { PrivateFile } from './private-file.ts';
import { fieldOfRegions, scaledField } from './regions.ts';

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
export async function openDicomClip(path: string, options: DicomClipOptions): Promise<ClipSource> {
  const object = readDicom(await readWhole(path));
  requireUltrasound(object);
  const image = imageOf(object);
  return image.kind === 'video' ? openVideo(object, image, options) : openFrames(object, image, options);
}

/** Where a file says that the tissue is, in pixels of a picture of the size `to`. */
function declaredField(object: DicomObject, from: Size, to: Size): Field | null {
  try {
    const field = fieldOfRegions(regionsOf(object), from);
    return field === null ? null : scaledField(field, from, to);
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    return null;
  }
}

function openFrames(object: DicomObject, image: DicomFrames, { key }: DicomClipOptions): ClipSource {
  const stored = { width: image.columns, height: image.rows };
  const size = squareSize(image);
  const complaint = sizeComplaint(size);
  if (complaint !== undefined) throw dataError('DICOM_PICTURE_SIZE', complaint, 'Leave it out.');
  return {
    ...size,
    declaredField: declaredField(object, stored, size),
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
): Promise<ClipSource> {
  const { key, signal } = options;
  const tools = options.tools ?? (await findVideoTools());
  using file = new PrivateFile(videoParts(video));
  const info = await probeVideo(file.path, signal);
  const isAsDeclared = info.width === video.columns && info.height === video.rows;
  return {
    width: info.width,
    height: info.height,
    // Regions are for the size that is declared.
    declaredField: isAsDeclared ? declaredField(object, info, info) : null,
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
      frame = await resized(await decodeFrame(image, index), size, channels);
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
  const damage = told([
    frames < declaredFrames && `It declares ${declaredFrames} frames and holds ${frames}.`,
    first !== undefined && `${lost} of ${indices.length} frames cannot be decoded: ${messageOf(first)}`,
  ]);
  return damage.length === 0 ? undefined : damage.join(' ');
}

/** [height, width, channels] of the size asked for. */
async function resized(
  { data, width, height, channels: from }: DecodedFrame,
  size: Size,
  channels: 1 | 3,
): Promise<Uint8Array> {
  const frame = withChannels(data, from, channels);
  if (width === size.width && height === size.height) return frame;
  const scaled = await sharp(frame, { raw: { width, height, channels } })
    // Bilinear: its reach is one stored pixel, which is what the margin of a declared field is made for.
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return withChannels(scaled.data, scaled.info.channels === 1 ? 1 : 3, channels);
}

/**
 * Indices of the first frame at or after every multiple of 1/fps seconds from the first frame on, as of videos: uniform
 * in time also where the rate varies, and never a frame twice. `seconds` are the frames' times, in order; null: not
 * known, then every frame is taken.
 */
export function sampledFrames(
  count: number,
  seconds: ArrayLike<number> | null,
  fps: number | 'all',
): readonly number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  if (fps === 'all' || seconds === null || seconds.length < count) return all;
  const start = seconds[0] ?? 0;
  let last = -1;
  return all.filter((index) => {
    // A thousandth of a step forgives rounded times.
    const step = Math.floor((seconds[index]! - start) * fps + 0.001);
    if (step <= last) return false;
    last = step;
    return true;
  });
}

/** A rate as it may be written: exact frame times are nearly unique to an examination. */
export function roundedRate(fps: number | null): number | null {
  return fps === null ? null : Math.max(0.1, Math.round(fps * 10) / 10);
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
