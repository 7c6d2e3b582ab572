import { describe, expect, it } from 'vitest';
import { drawAugmentation, type Augmentation } from '../../src/views/draw.ts';
import { inverseAffine } from '../../src/views/field/affine.ts';
import type { ViewConfig } from '../../src/views/config.ts';
import { clipOf, viewOf, type ViewInput } from './helpers.ts';

function draws(view: ViewConfig, width: number, height: number, count = 4000): Augmentation[] {
  return Array.from({ length: count }, (_, epoch) =>
    drawAugmentation(view, clipOf('clip', { frames: 1, width, height }), 3, epoch, 0),
  );
}

const augmented = (augment: ViewInput['augment'], more: ViewInput = {}): ViewConfig =>
  viewOf({ size: 200, ...more, augment });

describe('crops', () => {
  it('have areas uniform in cropScale and lie uniformly in the frame', () => {
    const boxes = draws(augmented({ cropScale: [0.2, 0.8], cropRatio: [1, 1] }), 100, 100).map((a) => a.box);
    const areas = boxes.map((box) => ((box.right - box.left) * (box.bottom - box.top)) / 10000);
    for (const level of [0.3, 0.5, 0.7]) {
      const share = areas.filter((area) => area < level).length / areas.length;
      expect(Math.abs(share - (level - 0.2) / 0.6)).toBeLessThan(0.03);
    }
    const places = boxes.map((box) => box.left / (100 - (box.right - box.left)));
    for (const level of [0.25, 0.5, 0.75]) {
      const share = places.filter((place) => place < level).length / places.length;
      expect(Math.abs(share - level)).toBeLessThan(0.03);
    }
  });

  it('have ratios log-uniform in cropRatio', () => {
    const view = augmented({ cropScale: [0.1, 0.2], cropRatio: [0.5, 2] });
    const ratios = draws(view, 100, 100).map(({ box }) => (box.right - box.left) / (box.bottom - box.top));
    for (const level of [0.7, 1, 1.4]) {
      const share = ratios.filter((ratio) => ratio < level).length / ratios.length;
      expect(Math.abs(share - Math.log(level / 0.5) / Math.log(4))).toBeLessThan(0.04);
    }
  });

  it('stay inside the frame', () => {
    for (const [width, height] of [
      [57, 130],
      [130, 57],
    ] as const)
      for (const resize of ['square', 'shorter-side'] as const)
        for (const { box } of draws(
          augmented({ cropScale: [0.3, 1], cropRatio: [0.5, 2] }, { resize }),
          width,
          height,
          300,
        )) {
          expect(box.left).toBeGreaterThanOrEqual(0);
          expect(box.top).toBeGreaterThanOrEqual(0);
          expect(box.right).toBeLessThanOrEqual(width + 1e-9);
          expect(box.bottom).toBeLessThanOrEqual(height + 1e-9);
          expect(box.right - box.left).toBeGreaterThan(1);
        }
  });

  it('fall back to the largest centred crop of an allowed ratio when none fits', () => {
    const wide = draws(augmented({ cropScale: [1, 1], cropRatio: [2, 3] }), 100, 100, 1)[0]!.box;
    expect(wide).toEqual({ left: 0, top: 25, right: 100, bottom: 75 });
    const tall = draws(augmented({ cropScale: [1, 1], cropRatio: [0.25, 0.5] }), 100, 100, 1)[0]!.box;
    expect(tall).toEqual({ left: 25, top: 0, right: 75, bottom: 100 });
  });

  it('may be a single pixel high or wide', () => {
    const extent = (ratio: number): readonly [number, number] => {
      const view = augmented({ cropScale: [0.001, 0.001], cropRatio: [ratio, ratio] });
      const { box } = draws(view, 200, 200, 1)[0]!;
      return [box.right - box.left, box.bottom - box.top];
    };
    expect(extent(40)).toEqual([40, 1]);
    expect(extent(1 / 40)).toEqual([1, 40]);
  });

  it('measure proportions on the stretched frame, or on the frame itself', () => {
    const augment = { cropScale: [0.3, 0.3], cropRatio: [1, 1] } as const;
    const shape = (resize: 'square' | 'shorter-side'): number => {
      const { box } = draws(augmented(augment, { resize }), 300, 150, 1)[0]!;
      return (box.right - box.left) / (box.bottom - box.top);
    };
    expect(shape('square')).toBeCloseTo(2, 5);
    expect(shape('shorter-side')).toBeCloseTo(1, 5);
  });
});

