import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import type { Field } from '../../src/dataset/types.ts';
import { findField } from '../../src/ingest/field/find.ts';
import { rasterize } from '../../src/ingest/field/raster.ts';
import { drawClip } from '../../src/phantom/findings.ts';
import { drawPatient } from '../../src/phantom/nuisance.ts';
import { simulateClip } from '../../src/phantom/simulate.ts';
import { drawScreen, type Screen, type ScreenOptions } from './screens.ts';

const SCREEN = { width: 320, height: 240, frames: 6, menus: true } as const;

function found(screen: Screen): Field {
  const field = findField(screen.frames, screen, 1);
  if (field === null) throw new Error('No field was found.');
  return field;
}

/** Agreement with the truth: intersection over union, share of the field kept, menu pixels left. */
function judge(screen: Screen, field: Field): { iou: number; kept: number; menus: number } {
  const mask = rasterize(field.outlines, screen);
  let [both, either, truth, menus] = [0, 0, 0, 0];
  mask.forEach((value, i) => {
    both += value & screen.truth[i]!;
    either += value | screen.truth[i]!;
    truth += screen.truth[i]!;
    menus += value & screen.menus[i]!;
  });
  return { iou: both / either, kept: both / truth, menus };
}

describe('the field finder on screens whose field is known', () => {
  const cases: readonly (Pick<ScreenOptions, 'shape'> & Partial<ScreenOptions>)[] = [
    { shape: 'convex' },
    { shape: 'sector' },
    { shape: 'linear' },
    { shape: 'convex', frames: 1 },
    { shape: 'linear', frames: 1 },
    { shape: 'sector', frames: 1 },
    { shape: 'convex', background: 24 },
    { shape: 'convex', shadow: [0.3, 0.5] },
    { shape: 'convex', shadow: [0.3, 0.6], frames: 1, noise: 0 },
    { shape: 'linear', shadow: [0.4, 0.7], frames: 1, noise: 0 },
    { shape: 'convex', width: 960, height: 720, frames: 2 },
  ];
  test.each(cases)('%o: shape, outline, no letter left', (options) => {
    for (let seed = 0; seed < 4; seed++) {
      const screen = drawScreen({ ...SCREEN, seed, ...options });
      const field = found(screen);
      const { iou, kept, menus } = judge(screen, field);
      expect(field.shape).toBe(options.shape);
      expect(iou).toBeGreaterThan(0.95);
      expect(kept).toBeGreaterThan(0.99);
      expect(menus).toBe(0);
      expect(field.confidence).toBeGreaterThan(0.9);
      expect(field.from).toBe('found');
    }
  });

  test('a picture that is ultrasound from edge to edge is kept whole', () => {
    for (const frames of [1, 5]) {
      const screen = drawScreen({ ...SCREEN, shape: 'whole', menus: false, frames, seed: 3, attenuation: 2 });
      expect(found(screen)).toMatchObject({ shape: 'rectangle', confidence: 1 });
      expect(judge(screen, found(screen)).kept).toBe(1);
    }
  });

  test('a fan cut off by the borders of the picture keeps what is in it', () => {
    for (let seed = 0; seed < 4; seed++) {
      const whole = drawScreen({ ...SCREEN, width: 400, height: 300, shape: 'convex', menus: false, seed });
      const [x0, y0, width, height] = [110, 20, 180, 180];
      const part = (picture: Uint8Array): Uint8Array =>
        Uint8Array.from(
          { length: width * height },
          (_, i) => picture[(y0 + Math.floor(i / width)) * 400 + x0 + (i % width)]!,
        );
      const screen = {
        width,
        height,
        frames: whole.frames.map(part),
        truth: part(whole.truth),
        menus: part(whole.menus),
      };
      const { iou, kept } = judge(screen, found(screen));
      expect(iou).toBeGreaterThan(0.96);
      expect(kept).toBeGreaterThan(0.99);
    }
  });

  test('where the picture fades out it is not cut', () => {
    const screen = drawScreen({
      ...SCREEN,
      shape: 'whole',
      menus: false,
      frames: 1,
      seed: 8,
      attenuation: 9,
      noise: 0,
    });
    expect(judge(screen, found(screen)).kept).toBe(1);
  });

  test('a dark band across the field, as of a cyst or a water bath, does not part it', () => {
    const screen = drawScreen({ ...SCREEN, shape: 'linear', seed: 1, frames: 1 });
    const rows = [0, 1].map((edge) => Math.floor((edge === 0 ? 0.3 : 0.6) * screen.height));
    for (const frame of screen.frames) {
      for (let i = rows[0]! * 320; i < rows[1]! * 320; i++) if (screen.truth[i] === 1) frame[i] = 0;
    }
    expect(judge(screen, found(screen))).toMatchObject({ menus: 0 });
    expect(judge(screen, found(screen)).kept).toBeGreaterThan(0.99);
  });

  test('grey frames in three channels give what one channel gives', () => {
    const screen = drawScreen({ ...SCREEN, shape: 'convex', seed: 5 });
    const colour = screen.frames.map((frame) =>
      Uint8Array.from({ length: 3 * frame.length }, (_, i) => frame[Math.floor(i / 3)]!),
    );
    expect(findField(colour, screen, 3)).toEqual(findField(screen.frames, screen, 1));
  });

  test('confidence means what it says: on average the agreement with the true field', () => {
    let [sum, expected, count] = [0, 0, 0];
    for (let seed = 0; seed < 24; seed++) {
      const random = randomAt(seed, 'hard');
      const from = random.between(0, 0.5);
      const screen = drawScreen({
        ...SCREEN,
        width: 200,
        height: 160,
        frames: 1 + (seed % 3),
        shape: (['convex', 'linear', 'sector'] as const)[seed % 3]!,
        shadow: [from, from + random.between(0.1, 0.5)],
        attenuation: random.between(0.5, 6),
        noise: random.between(0, 2),
        menus: seed % 2 === 0,
        seed,
      });
      const field = findField(screen.frames, screen, 1);
      if (field === null) continue;
      const { iou } = judge(screen, field);
      sum += iou;
      expected += field.confidence;
      count++;
      // Never sure and wrong.
      if (field.confidence > 0.95) expect(iou).toBeGreaterThan(0.8);
    }
    expect(count).toBeGreaterThan(18);
    expect(Math.abs(sum - expected) / count).toBeLessThan(0.08);
  });
});

