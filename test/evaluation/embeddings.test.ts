import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClipRecord } from '../../src/dataset/types.ts';
import {
  clipMeans,
  embedDataset,
  requireEmbeddings,
  type ClipEmbeddings,
  type Embedder,
  type EmbeddingSource,
} from '../../src/evaluation/features/embeddings.ts';
import { uniformFrames } from '../../src/evaluation/features/uniform-frames.ts';
import { codeOf, codeOfAsync } from './support.ts';

const record = (id: string, frames: number): ClipRecord => ({
  id,
  group: id,
  label: null,
  source: id,
  sourceSha256: null,
  frames,
  width: 1,
  height: 1,
  offset: 0,
  fps: null,
  original: { width: 1, height: 1, fps: null, frames },
  crop: null,
  field: null,
  hashes: [],
  mask: null,
  dropped: { black: 0, blank: 0, duplicate: 0 },
  flags: [],
});

/** A frame holds its clip's number and its own. */
const source = (...frames: number[]): EmbeddingSource => {
  const clips = frames.map((count, i) => record(`clip-${i}`, count));
  return { clips, readFrame: (clip, frame) => Uint8Array.of(clips.indexOf(clip), frame) };
};

const fillView = (frame: Uint8Array, _clip: ClipRecord, target: Float32Array, offset: number): void => {
  target[offset] = frame[0]!;
  target[offset + 1] = frame[1]!;
};

/** Features: clip, frame, and a trace of how many images shared the call. */
function echo(
  batch: number,
  answer?: (clip: number, frame: number) => number,
): Embedder & { calls: number[] } {
  const calls: number[] = [];
  const output = new Float32Array(batch * 2);
  return {
    batch,
    dim: 2,
    input: new Float32Array(batch * 2),
    calls,
    embed(images, count) {
      calls.push(count);
      output.fill(-7);
      for (let i = 0; i < count; i++) {
        output[2 * i] = images[2 * i]!;
        output[2 * i + 1] = answer?.(images[2 * i]!, images[2 * i + 1]!) ?? images[2 * i + 1]!;
      }
      return output;
    },
  };
}

describe('uniformFrames', () => {
  it('takes the middles of equal parts: in range, rising, symmetric, all where there are few', () => {
    expect(uniformFrames(100, 4)).toEqual([12, 37, 62, 87]);
    expect(uniformFrames(9, 1)).toEqual([4]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 40 }), (frames, count) => {
        const taken = uniformFrames(frames, count);
        expect(taken).toHaveLength(Math.min(frames, count));
        expect(taken.every((frame, i) => frame < frames && frame > (taken[i - 1] ?? -1))).toBe(true);
        const gaps = taken.slice(1).map((frame, i) => frame - taken[i]!);
        if (gaps.length > 0) expect(Math.max(...gaps) - Math.min(...gaps)).toBeLessThanOrEqual(1);
        if (frames <= count) expect(taken).toEqual([...Array(frames).keys()]);
      }),
      { seed: 5 },
    );
  });
});

describe('embedDataset', () => {
  it('gives each frame its row, whatever the batch, with a last short batch', async () => {
    for (const batch of [1, 3, 4, 64]) {
      const embedder = echo(batch);
      const progress: number[] = [];
      const { features, clip, frame, dim } = await embedDataset(source(1, 10, 2), embedder, {
        framesPerClip: 4,
        fillView,
        onProgress: (done, total) => progress.push(done, total),
      });
      expect(dim).toBe(2);
      expect([...clip]).toEqual([0, 1, 1, 1, 1, 2, 2]);
      expect([...(frame ?? [])]).toEqual([0, 1, 3, 6, 8, 0, 1]);
      expect([...features]).toEqual([0, 0, 1, 1, 1, 3, 1, 6, 1, 8, 2, 0, 2, 1]);
      expect(embedder.calls.reduce((a, b) => a + b, 0)).toBe(7);
      expect(progress.slice(-2)).toEqual([7, 7]);
    }
  });

  it('names the clip and frame whose features are not finite', async () => {
    const broken = echo(4, (clip, frame) => (clip === 1 && frame === 3 ? NaN : 0));
    await expect(embedDataset(source(2, 4), broken, { fillView })).rejects.toMatchObject({
      code: 'EMBED_NOT_FINITE',
      where: 'clip clip-1, frame 3',
    });
  });

  it('stops at a signal between batches', async () => {
    const stop = new AbortController();
    const embedder = echo(2);
    const run = embedDataset(source(20), embedder, {
      framesPerClip: 20,
      fillView,
      signal: stop.signal,
      onProgress: (done) => {
        if (done === 4) stop.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect(embedder.calls).toEqual([2, 2]);
  });

  it('refuses an empty dataset and an impossible number of frames', async () => {
    expect(await codeOfAsync(embedDataset(source(), echo(2), { fillView }))).toBe('EMBED_EMPTY');
    for (const framesPerClip of [0, -1, 1.5, NaN]) {
      const run = embedDataset(source(3), echo(2), { fillView, framesPerClip });
      expect(await codeOfAsync(run), String(framesPerClip)).toBe('EMBED_OPTION');
    }
  });
});

describe('requireEmbeddings', () => {
  const clips = [{ id: 'a' }, { id: 'b' }];
  const good = { dim: 2, features: Float32Array.of(1, 2, 3, 4), clip: Int32Array.of(0, 1) };

  it('accepts what fits and refuses shapes, clip numbers and values that do not', () => {
    const check = (changes: Partial<ClipEmbeddings>, of = clips): string =>
      codeOf(() => {
        requireEmbeddings({ ...good, ...changes }, of);
      });
    expect(check({})).toBe('no error');
    expect(check({ dim: 3 })).toBe('EMBEDDINGS_INVALID');
    expect(check({ dim: 0 })).toBe('EMBEDDINGS_INVALID');
    expect(check({}, clips.slice(1))).toBe('EMBEDDINGS_INVALID');
    expect(check({ features: Float32Array.of(1, 2, Infinity, 4) })).toBe('EMBED_NOT_FINITE');
  });
});

it('clipMeans averages the rows of each clip, in any order, and leaves clips without rows at zero', () => {
  const embeddings = { dim: 2, features: Float32Array.of(1, 2, 10, 20, 3, 6), clip: Int32Array.of(2, 0, 2) };
  expect([...clipMeans(embeddings, 3)]).toEqual([10, 20, 0, 0, 2, 4]);
});
