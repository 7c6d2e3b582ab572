/** Parts of explanations that have a promise of their own: where the field is, which clips are drawn, how videos end. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { insideShare } from '../../src/evaluation/explanations/grad-cam.ts';
import { choosePictures } from '../../src/explain/cam.ts';
import { defaultParts, defaultQueries, fileName, findClip, poolClips } from '../../src/explain/clip-pool.ts';
import { encodeVideo } from '../../src/video/encode.ts';
import { fieldRegion } from '../../src/explain/cam-picture.ts';
import { drawScreen } from '../ingest/screens.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';
import { fieldedDataset, HEIGHT, WIDTH } from './support.ts';

const scratch = scratchFolder();

describe('the field of a stored frame', () => {
  it('is the outline in the original, through crop and scale', async () => {
    const outline: [number, number][] = [
      [50, 10],
      [80, 50],
      [20, 50],
    ];
    const field = { shape: 'sector' as const, outlines: [outline], confidence: 1, from: 'given' as const };
    const crop = { x: 20, y: 10, width: 60, height: 40 };
    await fieldedDataset(join(scratch, 'fan'), [{ id: 'fan', changes: { field, crop } }]);
    using dataset = openDataset(join(scratch, 'fan'));
    const region = fieldRegion(poolClips([dataset])[0]!)!;
    expect(region.foundNow).toBe(false);
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++) {
        // A pixel's centre is in the triangle when it is no further from the axis than its depth allows.
        const distance = Math.abs(x + 0.5 - WIDTH / 2) / (WIDTH / 2) - (y + 0.5) / HEIGHT;
        if (Math.abs(distance) > 1e-9) expect(region.inside[y * WIDTH + x]).toBe(distance < 0 ? 1 : 0);
      }
  });

  it('is looked for where the picture was stored whole, with letters around it', async () => {
    const screen = drawScreen({
      ...{ width: 320, height: 240, shape: 'convex', frames: 6, seed: 4, menus: true },
    });
    const { width, height, frames } = screen;
    const original = { width, height, fps: 25, frames: 6 };
    await fieldedDataset(join(scratch, 'screen'), [
      { id: 'screen', frames, changes: { width, height, original } },
    ]);
    using dataset = openDataset(join(scratch, 'screen'));
    const region = fieldRegion(poolClips([dataset])[0]!)!;
    expect(region.foundNow).toBe(true);
    const share = (of: Uint8Array): number => insideShare(Float32Array.from(of), region.inside).heat!;
    expect(share(screen.truth)).toBeGreaterThan(0.95);
    expect(share(screen.menus)).toBeLessThan(0.1);
  });
});

it('a field is looked for in twelve frames of a clip, even in time', async () => {
  const flat = Array.from({ length: 24 }, () => new Uint8Array(WIDTH * HEIGHT).fill(90));
  await fieldedDataset(join(scratch, 'long'), [{ id: 'long', frames: flat }]);
  using dataset = openDataset(join(scratch, 'long'));
  const read = vi.spyOn(dataset, 'readFrame');
  expect(fieldRegion(poolClips([dataset])[0]!)).toBeNull();
  expect(read.mock.calls.map(([, frame]) => frame)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
});

describe('the parts that are made where nobody said which', () => {
  const clips = (count: number, group?: string) =>
    Array.from({ length: count }, (_, i) => ({
      id: `c${i}`,
      ...(group === undefined ? {} : { changes: { group } }),
    }));
  it.each([
    ['all of them', clips(4), ['a', 'b'], ['cam', 'map', 'neighbours'], []],
    ['no map of three clips', clips(3), ['a', 'b'], ['cam', 'neighbours'], ['No map: it needs at least 4']],
    ['no heat without classes', clips(4), null, ['map', 'neighbours'], ['No Grad-CAM: these weights']],
    ['no neighbours in one group', clips(5, 'g'), ['a'], ['cam', 'map'], ['No nearest clips: all']],
  ])('%s', async (name, own, classes, made, said) => {
    await fieldedDataset(join(scratch, name), own);
    using dataset = openDataset(join(scratch, name));
    const notes: string[] = [];
    const parts = defaultParts(poolClips([dataset]), classes, (note) => notes.push(note));
    expect(parts).toEqual(Object.fromEntries(made.map((part) => [part, {}])));
    expect(notes).toEqual(said.map((start) => expect.stringContaining(start) as string));
  });
});

describe('the clips that are asked about', () => {
  it('are, where nobody named any, the first of each class, eight at most; without labels the first', async () => {
    const labelled = async (name: string, labels: readonly (string | null)[]): Promise<number[]> => {
      await fieldedDataset(
        join(scratch, name),
        labels.map((label, i) => ({ id: `c${i}`, changes: { label } })),
      );
      using dataset = openDataset(join(scratch, name));
      return defaultQueries(poolClips([dataset]));
    };
    expect(await labelled('two-classes', [null, 'b', 'b', 'a', null, 'a', 'b'])).toEqual([1, 3]);
    expect(await labelled('no-classes', [null, null])).toEqual([0]);
  });

  it('are found by the whole id, or by a part of it that only one has', async () => {
    await fieldedDataset(join(scratch, 'ids'), [{ id: 'lung-1' }, { id: 'lung-10' }, { id: 'heart' }]);
    using dataset = openDataset(join(scratch, 'ids'));
    const pool = poolClips([dataset]);
    expect(['lung-1', 'lung-10', '-10', 'ear'].map((id) => findClip(pool, id))).toEqual([0, 1, 1, 2]);
    const many = await errorOf(() => findClip(pool, 'lung'));
    expect([many.code, many.message]).toEqual([
      'CLIP_AMBIGUOUS',
      '2 clips have "lung" in their id or are called so.',
    ]);
    expect(many.remedy).toContain('lung-1 or lung-10;');
    const none = await errorOf(() => findClip(pool, 'liver'));
    expect([none.code, none.message]).toEqual(['CLIP_UNKNOWN', 'There is no clip "liver".']);
    expect(none.remedy).toContain('lung-1 or lung-10 or heart;');
  });
});

describe('the clips that are drawn', () => {
  it('are an even share of every class, spread over it, at least one', async () => {
    const label = (i: number): string | null => (i === 7 ? null : i % 8 === 0 ? 'b' : 'a');
    const clips = Array.from({ length: 24 }, (_, i) => ({ id: `c${i}`, changes: { label: label(i) } }));
    await fieldedDataset(join(scratch, 'many'), clips);
    using dataset = openDataset(join(scratch, 'many'));
    const pool = poolClips([dataset]);
    const drawn = [...choosePictures(pool, 8)].map((i) => pool[i]!.record.label);
    expect(drawn.filter((one) => one === 'a')).toHaveLength(6);
    expect(drawn.filter((one) => one === 'b')).toHaveLength(1);
    expect(drawn.filter((one) => one === null)).toHaveLength(1);
    expect(choosePictures(pool, 0).size).toBe(0);
    expect(choosePictures(pool, 1000).size).toBe(24);
  });

  it('have names that every system takes and that differ', () => {
    expect(fileName(4, '../a b/Ωmega:*?.mp4', '.png')).toBe('0005-a-b-mega.png');
    expect(fileName(0, '///', '.png')).toBe('0001-clip.png');
    expect(fileName(0, 'x'.repeat(300), '.png').length).toBeLessThan(80);
    expect(fileName(1, 'a/b', '.png')).not.toBe(fileName(2, 'a-b', '.png'));
  });
});

describe('encoding', () => {
  const path = process.env['PATH'];
  afterEach(() => {
    process.env['PATH'] = path;
  });

  async function* frames(count: number, bytes: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i++) {
      await Promise.resolve();
      yield new Uint8Array(bytes).fill(i);
    }
  }

  it('that fails says why and leaves no file', async () => {
    // H.264 with halved colour needs even sides.
    const settings = { format: 'mp4' as const, width: 33, height: 31, fps: 5 };
    const error = await errorOf(() =>
      encodeVideo(join(scratch, 'odd', 'video.mp4'), settings, frames(200, 33 * 31 * 3)),
    );
    expect(error.code).toBe('VIDEO_NOT_WRITTEN');
    expect(error.message).toMatch(/not divisible by 2|width|height/);
    expect(readdirSync(join(scratch, 'odd'))).toEqual([]);
  });

  it('without ffmpeg says what to install', async () => {
    process.env['PATH'] = join(scratch, 'nothing');
    const settings = { format: 'gif' as const, width: 32, height: 32, fps: 5 };
    const error = await errorOf(() =>
      encodeVideo(join(scratch, 'video.gif'), settings, frames(2, 32 * 32 * 3)),
    );
    expect(error.code).toBe('TOOL_MISSING');
    expect(existsSync(join(scratch, 'video.gif'))).toBe(false);
  });

  it('that is stopped, or whose frames fail, leaves no file', async () => {
    const settings = { format: 'gif' as const, width: 32, height: 32, fps: 5 };
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* frames(2, 32 * 32 * 3);
      throw new Error('no more');
    }
    const out = join(scratch, 'failing', 'video.gif');
    await expect(encodeVideo(out, settings, failing())).rejects.toThrow('no more');
    const controller = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let i = 0; ; i++) {
        if (i === 5) controller.abort(new Error('enough'));
        yield* frames(1, 32 * 32 * 3);
      }
    }
    const stopped = encodeVideo(out, { ...settings, signal: controller.signal }, endless());
    await expect(stopped).rejects.toThrow('enough');
    expect(readdirSync(join(scratch, 'failing'))).toEqual([]);
  });
});
