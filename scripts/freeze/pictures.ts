/**
 * Simulated screens of ultrasound machines, and what holds them: videos by ffmpeg, pictures by libvips, DICOM by the
 * writer of the tests. Nothing here is taken from the program under test; every number comes of a seed.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';

export interface ScreenSpec {
  readonly seed: number;
  readonly width?: number;
  readonly height?: number;
  readonly frames?: number;
  /** Of the field; `whole`: the picture is ultrasound from edge to edge. Default convex. */
  readonly shape?: 'convex' | 'linear' | 'whole';
  /** Letters and a ruler around the field. Default true. */
  readonly letters?: boolean;
}

/** Grey frames, row-major. */
export interface Screen {
  readonly width: number;
  readonly height: number;
  readonly frames: readonly Buffer[];
}

/** 32 bits that hang on all of the numbers. */
function hashed(...numbers: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const number of numbers) {
    hash = Math.imul(hash ^ number, 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    hash ^= hash >>> 13;
  }
  return hash >>> 0;
}

/** A number from 0 to 1 that hangs on all of the numbers. */
function chance(...numbers: readonly number[]): number {
  return hashed(...numbers) / 2 ** 32;
}

/** Speckle in a field that fades with depth and moves sideways, about bright lines whose depth hangs on the seed. */
export function drawScreen(spec: ScreenSpec): Screen {
  const { seed, width = 160, height = 120, frames = 8, shape = 'convex', letters = true } = spec;
  const isMarked = letters && shape !== 'whole';
  const line = 0.3 + 0.4 * chance(seed, 1);
  return {
    width,
    height,
    frames: Array.from({ length: frames }, (_, frame) => {
      const shift = Math.round(3 * frame * (1 + chance(seed, 2)));
      const picture = Buffer.alloc(width * height);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const depth = depthAt(shape, x / width, y / height);
          if (depth === null) continue;
          const grains = [0, 1, 2].map((k) => chance(seed, 3, x + shift + k, y));
          const grain = (grains[0]! + grains[1]! + grains[2]!) / 3;
          const bright = Math.abs(depth - line) < 0.03 ? 110 : 0;
          picture[y * width + x] = Math.min(250, 20 + 150 * grain * (1 - 0.6 * depth) + bright);
        }
      if (isMarked) writeLetters(picture, width, height, seed);
      return picture;
    }),
  };
}

/** 0 to 1 from the probe downwards; null outside of the field. */
function depthAt(shape: 'convex' | 'linear' | 'whole', x: number, y: number): number | null {
  if (shape === 'whole') return y;
  if (shape === 'linear') return x < 0.25 || x > 0.75 || y < 0.1 || y > 0.9 ? null : (y - 0.1) / 0.8;
  const [across, down] = [(x - 0.5) * 1.33, y + 0.15];
  const radius = Math.sqrt(across * across + down * down);
  if (radius < 0.3 || radius > 1.05 || Math.abs(across) > 0.62 * down) return null;
  return (radius - 0.3) / 0.75;
}

function writeLetters(picture: Buffer, width: number, height: number, seed: number): void {
  for (let row = 0; row < 3; row++)
    for (let letter = 0; letter < 5; letter++)
      for (let y = 0; y < 6; y++)
        for (let x = 0; x < 4; x++)
          if (hashed(seed, 4, row, letter, y, x) % 2 === 0)
            picture[(4 + 9 * row + y) * width + 3 + 6 * letter + x] = 235;
  for (let y = Math.floor(height / 10); y < height - 8; y += 10)
    for (let x = 0; x < 4; x++) picture[y * width + width - 8 + x] = 200;
}

/** Colour frames of a grey screen: reddish where it is bright, as flow is shown. */
export function coloured({ frames }: Screen): readonly Buffer[] {
  return frames.map((grey) => {
    const rgb = Buffer.alloc(3 * grey.length);
    grey.forEach((value, i) => {
      rgb[3 * i] = value;
      rgb[3 * i + 1] = value > 120 ? 255 - value : value;
      rgb[3 * i + 2] = value > 120 ? 40 : value;
    });
    return rgb;
  });
}

function put(path: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

/** Writes text, in folders that are made where they are missing. */
export function putText(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) put(join(folder, name), text);
}

