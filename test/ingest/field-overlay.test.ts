import { describe, expect, test } from 'vitest';
import { planCut } from '../../src/ingest/field/cut.ts';
import { findOverlays } from '../../src/ingest/field/overlay.ts';
import { drawScreen } from './screens.ts';

const SIZE = { width: 200, height: 160 };
const screen = drawScreen({ ...SIZE, shape: 'whole', frames: 8, seed: 6, attenuation: 1 });
const inside = screen.truth;

/** The frames with `paint` called for every pixel of every frame; what it returns is drawn. */
function drawn(paint: (x: number, y: number, frame: number) => number | undefined): Uint8Array[] {
  return screen.frames.map((frame, f) =>
    frame.map((value, i) => paint(i % 200, Math.floor(i / 200), f) ?? value),
  );
}

const TICKS = (x: number, y: number): number | undefined =>
  x >= 180 && x < 186 && y % 20 >= 10 && y % 20 < 12 ? 230 : undefined;

describe('marks drawn over the field', () => {
  test('depth ticks that keep still in flickering tissue are found, and nothing else', () => {
    const marks = findOverlays(drawn(TICKS), SIZE, 1, inside);
    expect(marks).not.toBeNull();
    marks?.forEach((value, i) => {
      const [x, y] = [i % 200, Math.floor(i / 200)];
      if (TICKS(x, y) !== undefined && x > 180 && x < 185) expect(value).toBe(1);
      if (x < 178 || x > 187) expect(value).toBe(0);
    });
  });

  test('a bright line of tissue that keeps its place but flickers survives', () => {
    const pleura = drawn((_, y, f) => (y >= 60 && y < 63 ? 215 + 12 * (f % 2) : undefined));
    expect(findOverlays(pleura, SIZE, 1, inside)).toBeNull();
  });

  test('a bright line across the picture survives even where it does not change at all', () => {
    const line = drawn((_, y) => (y >= 60 && y < 66 ? 250 : undefined));
    expect(findOverlays(line, SIZE, 1, inside)).toBeNull();
  });

  test('where nothing moves nothing can be told', () => {
    const still = drawn(TICKS)[0]!;
    expect(findOverlays([still], SIZE, 1, inside)).toBeNull();
    expect(
      findOverlays(
        Array.from({ length: 8 }, () => still),
        SIZE,
        1,
        inside,
      ),
    ).toBeNull();
  });

  test('marks are painted over from beside them; all other pixels stay', async () => {
    const frame = drawn(TICKS)[0]!;
    const marks = frame.map((_, i) => (TICKS(i % 200, Math.floor(i / 200)) === undefined ? 0 : 1));
    const result = await planCut(null, SIZE, 1, 160, false, marks).apply(frame.slice());
    result.forEach((value, i) => {
      if (marks[i] === 0) expect(value).toBe(frame[i]);
    });
    const row = 10 * 200;
    const [before, after] = [frame[row + 179]!, frame[row + 186]!];
    for (let x = 180; x < 186; x++) {
      expect(result[row + x]).toBe(Math.round(before + ((x - 179) / 7) * (after - before)));
    }
  });
});
