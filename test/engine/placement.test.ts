import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { place } from '../../src/engine/onednn/native/placement.ts';

const request = fc
  .tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 }))
  .map(([bytes, a, b]) => ({ bytes, first: Math.min(a, b), last: Math.max(a, b) }));

describe('placing buffers by lifetime', () => {
  it('never lets two that live at the same time overlap, and stays inside the arena', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 40 }), (requests) => {
        const { offsets, bytes } = place(requests);
        requests.forEach((a, i) => {
          expect(offsets[i]! % 256).toBe(0);
          expect(offsets[i]! + a.bytes).toBeLessThanOrEqual(bytes);
          requests.slice(0, i).forEach((b, j) => {
            const alive = a.first <= b.last && b.first <= a.last;
            const apart = offsets[i]! + a.bytes <= offsets[j]! || offsets[j]! + b.bytes <= offsets[i]!;
            expect(!alive || apart).toBe(true);
          });
        });
      }),
      { seed: 1 },
    );
  });

  it('reuses the space of what is dead', () => {
    const chain = Array.from({ length: 10 }, (_, i) => ({ bytes: 1024, first: i, last: i + 1 }));
    expect(place(chain).bytes).toBe(2048);
  });
});
