/** Fields looked for in threads: nothing of the outcome may tell. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { Field } from '../../src/dataset/types.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import type { Look } from '../../src/ingest/look.ts';
import { lookNow } from '../../src/ingest/look.ts';
import { LookThreads } from '../../src/ingest/look-threads.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { drawScreen } from './screens.ts';

const size = { width: 240, height: 180 };
const shapes = ['convex', 'sector', 'linear', 'whole'] as const;

function frames(seed: number, count = 4): readonly Uint8Array[] {
  return drawScreen({ ...size, shape: shapes[seed % 4]!, seed, frames: count, menus: true }).frames;
}

const region: Field = {
  shape: 'rectangle',
  outlines: [
    [
      [2, 2],
      [220, 2],
      [220, 166],
      [2, 166],
    ],
  ],
  confidence: 1,
  from: 'declared',
};

describe('a look in a thread', () => {
  test('sees what a look at once sees, however many are under way', { timeout: 30_000 }, async () => {
    await using threads = new LookThreads(2);
    const looks = Array.from({ length: 12 }, (_, seed) => {
      const declared = seed % 3 === 0 ? { field: region, sure: 0.5 } : null;
      // More frames than are looked at, in some.
      return { look: { size, channels: 1, declared } satisfies Look, seen: frames(seed, seed < 2 ? 30 : 4) };
    });
    const seen = await Promise.all(looks.map(({ look, seen }) => threads.look(look, seen)));
    expect(seen).toEqual(looks.map(({ look, seen }) => lookNow(look, seen)));
    expect(new Set(seen.map((field) => field?.shape)).size).toBeGreaterThan(2);

    const colour = frames(1).map((frame) =>
      Uint8Array.from({ length: 3 * frame.length }, (_, i) => frame[Math.floor(i / 3)]!),
    );
    const look: Look = { size, channels: 3, declared: null };
    expect(await threads.look(look, colour)).toEqual(lookNow(look, colour));
    expect(await threads.look({ ...look, channels: 1 }, [])).toBeNull();
    // The frames stay with whoever gave them.
    expect(colour[0]!.length).toBe(3 * size.width * size.height);
  });

  test('fails where the look fails, and where its thread is gone', { timeout: 30_000 }, async () => {
    const threads = new LookThreads(1);
    const look: Look = { size, channels: 1, declared: null };
    const outlines = [null] as unknown as Field['outlines'];
    const impossible: Look = { ...look, declared: { field: { ...region, outlines }, sure: 0.5 } };
    await expect(threads.look(impossible, frames(0))).rejects.toThrow('TypeError');
    const under = threads.look(look, frames(1));
    const lost = expect(under).rejects.toThrow('exited with code 1');
    await threads[Symbol.asyncDispose]();
    await lost;
    await expect(threads.look(look, frames(1))).rejects.toThrow('closed');
  });

  test('gives the dataset that looking at once gives', { timeout: 60_000 }, async () => {
    const scratch = scratchFolder();
    const source = (name: string): string => join(scratch, name);
    for (const [name, clips] of [
      ['few', 3],
      ['many', 9],
    ] as const) {
      for (let clip = 0; clip < clips; clip++) {
        const folder = join(source(name), `clip${clip}`);
        mkdirSync(folder, { recursive: true });
        for (const [i, frame] of frames(clip).entries())
          await sharp(frame, { raw: { ...size, channels: 1 } })
            .png()
            .toFile(join(folder, `${i}.png`));
      }
    }
    const [few, many] = [join(scratch, 'a'), join(scratch, 'b')];
    await ingest({ source: source('few'), out: few, parallel: 2 });
    await ingest({ source: source('many'), out: many, parallel: 2 });
    using one = openDataset(few);
    using other = openDataset(many);
    expect(one.clips.length).toBe(3);
    expect(one.clips).toEqual(other.clips.slice(0, 3));
    expect(one.clips.some(({ field }) => field?.from === 'found')).toBe(true);
  });
});
