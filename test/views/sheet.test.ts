import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { fillPairImages } from '../../src/views/pairs.ts';
import { pairSheet } from '../../src/views/sheet.ts';
import { memoryDataset, viewOf } from './helpers.ts';

const folder = mkdtempSync(join(tmpdir(), 'uscl-sheet-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the pair sheet', () => {
  it.each([1, 3] as const)('shows the views that training sees, %i channels', async (channels) => {
    const dataset = memoryDataset([{ frames: 5 }, { frames: 1 }, { frames: 4 }], channels);
    const view = viewOf({ size: 32, channels });
    const path = join(folder, `sheet-${channels}.png`);
    await pairSheet(dataset, view, 4, path, { clips: 10, epoch: 3 });
    const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([5 * 36 + 4, 3 * 36 + 4]);
    const images = new Float32Array(2 * channels * 32 * 32);
    fillPairImages(dataset, [2], view, 4, 3, images);
    for (const v of [0, 1])
      for (const [x, y] of [
        [0, 0],
        [31, 5],
        [16, 31],
      ] as const) {
        const intensity = images[v * channels * 1024 + y * 32 + x]! * 0.25 + 0.5;
        const pixel = data[((2 * 36 + 4 + y) * info.width + (3 + v) * 36 + 4 + x) * info.channels]!;
        expect(Math.abs(pixel - 255 * intensity)).toBeLessThanOrEqual(0.51);
      }
  });

  it('names the path when it cannot be written', async () => {
    const dataset = memoryDataset([{ frames: 3 }]);
    await pairSheet(dataset, viewOf(), 1, join(folder, 'file.png'));
    await expect(
      pairSheet(dataset, viewOf(), 1, join(folder, 'file.png', 'below.png')),
    ).rejects.toMatchObject({
      code: 'WRITE_FAILED',
    });
  });
});
