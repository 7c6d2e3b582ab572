import { describe, expect, it } from 'vitest';
import { apexOf, type Beams, beamsOf, fromBeam, rangeAt, toBeam } from '../../../src/views/field/beams.ts';
import { fieldOf } from '../../../src/views/field/field.ts';
import { rectangleOutline } from '../../../src/views/field/outline.ts';
import { clipOf } from '../helpers.ts';
import { clipWithField, type Fan, fanPoints, outlineOf } from './fans.ts';

const CONVEX: Fan = { x: 90, y: -40, near: 60, far: 190, half: 0.6 };
const SECTOR: Fan = { x: 64, y: 3, near: 2, far: 120, half: 0.75 };
const to = new Float64Array(2);

describe('the beams of a fan', () => {
  it.each([CONVEX, SECTOR])('leave the point where its sides meet (%j)', (fan) => {
    const { x, y, near, far, half } = fan;
    const outline = outlineOf(fanPoints(fan));
    const apex = apexOf(outline)!;
    expect(apex.x).toBeCloseTo(x, 6);
    expect(apex.y).toBeCloseTo(y, 6);
    const beams = beamsOf([outline], true);
    // Between its corners the near arc is cut a little short.
    expect(beams.depth).toBeCloseTo(far - near, 1);
    expect(1 / beams.curvature).toBeCloseTo((near + far) / 2, 1);
    expect(beams.x).toBeCloseTo(x, 6);
    expect(beams.y).toBeCloseTo(y + (near + far) / 2, 1);
    expect(beams.right * beams.curvature).toBeCloseTo(half, 6);
    expect(beams.left * beams.curvature).toBeCloseTo(-half, 6);
  });

  it('measure depth from the probe’s face, along every beam', () => {
    const beams = beamsOf([outlineOf(fanPoints(CONVEX))], true);
    for (const angle of [-0.5, -0.1, 0, 0.4])
      for (const share of [0, 0.25, 0.5, 1]) {
        const radius = CONVEX.near + share * (CONVEX.far - CONVEX.near);
        const [x, y] = [CONVEX.x + radius * Math.sin(angle), CONVEX.y + radius * Math.cos(angle)];
        expect(0.5 + rangeAt(beams, x, y) / beams.depth).toBeCloseTo(share, 2);
      }
  });

  it('are found in an outline that the picture’s border cuts', () => {
    const { x, y, far, half } = CONVEX;
    const onSide = y + 60 / Math.tan(half);
    const onArc = y + Math.sqrt(far ** 2 - 60 ** 2);
    const arcs = fanPoints(CONVEX);
    const cut: [number, number][] = [
      ...[...arcs.slice(0, 41), [x + 60, onSide], [x + 60, onArc]],
      ...[
        ...arcs.slice(41).filter((point) => Math.abs(point[0] - x) < 60),
        [x - 60, onArc],
        [x - 60, onSide],
      ],
    ] as [number, number][];
    const apex = apexOf(outlineOf(cut))!;
    expect(apex.x).toBeCloseTo(CONVEX.x, 6);
    expect(apex.y).toBeCloseTo(CONVEX.y, 6);
  });
});

describe('parallel beams', () => {
  const box = rectangleOutline({ left: 10, top: 20, right: 70, bottom: 120 });
  const parallel: Beams = { x: 40, y: 70, curvature: 0, depth: 100, left: -30, right: 30 };

  it('run down a rectangle, and wherever the sides of a fan are not seen', () => {
    expect(beamsOf([box], false)).toEqual(parallel);
    expect(beamsOf([box], true)).toEqual(parallel);
    expect(beamsOf([outlineOf(fanPoints(CONVEX))], false).curvature).toBe(0);
  });

  it('run down pictures side by side, whose beams have no common point', () => {
    const [left, right] = [CONVEX, { ...CONVEX, x: 290 }].map((fan) => outlineOf(fanPoints(fan)));
    expect(beamsOf([left!, right!], true).curvature).toBe(0);
  });
});

describe('a place along the beams', () => {
  it.each([0, 1e-7, 0.004, 0.02])('goes there and back at curvature %f', (curvature) => {
    const beams: Beams = { x: 50, y: 60, curvature, depth: 100, left: -40, right: 40 };
    for (let lateral = -40; lateral <= 40; lateral += 8)
      for (let range = -49; range <= 50; range += 9) {
        fromBeam(beams, lateral, range, to);
        toBeam(beams, to[0]!, to[1]!, to);
        expect(to[0]).toBeCloseTo(lateral, 6);
        expect(to[1]).toBeCloseTo(range, 6);
      }
  });

  it('is the middle at 0, and hardly moves as the curvature goes to 0', () => {
    const [flat, almost] = [0, 1e-6].map((curvature) => {
      fromBeam({ x: 5, y: 6, curvature, depth: 50, left: -20, right: 20 }, 12, -20, to);
      return [...to];
    });
    expect(flat).toEqual([17, -14]);
    expect(almost![0]).toBeCloseTo(17, 3);
    expect(almost![1]).toBeCloseTo(-14, 3);
    toBeam({ x: 5, y: 6, curvature: 0.01, depth: 50, left: -20, right: 20 }, 5, 6, to);
    expect(to[0]).toBeCloseTo(0, 12);
    expect(to[1]).toBeCloseTo(0, 12);
  });
});

describe('the field of a clip', () => {
  it('is scaled as its frames were, from the crop that was kept', () => {
    const crop = { x: 100, y: 50, width: 200, height: 400 };
    const points: [number, number][] = [
      [100, 50],
      [300, 50],
      [300, 450],
    ];
    const size = { width: 50, height: 100 };
    const field = fieldOf(clipWithField('polygon', [points], { ...size, crop }));
    expect(field.known).toBe(true);
    expect([...field.outlines[0]!]).toEqual([0, 0, 50, 0, 50, 100]);
    const whole = { width: 400, height: 800, fps: null, frames: 3 };
    expect([
      ...fieldOf(clipWithField('polygon', [points], { ...size, original: whole })).outlines[0]!,
    ]).toEqual([...[12.5, 6.25, 37.5, 6.25, 37.5, 56.25]]);
  });

  it('is a fan for sectors and convex probes alone', () => {
    const size = { width: 180, height: 160 };
    const curvatures = (['sector', 'convex', 'linear', 'rectangle', 'polygon'] as const).map(
      (shape) => fieldOf(clipWithField(shape, [fanPoints(CONVEX)], size)).beams.curvature > 0,
    );
    expect(curvatures).toEqual([true, true, false, false, false]);
  });

  it('is the whole frame where none is known', () => {
    const { known, outlines, beams } = fieldOf(clipOf('a', { frames: 1, width: 30, height: 20 }));
    expect(known).toBe(false);
    expect([...outlines[0]!]).toEqual([0, 0, 30, 0, 30, 20, 0, 20]);
    expect(beams).toEqual({ x: 15, y: 10, curvature: 0, depth: 20, left: -15, right: 15 });
  });
});
