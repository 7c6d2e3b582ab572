import { describe, expect, it } from 'vitest';
import type { Tone } from '../../src/views/draw.ts';
import { curveTable, fillGreyTable, toneColour } from '../../src/views/tone.ts';
import { picture, REFERENCE } from './reference.ts';

const NEUTRAL: Tone = { order: [0, 1, 2, 3], brightness: 1, contrast: 1, saturation: 1, hue: 0, curve: null };

function grey(pixels: Uint8Array, tone: Tone): number[] {
  const table = new Float64Array(256);
  fillGreyTable(pixels, tone, table);
  return [...pixels].map((pixel) => table[pixel]!);
}

function colour(pixels: Uint8Array, tone: Tone): Float32Array {
  const planes = new Float32Array(pixels.length);
  toneColour(pixels, tone, new Float64Array(256), planes);
  return planes;
}

const COLOUR = Uint8Array.from([0, 1, 2].flatMap((channel) => [...picture(8, 8, channel)]));

/** The grey picture in three channels. */
const THRICE = Uint8Array.from({ length: 192 }, (_, i) => picture(8, 8)[i % 64]!);

describe('jitter', () => {
  // torchvision's luma weights for float images add up to 0.9999; ours to 1, so that grey stays grey.
  it.each(REFERENCE.jitters)(
    'equals torchvision in colour: $name $factor',
    ({ name, factor, colour: expected }) => {
      const toned = colour(COLOUR, { ...NEUTRAL, [name]: factor });
      for (const [i, value] of expected.entries()) expect(Math.abs(toned[i]! - value)).toBeLessThan(2e-4);
    },
  );

  it.each(REFERENCE.jitters.filter((jitter) => jitter.grey !== undefined))(
    'equals torchvision in grey: $name $factor',
    ({ name, factor, grey: expected }) => {
      const toned = grey(picture(8, 8), { ...NEUTRAL, [name]: factor });
      for (const [i, value] of expected!.entries()) expect(Math.abs(toned[i]! - value)).toBeLessThan(1e-6);
    },
  );

  it('turns contrast about the mean of what brightness has made of the view', () => {
    const pixels = Uint8Array.of(0, 50, 100, 200, 255, 255, 30);
    const tone = { ...NEUTRAL, brightness: 1.5, contrast: 0.5 };
    const bright = [...pixels].map((pixel) => Math.min(1, (1.5 * pixel) / 255));
    const mean = bright.reduce((a, b) => a + b) / 7;
    const first = grey(pixels, tone);
    for (const [i, value] of bright.entries()) expect(first[i]).toBeCloseTo(0.5 * value + 0.5 * mean, 12);
    const plain = [...pixels].map((pixel) => pixel / 255);
    const centre = plain.reduce((a, b) => a + b) / 7;
    const second = grey(pixels, { ...tone, order: [3, 1, 2, 0] });
    for (const [i, value] of plain.entries())
      expect(second[i]).toBeCloseTo(Math.min(1, 1.5 * (0.5 * value + 0.5 * centre)), 12);
  });

  it.each([0, 5, 6, 10])('takes that mean over planes that begin inside of a word, %i bytes on', (from) => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => (71 * i) % 256);
    // Three planes of 25 pixels.
    const pixels = bytes.subarray(from, from + 75);
    const luma = [0.299, 0.587, 0.114];
    const mean = luma.reduce(
      (sum, weight, c) =>
        sum +
        (weight * pixels.subarray(25 * c, 25 * (c + 1)).reduce((part, byte) => part + byte, 0)) / (25 * 255),
      0,
    );
    const found = colour(pixels, { ...NEUTRAL, contrast: 0.5 });
    for (const [i, byte] of pixels.entries())
      expect(found[i]).toBeCloseTo((0.5 * byte) / 255 + 0.5 * mean, 6);
  });

  it('makes of a grey picture in three channels what it makes of it in one', () => {
    const pixels = picture(8, 8);
    const tone: Tone = {
      order: [2, 1, 3, 0],
      brightness: 1.4,
      contrast: 1.7,
      saturation: 0.3,
      hue: 0.17,
      curve: null,
    };
    const toned = colour(THRICE, tone);
    for (const [i, value] of grey(pixels, tone).entries())
      for (let channel = 0; channel < 3; channel++) expect(toned[64 * channel + i]).toBeCloseTo(value, 5);
  });

  it('depends on the order of its operations', () => {
    const tone = { ...NEUTRAL, brightness: 1.8, contrast: 0.4, saturation: 1.6, hue: 0.3 };
    const orders = [
      [0, 1, 2, 3],
      [1, 0, 2, 3],
      [2, 0, 1, 3],
      [3, 2, 0, 1],
    ];
    expect(new Set(orders.map((order) => colour(COLOUR, { ...tone, order }).join())).size).toBe(4);
  });

  it('turns the hue by a third from red to green to blue', () => {
    const red = Uint8Array.of(200, 50, 50);
    const turned = colour(red, { ...NEUTRAL, hue: 1 / 3 });
    for (const [i, byte] of [50, 200, 50].entries()) expect(turned[i]).toBeCloseTo(byte / 255, 6);
    const back = colour(red, { ...NEUTRAL, hue: -1 / 3 });
    for (const [i, byte] of [50, 50, 200].entries()) expect(back[i]).toBeCloseTo(byte / 255, 6);
  });
});

