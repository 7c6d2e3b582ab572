import { describe, expect, it } from 'vitest';
import { drawPair, type PairDraw } from '../../src/views/sampling.ts';
import { clipOf, viewOf, type ViewInput } from './helpers.ts';

function draws(frames: number, spg: ViewInput['spg'], count = 3000, fps: number | null = 10): PairDraw[] {
  const { spg: config } = viewOf({ spg });
  const clip = clipOf('clip', { frames, fps });
  return Array.from({ length: count }, (_, epoch) => drawPair(clip, config, 1, epoch));
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe('which frames make a pair', () => {
  it('draws three different frames, each as often as any other', () => {
    const uses = new Map<string, number>();
    for (const { frame0, anchor, frame1 } of draws(4, {}, 12000)) {
      const key = `${frame0} ${anchor} ${frame1}`;
      uses.set(key, (uses.get(key) ?? 0) + 1);
    }
    // All 24 ordered triples of different frames, 500 times each on average (sd 22).
    expect(uses.size).toBe(24);
    for (const key of uses.keys()) expect(new Set(key.split(' ')).size).toBe(3);
    for (const count of uses.values()) expect(Math.abs(count - 500)).toBeLessThan(110);
  });

  it('takes the middle frame in time as the anchor when asked', () => {
    for (const { frame0, anchor, frame1 } of draws(9, { anchor: 'middle' }, 500)) {
      expect(frame0).toBeLessThan(anchor!);
      expect(frame1).toBeGreaterThan(anchor!);
    }
    const between = draws(9, { anchor: 'random' }).filter(
      (d) => (d.anchor! - d.frame0) * (d.frame1 - d.anchor!) > 0,
    );
    expect(between.length / 3000).toBeCloseTo(1 / 3, 1);
  });

  it('mixes nothing in clips of one and of two frames', () => {
    for (const draw of draws(1, {}, 20))
      expect(draw).toEqual({ frame0: 0, frame1: 0, anchor: null, weight0: 1, weight1: 1 });
    const two = draws(2, {}, 400);
    for (const draw of two) {
      expect([draw.frame0, draw.frame1].sort()).toEqual([0, 1]);
      expect(draw).toMatchObject({ anchor: null, weight0: 1, weight1: 1 });
    }
    expect(mean(two.map((draw) => draw.frame0))).toBeCloseTo(0.5, 0.8);
  });

  it('with SPG off draws two different frames of the whole clip', () => {
    const off = draws(5, { enabled: false }, 300);
    for (const draw of off) {
      expect(draw.frame0).not.toBe(draw.frame1);
      expect(draw).toMatchObject({ anchor: null, weight0: 1, weight1: 1 });
    }
    expect(new Set(off.map((draw) => draw.frame0)).size).toBe(5);
  });

  it('keeps all frames of a pair within the window, anywhere in the clip', () => {
    // 0.4 s at 10 frames a second: five frames, four intervals.
    const drawn = draws(50, { windowSeconds: 0.4 });
    const spans = drawn.map(({ frame0, anchor, frame1 }) => {
      const frames = [frame0, anchor!, frame1];
      return Math.max(...frames) - Math.min(...frames);
    });
    expect(Math.max(...spans)).toBe(4);
    expect(Math.min(...spans)).toBe(2);
    const all = drawn.flatMap(({ frame0, frame1 }) => [frame0, frame1]);
    expect([Math.min(...all), Math.max(...all)]).toEqual([0, 49]);
  });

  it('treats a window of two frames as a clip of two, and of one as a still', () => {
    for (const draw of draws(50, { windowSeconds: 0.15 }, 100)) {
      expect(Math.abs(draw.frame0 - draw.frame1)).toBe(1);
      expect(draw.anchor).toBeNull();
    }
    for (const draw of draws(50, { windowSeconds: 0.05 }, 100)) expect(draw.frame0).toBe(draw.frame1);
  });

  it('names the clip when a window meets frames without a rate, and lets stills pass', () => {
    expect(() => draws(3, { windowSeconds: 1 }, 1, null)).toThrow(
      expect.objectContaining({ code: 'VIEW_WINDOW_WITHOUT_RATE', where: 'clip clip' }),
    );
    expect(draws(1, { windowSeconds: 1 }, 1, null)).toHaveLength(1);
  });
});

describe('mixing coefficients', () => {
  it('follow Beta(0.5, 0.5): the arcsine law', () => {
    const weights = draws(10, {}, 6000).map((draw) => draw.weight0);
    // P(ξ < x) = 2/π · asin √x.
    for (const x of [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]) {
      const share = weights.filter((weight) => weight < x).length / weights.length;
      expect(Math.abs(share - (2 / Math.PI) * Math.asin(Math.sqrt(x)))).toBeLessThan(0.025);
    }
  });

  it('have the mean and variance of Beta(2, 5)', () => {
    const weights = draws(10, { beta: [2, 5] }, 6000).map((draw) => draw.weight0);
    const centre = mean(weights);
    expect(centre).toBeCloseTo(2 / 7, 1.5);
    expect(mean(weights.map((weight) => (weight - centre) ** 2))).toBeCloseTo(10 / (49 * 8), 2.5);
  });

  it('are one number when shared and two unrelated ones when independent', () => {
    for (const draw of draws(10, {}, 50)) expect(draw.weight1).toBe(draw.weight0);
    const apart = draws(10, { coefficients: 'independent' }, 6000);
    const covariance = mean(apart.map((draw) => (draw.weight0 - 0.5) * (draw.weight1 - 0.5)));
    // The variance of each is 1/8; the covariance of 6000 independent pairs has sd 0.0016.
    expect(Math.abs(covariance)).toBeLessThan(0.008);
    // Choosing independence leaves the first view as it was.
    expect(apart[7]!.weight0).toBe(draws(10, {}, 8)[7]!.weight0);
  });
});
