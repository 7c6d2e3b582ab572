/** Frames of mistaken clips as they stand in a page: the right pixels, and none of what the dataset has not got. */
import { expect, test } from 'vitest';
import sharp from 'sharp';
import { openDataset } from '../../src/dataset/reader.ts';
import { framesOf } from '../../src/report/pictures.ts';
import { fixtureDataset, scratchFolder } from './fixture.ts';

test('a frame that the dataset has is shown, a clip or a frame that it has not got is left out', async () => {
  using dataset = openDataset(await fixtureDataset(scratchFolder(), { clips: 4 }));
  const [first, second] = dataset.clips;
  const pictures = await framesOf(dataset, [
    { id: 'of another dataset', frame: 0 },
    { id: first!.id, frame: 3 },
    { id: second!.id, frame: 4 },
  ]);
  expect([...pictures.keys()]).toEqual([first!.id]);
  const picture = pictures.get(first!.id)!;
  expect(picture).toMatchObject({ width: 16, height: 16 });
  const jpeg = Buffer.from(picture.source.replace('data:image/jpeg;base64,', ''), 'base64');
  const shown = await sharp(jpeg).toColourspace('b-w').raw().toBuffer();
  const distance = (frame: number): number => {
    const pixels = dataset.readFrame(first!, frame);
    return pixels.reduce((sum, value, i) => sum + Math.abs(value - shown[i]!), 0) / pixels.length;
  };
  // JPEG blurs noise by a few grey levels; two frames of noise differ by a third of the range.
  expect(distance(3)).toBeLessThan(10);
  for (const other of [0, 1, 2]) expect(distance(other)).toBeGreaterThan(60);
});