it('a turn of less than rounding leaves red where the circle closes', () => {
  const red = Uint8Array.of(200, 50, 50);
  for (const hue of [-1e-18, 1e-18])
    expect([...colour(red, { ...NEUTRAL, hue })]).toEqual([...red].map((byte) => Math.fround(byte / 255)));
});

describe('the intensity curve', () => {
  const points = [0.2, 0.9, 0.6, 0.3] as const;

  it('rises from 0 to 1, or inverted falls from 1 to 0', () => {
    const rising = curveTable({ points, inverted: false });
    expect(rising[0]).toBeCloseTo(0, 10);
    expect(rising.at(-1)).toBeCloseTo(1, 10);
    for (let i = 1; i < rising.length; i++) expect(rising[i]!).toBeGreaterThanOrEqual(rising[i - 1]!);
    const falling = curveTable({ points, inverted: true });
    expect(falling[0]).toBeCloseTo(1, 10);
    expect(falling.at(-1)).toBeCloseTo(0, 10);
  });

  it('is the Bézier curve through its control points where that is a function that rises', () => {
    const [x1, y1, x2, y2] = [0.1, 0.4, 0.5, 0.8];
    const table = curveTable({ points: [x1, y1, x2, y2], inverted: false });
    for (const t of [0.1, 0.35, 0.5, 0.8]) {
      const s = 1 - t;
      const x = 3 * s * s * t * x1 + 3 * s * t * t * x2 + t ** 3;
      const y = 3 * s * s * t * y1 + 3 * s * t * t * y2 + t ** 3;
      expect(table[Math.round(1024 * x)]).toBeCloseTo(y, 2);
    }
  });

  it('is the identity for control points on the diagonal, and its mirror image inverted', () => {
    const diagonal = [1 / 3, 1 / 3, 2 / 3, 2 / 3] as const;
    const pixels = picture(8, 8);
    const same = grey(pixels, { ...NEUTRAL, curve: { points: diagonal, inverted: false } });
    const turned = grey(pixels, { ...NEUTRAL, curve: { points: diagonal, inverted: true } });
    for (const [i, pixel] of pixels.entries()) {
      expect(same[i]).toBeCloseTo(pixel / 255, 6);
      expect(turned[i]).toBeCloseTo(1 - pixel / 255, 6);
    }
  });

  it('acts alike on one channel and on three', () => {
    const pixels = picture(8, 8);
    const tone = { ...NEUTRAL, curve: { points, inverted: true } };
    const toned = colour(THRICE, tone);
    for (const [i, value] of grey(pixels, tone).entries()) expect(toned[128 + i]).toBeCloseTo(value, 5);
  });
});