describe('the field finder on simulated clips', () => {
  test('keeps every lit pixel of phantom clips but the dimmest fringe', () => {
    for (let patient = 0; patient < 6; patient++) {
      const frames = simulateClip(
        drawClip({
          seed: 4,
          id: `p${patient}`,
          patient: drawPatient(4, patient),
          label: 'b-lines',
          frames: 3,
          size: 96,
        }),
      );
      const field = findField(frames, { width: 96, height: 96 }, 1);
      const mask =
        field === null ? new Uint8Array(96 * 96) : rasterize(field.outlines, { width: 96, height: 96 });
      let [lit, lost] = [0, 0];
      for (const frame of frames) {
        frame.forEach((value, i) => {
          if (value < 8) return;
          lit++;
          if (mask[i] === 0) lost++;
        });
      }
      expect(lost / lit).toBeLessThan(0.02);
    }
  });
});

describe('pictures without a field', () => {
  const size = { width: 64, height: 48 };
  test.each([0, 17, 128, 255])('of the single shade %d', (shade) => {
    const frame = new Uint8Array(64 * 48).fill(shade);
    expect(findField([frame], size, 1)).toBeNull();
    expect(findField([frame, frame, frame], size, 1)).toBeNull();
  });

  test('no frames at all', () => {
    expect(findField([], size, 1)).toBeNull();
  });

  test('letters and rulers only', () => {
    const screen = drawScreen({ ...SCREEN, shape: 'linear', seed: 2 });
    const frames = screen.frames.map((frame) => frame.map((value, i) => (screen.truth[i] === 1 ? 0 : value)));
    const field = findField(frames, screen, 1);
    expect(field?.confidence ?? 0).toBeLessThan(0.8);
  });

  test('tiny pictures are taken as they are', () => {
    const random = randomAt(1, 'tiny');
    const frame = Uint8Array.from({ length: 256 }, () => random.between(20, 250));
    const field = findField([frame], { width: 16, height: 16 }, 1);
    expect(field).toMatchObject({ shape: 'rectangle', confidence: 1 });
    expect(findField([Uint8Array.of(7)], { width: 1, height: 1 }, 1)).toBeNull();
  });
});
