/**
 * What an earlier ingest left is taken over: all of it that has not changed and nothing else, with the same bytes as
 * an ingest that starts anew.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { makeSplit, splitNames, writeSplit } from '../../src/curation/splits.ts';
import type { IngestOptions } from '../../src/ingest/options.ts';
import type { IngestSummary } from '../../src/ingest/summary.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { makePicture, makeVideo } from './media.ts';

const FILES = ['clips.jsonl', 'dataset.json', 'frames.bin', 'ingest.jsonl'];
const scratch = scratchFolder();
const media = join(scratch, 'media');
let count = 0;

beforeAll(async () => {
  for (const name of ['a', 'b', 'c']) makeVideo(join(media, `${name}.mp4`), { fps: name === 'a' ? 10 : 12 });
  await makePicture(join(media, 'd.png'), 4);
  writeFileSync(join(media, 'bad.mp4'), 'no video');
  for (let i = 1; i <= 3; i++) await makePicture(join(media, 'e', `f${i}.png`), i);
});

/** A source of its own and the place for its dataset. */
function place(): { readonly source: string; readonly out: string } {
  const folder = join(scratch, `${++count}`);
  cpSync(media, join(folder, 'media'), { recursive: true, preserveTimestamps: true });
  return { source: join(folder, 'media'), out: join(folder, 'set') };
}

function bytesOf(out: string): string[] {
  expect(readdirSync(out).sort()).toEqual(FILES);
  return FILES.map((name) => readFileSync(join(out, name)).toString('base64'));
}

/** An ingest that is aborted after `clips` clips, so that its folder stays as after a kill. */
async function interrupted(options: IngestOptions, clips: number): Promise<void> {
  const abort = new AbortController();
  const onProgress = (done: number): void => {
    if (done === clips) abort.abort(new Error('stop'));
  };
  await expect(ingest({ ...options, signal: abort.signal, onProgress })).rejects.toThrow('stop');
}

const leftoversOf = (out: string): string[] =>
  readdirSync(dirname(out)).filter((name) => name.startsWith(`.${basename(out)}.`));

/** What an ingest into another folder gives, nothing being taken over. */
async function anew(options: IngestOptions): Promise<string[]> {
  const out = `${options.out}-anew`;
  await ingest({ ...options, out, overwrite: true, reuse: false });
  return bytesOf(out);
}

async function resumed(options: IngestOptions): Promise<IngestSummary> {
  const summary = await ingest(options);
  expect(bytesOf(options.out)).toEqual(await anew(options));
  expect(leftoversOf(options.out)).toEqual([]);
  return summary;
}

describe('an interrupted ingest', () => {
  test.each([1, 2, 3, 4, 5])('goes on after %i sources', async (clips) => {
    const options = place();
    await interrupted(options, clips);
    expect(leftoversOf(options.out)).toHaveLength(1);
    const { reused, rejected } = await resumed(options);
    // The third source is refused, which is noted too.
    expect(reused).toBe(clips < 3 ? clips : clips - 1);
    expect(rejected.map(({ source }) => source)).toEqual(['bad.mp4']);
  });

  test('can be interrupted again and again', async () => {
    const options = place();
    for (const clips of [1, 3, 4]) await interrupted(options, clips);
    expect((await resumed(options)).reused).toBe(3);
  });

  test('reads a changed source again, and only that', async () => {
    const options = place();
    await interrupted(options, 5);
    makeVideo(join(options.source, 'b.mp4'), { fps: 9 });
    expect((await resumed(options)).reused).toBe(3);
  });

  test('sees a change of time alone, a new source before the others, and one that went', async () => {
    const options = place();
    await interrupted(options, 5);
    utimesSync(join(options.source, 'c.mp4'), 1, 1);
    copyFileSync(join(options.source, 'a.mp4'), join(options.source, '0.mp4'));
    rmSync(join(options.source, 'd.png'));
    expect((await resumed(options)).reused).toBe(2);
  });

  test('takes over nothing under other settings, whatever they are', async () => {
    const options = place();
    await interrupted(options, 5);
    expect((await resumed({ ...options, size: 24 })).reused).toBe(0);
    for (const changed of [
      { fps: 3 },
      { crop: 'none' },
      { channels: 3 },
      { sampling: 'motion' },
      { refuseUnmasked: true },
    ] as const) {
      const other = place();
      await interrupted(other, 4);
      await ingest({ ...other, ...changed }).then(
        ({ reused }) => {
          expect([changed, reused]).toEqual([changed, 0]);
        },
        // Not one of these pictures has a field.
        (thrown: unknown) => {
          expect(thrown).toMatchObject({ code: 'DATASET_EMPTY' });
        },
      );
    }
  });

  test('takes labels and groups from the table as it is now', async () => {
    const options = place();
    const labels = join(options.out, '..', 'labels.csv');
    writeFileSync(labels, 'clip,label,group\na,sick,p1\nb,well,p2\n');
    await interrupted({ ...options, labels }, 4);
    writeFileSync(labels, 'clip,label,group\na,well,p3\nc,odd,p2\n');
    expect((await resumed({ ...options, labels })).reused).toBe(3);
    using dataset = openDataset(options.out);
    expect(dataset.clips.map(({ label, group }) => [label, group]).slice(0, 3)).toEqual([
      ['well', 'p3'],
      [null, 'b.mp4'],
      ['odd', 'p2'],
    ]);
  });

  test('does not believe bytes that are not what the journal says', async () => {
    for (const damage of [
      (folder: string) => {
        const path = join(folder, 'frames.bin');
        const bytes = readFileSync(path);
        bytes[bytes.length >> 1]! ^= 1;
        writeFileSync(path, bytes);
      },
      (folder: string) => {
        truncateSync(join(folder, 'frames.bin'), 7000);
      },
      (folder: string) => {
        rmSync(join(folder, 'frames.bin'));
      },
      (folder: string) => {
        truncateSync(join(folder, 'clips.jsonl'), 700);
      },
      (folder: string) => {
        const path = join(folder, 'ingest.jsonl');
        writeFileSync(path, `${readFileSync(path, 'utf8').slice(0, -30)}\0\0\0\n{`);
      },
    ]) {
      const options = place();
      await interrupted(options, 5);
      damage(join(dirname(options.out), leftoversOf(options.out)[0]!));
      expect((await resumed(options)).reused).toBeLessThan(4);
    }
  });

  test('of a process that lives is left alone; of a process whose number is used again it is not', async () => {
    const options = place();
    await interrupted(options, 3);
    const [own] = leftoversOf(options.out);
    const folder = dirname(options.out);
    // Process 1 always runs; it did not start in tick 123456789012.
    const living = own!.replace(/-\d+-\d+-(\d+)\.tmp$/, '-1-$1.tmp');
    const gone = own!.replace(/-\d+-\d+-(\d+)\.tmp$/, '-1-123456789012-$1.tmp');
    cpSync(join(folder, own!), join(folder, living), { recursive: true });
    cpSync(join(folder, own!), join(folder, gone), { recursive: true });
    rmSync(join(folder, own!), { recursive: true });
    expect((await ingest(options)).reused).toBe(2);
    expect(leftoversOf(options.out)).toEqual([living]);
  });

  test('without reuse everything is read again and what was left goes', async () => {
    const options = place();
    await interrupted(options, 4);
    expect((await ingest({ ...options, reuse: false })).reused).toBe(0);
    expect(leftoversOf(options.out)).toEqual([]);
  });
});

