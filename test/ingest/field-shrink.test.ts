import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import type { Rectangle } from '../../src/ingest/field/raster.ts';
import { planShrink } from '../../src/ingest/field/shrink.ts';
import type { Size } from '../../src/video/geometry.ts';
import { storedSize } from '../../src/video/geometry.ts';

async function bySharp(
  frame: Uint8Array,
  original: Size,
  kept: Rectangle,
  stored: Size,
): Promise<Uint8Array> {
  return sharp(frame, { raw: { ...original, channels: 1 } })
    .extract({ left: kept.x, top: kept.y, width: kept.width, height: kept.height })
    .resize(stored.width, stored.height, { fit: 'fill', kernel: 'linear' })
    .toColourspace('b-w')
    .raw({ depth: 'uchar' })
    .toBuffer();
}

describe('shrinking by a triangle', () => {
  it('gives the bytes of the picture library, whatever the sizes', async () => {
    let compared = 0;
    for (let i = 0; i < 200; i++) {
      const draw = (what: string, from: number, to: number): number =>
        from + randomAt(1, 'shrink', i, what).integer(to - from);
      const original = { width: draw('width', 16, 400), height: draw('height', 16, 400) };
      const x = draw('x', 0, original.width - 15);
      const y = draw('y', 0, original.height - 15);
      const kept = {
        ...{ x, y },
        width: draw('kept width', 16, original.width - x + 1),
        height: draw('kept height', 16, original.height - y + 1),
      };
      const shorter = [16, 32, 50, 64, 100, 128, 224, 256][draw('shorter', 0, 8)]!;
      const stored = storedSize(kept, shorter);
      const shrink = planShrink(original, kept, stored);
      if (shrink === null) {
        expect(Math.max(kept.width / stored.width, kept.height / stored.height)).toBeGreaterThanOrEqual(2);
        continue;
      }
      compared++;
      const frame = Uint8Array.from(
        { length: original.width * original.height },
        (_, at) => (Math.imul(at + 7 * i, 2654435761) >>> 13) & 255,
      );
      const before = frame.slice();
      const where = JSON.stringify({ original, kept, stored });
      const expected = await bySharp(frame, original, kept, stored);
      expect(Buffer.compare(shrink(frame), expected), where).toBe(0);
      expect(Buffer.compare(frame, before), where).toBe(0);
    }
    expect(compared).toBeGreaterThan(100);
  });

  it('keeps white white and black black', () => {
    const original = { width: 301, height: 257 };
    const kept = { x: 3, y: 1, width: 290, height: 250 };
    const shrink = planShrink(original, kept, { width: 174, height: 150 });
    expect(new Set(shrink!(new Uint8Array(301 * 257).fill(255)))).toEqual(new Set([255]));
    expect(new Set(shrink!(new Uint8Array(301 * 257)))).toEqual(new Set([0]));
  });
});
