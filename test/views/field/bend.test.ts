import { describe, expect, it } from 'vitest';
import { apexOf, rangeAt } from '../../../src/views/field/beams.ts';
import { type Bend, bentField, bentPoint, unbentPoint } from '../../../src/views/field/bend.ts';
import { fieldOf, type FrameField } from '../../../src/views/field/field.ts';
import { boundsOf } from '../../../src/views/field/outline.ts';
import { createPlacer, placementOf } from '../../../src/views/placement.ts';
import { drawAugmentation } from '../../../src/views/draw.ts';
import { clipOf, PLAIN, viewOf, type ViewInput } from '../helpers.ts';
import { clipWithField, fanPoints } from './fans.ts';

const FRAME = { width: 120, height: 160 };
const linear = fieldOf(
  clipWithField(
    'linear',
    [
      [
        [20, 10],
        [100, 10],
        [100, 150],
        [20, 150],
      ],
    ],
    FRAME,
  ),
);
const convex = fieldOf(
  clipWithField('convex', [fanPoints({ x: 60, y: -20, near: 40, far: 165, half: 0.4 })], FRAME),
);
const to = new Float64Array(2);

describe.each<readonly [string, FrameField, number]>([
  ['linear to convex', linear, 50],
  ['convex to linear', convex, 0],
  ['convex to wider', convex, 70],
  ['linear to what it is', linear, 0],
])('%s', (_, field, degrees) => {
  const { bend, field: bent } = bentField(field, degrees, FRAME);

  it('can be undone point by point', () => {
    for (let x = 0; x <= FRAME.width; x += 7)
      for (let y = 5; y <= FRAME.height; y += 7) {
        if (Math.abs(rangeAt(field.beams, x, y)) > field.beams.depth / 2) continue;
        bentPoint(bend, x, y, to);
        unbentPoint(bend, to[0]!, to[1]!, to);
        expect(to[0]).toBeCloseTo(x, 6);
        expect(to[1]).toBeCloseTo(y, 6);
      }
  });

  it('moves the outline with the picture, and fills the frame as far as before', () => {
    const filling = (outlines: FrameField['outlines']): number => {
      const { left, top, right, bottom } = boundsOf(outlines);
      return Math.max((right - left) / FRAME.width, (bottom - top) / FRAME.height);
    };
    expect(filling(bent.outlines)).toBeCloseTo(filling(field.outlines), 2);
    const [before, after] = [boundsOf(field.outlines), boundsOf(bent.outlines)];
    expect(after.left + after.right).toBeCloseTo(before.left + before.right, 6);
    expect(after.top + after.bottom).toBeCloseTo(before.top + before.bottom, 6);
  });

  it('opens by the angle that was asked for', () => {
    const { left, right, curvature } = bent.beams;
    expect(((right - left) * curvature * 180) / Math.PI).toBeCloseTo(degrees, 6);
  });
});

describe('a bent rectangle', () => {
  it('is the part of a ring that has its depth, its width half way down, and the angle', () => {
    const { bend } = bentField(linear, 50, FRAME);
    const angle = (50 * Math.PI) / 180;
    const radius = 80 / angle;
    const scale = bend.scale;
    // The corners at the face lie 70 above the middle, those at the bottom 70 below it.
    for (const [x, y, side, range] of [
      [20, 10, -1, -70],
      [100, 10, 1, -70],
      [100, 150, 1, 70],
    ] as const) {
      bentPoint(bend, x, y, to);
      expect(to[0]! - bend.to.x).toBeCloseTo(scale * side * (radius + range) * Math.sin(angle / 2), 8);
      expect(to[1]! - bend.to.y).toBeCloseTo(scale * ((radius + range) * Math.cos(angle / 2) - radius), 8);
    }
    expect(bend.to.depth).toBeCloseTo(scale * 140, 8);
  });

  it('has sides that meet where its beams do', () => {
    const { field } = bentField(linear, 50, FRAME);
    const apex = apexOf(field.outlines[0]!)!;
    expect(apex.x).toBeCloseTo(field.beams.x, 6);
    expect(apex.y).toBeCloseTo(field.beams.y - 1 / field.beams.curvature, 6);
  });

  it('becomes the rectangle again when it is bent back', () => {
    const there = bentField(linear, 50, FRAME);
    const back = bentField(there.field, 0, FRAME);
    for (const [x, y] of [
      [20, 10],
      [60, 70],
      [100, 150],
    ] as const) {
      bentPoint(there.bend, x, y, to);
      bentPoint(back.bend, to[0]!, to[1]!, to);
      expect(to[0]).toBeCloseTo(x, 1);
      expect(to[1]).toBeCloseTo(y, 1);
    }
  });
});

it('beams never cross above the face, however deep and narrow the field', () => {
  const narrow = fieldOf(
    clipWithField(
      'linear',
      [
        [
          [55, 0],
          [65, 0],
          [65, 160],
          [55, 160],
        ],
      ],
      FRAME,
    ),
  );
  const { beams } = bentField(narrow, 150, FRAME).field;
  expect(beams.curvature).toBeCloseTo(2 / beams.depth, 9);
});

describe('bent pictures', () => {
  /** A smooth picture, in colour three times another. */
  const scene = (x: number, y: number, channel = 0): number =>
    127 + 60 * Math.sin(0.07 * x + channel) + 50 * Math.cos(0.05 * y - channel);
  const planes = Uint8Array.from({ length: 3 * 120 * 160 }, (_, i) => {
    const [channel, at] = [Math.floor(i / (120 * 160)), i % (120 * 160)];
    return Math.round(scene((at % 120) + 0.5, Math.floor(at / 120) + 0.5, channel));
  });
  const clip = clipOf('a', { frames: 1, ...FRAME });

  const check = (augment: ViewInput['augment'], channels: number, size: number): void => {
    const view = viewOf({ size, augment: { ...PLAIN, ...augment, probe: { probability: 1 } } });
    for (let epoch = 0; epoch < 6; epoch++) {
      const augmentation = drawAugmentation(view, clip, 1, epoch, 0);
      const bend: Bend = augmentation.bend!;
      const pixels = new Uint8Array(channels * size * size);
      createPlacer(size, channels, true).place(planes, FRAME, augmentation, pixels);
      const [a, b, c, d, e, f] = placementOf(augmentation, size);
      let seen = 0;
      for (let i = 0; i < pixels.length; i++) {
        const at = i % (size * size);
        const [u, v] = [(at % size) + 0.5, Math.floor(at / size) + 0.5];
        unbentPoint(bend, a * u + b * v + c, d * u + e * v + f, to);
        const [x, y] = [to[0]!, to[1]!];
        if (x < -3 || y < -3 || x > 123 || y > 163) expect(pixels[i]).toBe(0);
        if (x < 3 || y < 3 || x > 117 || y > 157) continue;
        seen++;
        expect(Math.abs(pixels[i]! - scene(x, y, Math.floor(i / (size * size))))).toBeLessThan(4);
      }
      expect(seen).toBeGreaterThan(pixels.length / 4);
    }
  };

  it('show at each pixel what lay where it came from', () => {
    check({}, 1, 64);
  });

  it('also cropped, flipped, turned and in colour', () => {
    const rotation = { probability: 1, degrees: 20 };
    check({ cropScale: [0.3, 0.8], flip: 0.5, rotation }, 3, 61);
  });
});
