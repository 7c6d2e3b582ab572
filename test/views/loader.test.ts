import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { FILES } from '../../src/dataset/types.ts';
import { epochBatches } from '../../src/views/batches.ts';
import { batchSchema, imageLength } from '../../src/views/config.ts';
import { ClipLoader, type ClipRequest, type ClipLoaderOptions } from '../../src/views/loaders.ts';
import { fillPairImages } from '../../src/views/pairs.ts';
import { memoryDataset, storeDataset, viewOf } from './helpers.ts';

const root = mkdtempSync(join(tmpdir(), 'uscl-views-'));
const folder = join(root, 'dataset');
const dataset = memoryDataset(
  Array.from({ length: 11 }, (_, i) => ({
    frames: 1 + (i % 5),
    width: 20 + i,
    label: [null, 'a', 'b'][i % 3]!,
    fps: i === 4 ? null : 10,
  })),
);
beforeAll(() => storeDataset(dataset, folder));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const view = viewOf();
const batch = batchSchema.parse({ size: 4 });

/** A batch of one stream. */
function requestOf(epoch: number, index: number, clips: readonly number[]): ClipRequest {
  return { epoch, index, parts: [{ epoch, clips }] };
}

/** Three batches an epoch (4, 4 and 3 clips), five epochs. */
function schedule(step: number): ClipRequest | null {
  const [epoch, index] = [Math.floor(step / 3), step % 3];
  return epoch < 5 ? requestOf(epoch, index, epochBatches(dataset.clips, batch, 9, epoch)[index]!) : null;
}

function options(workers: number, more: Partial<ClipLoaderOptions> = {}): ClipLoaderOptions {
  return { seed: 9, schedule, streams: [{ views: 'pair', most: 4 }], workers, ahead: 2, ...more };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (thrown) {
    return thrown;
  }
  throw new Error('Nothing failed.');
}

