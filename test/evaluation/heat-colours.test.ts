/** Colours that can be put in order by any eye, and an overlay that hides nothing where there is nothing. */
import { describe, expect, it } from 'vitest';
import { HEAT_COLOURS, overlayHeat } from '../../src/evaluation/heat-colours.ts';
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

  it('shows the picture through the hottest heat', () => {
    const hot = new Float32Array(4).fill(1);
    const dark = overlayHeat(new Uint8Array(4), hot, 1);
    const light = overlayHeat(new Uint8Array(4).fill(255), hot, 1);
    expect(light[0]! - dark[0]!).toBeGreaterThan(50);
  });
});
