/**
 * The views of a pair, or of a frame, made the plain way, pixel by pixel and in double precision, from the same draws: what the fast
 * paths of `pairs.ts` and `frames.ts` must equal.
 */
import type { ClipRecord } from '../../src/dataset/types.ts';
import type { ImageConfig, ViewConfig } from '../../src/views/config.ts';
import { drawAugmentation, type Augmentation } from '../../src/views/draw.ts';
import type { FrameRow } from '../../src/views/frames.ts';
import type { FrameSource } from '../../src/views/image.ts';
import { drawPair } from '../../src/views/sampling.ts';

/** [channels][size²] intensities in 0…1. */
type Image = number[][];

export function slowPair(
  dataset: FrameSource,
  index: number,
  view: ViewConfig,
  seed: number,
  epoch: number,
): readonly [number[], number[]] {
  const clip = dataset.clips[index]!;
  const { frame0, frame1, anchor, weight0, weight1 } = drawPair(clip, view.spg, seed, epoch);
  const frame = (number: number): Image => planesOf(dataset, clip, number, view.channels);
  const augment = (image: Image, slot: 0 | 1 | 'anchor'): Image =>
    augmented(image, clip, view, drawAugmentation(view, clip, seed, epoch, slot));
  const finish = (image: Image): number[] => normalised(image, view);
  if (anchor === null) return [finish(augment(frame(frame0), 0)), finish(augment(frame(frame1), 1))];
  if (view.spg.order === 'augment-then-mix') {
    const still = augment(frame(anchor), 'anchor');
    return [
      finish(mix(augment(frame(frame0), 0), still, weight0)),
      finish(mix(augment(frame(frame1), 1), still, weight1)),
    ];
  }
  const register = (number: number, weight: number): Image =>
    mix(frame(number), frame(anchor), Math.round(weight * 65536) / 65536).map((plane) =>
      plane.map(Math.round),
    );
  return [finish(augment(register(frame0, weight0), 0)), finish(augment(register(frame1, weight1), 1))];
}

/** An augmented frame; `view.augment` must be given. */
export function slowFrame(
  dataset: FrameSource,
  { clip: index, frame }: FrameRow,
  view: ImageConfig,
  seed: number,
  epoch: number,
): number[] {
  const clip = dataset.clips[index]!;
  const augmentation = drawAugmentation(view, clip, seed, epoch, `frame ${frame}`);
  return normalised(augmented(planesOf(dataset, clip, frame, view.channels), clip, view, augmentation), view);
}

function planesOf(dataset: FrameSource, clip: ClipRecord, frame: number, wanted: number): Image {
  const bytes = dataset.readFrame(clip, frame);
  const stored = dataset.manifest.channels;
  const plane = (channel: number): number[] =>
    Array.from({ length: clip.width * clip.height }, (_, i) => bytes[i * stored + channel]!);
  if (stored === 1) return [plane(0)];
  const [red, green, blue] = [plane(0), plane(1), plane(2)];
  if (wanted === 3) return [red, green, blue];
  return [red.map((r, i) => Math.floor((r * 19595 + green[i]! * 38470 + blue[i]! * 7471 + 32768) / 65536))];
}

function mix(a: Image, b: Image, weight: number): Image {
  return a.map((plane, c) => plane.map((value, i) => weight * value + (1 - weight) * b[c]![i]!));
}

function normalised(image: Image, view: ImageConfig): number[] {
  const of = (value: number | readonly number[], channel: number): number =>
    typeof value === 'number' ? value : value[channel]!;
  return Array.from({ length: view.channels }, (_, c) =>
    image[image.length === 3 ? c : 0]!.map(
      (value) => (value - of(view.normalise.mean, c)) / of(view.normalise.std, c),
    ),
  ).flat();
}