describe('ClipLoader', () => {
  it.each([0, 1, 2])('with %i workers gives the same bits in the same order', async (workers) => {
    await using loader = ClipLoader.open(folder, view, options(workers, { ahead: 3 }));
    for (let step = 0; step < 15; step++) {
      const made = await loader.next();
      const wanted = schedule(step)!;
      expect(made).toMatchObject(wanted);
      const { clips, epoch } = wanted.parts[0]!;
      const expected = new Float32Array(2 * clips.length * imageLength(view));
      fillPairImages(dataset, clips, view, 9, epoch, expected);
      expect(Buffer.compare(Buffer.from(expected.buffer), Buffer.from(made.images.slice().buffer))).toBe(0);
      // Which labels may be seen is not decided here, so none are handed out.
      expect(Object.keys(made).sort()).toEqual(['epoch', 'images', 'index', 'parts']);
    }
    expect(loader.secondsWaited).toBeGreaterThan(0);
    await expect(loader.next()).rejects.toThrow(RangeError);
  });

  it('starts at any step, so that a resumed run sees what it would have seen', async () => {
    await using whole = ClipLoader.open(folder, view, options(0));
    for (let step = 0; step < 7; step++) await whole.next();
    const expected = await whole.next();
    await using resumed = ClipLoader.open(folder, view, options(1, { firstStep: 7 }));
    const first = await resumed.next();
    expect(first.parts).toEqual(expected.parts);
    expect(first.images.slice()).toEqual(expected.images.slice());
  });

  it('works ahead while the thread that asks is blocked', async () => {
    await using loader = ClipLoader.open(folder, view, options(2, { ahead: 4 }));
    await loader.next();
    const never = new Int32Array(new SharedArrayBuffer(4));
    // The event loop does not turn here: workers must have had their work, and their results must be visible.
    for (let tries = 0; loader.ready < 4 && tries < 500; tries++) Atomics.wait(never, 0, 0, 50);
    expect(loader.ready).toBe(4);
    let turned = false;
    setImmediate(() => (turned = true));
    for (let i = 0; i < 4; i++) await loader.next();
    expect(turned).toBe(false);
  });

  it('hands out images that stay until the next call', async () => {
    await using loader = ClipLoader.open(folder, view, options(2, { ahead: 2 }));
    const { images } = await loader.next();
    const copy = images.slice();
    const never = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; loader.ready < 2 && tries < 500; tries++) Atomics.wait(never, 0, 0, 50);
    expect(images).toEqual(copy);
  });

  it.each([0, 1])(
    'with %i workers a failing step is the error of a direct call, again and again',
    async (workers) => {
      const windowed = viewOf({ spg: { windowSeconds: 1 } });
      const clips = (step: number): number[] => (step === 1 ? [1, 4] : [0, 1]);
      await using loader = ClipLoader.open(
        folder,
        windowed,
        options(workers, { schedule: (step) => requestOf(0, step, clips(step)) }),
      );
      await loader.next();
      for (let attempt = 0; attempt < 2; attempt++) {
        const error = await failure(loader.next());
        expect(error).toBeInstanceOf(UsclError);
        expect(error).toMatchObject({
          kind: 'data',
          code: 'VIEW_WINDOW_WITHOUT_RATE',
          where: 'clip clip-4',
          exitCode: 3,
        });
        expect((error as UsclError).remedy).toContain('windowSeconds');
      }
    },
  );

  it('reports a store that was cut off under it', async () => {
    const broken = join(root, 'broken');
    await storeDataset(dataset, broken);
    await using loader = ClipLoader.open(
      broken,
      view,
      options(1, { ahead: 1, schedule: (step) => requestOf(step, 0, step < 2 ? [0] : [10]) }),
    );
    await loader.next();
    truncateSync(join(broken, FILES.frames), 1000);
    await loader.next();
    expect(await failure(loader.next())).toMatchObject({ name: 'UsclError', code: 'DATASET_CORRUPT' });
  });

  it('says so when a dataset is missing, before any thread starts', () => {
    expect(() => ClipLoader.open(join(root, 'nowhere'), view, options(1))).toThrow(
      expect.objectContaining({ code: 'DATASET_MISSING' }),
    );
  });

  it('says so when a worker cannot open the dataset any more', async () => {
    const gone = join(root, 'gone');
    await storeDataset(dataset, gone);
    const loader = ClipLoader.open(gone, view, options(1));
    rmSync(gone, { recursive: true });
    expect(await failure(loader.next())).toMatchObject({ code: 'DATASET_MISSING' });
    await loader.close();
  });

  it('refuses counts and requests that make no sense', async () => {
    expect(() => ClipLoader.open(folder, view, options(-1))).toThrow('workers');
    expect(() => ClipLoader.open(folder, view, options(1, { ahead: 0 }))).toThrow('ahead');
    expect(() =>
      ClipLoader.open(folder, view, options(1, { streams: [{ views: 'pair', most: 0.5 }] })),
    ).toThrow('most');
    const many = (): ClipRequest => requestOf(0, 0, [0, 1, 2, 3, 4]);
    expect(() => ClipLoader.open(folder, view, options(1, { schedule: many }))).toThrow('asks for 5 clips');
    await using loader = ClipLoader.open(folder, view, options(0, { schedule: many }));
    await expect(loader.next()).rejects.toThrow('asks for 5 clips');
  });

  it('closes with work under way, twice, and a waiting caller learns of it', async () => {
    const loader = ClipLoader.open(folder, view, options(2, { ahead: 6 }));
    const waiting = failure(loader.next());
    await Promise.all([loader.close(), loader.close()]);
    expect(String(await waiting)).toContain('closed');
    await expect(loader.next()).rejects.toThrow('closed');
  });

  it('allows one call at a time', async () => {
    await using loader = ClipLoader.open(folder, view, options(1));
    const first = loader.next();
    await expect(loader.next()).rejects.toThrow('before the last call had ended');
    expect((await first).index).toBe(0);
  });
});

describe('the worker', () => {
  it('reaches no native code: no koffi, no sharp, no engine', () => {
    const seen = new Set<string>();
    const packages = new Set<string>();
    const visit = (url: URL): void => {
      if (seen.has(url.href)) return;
      seen.add(url.href);
      for (const [, name] of readFileSync(url, 'utf8').matchAll(
        /^(?:import|export)[^;]*?from '([^']+)';/gm,
      )) {
        if (name!.startsWith('.')) visit(new URL(name!, url));
        else packages.add(name!);
      }
    };
    visit(new URL('../../src/views/worker.ts', import.meta.url));
    const files = [...seen].map((href) => fileURLToPath(href));
    expect(files.some((file) => file.endsWith('dataset/reader.ts'))).toBe(true);
    expect(files.filter((file) => /\/(engine|models|objectives)\//.test(file))).toEqual([]);
    expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual(['zod']);
  });
});