describe('a second ingest', () => {
  test('takes over what has not changed and reads the rest', async () => {
    const options = { ...place(), overwrite: true };
    await ingest(options);
    makeVideo(join(options.source, 'b.mp4'), { fps: 9 });
    rmSync(join(options.source, 'a.mp4'));
    await makePicture(join(options.source, 'new.png'), 9);
    expect((await resumed(options)).reused).toBe(3);
    expect((await resumed(options)).reused).toBe(5);
  });

  test('tries again what was refused', async () => {
    const options = { ...place(), overwrite: true };
    const before = await ingest(options);
    expect(before.rejected).toHaveLength(1);
    expect(readFileSync(join(options.out, 'ingest.jsonl'), 'utf8')).toContain('refused');
    expect((await ingest(options)).rejected).toEqual(before.rejected);
  });

  test('keeps splits that still name the same clips and groups, drops others, and says so', async () => {
    const options = { ...place(), overwrite: true };
    await ingest(options);
    {
      using dataset = openDataset(options.out);
      writeSplit(options.out, makeSplit(dataset.clips, 'mine', { kind: 'folds', folds: 2 }));
    }
    const kept = await ingest(options);
    expect(kept.notes.filter((note) => note.includes('split'))).toEqual([
      'The split mine was kept: clips and groups are what they were.',
    ]);
    expect(splitNames(options.out)).toEqual(['mine']);
    rmSync(join(options.source, 'd.png'));
    const { notes } = await ingest(options);
    expect(notes.filter((note) => note.includes('split'))).toEqual([
      'The split mine was dropped: clips or groups have changed; make it again with uscl split.',
    ]);
    // From here on there is nothing that an ingest anew would not write.
    await resumed(options);
  });

  test('takes over masks with their clips', async () => {
    const folder = join(scratch, `${++count}`);
    const source = join(folder, 'busi');
    for (const [label, index] of [
      ['benign', 1],
      ['malignant', 2],
      ['normal', 3],
    ] as const) {
      mkdirSync(join(source, label), { recursive: true });
      await makePicture(join(source, label, `${label} (1).png`), index, 60, 50);
      if (label !== 'normal')
        await makePicture(join(source, label, `${label} (1)_mask.png`), 5 * index, 60, 50);
    }
    const options = { source, out: join(folder, 'set'), recipe: 'busi', overwrite: true } as const;
    await ingest(options);
    const first = readFileSync(join(options.out, 'masks.bin'));
    expect((await ingest(options)).reused).toBe(3);
    expect(readFileSync(join(options.out, 'masks.bin')).equals(first)).toBe(true);
    using dataset = openDataset(options.out);
    const masks = dataset.clips.map((clip) => dataset.readMask(clip, 0));
    expect(masks.map((mask) => mask !== null && mask.includes(1) && mask.includes(0))).toEqual([
      true,
      true,
      false,
    ]);
    expect(existsSync(options.out)).toBe(true);
  });
});
