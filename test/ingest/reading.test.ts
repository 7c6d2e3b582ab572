/** Clips read without a dataset: the pixels and facts are those of an ingest, and so is what may be told. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import type { ClipDraft } from '../../src/dataset/types.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import type { FoundClip, NotRead } from '../../src/ingest/reading.ts';
import type { ReadOptions } from '../../src/ingest/options.ts';
import { readSources } from '../../src/ingest/reading.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { writeUltrasound } from '../dicom-writer.ts';
import { nativeFile } from './dicom-marked.ts';
import { failureOf, makePicture, makeVideo, makeWith } from './media.ts';
import { drawScreen } from './screens.ts';

const scratch = scratchFolder();
const MARKER = 'ZQPHIKLM';

interface ReadClip {
  readonly found: FoundClip;
  readonly frames: readonly Buffer[];
  readonly positions: readonly number[];
  readonly draft: ClipDraft;
}

interface Read {
  readonly clips: readonly ReadClip[];
  readonly refused: readonly NotRead[];
  readonly progress: readonly (readonly [number, number])[];
}

async function read(sources: readonly string[], options: ReadOptions = {}): Promise<Read> {
  const clips: ReadClip[] = [];
  const refused: NotRead[] = [];
  const progress: (readonly [number, number])[] = [];
  await readSources(sources, options, {
    async clip(found, decoding) {
      const frames: Buffer[] = [];
      for await (const frame of decoding.frames) {
        frames.push(Buffer.from(frame));
        expect(frame.length % (decoding.stored.width * decoding.stored.height)).toBe(0);
      }
      clips.push({ found, frames, positions: [...decoding.positions], draft: decoding.draft() });
    },
    refused(one) {
      refused.push(one);
    },
    progress(done, total) {
      progress.push([done, total]);
    },
  });
  return { clips, refused, progress };
}

/** What an ingest of the same source stores, by id. */
async function stored(
  source: string,
  options: Partial<IngestOptions>,
): Promise<Map<string, { readonly record: ClipDraft; readonly frames: readonly Buffer[] }>> {
  const out = join(scratch, `out-${Math.abs(hash(source + JSON.stringify(options)))}`);
  await ingest({ source, out, overwrite: true, ...options });
  using dataset = openDataset(out);
  return new Map(
    dataset.clips.map((clip) => [
      clip.id,
      {
        record: clip,
        frames: Array.from({ length: clip.frames }, (_, i) => Buffer.from(dataset.readFrame(clip, i))),
      },
    ]),
  );
}

function hash(text: string): number {
  return Array.from(text).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7);
}

const media = join(scratch, 'media');
const export_ = join(scratch, `${MARKER} export`);
const marking = { marker: MARKER, bars: 3, patient: `${MARKER} 4711`, study: '1.2.3', uid: '1.2.3.4' };

/** A screen with a fan and menus, as a video without loss. */
async function screenVideo(path: string): Promise<void> {
  const screen = drawScreen({ shape: 'convex', width: 320, height: 240, frames: 12, seed: 5, menus: true });
  const folder = join(scratch, 'screen');
  mkdirSync(folder, { recursive: true });
  for (const [i, frame] of screen.frames.entries()) {
    const raw = { width: screen.width, height: screen.height, channels: 1 as const };
    writeFileSync(
      join(folder, `f${String(i).padStart(3, '0')}.png`),
      await sharp(frame, { raw }).png().toBuffer(),
    );
  }
  makeWith(path, ['-framerate', '12', '-i', join(folder, 'f%03d.png'), '-c:v', 'ffv1']);
}

