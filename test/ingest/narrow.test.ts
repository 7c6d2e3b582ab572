/** Declared regions cut along the sides of the fan in them: corners go, tissue stays, nothing is added. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import type { Field } from '../../src/dataset/types.ts';
import { openDicomClip } from '../../src/ingest/dicom/clip.ts';
import { rasterize } from '../../src/ingest/field/raster.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { narrowedField } from '../../src/ingest/field/narrow.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { writeUltrasound } from '../dicom-writer.ts';
import { drawScreen, type Screen, type ScreenOptions } from './screens.ts';

const SURE = 0.75;
const [width, height] = [320, 240];
const scratch = scratchFolder();

function declared(x0: number, y0: number, x1: number, y1: number): Field {
  const outline: [number, number][] = [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
  return { shape: 'rectangle', outlines: [outline], confidence: 1, from: 'declared' };
}

const screen = (shape: ScreenOptions['shape'], seed: number): Screen =>
  drawScreen({ width, height, shape, seed, frames: 6, menus: true });

const sum = (mask: Uint8Array): number => mask.reduce((total, value) => total + value, 0);
const both = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((value, i) => value & b[i]!);

describe('a declared region', () => {
  test.each(['convex', 'sector'] as const)(
    'with a %s in it loses the corners beside it, never tissue',
    (shape) => {
      let cut = 0;
      for (let seed = 0; seed < 8; seed++) {
        const { frames, truth, menus } = screen(shape, seed);
        const region = declared(2, 2, width - 20, height - 14);
        const inside = rasterize(region.outlines, { width, height });
        const field = narrowedField(region, frames, { width, height }, 1, SURE);
        const kept = rasterize(field.outlines, { width, height });
        expect(sum(both(kept, inside))).toBe(sum(kept));
        expect(sum(both(kept, truth)) / sum(both(inside, truth))).toBeGreaterThan(0.97);
        if (field === region) continue;
        cut++;
        expect(field).toMatchObject({ shape, from: 'declared' });
        // The five lines of letters in the upper left corner.
        const corner = menus.map((value, i) => (i % width < 62 && i < 70 * width ? value : 0));
        expect(sum(both(inside, corner))).toBeGreaterThan(100);
        expect(sum(both(kept, corner)) / sum(both(inside, corner))).toBeLessThan(0.1);
      }
      expect(cut).toBeGreaterThanOrEqual(6);
    },
  );

  test('stays as it is where the picture is no fan, where nobody is sure, and where there are several', () => {
    const region = declared(2, 2, width - 20, height - 14);
    const size = { width, height };
    const fan = screen('convex', 1).frames;
    expect(narrowedField(region, fan, size, 1, SURE)).not.toBe(region);
    expect(narrowedField(region, screen('linear', 1).frames, size, 1, SURE)).toBe(region);
    expect(narrowedField(region, screen('whole', 1).frames, size, 1, SURE)).toBe(region);
    expect(narrowedField(region, fan, size, 1, 1.01)).toBe(region);
    expect(narrowedField(region, [], size, 1, SURE)).toBe(region);
    expect(narrowedField(region, [new Uint8Array(width * height)], size, 1, SURE)).toBe(region);
    const two = { ...region, outlines: [...region.outlines, ...declared(0, 230, 100, 240).outlines] };
    expect(narrowedField(two, fan, size, 1, SURE)).toBe(two);
    const corner: Field = { ...region, outlines: [region.outlines[0]!.slice(0, 3)] };
    expect(narrowedField(corner, fan, size, 1, SURE)).toBe(corner);
  });

  test('is cut in colour as in grey', () => {
    const region = declared(2, 2, width - 20, height - 14);
    const grey = screen('convex', 1).frames;
    const colour = grey.map((frame) =>
      Uint8Array.from({ length: 3 * frame.length }, (_, i) => frame[Math.floor(i / 3)]!),
    );
    const size = { width, height };
    expect(narrowedField(region, colour, size, 3, SURE)).toEqual(narrowedField(region, grey, size, 1, SURE));
  });

  test('is cut in a whole ingest, with or without cropping; a field given by a person is not', async () => {
    const source = join(scratch, 'source');
    mkdirSync(source);
    const { frames } = screen('convex', 1);
    const regions = [{ x0: 2, y0: 2, x1: width - 20, y1: height - 14 }];
    writeFileSync(
      join(source, 'a'),
      writeUltrasound({ rows: height, columns: width, frames, regions, frameTime: 200 }),
    );
    for (const crop of ['auto', 'none'] as const) {
      const out = join(scratch, crop);
      await ingest({ source, out, crop });
      using dataset = openDataset(out);
      const [clip] = dataset.clips;
      expect(clip?.field).toMatchObject({ shape: 'convex', from: 'declared' });
      if (crop === 'auto') continue;
      const kept = rasterize(clip!.field!.outlines, { width, height });
      const frame = dataset.readFrame(clip!, 0);
      expect(clip).toMatchObject({ width, height });
      expect([...frame].every((value, i) => value === (kept[i] === 1 ? frames[0]![i] : 0))).toBe(true);
    }
    const fields = join(scratch, 'fields.csv');
    writeFileSync(fields, 'clip,field\n*,rectangle 10 10 200 150\n');
    const out = join(scratch, 'given');
    await ingest({ source, out, fields });
    using dataset = openDataset(out);
    expect(dataset.clips[0]).toMatchObject({
      field: { shape: 'rectangle', from: 'given' },
      crop: { x: 10, y: 10, width: 200, height: 150 },
    });
  });
});

const data = resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data');
const PUBLISHED = join(data, 'dicom', 'pydicom-data', 'OBXXXX1A.dcm');

test.skipIf(!existsSync(PUBLISHED))(
  'of a published file (skipped without it) loses the measurement in its corner',
  async () => {
    const clip = await openDicomClip(PUBLISHED, { key: null });
    const frames: Uint8Array[] = [];
    for await (const frame of clip.frames({ channels: 1, fps: 'all' })) frames.push(frame);
    const kept = rasterize(narrowedField(clip.declaredField!, frames, clip, 1, SURE).outlines, clip);
    const writing = frames[0]!.map((value, i) => {
      const [x, y] = [i % clip.width, Math.floor(i / clip.width)];
      return value > 100 && x > 120 && x < 310 && y > 80 && y < 110 ? 1 : 0;
    });
    expect(sum(writing)).toBeGreaterThan(200);
    expect(sum(both(kept, writing))).toBe(0);
    expect(sum(kept)).toBeGreaterThan(0.6 * sum(rasterize(clip.declaredField!.outlines, clip)));
  },
);
