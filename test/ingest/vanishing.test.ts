/** Sources that change while they are read. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ingest } from '../../src/ingest/ingest.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { makePicture, makeVideo } from './media.ts';

const scratch = scratchFolder();

test('files that vanish midway are named, without where they lay, and the rest goes on', async () => {
  const source = join(scratch, 'source');
  for (const name of ['a.png', 'b.png', 'y.png', 'z.png'])
    await makePicture(join(source, name), name.charCodeAt(0));
  for (let i = 0; i < 4; i++) {
    await makePicture(join(source, 'whole', `${i}.png`), i);
    await makePicture(join(source, 'gone', `${i}.png`), i);
  }
  makeVideo(join(source, 'x.mp4'));
  const out = join(scratch, 'out');
  let removed = false;
  const summary = await ingest({
    ...{ source, out, parallel: 1, crop: 'none' },
    onProgress: (done) => {
      if (done < 1 || removed) return;
      removed = true;
      for (const name of ['gone', 'whole/2.png', 'x.mp4', 'y.png'])
        rmSync(join(source, name), { recursive: true });
    },
  });
  expect(summary.clips).toBe(4);
  const reasons = Object.fromEntries(summary.rejected.map(({ source: path, reason }) => [path, reason]));
  expect(Object.keys(reasons)).toEqual(['gone', 'x.mp4', 'y.png']);
  expect(reasons['y.png']).toBe('there is no such file');
  expect(reasons['gone']).toMatch(/^none of its 4 pictures can be read; 0\.png: there is no such file/);
  expect(summary.damaged).toEqual([{ source: 'whole', reason: '2.png: there is no such file' }]);
  for (const file of ['dataset.json', 'clips.jsonl', 'ingest.jsonl'])
    expect(readFileSync(join(out, file), 'utf8')).not.toContain(scratch);
});