beforeAll(async () => {
  mkdirSync(media, { recursive: true });
  makeVideo(join(media, 'plain.mp4'), { fps: 25, seconds: 2, size: '96x64' });
  // Half a second of black, then pictures each shown twice.
  makeWith(join(media, 'dark.avi'), [
    ...['-f', 'lavfi', '-i', 'color=black:s=64x48:r=10:d=0.5'],
    ...['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=5:d=1,noise=alls=60:allf=t'],
    ...['-filter_complex', '[1]fps=10[b];[0][b]concat=n=2', '-c:v', 'ffv1'],
  ]);
  await screenVideo(join(media, 'screen.mkv'));
  await makePicture(join(media, 'still.png'), 4, 70, 50);
  for (let i = 0; i < 4; i++) await makePicture(join(media, 'frames', `f${i}.png`), i, 60, 60);
  mkdirSync(export_, { recursive: true });
  writeFileSync(join(export_, 'IM1'), nativeFile(marking));
  // No region and a picture that is ultrasound nowhere: refused.
  const grey = Uint8Array.from({ length: 64 * 48 }, (_, i) => 30 + ((i * 7) % 200));
  writeFileSync(
    join(export_, `${MARKER}.dcm`),
    writeUltrasound({ rows: 48, columns: 64, frames: [grey], uid: '1.2.9', patient: MARKER }),
  );
}, 60_000);

