import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import type { Field } from '../../src/dataset/types.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { outlineSheet } from '../../src/ingest/outline-sheet.ts';
import { draft, scratchFolder, START } from '../dataset/helpers.ts';
import { failureOf, makePicture } from './media.ts';

const scratch = scratchFolder();
const FIELD: Field = {
  shape: 'linear',
  outlines: [
    [
      [10, 8],
      [30, 8],
      [30, 24],
      [10, 24],
    ],
  ],
  confidence: 0.9,
  from: 'found',
};

async function datasetOf(name: string, sources: readonly string[]): Promise<string> {
  const folder = join(scratch, name);
  using writer = createDataset(folder, START);
  for (const source of sources) {
    await writer.addClip(draft(source, { source, field: FIELD }), [new Uint8Array(80)]);
  }
  writer.finish();
  return folder;
}

test('draws outlines on the originals and names clips that have none', async () => {
  const source = join(scratch, 'originals');
  mkdirSync(source);
  await makePicture(join(source, 'one.png'), 1);
  using dataset = openDataset(await datasetOf('shown', ['one.png', 'dicom-0123456789abcdef']));
  const path = join(scratch, 'outlines.png');
  const sheet = await outlineSheet(dataset, source, path);
  expect(sheet).toMatchObject({ clips: 1, missing: ['dicom-0123456789abcdef'] });
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([sheet.width, sheet.height]);
  const isGreen = (x: number, y: number): boolean => {
    const [r, g] = data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 2);
    return g! - r! > 50;
  };
  // 40 × 32 shown as 240 × 192 from (6, 22): the left edge of the field lies at 6 + 10 · 6, its middle row at 22 + 16 · 6.
  expect([65, 66].some((x) => isGreen(x, 118))).toBe(true);
  expect(isGreen(90, 118)).toBe(false);
});

test('a folder that the dataset was not made from is refused', async () => {
  const source = join(scratch, 'others');
  mkdirSync(source);
  await makePicture(join(source, 'two.png'), 1);
  using dataset = openDataset(await datasetOf('other', ['one.png']));
  const error = await failureOf(outlineSheet(dataset, source, join(scratch, 'none.png')));
  expect(error).toMatchObject({ code: 'SOURCE_MISMATCH', exitCode: 3 });
});