describe('jitter', () => {
  it('draws factors uniformly, never negative, and every order', () => {
    const tones = draws(augmented({ brightness: 0.8, contrast: 1.5, saturation: 0, hue: 0.2 }), 10, 10).map(
      (a) => a.tone,
    );
    const range = (values: readonly number[]): readonly [number, number] => [
      Math.min(...values),
      Math.max(...values),
    ];
    const [dark, bright] = range(tones.map((tone) => tone.brightness));
    expect(dark).toBeCloseTo(0.2, 2);
    expect(bright).toBeCloseTo(1.8, 2);
    const [low, high] = range(tones.map((tone) => tone.contrast));
    expect(low).toBeGreaterThanOrEqual(0);
    expect(low).toBeCloseTo(0, 2);
    expect(high).toBeCloseTo(2.5, 2);
    const [back, forth] = range(tones.map((tone) => tone.hue));
    expect(back).toBeCloseTo(-0.2, 2);
    expect(forth).toBeCloseTo(0.2, 2);
    for (const tone of tones) expect(tone.saturation).toBe(1);
    expect(new Set(tones.map((tone) => tone.order.join())).size).toBe(24);
  });
});

describe('operations that are off by default', () => {
  it('happen as often as asked and change no other draw', () => {
    const plain = draws(augmented({}), 50, 40, 2000);
    const probability = 0.3;
    const full = draws(
      augmented({
        blur: { probability },
        rotation: { probability },
        affine: { probability },
        cutout: { probability },
        outPainting: { probability },
        nonLinearIntensity: { probability },
        sharpen: { probability, degree: 5 },
      }),
      50,
      40,
      2000,
    );
    const shares = [
      full.filter((a) => a.blur !== null),
      full.filter((a) => a.holes.length > 0),
      full.filter((a) => a.outPainting !== null),
      full.filter((a) => a.tone.curve !== null),
      full.filter((a) => a.sharpen === 5),
    ].map((happened) => happened.length / 2000);
    for (const share of shares) expect(Math.abs(share - 0.3)).toBeLessThan(0.05);
    const warped = full.filter((a) => a.warp !== null).length / 2000;
    expect(Math.abs(warped - (1 - 0.7 ** 2))).toBeLessThan(0.05);
    for (const [i, { box, flipped, tone }] of full.entries()) {
      expect({ box, flipped }).toEqual({ box: plain[i]!.box, flipped: plain[i]!.flipped });
      expect({ ...tone, curve: null }).toEqual(plain[i]!.tone);
    }
    for (const a of plain)
      expect(a).toMatchObject({ warp: null, blur: null, sharpen: 0, holes: [], outPainting: null });
  });

  it('keep within their ranges', () => {
    const all = draws(
      augmented({
        blur: { probability: 1, sigma: [0.5, 1.5], kernel: 0.05 },
        rotation: { probability: 1, degrees: 10 },
        cutout: { probability: 1, holes: 2, side: 0.2 },
        outPainting: { probability: 1, windows: 3 },
      }),
      50,
      40,
      1000,
    );
    for (const a of all) {
      expect(a.blur!.kernel).toBe(9);
      expect(a.blur!.sigma).toBeGreaterThanOrEqual(0.5);
      expect(a.blur!.sigma).toBeLessThan(1.5);
      expect(a.warp![0]).toBeGreaterThanOrEqual(Math.cos(Math.PI / 18));
      expect(a.holes).toHaveLength(2);
      for (const hole of a.holes) expect(hole.right - hole.left).toBeLessThanOrEqual(40);
      expect(a.outPainting!.windows).toHaveLength(3);
      for (const { left, top, right, bottom } of a.outPainting!.windows) {
        expect(Math.min(left, top)).toBeGreaterThanOrEqual(3);
        expect(Math.max(right, bottom)).toBeLessThanOrEqual(197);
        expect(right - left).toBeGreaterThanOrEqual(200 - Math.floor(800 / 7));
        expect(right - left).toBeLessThanOrEqual(200 - Math.floor(600 / 7));
      }
    }
    const angles = all.map((a) => Math.asin(a.warp![1]) * (180 / Math.PI));
    expect(Math.min(...angles)).toBeCloseTo(-10, 0);
    expect(Math.max(...angles)).toBeCloseTo(10, 0);
  });

  it('fit into the smallest view', () => {
    const view = viewOf({
      size: 16,
      augment: { outPainting: { probability: 1 }, cutout: { probability: 1 }, blur: { probability: 1 } },
    });
    for (const a of draws(view, 20, 20, 200))
      for (const window of a.outPainting!.windows) {
        expect(window.left).toBeGreaterThanOrEqual(0);
        expect(window.right).toBeLessThanOrEqual(16);
      }
  });
});