describe('pixels', () => {
  test.each<[string, ReadOptions]>([
    ['as by default', {}],
    ['small, all frames, the whole picture', { size: 32, fps: 'all', crop: 'none' }],
    ['in colour', { channels: 3, size: 40 }],
  ])('and facts of all kinds of files are those that an ingest stores: %s', async (_, options) => {
    const expected = await stored(media, options);
    const { clips, refused } = await read([media], options);
    expect(refused).toEqual([]);
    expect(clips.map(({ draft }) => draft.id).sort()).toEqual([...expected.keys()].sort());
    expect([...expected.keys()]).toEqual(
      expect.arrayContaining(['dark.avi', 'frames', 'plain.mp4', 'screen.mkv', 'still.png']),
    );
    for (const { draft, frames } of clips) {
      const { record, frames: wanted } = expected.get(draft.id)!;
      expect(frames.length, draft.id).toBe(wanted.length);
      for (const [i, frame] of frames.entries())
        expect(frame.equals(wanted[i]!), `${draft.id} ${i}`).toBe(true);
      expect(record).toMatchObject(draft);
    }
  });

  test('are the same file by file, under the names that were given', async () => {
    const expected = await stored(media, {});
    const sources = ['screen.mkv', 'still.png', 'plain.mp4'].map((name) => join(media, name));
    const { clips, progress } = await read(sources);
    expect(clips.map(({ found }) => [found.input, found.path, found.isPrivate])).toEqual(
      sources.map((path, input) => [input, path, false]),
    );
    for (const { draft, frames } of clips) expect(frames).toEqual(expected.get(draft.id)!.frames);
    expect(progress).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  test('of a found field are blanked and cropped, not the whole screen', async () => {
    const { clips } = await read([join(media, 'screen.mkv')], { size: 64 });
    const [clip] = clips;
    expect(clip!.draft.field).toMatchObject({ from: 'found' });
    expect(clip!.draft.crop).not.toBeNull();
  });

  test('come again the same when a clip is decoded once more', async () => {
    const passes: Buffer[][] = [];
    await readSources(
      [join(media, 'plain.mp4')],
      { size: 32 },
      {
        async clip(_, decoding, again) {
          for (const pass of [decoding, again()]) {
            const frames: Buffer[] = [];
            for await (const frame of pass.frames) frames.push(Buffer.from(frame));
            expect(pass.expected).toBe(frames.length);
            passes.push(frames);
          }
        },
        refused: (one) => {
          throw new Error(one.reason);
        },
      },
    );
    expect(passes[0]).toHaveLength(10);
    expect(passes[1]).toEqual(passes[0]);
  });

  test('come with their number among the sampled frames, dropped ones counted', async () => {
    const { clips } = await read([join(media, 'dark.avi')], { fps: 'all', crop: 'none' });
    const { positions, draft } = clips[0]!;
    expect(draft.dropped).toEqual({ black: 5, blank: 0, duplicate: 5 });
    expect(positions).toEqual([5, 7, 9, 11, 13]);
  });
});

describe('what may name a patient', () => {
  test('is handled as by an ingest: pixels of the declared region alone, and names by content', async () => {
    const expected = await stored(export_, {});
    const { clips, refused } = await read([export_]);
    expect(clips.map(({ draft }) => draft.id)).toEqual([...expected.keys()]);
    const [clip] = clips;
    expect(clip!.found.isPrivate).toBe(true);
    expect(clip!.draft.id).toMatch(/^dicom-[0-9a-f]{16}$/);
    expect(clip!.frames).toEqual(expected.get(clip!.draft.id)!.frames);
    expect(JSON.stringify(clip!.draft)).not.toContain(MARKER);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatchObject({ code: 'UNMASKED', isPrivate: true });
    expect(refused[0]!.remedy).toContain('--allow-unmasked');
    expect(refused[0]!.path).toContain(MARKER);
    expect(JSON.stringify(refused[0]!.written)).not.toContain(MARKER);
  });

  test('makes files given beside it nameless too, and needs a field of them', async () => {
    const sources = [join(media, 'screen.mkv'), join(media, 'still.png'), join(export_, 'IM1')];
    const { clips, refused } = await read(sources);
    expect(clips.map(({ draft }) => draft.id.replace(/[0-9a-f]{16}$/, '#'))).toEqual(['video-#', 'dicom-#']);
    expect(refused.map(({ input, code, isPrivate }) => [input, code, isPrivate])).toEqual([
      [1, 'UNMASKED', true],
    ]);
    expect(JSON.stringify(refused[0]!.written)).not.toContain('still');
  });

  test('is taken with what is burned in where that is allowed', async () => {
    const { clips, refused } = await read([export_], { allowUnmasked: true });
    expect([clips.length, refused]).toEqual([2, []]);
  });
});

describe('what cannot be read', () => {
  test('is told in its place, and the rest goes on', async () => {
    writeFileSync(join(scratch, 'broken.mp4'), 'no video');
    writeFileSync(join(scratch, 'empty.png'), '');
    mkdirSync(join(scratch, 'nothing'), { recursive: true });
    const sources = [
      join(scratch, 'absent.mp4'),
      join(scratch, 'broken.mp4'),
      join(media, 'still.png'),
      join(scratch, 'empty.png'),
      join(scratch, 'nothing'),
    ];
    const { clips, refused, progress } = await read(sources);
    expect(clips.map(({ found }) => found.input)).toEqual([2]);
    expect(refused.map(({ input, code }) => [input, code])).toEqual([
      [0, 'SOURCE_MISSING'],
      [1, 'VIDEO_UNREADABLE'],
      [3, 'STILL_UNREADABLE'],
      [4, 'SOURCE_EMPTY'],
    ]);
    for (const one of refused) {
      expect(one.reason).not.toBe('');
      expect(one.remedy).not.toBe('');
      expect(one.written.source).toBe(sources[one.input]);
    }
    expect(progress.at(-1)).toEqual([5, 5]);
  });

  test('does not hide a mistake in the options, nor what the visitor throws', async () => {
    const still = join(media, 'still.png');
    expect((await failureOf(read([still], { size: 3 }))).code).toBe('INGEST_OPTION');
    const visitor = {
      clip: () => Promise.reject(new RangeError('a defect')),
      refused: () => undefined,
    };
    await expect(readSources([still], {}, visitor)).rejects.toThrow('a defect');
  });

  test('an abort ends it with its reason, and no decoder goes on', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    let clips = 0;
    const reading = readSources(
      [join(media, 'plain.mp4'), join(media, 'still.png'), join(media, 'screen.mkv')],
      { signal: controller.signal, parallel: 1 },
      {
        async clip(_, decoding) {
          for await (const frame of decoding.frames) {
            expect(frame.length).toBeGreaterThan(0);
            controller.abort(reason);
          }
          clips++;
        },
        refused: () => undefined,
      },
    );
    await expect(reading).rejects.toBe(reason);
    expect(clips).toBeLessThanOrEqual(1);
  });
});
