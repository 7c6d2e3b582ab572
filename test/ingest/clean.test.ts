import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { isBlank } from '../../src/ingest/clean.ts';

/** The definition without a shortcut: fewer than one pixel in 200 is more than 12 levels off the mean. */
function isBlankByMean(frame: Uint8Array, isMasked: boolean): boolean {
  const counted = frame.filter((value) => !isMasked || value > 24);
  const mean = counted.reduce((sum, value) => sum + value, 0) / counted.length;
  return counted.filter((value) => Math.abs(value - mean) > 12).length < counted.length * 0.005;
}

describe('blank frames', () => {
  it('are those that the definition names, on both sides of every limit', () => {
    const seen = new Map<string, number>();
    for (let trial = 0; trial < 4000; trial++) {
      const random = randomAt(3, 'blank', trial);
      const isMasked = trial % 2 === 0;
      const shade = 10 + random.integer(120);
      const width = random.integer(16);
      const odd = random.uniform() * 0.02;
      const frame = Uint8Array.from({ length: 1200 }, () => {
        if (isMasked && random.uniform() < 0.3) return 0;
        const other = random.uniform() < odd ? random.integer(120) - 60 : 0;
        return Math.min(255, Math.max(0, shade + random.integer(width + 1) + other));
      });
      if (frame.every((value) => value <= 24)) continue;
      const expected = isBlankByMean(frame, isMasked);
      const key = `${String(isMasked)} ${String(expected)}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      expect(isBlank(frame, { channels: 1, isMasked })).toBe(expected);
    }
    expect([...seen.values()].every((count) => count > 200)).toBe(true);
    expect(seen.size).toBe(4);
  });
});