export interface VideoSpec extends ScreenSpec {
  readonly fps?: number;
  readonly colour?: boolean;
  /** Codec and other options of ffmpeg. Default: H.264. */
  readonly options?: readonly string[];
}

const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'];

/** A video of a screen; the container is that of the name's ending. */
export function putVideo(path: string, spec: VideoSpec): void {
  const { fps = 10, colour = false, options = H264 } = spec;
  const screen = drawScreen({ frames: 12, ...spec });
  const frames = colour ? coloured(screen) : screen.frames;
  encode(path, frames, { ...screen, fps, colour }, options);
}

function encode(
  path: string,
  frames: readonly Buffer[],
  { width, height, fps, colour }: { width: number; height: number; fps: number; colour: boolean },
  options: readonly string[],
): void {
  mkdirSync(dirname(path), { recursive: true });
  const raw = ['-f', 'rawvideo', '-pix_fmt', colour ? 'rgb24' : 'gray', '-s', `${width}x${height}`];
  execFileSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-y', ...raw, '-r', String(fps), '-i', '-'],
      ...['-bitexact', '-sws_flags', 'bitexact+accurate_rnd', '-threads', '1', ...options, `file:${path}`],
    ],
    { input: Buffer.concat(frames), stdio: ['pipe', 'pipe', 'pipe'] },
  );
}

/** Codecs by their containers, as they are met in public sets. */
export const CODECS = {
  mjpeg: ['-c:v', 'mjpeg', '-q:v', '4', '-pix_fmt', 'yuvj420p'],
  mpeg4: ['-c:v', 'mpeg4', '-q:v', '4', '-pix_fmt', 'yuv420p'],
  mpeg1: ['-c:v', 'mpeg1video', '-q:v', '4', '-r', '25'],
  gif: ['-c:v', 'gif'],
  vp8: ['-c:v', 'libvpx', '-b:v', '600k', '-auto-alt-ref', '0'],
  ffv1: ['-c:v', 'ffv1'],
  frozen: ['-c:v', 'ffv1', '-vf', 'loop=loop=6:size=1:start=3'],
  raw: ['-c:v', 'rawvideo', '-pix_fmt', 'gray'],
  anamorphic: [...H264, '-vf', 'setsar=2/1'],
  two: [...H264, '-map', '0', '-map', '0', '-s:v:1', '64x48'],
} as const;

type Raw = readonly [pixels: Buffer, width: number, height: number, channels: 1 | 3 | 4];

/** A picture in the format of the name's ending. */
export async function putPicture(
  path: string,
  raw: Raw,
  how: (picture: Sharp) => Sharp = (picture) => picture,
): Promise<void> {
  const [pixels, width, height, channels] = raw;
  const picture = how(sharp(pixels, { raw: { width, height, channels } }));
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  const coded =
    ending === 'png'
      ? picture.png()
      : ending === 'webp'
        ? picture.webp({ lossless: true })
        : ending.startsWith('tif')
          ? picture.tiff({ compression: 'lzw' })
          : picture.jpeg({ quality: 92 });
  put(path, await coded.toBuffer());
}

/** One frame of a screen as a picture. */
export async function putStill(path: string, spec: ScreenSpec): Promise<void> {
  const { frames, width, height } = drawScreen({ frames: 1, ...spec });
  await putPicture(path, [frames[0]!, width, height, 1], (picture) => picture.toColourspace('b-w'));
}

/** Numbered frames of a screen; `name` makes the file name of a frame's number. */
export async function putFrames(
  folder: string,
  spec: ScreenSpec,
  name: (frame: number) => string,
): Promise<void> {
  const { frames, width, height } = drawScreen(spec);
  for (const [i, frame] of frames.entries())
    await putPicture(join(folder, name(i)), [frame, width, height, 1], (one) => one.toColourspace('b-w'));
}

/** A mask [height, width] of an ellipse about (x, y): `value` inside, or on its outline alone. */
export function ellipse(
  width: number,
  height: number,
  { x, y, value = 255, line = false }: { x: number; y: number; value?: number; line?: boolean },
  under: Buffer = Buffer.alloc(width * height),
): Buffer {
  const [across, down] = [width / 5, height / 6];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const far = ((column - x) / across) ** 2 + ((row - y) / down) ** 2;
      if (far <= 1 && (!line || far > 0.75)) under[row * width + column] = value;
    }
  return under;
}
