import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageLength } from '../../src/views/config.ts';
import { FrameLoader, type FrameLoaderOptions, type FrameRequest } from '../../src/views/loaders.ts';
import { frameRenderer } from '../../src/views/frames.ts';
import { drawMixing, mixImages } from '../../src/views/mixup.ts';
import { frameViewOf, memoryDataset, storeDataset } from './helpers.ts';

const root = mkdtempSync(join(tmpdir(), 'uscl-frames-'));
const folder = join(root, 'dataset');
const dataset = memoryDataset(Array.from({ length: 6 }, (_, i) => ({ frames: 2 + i, width: 20 + i })));
beforeAll(() => storeDataset(dataset, folder));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const view = frameViewOf({ augment: { cropScale: [0.4, 1], brightness: 0.5 } });

/** Two batches an epoch, of 4 and 3 frames, three epochs. */
function schedule(step: number): FrameRequest | null {
  const [epoch, index] = [step >> 1, step & 1];
  const rows = Array.from({ length: 4 - index }, (_, i) => ({
    clip: (i + step) % 6,
    frame: (i + epoch) % 2,
  }));
  return epoch < 3 ? { epoch, index, rows } : null;
}

function options(workers: number, more: Partial<FrameLoaderOptions> = {}): FrameLoaderOptions {
  return { seed: 9, schedule, rows: 4, mixup: null, workers, ahead: 2, ...more };
}

describe('FrameLoader', () => {
  for (const mixup of [null, 0.4])
    it.each([0, 1, 2])(
      `with %i workers gives the same bits in the same order (mixup ${mixup})`,
      async (workers) => {
        await using loader = FrameLoader.open(folder, view, options(workers, { mixup }));
        for (let step = 0; step < 6; step++) {
          const made = await loader.next();
          const request = schedule(step)!;
          expect(made).toMatchObject(request);
          const expected = new Float32Array(request.rows.length * imageLength(view));
          frameRenderer(dataset, view)(request.rows, 9, request.epoch, expected);
          const { epoch, index, rows } = request;
          const mixing = mixup === null ? null : drawMixing(rows.length, mixup, 9, epoch, index);
          expect(made.mixing).toEqual(mixing);
          if (mixing !== null) mixImages(expected, imageLength(view), mixing);
          expect(Buffer.compare(Buffer.from(expected.buffer), Buffer.from(made.images.slice().buffer))).toBe(
            0,
          );
        }
        expect(loader.secondsWaited).toBeGreaterThan(0);
        await expect(loader.next()).rejects.toThrow(RangeError);
      },
    );

  it('starts at any step, so that a resumed training sees what it would have seen', async () => {
    await using whole = FrameLoader.open(folder, view, options(0, { mixup: 1 }));
    for (let step = 0; step < 3; step++) await whole.next();
    const expected = await whole.next();
    await using resumed = FrameLoader.open(folder, view, options(1, { mixup: 1, firstStep: 3 }));
    const first = await resumed.next();
    expect(first.rows).toEqual(expected.rows);
    expect(first.mixing).toEqual(expected.mixing);
    expect(first.images.slice()).toEqual(expected.images.slice());
  });

  it('shows whole frames where nothing is augmented, the same in every epoch', async () => {
    const rows = [{ clip: 2, frame: 1 }];
    const plain = frameViewOf({ augment: null });
    const again = (step: number): FrameRequest => ({ epoch: step, index: 0, rows });
    await using loader = FrameLoader.open(folder, plain, options(1, { schedule: again }));
    const first = (await loader.next()).images.slice();
    expect((await loader.next()).images.slice()).toEqual(first);
  });

  it.each([0, 1])('with %i workers says which frame is not there', async (workers) => {
    const missing = (): FrameRequest => ({ epoch: 0, index: 0, rows: [{ clip: 0, frame: 2 }] });
    await using loader = FrameLoader.open(folder, view, options(workers, { schedule: missing }));
    await expect(loader.next()).rejects.toThrow('Clip clip-0 has frames 0 to 1, not 2');
  });

  it('refuses counts, requests and a mixup that make no sense', async () => {
    const open = (more: Partial<FrameLoaderOptions>): FrameLoader =>
      FrameLoader.open(folder, view, options(0, more));
    expect(() => open({ rows: 0 })).toThrow('rows');
    for (const mixup of [0, -1, NaN, Infinity, 1000.5]) expect(() => open({ mixup })).toThrow('mixup');
    await using most = open({ mixup: 1000 });
    expect((await most.next()).mixing).not.toBeNull();
    await using small = open({ rows: 3 });
    await expect(small.next()).rejects.toThrow('asks for 4 frames');
    await using empty = open({ schedule: () => ({ epoch: 0, index: 0, rows: [] }) });
    await expect(empty.next()).rejects.toThrow('asks for 0 frames');
  });
});
