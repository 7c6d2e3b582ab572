import { describe, expect, it } from 'vitest';
import { createAxis, resamplePlane, setAxis } from '../../src/views/resample.ts';
import { viewOf } from './helpers.ts';
import { fillWholeView, wholeViewer } from '../../src/views/whole.ts';
import { picture, REFERENCE } from './reference.ts';

function resample(
  source: Uint8Array,
  width: number,
  height: number,
  box: readonly [number, number, number, number],
  size: number,
  mirrored = false,
): Uint8Array {
  const [x, y] = [createAxis(size), createAxis(size)];
  setAxis(x, width, box[0], box[2], mirrored);
  setAxis(y, height, box[1], box[3], false);
  const target = new Uint8Array(size * size);
  resamplePlane(source, 0, width, x, y, new Uint8Array(height * size), target, 0);
  return target;
}

describe('resampling', () => {
  it.each(REFERENCE.resizes)(
    'equals Pillow bit for bit: $width×$height box $box',
    ({ width, height, box, size, pixels }) => {
      expect([...resample(picture(width, height), width, height, box, size)]).toEqual(pixels);
    },
  );

  it('mirrors left and right', () => {
    const source = picture(23, 19);
    const box = [1.5, 2.25, 20.75, 18.5] as const;
    const plain = resample(source, 23, 19, box, 16);
    const mirrored = resample(source, 23, 19, box, 16, true);
    for (let y = 0; y < 16; y++)
      expect([...mirrored.subarray(16 * y, 16 * y + 16)]).toEqual(
        [...plain.subarray(16 * y, 16 * y + 16)].reverse(),
      );
  });

  it('keeps a constant image constant at any scale', () => {
    for (const [width, height] of [
      [1, 1],
      [2, 40],
      [300, 17],
    ] as const)
      for (const value of [0, 1, 254, 255]) {
        const source = new Uint8Array(width * height).fill(value);
        expect(new Set(resample(source, width, height, [0, 0, width, height], 16))).toEqual(new Set([value]));
      }
  });

  it('does not alias: a fine checkerboard reduces to its mean', () => {
    const source = Uint8Array.from({ length: 160 * 160 }, (_, i) => ((i + Math.floor(i / 160)) % 2) * 200);
    const reduced = resample(source, 160, 160, [0, 0, 160, 160], 16);
    for (const value of reduced) expect(Math.abs(value - 100)).toBeLessThanOrEqual(3);
  });
});

describe('the whole view', () => {
  it('is the normalised stretch of the frame', () => {
    const { width, height, pixels } = REFERENCE.resizes[0]!;
    const view = viewOf({ normalise: { mean: 0.4, std: 0.3 } });
    const target = new Float32Array(10 + 256).fill(9);
    fillWholeView(picture(width, height), { width, height }, view, target, 10);
    expect([...target.subarray(0, 10)]).toEqual(new Array(10).fill(9));
    for (let i = 0; i < 256; i++) expect(target[10 + i]).toBeCloseTo((pixels[i]! / 255 - 0.4) / 0.3, 5);
  });

  it('repeats a grey frame for a network of three channels, each normalised on its own', () => {
    const view = viewOf({ channels: 3, normalise: { mean: [0.1, 0.2, 0.3], std: [1, 2, 4] } });
    const target = new Float32Array(3 * 256);
    fillWholeView(picture(23, 19), { width: 23, height: 19 }, view, target, 0);
    for (let i = 0; i < 256; i++) {
      const intensity = target[i]! + 0.1;
      expect(target[256 + i]! * 2 + 0.2).toBeCloseTo(intensity, 5);
      expect(target[512 + i]! * 4 + 0.3).toBeCloseTo(intensity, 5);
    }
  });

  it('is the same for frames of many sizes in turn as for each alone', () => {
    const fill = wholeViewer(viewOf({ channels: 3 }));
    const shapes = [
      [40, 30, 1],
      [23, 19, 3],
      [9, 60, 1],
      [40, 30, 3],
      [16, 16, 1],
      [40, 31, 1],
      [8, 8, 3],
    ] as const;
    for (const [width, height, stored] of shapes) {
      const frame = Uint8Array.from(
        { length: width * height * stored },
        (_, i) => (i * 37 + width * height) % 256,
      );
      const [one, alone] = [new Float32Array(773), new Float32Array(773)];
      fill(frame, { width, height }, one, 5);
      fillWholeView(frame, { width, height }, viewOf({ channels: 3 }), alone, 5);
      expect(one).toEqual(alone);
    }
  });

  it('takes luma of a colour frame for a grey network, as Pillow does, and planes for a colour one', () => {
    const planes = [0, 1, 2].map((channel) => picture(8, 8, channel));
    const frame = Uint8Array.from({ length: 192 }, (_, i) => planes[i % 3]![Math.floor(i / 3)]!);
    const grey = new Float32Array(256);
    const luma = new Float32Array(256);
    const shape = { width: 8, height: 8 };
    fillWholeView(frame, shape, viewOf(), grey, 0);
    fillWholeView(Uint8Array.from(REFERENCE.luma), shape, viewOf(), luma, 0);
    expect(grey).toEqual(luma);
    const colour = new Float32Array(3 * 256);
    fillWholeView(frame, shape, viewOf({ channels: 3 }), colour, 0);
    for (const [channel, plane] of planes.entries()) {
      fillWholeView(plane, shape, viewOf(), grey, 0);
      expect(colour.subarray(256 * channel, 256 * (channel + 1))).toEqual(grey);
    }
  });

  it('refuses a frame that does not have its clip’s size and a target that is too short', () => {
    expect(() => {
      fillWholeView(new Uint8Array(99), { width: 10, height: 10 }, viewOf(), new Float32Array(256), 0);
    }).toThrow('10×10 cannot have 99 bytes');
    expect(() => {
      fillWholeView(new Uint8Array(100), { width: 10, height: 10 }, viewOf(), new Float32Array(256), 1);
    }).toThrow('does not fit');
  });
});