function augmented(frame: Image, clip: ClipRecord, view: ImageConfig, augmentation: Augmentation): Image {
  const { box, flipped, tone } = augmentation;
  const { size } = view;
  let image = frame.map((plane) => {
    const across = resized(plane, clip.width, clip.height, box.left, box.right, size);
    const down = transposed(
      resized(transposed(across, size, clip.height), clip.height, size, box.top, box.bottom, size),
      size,
      size,
    );
    return down.map((_, i) => down[flipped ? i - (i % size) + size - 1 - (i % size) : i]! / 255);
  });
  const clamp = (value: number): number => Math.min(1, Math.max(0, value));
  const luma = ([r, g, b]: readonly number[]): number => 0.299 * r! + 0.587 * g! + 0.114 * b!;
  const pixelwise = (change: (pixel: readonly number[]) => number[]): void => {
    const pixels = image[0]!.map((_, i) => change(image.map((plane) => plane[i]!)));
    image = image.map((_, c) => pixels.map((pixel) => pixel[c]!));
  };
  for (const operation of tone.order) {
    const pivot =
      image.length === 1
        ? image[0]!.reduce((a, b) => a + b) / image[0]!.length
        : image[0]!.reduce((sum, _, i) => sum + luma(image.map((plane) => plane[i]!)), 0) / image[0]!.length;
    if (operation === 0) pixelwise((pixel) => pixel.map((v) => clamp(v * tone.brightness)));
    if (operation === 1)
      pixelwise((pixel) => pixel.map((v) => clamp(v * tone.contrast + (1 - tone.contrast) * pivot)));
    if (operation === 2 && image.length === 3)
      pixelwise((pixel) =>
        pixel.map((v) => clamp(v * tone.saturation + (1 - tone.saturation) * luma(pixel))),
      );
    if (operation === 3 && image.length === 3) pixelwise((pixel) => hueTurned(pixel, tone.hue));
  }
  return image;
}

/**
 * Rows of `plane` resized by a triangle filter to `size`, rounded to 8 bits. Weights are rounded to 22 bits as Pillow
 * does, because that decides between the two neighbours of a half.
 */
function resized(
  plane: readonly number[],
  width: number,
  height: number,
  low: number,
  high: number,
  size: number,
): number[] {
  const scale = (high - low) / size;
  const support = Math.max(1, scale);
  const result: number[] = [];
  for (let y = 0; y < height; y++)
    for (let i = 0; i < size; i++) {
      const centre = low + (i + 0.5) * scale;
      const weights = Array.from({ length: width }, (_, x) =>
        Math.max(0, 1 - Math.abs((x - centre + 0.5) / support)),
      );
      const total = weights.reduce((a, b) => a + b);
      const fixed = weights.map((weight) => Math.floor((weight / total) * 2 ** 22 + 0.5));
      const sum = fixed.reduce((part, weight, x) => part + weight * plane[y * width + x]!, 0);
      result.push(Math.floor(sum / 2 ** 22 + 0.5));
    }
  return result;
}

function transposed(plane: number[], width: number, height: number): number[] {
  return Array.from(
    { length: width * height },
    (_, i) => plane[(i % height) * width + Math.floor(i / height)]!,
  );
}

/** By way of the definition of hue as an angle in 0…360°. */
function hueTurned(pixel: readonly number[], turn: number): number[] {
  const [r, g, b] = [pixel[0]!, pixel[1]!, pixel[2]!];
  const value = Math.max(r, g, b);
  const chroma = value - Math.min(r, g, b);
  if (chroma === 0) return [...pixel];
  let degrees: number;
  if (value === r) degrees = 60 * ((g - b) / chroma);
  else if (value === g) degrees = 60 * ((b - r) / chroma) + 120;
  else degrees = 60 * ((r - g) / chroma) + 240;
  const angle = (((degrees + 360 * turn) % 360) + 360) % 360;
  const x = chroma * (1 - Math.abs(((angle / 60) % 2) - 1));
  const sextants = [
    [chroma, x, 0],
    [x, chroma, 0],
    [0, chroma, x],
    [0, x, chroma],
    [x, 0, chroma],
    [chroma, 0, x],
  ];
  return sextants[Math.floor(angle / 60)]!.map((part) => part + value - chroma);
}
