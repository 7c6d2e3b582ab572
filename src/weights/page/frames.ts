/**
 * A file as frames: a picture is one, a video the browser can play is shown at even times and drawn. What cannot be read is
 * told with its reason; nothing is read half.
 */
import { uniformFrames } from '../../evaluation/features/uniform-frames.ts';
import { type Size, sizeComplaint } from '../../video/geometry.ts';
import { PageFailure } from './failure.ts';

/** A file that is open. Close it. */
export interface Source extends Size {
  /** Times of the frames in seconds; null for a picture. */
  readonly times: readonly number[] | null;
  /** Shows frame `number` and returns what to draw; valid until the next call. Error: `PageFailure`. */
  show(number: number): Promise<CanvasImageSource>;
  close(): void;
}

/** Frames a second where the model learnt from every frame: browsers do not tell the rate, and repeated ones are left out. */
const EVERY = 30;

/** A clip of a fraction of a second is sampled so densely that it gives as many. */
const FEW = 3;

/** A video that shows nothing for so many milliseconds is stuck. */
const PATIENCE = 20_000;

/** So many milliseconds a frame may take from being there to being shown. */
const PRESENTED = 300;

/** Bytes from the start in which formats say what they are. */
const START = 64 * 1024;

/** Opens a file. `fps` as an ingest takes it; `most` frames of a video, even in time. Error: `PageFailure`. */
export async function openSource(file: File, fps: number | 'all', most: number): Promise<Source> {
  if (file.size === 0) throw unreadable(file, 'it is empty');
  const start = new Uint8Array(await file.slice(0, START).arrayBuffer());
  refuseKnown(file, start);
  const source = (await openPicture(file)) ?? (await openVideo(file, fps, most));
  const complaint = sizeComplaint(source);
  if (complaint === undefined) return source;
  source.close();
  throw unreadable(file, complaint);
}

/** Refuses what a browser would read otherwise than `uscl predict`, or not at all. */
function refuseKnown(file: File, start: Uint8Array): void {
  const text = (from: number, to: number): string => String.fromCharCode(...start.subarray(from, to));
  const holds = (word: string): boolean => latin(start).includes(word);
  if (text(128, 132) === 'DICM')
    throw unreadable(
      file,
      'it is a DICOM object',
      'This page reads pictures and videos. Use: uscl predict RUN FILE.',
    );
  const isPng = text(1, 4) === 'PNG';
  if (text(0, 4) === 'GIF8' || (isPng && holds('acTL')) || (text(8, 12) === 'WEBP' && holds('ANIM')))
    throw unreadable(
      file,
      'it is an animated picture',
      'Save it as a video (MP4, WebM), or one frame as PNG.',
    );
  if (isPng && start[24] === 16)
    throw unreadable(file, 'it has 16 bits a value', 'Browsers show only 8 of them. Save it with 8 bits.');
}

function latin(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}

async function openPicture(file: File): Promise<Source | null> {
  let picture: ImageBitmap;
  try {
    picture = await createImageBitmap(file, {
      colorSpaceConversion: 'none',
      imageOrientation: 'from-image',
    });
  } catch {
    if (file.type.startsWith('image/')) throw unreadable(file, 'this browser cannot decode the picture');
    return null;
  }
  return {
    width: picture.width,
    height: picture.height,
    times: null,
    show: () => Promise.resolve(picture),
    close: () => {
      picture.close();
    },
  };
}

async function openVideo(file: File, fps: number | 'all', most: number): Promise<Source> {
  const address = URL.createObjectURL(file);
  const video = document.createElement('video');
  const close = (): void => {
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(address);
  };
  try {
    Object.assign(video, { muted: true, playsInline: true, preload: 'auto', src: address });
    await happened(video, 'loadeddata', file);
    // A recording that was never finished does not say how long it is, but where it ends.
    if (!Number.isFinite(video.duration)) await seek(video, Number.MAX_SAFE_INTEGER, file);
    const seconds = Number.isFinite(video.duration) ? video.duration : video.currentTime;
    const { videoWidth: width, videoHeight: height } = video;
    if (width === 0) throw unreadable(file, 'it has no pictures');
    const times = timesOf(seconds, fps, most);
    return {
      ...{ width, height, times, close },
      async show(number) {
        await seek(video, times[number]!, file);
        return video;
      },
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/** Every multiple of 1/fps within the clip, or `most` of them, even in time. */
export function timesOf(seconds: number, fps: number | 'all', most: number): readonly number[] {
  const rate = Math.max(fps === 'all' ? EVERY : fps, FEW / Math.max(seconds, 1e-3));
  const count = Math.max(1, Math.ceil(seconds * rate - 1e-3));
  // A thousandth of a step behind the time that a frame begins at, which files round.
  return uniformFrames(count, most).map((number) => Math.min((number + 1e-3) / rate, seconds));
}

/**
 * Shows the frame at a time. A browser may say that it is there before it can be drawn, and then the one before would be drawn again: so
 * the presentation of another frame is awaited too, for a moment, since a time may lie in the same frame.
 */
async function seek(video: HTMLVideoElement, seconds: number, file: File): Promise<void> {
  const before = presented.get(video);
  const isNew = presentation(video, before);
  const done = happened(video, 'seeked', file);
  video.currentTime = seconds;
  await done;
  await isNew;
}

/** Media times of the frames that videos show. */
const presented = new WeakMap<HTMLVideoElement, number>();

function presentation(video: HTMLVideoElement, before: number | undefined): Promise<void> {
  if (!('requestVideoFrameCallback' in video)) return Promise.resolve();
  return new Promise((resolve) => {
    let handle = 0;
    const timer = setTimeout(() => {
      video.cancelVideoFrameCallback(handle);
      resolve();
    }, PRESENTED);
    const look = (): void => {
      handle = video.requestVideoFrameCallback((_, { mediaTime }) => {
        presented.set(video, mediaTime);
        if (mediaTime === before) {
          look();
          return;
        }
        clearTimeout(timer);
        resolve();
      });
    };
    look();
  });
}

function happened(video: HTMLVideoElement, event: 'loadeddata' | 'seeked', file: File): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      video.removeEventListener(event, good);
      video.removeEventListener('error', bad);
    };
    const good = (): void => {
      leave();
      resolve();
    };
    const bad = (): void => {
      leave();
      const said = video.error?.message ?? '';
      reject(
        event === 'loadeddata'
          ? unreadable(file, 'this browser can neither show it as a picture nor play it as a video')
          : unreadable(
              file,
              `the video breaks off at ${video.currentTime.toFixed(1)} s${said && ` (${said})`}`,
            ),
      );
    };
    const timer = setTimeout(() => {
      leave();
      reject(unreadable(file, `the video shows nothing after ${PATIENCE / 1000} s`));
    }, PATIENCE);
    video.addEventListener(event, good);
    video.addEventListener('error', bad);
  });
}

function unreadable(
  file: File,
  reason: string,
  remedy = 'Save it as PNG, JPEG, MP4 (H.264) or WebM, or use: uscl predict RUN FILE.',
): PageFailure {
  return new PageFailure(`${file.name} is not read: ${reason}.`, remedy);
}
