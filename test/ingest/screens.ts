/**
 * Synthetic screens of ultrasound machines with a field that is known to the pixel: speckle in a fan or a rectangle,
 * shadows, attenuation, and around it letters, a ruler, a grey bar and a panel.
 */
import { type Random, randomAt } from '../../src/base/random.ts';
import type { Size } from '../../src/video/geometry.ts';

export interface ScreenOptions extends Size {
  readonly shape: 'convex' | 'sector' | 'linear' | 'whole';
  readonly frames: number;
  readonly seed: number;
  /** Grey level of the screen around the field. */
  readonly background?: number;
  /** Letters, ruler, bar and panel around the field. */
  readonly menus?: boolean;
  /** Scan lines (shares of the width) that are dark over their whole depth below the near field. */
  readonly shadow?: readonly [number, number];
  /** Decay of the echoes from top to bottom, in e-folds. */
  readonly attenuation?: number;
  /** Noise that is there in the field even where no echo comes from, grey levels. */
  readonly noise?: number;
}

export interface Screen extends Size {
  readonly frames: readonly Uint8Array[];
  /** [height, width]: 1 in the field. */
  readonly truth: Uint8Array;
  /** [height, width]: 1 where letters, ruler, bar or panel are. */
  readonly menus: Uint8Array;
}

export function drawScreen(options: ScreenOptions): Screen {
  const { width, height, shape, seed, background = 0, attenuation = 1, noise = 3 } = options;
  const random = randomAt(seed, 'screen');
  const truth = new Uint8Array(width * height);
  const depth = new Float32Array(width * height);
  const line = new Float32Array(width * height);
  const place = placeOf(shape, options, random);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = place(x + 0.5, y + 0.5);
      if (at === null) continue;
      truth[y * width + x] = 1;
      [line[y * width + x], depth[y * width + x]] = at;
    }
  }
  const [from, to] = options.shadow ?? [2, 2];
  const frames = Array.from({ length: options.frames }, (_, f) => {
    const grain = randomAt(seed, 'speckle', f);
    const frame = new Uint8Array(width * height).fill(background);
    const speckle = Float32Array.from({ length: frame.length }, () =>
      Math.sqrt(-Math.log(1 - grain.uniform())),
    );
    for (let i = 0; i < frame.length; i++) {
      if (truth[i] === 0) continue;
      const dark = line[i]! > from && line[i]! < to && depth[i]! > 0.12;
      // Speckle is wider than a pixel across the beams.
      const wide = (speckle[i]! + (speckle[i - 1] ?? 0) + (speckle[i + 1] ?? 0)) / 3;
      const echo = dark ? 0 : 130 * Math.exp(-attenuation * depth[i]!) * wide;
      frame[i] = Math.min(255, echo + noise * grain.uniform());
    }
    return frame;
  });
  const menus = new Uint8Array(width * height);
  if (options.menus === true) drawMenus(frames, menus, truth, options);
  return { width, height, frames, truth, menus };
}

/** (scan line, depth), both 0 to 1, of a pixel; null outside of the field. */
function placeOf(
  shape: ScreenOptions['shape'],
  { width, height }: Size,
  random: Random,
): (x: number, y: number) => readonly [number, number] | null {
  if (shape === 'whole') return (x, y) => [x / width, y / height];
  if (shape === 'linear') {
    const [left, right] = [width * random.between(0.2, 0.3), width * random.between(0.65, 0.8)];
    const [top, bottom] = [height * random.between(0.08, 0.15), height * random.between(0.8, 0.9)];
    return (x, y) =>
      x < left || x >= right || y < top || y >= bottom
        ? null
        : [(x - left) / (right - left), (y - top) / (bottom - top)];
  }
  const half = random.between(0.5, 0.65);
  const far = height * random.between(0.8, 0.9);
  const near = shape === 'sector' ? 0.02 * far : far * random.between(0.25, 0.4);
  const [apexX, apexY] = [width * random.between(0.46, 0.54), height * 0.08 - near * Math.cos(half)];
  const end = apexY + far > 0.95 * height ? 0.95 * height - apexY : far;
  return (x, y) => {
    const [radius, angle] = [Math.hypot(x - apexX, y - apexY), Math.atan2(x - apexX, y - apexY)];
    if (Math.abs(angle) > half || radius < near || radius > end) return null;
    return [(angle + half) / (2 * half), (radius - near) / (end - near)];
  };
}

function drawMenus(frames: readonly Uint8Array[], menus: Uint8Array, truth: Uint8Array, size: Size): void {
  const { width, height } = size;
  const put = (x: number, y: number, value: number): void => {
    const at = Math.floor(y) * width + Math.floor(x);
    if (x < 0 || y < 0 || x >= width || y >= height || truth[at] === 1) return;
    menus[at] = 1;
    for (const frame of frames) frame[at] = value;
  };
  const random = randomAt(1, 'letters');
  // Letters: columns of strokes, 7 pixels high.
  const write = (x0: number, y0: number, letters: number): void => {
    for (let letter = 0; letter < letters; letter++) {
      for (let i = 0; i < 12; i++) {
        const [x, y] = [Math.floor(random.between(0, 5)), Math.floor(random.between(0, 7))];
        for (let k = 0; k < 3; k++) put(x0 + letter * 7 + x, y0 + y + k, 235);
      }
    }
  };
  for (let row = 0; row < 5; row++) write(4, 6 + 14 * row, 8);
  write(width - 70, 8, 9);
  write(width * 0.4, height - 12, 12);
  // A ruler on the right, a grey bar on the left, a panel of one shade below on the left.
  for (let y = height * 0.1; y < height * 0.9; y += height / 20)
    for (let x = 0; x < 5; x++) put(width - 12 + x, y, 200);
  for (let y = height * 0.4; y < height * 0.7; y++) {
    for (let x = 6; x < 14; x++) put(x, y, Math.round(255 * (1 - (y - height * 0.4) / (height * 0.3))));
  }
  for (let y = height - 26; y < height - 14; y++) for (let x = 4; x < width * 0.2; x++) put(x, y, 70);
}
