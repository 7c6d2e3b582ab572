/** Colours that can be put in order by any eye, and an overlay that hides nothing where there is nothing. */
import { describe, expect, it } from 'vitest';
import { HEAT_COLOURS, overlayHeat } from '../../src/evaluation/explanations/heat-colours.ts';
import { COLOUR_VISIONS, type ColourVision } from '../colour-vision.ts';

function linear(byte: number): number {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** CIE L* of heat `i` as seen with these eyes. */
function lightness(i: number, eyes: ColourVision): number {
  const rgb = [0, 1, 2].map((c) => linear(HEAT_COLOURS[3 * i + c]!));
  const seen = eyes.map((row) => row[0] * rgb[0]! + row[1] * rgb[1]! + row[2] * rgb[2]!);
  const luminance = 0.2126 * seen[0]! + 0.7152 * seen[1]! + 0.0722 * seen[2]!;
  return luminance > 0.008856 ? 116 * Math.cbrt(luminance) - 16 : 903.3 * luminance;
}

describe('the scale of heat', () => {
  it.each(Object.entries(COLOUR_VISIONS))('rises in lightness from end to end with %s', (_, eyes) => {
    const steps = Array.from({ length: 16 }, (_step, i) => lightness(17 * i, eyes));
    const rises = steps.slice(1).map((value, i) => value - steps[i]!);
    // 1 of L* is about the least that is seen.
    expect(Math.min(...rises)).toBeGreaterThan(2);
    expect(Math.max(...rises)).toBeLessThan(9);
    expect(steps.at(-1)! - steps[0]!).toBeGreaterThan(60);
  });
});

/** OKLab of a colour: Ottosson's matrices the other way round, from sRGB. */
function oklab(i: number): readonly [lightness: number, chroma: number, hue: number] {
  const [r, g, b] = [0, 1, 2].map((c) => linear(HEAT_COLOURS[3 * i + c]!)) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const x = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const y = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  const lightness = 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s;
  return [lightness, Math.hypot(x, y), ((Math.atan2(y, x) * 180) / Math.PI + 360) % 360];
}

describe('in OKLab the scale', () => {
  it('rises evenly in lightness, byte by byte', () => {
    for (let i = 0; i < 256; i++)
      expect(Math.abs(oklab(i)[0] - (0.28 + (0.67 * i) / 255))).toBeLessThan(0.004);
  });

  it('goes from violet over magenta and orange to yellow, as colourful as a screen can show', () => {
    const hues = [290, 312, 350, 28, 58, 88, 106];
    const chromas = [0.1, 0.17, 0.19, 0.17, 0.15, 0.15, 0.12];
    hues.forEach((hue, stop) => {
      const [, chroma, found] = oklab(Math.round((255 * stop) / 6));
      expect(Math.abs(((found - hue + 540) % 360) - 180)).toBeLessThan(2.5);
      // What no screen shows loses chroma, never much.
      expect(chroma).toBeLessThan(chromas[stop]! + 0.004);
      expect(chroma).toBeGreaterThan(0.6 * chromas[stop]!);
    });
  });
});

describe('heat over a frame', () => {
  const frame = Uint8Array.of(0, 100, 255, 7);

  it('leaves what is cold as it was, and all of a frame without any heat', () => {
    const shown = overlayHeat(frame, Float32Array.of(0, 0, 1, 0), 1);
    expect([...shown.slice(0, 6), ...shown.slice(9)]).toEqual([0, 0, 0, 100, 100, 100, 7, 7, 7]);
    expect(shown.slice(6, 9)).not.toEqual(Uint8Array.of(255, 255, 255));
    expect([...overlayHeat(frame, new Float32Array(4), 0)]).toEqual([...frame].flatMap((v) => [v, v, v]));
  });

  it('takes what is hotter than full for full, and reads colour frames too', () => {
    const coloured = Uint8Array.of(10, 20, 30, 40, 50, 60);
    const shown = overlayHeat(coloured, Float32Array.of(5, 0), 1);
    expect(shown).toEqual(overlayHeat(coloured, Float32Array.of(1, 0), 1));
    expect([...shown.slice(3)]).toEqual([40, 50, 60]);
    expect(() => overlayHeat(frame, new Float32Array(2), 1)).toThrow(RangeError);
  });

  it('mixes colour and picture in equal steps of heat, three quarters colour where it is hottest', () => {
    const heat = [0, 0.2, 0.5, 1];
    const shown = overlayHeat(frame, Float32Array.from(heat), 1);
    heat.forEach((share, i) => {
      const colour = Math.round(255 * share);
      for (let c = 0; c < 3; c++) {
        const mixed = (1 - 0.75 * share) * frame[i]! + 0.75 * share * HEAT_COLOURS[3 * colour + c]!;
        expect(Math.abs(shown[3 * i + c]! - mixed)).toBeLessThan(0.5 + 1e-9);
      }
    });
  });

  it('shows the picture through the hottest heat', () => {
    const hot = new Float32Array(4).fill(1);
    const dark = overlayHeat(new Uint8Array(4), hot, 1);
    const light = overlayHeat(new Uint8Array(4).fill(255), hot, 1);
    expect(light[0]! - dark[0]!).toBeGreaterThan(50);
  });
});