describe('draws', () => {
  it('differ between slots, clips, epochs and seeds', () => {
    const view = augmented({});
    const [a, b] = ['a', 'b'].map((id) => clipOf(id, { frames: 1, width: 99, height: 99 }));
    const lefts = [
      drawAugmentation(view, a!, 1, 2, 0),
      drawAugmentation(view, a!, 1, 2, 1),
      drawAugmentation(view, a!, 1, 2, 'anchor'),
      drawAugmentation(view, b!, 1, 2, 0),
      drawAugmentation(view, a!, 1, 3, 0),
      drawAugmentation(view, a!, 2, 2, 0),
    ].map((a) => a.tone.brightness);
    expect(new Set(lefts).size).toBe(6);
  });
});

// From test/golden/addressed.py: coin, angle, shifts in whole pixels, zoom and shear, in this order.
it('an affine map has the numbers of its own address', () => {
  const affine = {
    probability: 1,
    degrees: 20,
    translate: [0.1, 0.2],
    scale: [0.8, 1.2],
    shear: 15,
  } as const;
  const { warp } = drawAugmentation(
    augmented({ affine }, { size: 64 }),
    clipOf('clip4', { frames: 1, width: 64, height: 64 }),
    9,
    3,
    1,
  );
  const golden = inverseAffine(-2.1204485930502415, -4, 4, 0.8987713838927448, 6.974361177999526);
  warp!.forEach((value, i) => {
    expect(value).toBeCloseTo(golden[i]!, 12);
  });
});

describe('inverse of the affine map', () => {
  it('undoes shear, zoom, turn and shift in that order', () => {
    const [angle, shiftX, shiftY, scale, shear] = [33, 5, -7, 1.4, 12];
    const turn = (angle * Math.PI) / 180;
    const [a, b, c, d, e, f] = inverseAffine(angle, shiftX, shiftY, scale, shear);
    for (const [x, y] of [
      [0, 0],
      [3, -8],
      [-11, 4],
    ] as const) {
      const sheared = x + Math.tan((shear * Math.PI) / 180) * y;
      const u = scale * (Math.cos(turn) * sheared - Math.sin(turn) * y) + shiftX;
      const v = scale * (Math.sin(turn) * sheared + Math.cos(turn) * y) + shiftY;
      expect(a * u + b * v + c).toBeCloseTo(x, 10);
      expect(d * u + e * v + f).toBeCloseTo(y, 10);
    }
  });
});
