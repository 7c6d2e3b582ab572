import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { drawMixing, mixImages } from '../../src/views/mixup.ts';

describe('drawMixing', () => {
  it('makes every row the partner of one other, never of itself, whatever the batch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(1000), (rows, index) => {
        const { partner, weight } = drawMixing(rows, 0.4, 1, 2, index);
        expect([...partner].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i));
        partner.forEach((other, row) => {
          expect(other).not.toBe(row);
        });
        expect(weight).toHaveLength(rows);
        for (const own of weight) expect(own >= 0 && own <= 1).toBe(true);
      }),
      { seed: 3, numRuns: 60 },
    );
  });

  // From test/golden/addressed.py, as the vectors of randomAt.
  it('draws partners and weights at their own addresses', () => {
    const { partner, weight } = drawMixing(5, 0.4, 5, 2, 7);
    expect([...partner]).toEqual([2, 4, 3, 1, 0]);
    const golden = [
      0.9384638071060181, 0.9915388822555542, 0.9768589735031128, 0.6613025665283203, 0.00360266398638487,
    ];
    weight.forEach((own, row) => {
      expect(own).toBeCloseTo(golden[row]!, 7);
    });
  });

  it('draws weights of Beta(α, α): mean 1/2, variance 1/(8α + 4)', () => {
    for (const alpha of [0.2, 1, 4]) {
      const { weight } = drawMixing(20_000, alpha, 1, 2, 3);
      const mean = weight.reduce((sum, own) => sum + own, 0) / weight.length;
      const variance = weight.reduce((sum, own) => sum + (own - mean) ** 2, 0) / weight.length;
      expect(mean).toBeCloseTo(0.5, 1.9);
      expect(variance / (1 / (8 * alpha + 4))).toBeCloseTo(1, 1.3);
    }
  });

  it('is a function of seed, epoch and batch', () => {
    const mixing = drawMixing(8, 1, 1, 2, 3);
    expect(drawMixing(8, 1, 1, 2, 3)).toEqual(mixing);
    for (const other of [drawMixing(8, 1, 2, 2, 3), drawMixing(8, 1, 1, 3, 3), drawMixing(8, 1, 1, 2, 4)])
      expect(other.weight).not.toEqual(mixing.weight);
  });

  it('leaves a batch of one as it is', () => {
    const mixing = drawMixing(1, 1, 1, 2, 3);
    expect([...mixing.partner]).toEqual([0]);
    const image = Float32Array.of(1, 2, 3);
    mixImages(image, 3, mixing);
    for (const [i, value] of [1, 2, 3].entries()) expect(image[i]).toBeCloseTo(value, 6);
  });
});

describe('mixImages', () => {
  it('mixes in place what the formula says, from images as they were before', () => {
    for (const rows of [2, 3, 16]) {
      const images = Float32Array.from({ length: rows * 5 }, (_, i) => Math.sin(i * i));
      const before = images.slice();
      const mixing = drawMixing(rows, 0.6, 7, 0, rows);
      mixImages(images, 5, mixing);
      for (let row = 0; row < rows; row++)
        for (let i = 0; i < 5; i++) {
          const own = mixing.weight[row]!;
          const expected = own * before[row * 5 + i]! + (1 - own) * before[mixing.partner[row]! * 5 + i]!;
          expect(images[row * 5 + i]).toBeCloseTo(expected, 6);
        }
    }
  });
});
