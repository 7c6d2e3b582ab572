import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { leakFreeUnits } from '../../src/curation/duplicates.ts';
import { partOfName, writePart } from '../../src/curation/part.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { errorOf, scratchFolder, tinyDataset } from '../pretrain/support.ts';

const scratch = scratchFolder();
const whole = join(scratch, 'whole');
const parts = [0, 1, 2].map((part) => join(scratch, `part-${part}`));

beforeAll(async () => {
  // The last clip, of the last group, shows what the first does: the two groups are one patient.
  await tinyDataset(whole, { clips: 30, groupSize: 2, copies: [[0, 29]] });
  for (const [part, out] of parts.entries()) await writePart(whole, out, { of: 3, part });
});

describe('parts of a dataset', () => {
  test('hold every clip once, frames and records as they were', () => {
    using dataset = openDataset(whole);
    const found = parts.flatMap((folder) => {
      using part = openDataset(folder);
      return part.clips.map((clip) => {
        const { offset: _offset, ...record } = clip;
        return { record, last: Buffer.from(part.readFrame(clip, clip.frames - 1)) };
      });
    });
    const wanted = dataset.clips.map((clip) => {
      const { offset: _offset, ...record } = clip;
      return { record, last: Buffer.from(dataset.readFrame(clip, clip.frames - 1)) };
    });
    const byId = (a: { record: { id: string } }, b: { record: { id: string } }): number =>
      a.record.id < b.record.id ? -1 : 1;
    expect(found.sort(byId)).toEqual(wanted.sort(byId));
  });

  test('are dealt by a hash of the patient: the first 32 bits of SHA-256, modulo their number', () => {
    using dataset = openDataset(whole);
    const { unitOf, joined } = leakFreeUnits(dataset.clips);
    expect(joined).toContainEqual(['group0', 'group14']);
    for (const [i, { id }] of dataset.clips.entries()) {
      const number = parseInt(createHash('sha256').update(unitOf[i]!).digest('hex').slice(0, 8), 16) % 3;
      expect(partOfName(unitOf[i]!, 3)).toBe(number);
      using part = openDataset(parts[number]!);
      expect(part.clips.map((clip) => clip.id)).toContain(id);
    }
  });

  test('say what they are part of', () => {
    using part = openDataset(parts[1]!);
    expect(part.manifest.name).toBe('stripes part 2 of 3');
    expect(part.manifest.made).toMatchObject({ command: 'part', of: 3, part: 1, from: { clips: 30 } });
  });

  test('that are empty are refused', async () => {
    const few = await tinyDataset(join(scratch, 'few'), { clips: 2, groupSize: 2 });
    const part = 1 - partOfName('group0', 2);
    const error = await errorOf(() => writePart(few, join(scratch, 'none'), { of: 2, part }));
    expect([error.code, error.message]).toEqual([
      'PART_EMPTY',
      `Part ${part} of 2 of stripes has no clip: there are 1 patients.`,
    ]);
  });
});
