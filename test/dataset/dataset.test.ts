import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { UsclError } from '../../src/base/errors.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { failure, failureOf } from '../failures.ts';
import { draft, patternFrame, patternFrames, scratchFolder, START, writeSmallDataset } from './helpers.ts';

const scratch = scratchFolder();
let count = 0;
const fresh = (): string => join(scratch, `d${++count}`);

async function small(): Promise<string> {
  const folder = fresh();
  await writeSmallDataset(folder);
  return folder;
}

describe('a written dataset', () => {
  test('gives back every frame of every clip, in any order, into a given or a new array', async () => {
    using dataset = openDataset(await small());
    expect(dataset.clips.map((clip) => [clip.id, clip.label, clip.frames, clip.offset])).toEqual([
      ['one', 'a', 4, 0],
      ['two', null, 1, 320],
      ['three', 'b', 3, 400],
    ]);
    expect(dataset.manifest).toMatchObject({ clips: 3, frames: 8, classes: ['a', 'b'], channels: 1 });
    expect(dataset.manifest.rejected).toEqual([{ source: 'broken.mp4', reason: 'it cannot be decoded' }]);
    const target = new Uint8Array(200);
    for (const [c, clip] of [...dataset.clips.entries()].reverse()) {
      const length = clip.width * clip.height;
      for (let f = clip.frames - 1; f >= 0; f--) {
        expect(dataset.readFrame(clip, f)).toEqual(patternFrame(c, f, length));
        target.fill(255);
        expect(dataset.readFrame(clip, f, target)).toEqual(patternFrame(c, f, length));
        expect(target[length]).toBe(255);
      }
    }
  });

  test('refuses frames that a clip does not have and a target that is too small', async () => {
    using dataset = openDataset(await small());
    const clip = dataset.clips[1]!;
    for (const frame of [-1, 1, 0.5, NaN]) expect(() => dataset.readFrame(clip, frame)).toThrow(RangeError);
    expect(() => dataset.readFrame(clip, 0, new Uint8Array(79))).toThrow(RangeError);
  });

  test('a closed dataset says so and may be closed twice', async () => {
    const dataset = openDataset(await small());
    dataset[Symbol.dispose]();
    dataset[Symbol.dispose]();
    expect(() => dataset.readFrame(dataset.clips[0]!, 0)).toThrow(/closed/);
  });

  test('round trip holds for any sizes, channels, ids and labels', async () => {
    const clipArbitrary = fc.record({
      id: fc.string({ minLength: 1, unit: 'binary' }),
      width: fc.integer({ min: 1, max: 9 }),
      height: fc.integer({ min: 1, max: 9 }),
      frames: fc.integer({ min: 1, max: 5 }),
      label: fc.constantFrom('a', 'b', null),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(clipArbitrary, { selector: (clip) => clip.id, minLength: 1, maxLength: 6 }),
        fc.constantFrom(1 as const, 3 as const),
        async (clips, channels) => {
          const folder = fresh();
          const writer = createDataset(folder, { ...START, channels });
          for (const [c, { frames, ...clip }] of clips.entries()) {
            const length = clip.width * clip.height * channels;
            await writer.addClip({ ...draft(clip.id), ...clip }, patternFrames(c, frames, length));
          }
          writer.finish();
          using dataset = openDataset(folder);
          expect(dataset.clips.map(({ id, frames, label }) => ({ id, frames, label }))).toEqual(
            clips.map(({ id, frames, label }) => ({ id, frames, label })),
          );
          for (const [c, clip] of dataset.clips.entries()) {
            const last = clip.frames - 1;
            const length = clip.width * clip.height * channels;
            expect(dataset.readFrame(clip, last)).toEqual(patternFrame(c, last, length));
          }
        },
      ),
      { seed: 1, numRuns: 25 },
    );
  });
});

describe('opening what is no sound dataset', () => {
  test.each<[string, (folder: string) => void, string, RegExp]>([
    [
      'nothing there',
      (d) => {
        rmSync(d, { recursive: true });
      },
      'DATASET_MISSING',
      /There is no dataset at/,
    ],
    [
      'a file',
      (d) => {
        rmSync(d, { recursive: true });
        writeFileSync(d, '');
      },
      'DATASET_MISSING',
      /is a file/,
    ],
    [
      'a folder without a manifest',
      (d) => {
        rmSync(join(d, 'dataset.json'));
      },
      'DATASET_NOT_A_DATASET',
      /no dataset\.json/,
    ],
    [
      'another JSON file',
      (d) => {
        writeFileSync(join(d, 'dataset.json'), '{"format":"else"}');
      },
      'DATASET_NOT_A_DATASET',
      /"format" is "else"/,
    ],
    [
      'JSON that is no object',
      (d) => {
        writeFileSync(join(d, 'dataset.json'), 'null');
      },
      'DATASET_NOT_A_DATASET',
      /"format" is missing/,
    ],
    [
      'a newer version',
      (d) => {
        edit(d, 'dataset.json', '"version": 2', '"version": 9');
      },
      'DATASET_VERSION',
      /version 9/,
    ],
    [
      'a manifest cut off',
      (d) => {
        truncateSync(join(d, 'dataset.json'), 100);
      },
      'DATASET_CORRUPT',
      /Not valid JSON/,
    ],
    [
      'a manifest with an unknown key',
      (d) => {
        edit(d, 'dataset.json', '"name"', '"nmae"');
      },
      'DATASET_CORRUPT',
      /name|nmae/,
    ],
    [
      'a manifest with a bad value',
      (d) => {
        edit(d, 'dataset.json', '"channels": 1', '"channels": 2');
      },
      'DATASET_CORRUPT',
      /"channels"/,
    ],
    [
      'a missing clip list',
      (d) => {
        rmSync(join(d, 'clips.jsonl'));
      },
      'DATASET_CORRUPT',
      /clips\.jsonl is missing/,
    ],
    [
      'a cut clip list',
      (d) => {
        truncateSync(join(d, 'clips.jsonl'), statSync(join(d, 'clips.jsonl')).size - 1);
      },
      'DATASET_CORRUPT',
      /cut off/,
    ],
    [
      'a clip too few',
      (d) => {
        dropLine(d, 2);
      },
      'DATASET_CORRUPT',
      /promises 3/,
    ],
    [
      'an id twice',
      (d) => {
        edit(d, 'clips.jsonl', '"id":"two"', '"id":"one"');
      },
      'DATASET_CORRUPT',
      /already used in line 1/,
    ],
    [
      'a label that is no class',
      (d) => {
        edit(d, 'clips.jsonl', '"label":"b"', '"label":"z"');
      },
      'DATASET_CORRUPT',
      /"z"/,
    ],
    [
      'an offset that is off',
      (d) => {
        edit(d, 'clips.jsonl', '"offset":320', '"offset":321');
      },
      'DATASET_CORRUPT',
      /starts at byte 321/,
    ],
    [
      'a size that is off',
      (d) => {
        edit(d, 'clips.jsonl', '"width":10', '"width":9007199254740991');
      },
      'DATASET_CORRUPT',
      /impossibly large/,
    ],
    [
      'bytes that are no UTF-8',
      (d) => {
        writeFileSync(join(d, 'clips.jsonl'), Buffer.from([0xff, 0x0a]));
      },
      'DATASET_CORRUPT',
      /Not valid JSON/,
    ],
    [
      'an endless line',
      (d) => {
        writeFileSync(join(d, 'clips.jsonl'), `${' '.repeat(2 ** 20 + 1)}\n`);
      },
      'DATASET_CORRUPT',
      /at most 1048576/,
    ],
    [
      'no clips',
      (d) => {
        writeFileSync(join(d, 'clips.jsonl'), '');
        edit(d, 'dataset.json', '"clips": 3', '"clips": 0');
        edit(d, 'dataset.json', '"frames": 8', '"frames": 0');
      },
      'DATASET_EMPTY',
      /no clips/,
    ],
    [
      'no store',
      (d) => {
        rmSync(join(d, 'frames.bin'));
      },
      'DATASET_CORRUPT',
      /frames\.bin is missing/,
    ],
    [
      'a store that is cut off',
      (d) => {
        truncateSync(join(d, 'frames.bin'), 500);
      },
      'DATASET_TRUNCATED',
      /500 bytes.*needs 688/,
    ],
    [
      'a store that is too long',
      (d) => {
        truncateSync(join(d, 'frames.bin'), 689);
      },
      'DATASET_TRUNCATED',
      /689 bytes/,
    ],
    [
      'a folder where the clip list should be',
      (d) => {
        rmSync(join(d, 'clips.jsonl'));
        mkdirSync(join(d, 'clips.jsonl'));
      },
      'DATASET_UNREADABLE',
      /clips\.jsonl/,
    ],
  ])('%s', async (_name, damage, code, message) => {
    const folder = await small();
    damage(folder);
    const error = failure(() => openDataset(folder));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.exitCode).toBe(3);
    expect(error.where).toContain(folder);
  });

  test('a complaint about a clip names file and line', async () => {
    const folder = await small();
    edit(folder, 'clips.jsonl', '"frames":3', '"frames":0');
    const error = failure(() => openDataset(folder));
    expect(error.where).toBe(`${join(folder, 'clips.jsonl')}, line 3`);
    expect(error.message).toMatch(/^"frames": /);
  });

  test('a store cut off after opening is noticed at the read', async () => {
    const folder = await small();
    using dataset = openDataset(folder);
    truncateSync(join(folder, 'frames.bin'), 500);
    expect(failure(() => dataset.readFrame(dataset.clips[2]!, 2)).code).toBe('DATASET_CORRUPT');
  });

  test('random damage to either text file: a UsclError, or a dataset whose every frame can be read', async () => {
    const folder = await small();
    for (const name of ['dataset.json', 'clips.jsonl']) {
      const path = join(folder, name);
      const original = readFileSync(path);
      fc.assert(
        fc.property(
          fc.array(
            fc.record({
              at: fc.nat(original.length - 1),
              remove: fc.nat(6),
              insert: fc.oneof(
                fc.uint8Array({ maxLength: 4 }),
                fc
                  .constantFrom('null', '-1', '1e999', '{}', '[', '"', '\n', '9007199254740993', '0', 'true')
                  .map((s) => Buffer.from(s)),
              ),
            }),
            { minLength: 1, maxLength: 4 },
          ),
          (edits) => {
            let bytes: Buffer = original;
            for (const { at, remove, insert } of edits) {
              bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
            }
            writeFileSync(path, bytes);
            try {
              using dataset = openDataset(folder);
              for (const clip of dataset.clips)
                for (let f = 0; f < clip.frames; f++) dataset.readFrame(clip, f);
            } catch (thrown) {
              if (!(thrown instanceof UsclError)) throw thrown;
            }
          },
        ),
        { seed: 7, numRuns: 400 },
      );
      writeFileSync(path, original);
    }
    openDataset(folder)[Symbol.dispose]();
  });
});

describe('the writer', () => {
  test('shows nothing before finish and leaves nothing but the dataset after it', async () => {
    const parent = fresh();
    const folder = join(parent, 'deep', 'set');
    const writer = createDataset(folder, START);
    await writer.addClip(draft('one'), patternFrames(0, 2, 80));
    expect(existsSync(folder)).toBe(false);
    writer.finish();
    expect(readdirSync(join(parent, 'deep'))).toEqual(['set']);
    expect(readdirSync(folder).sort()).toEqual(['clips.jsonl', 'dataset.json', 'frames.bin']);
  });

  test('an aborted or disposed writer leaves no trace and keeps the old dataset', async () => {
    const parent = fresh();
    const folder = join(parent, 'set');
    await writeSmallDataset(folder);
    {
      using writer = createDataset(folder, START, { overwrite: true });
      await writer.addClip(draft('other'), patternFrames(0, 2, 80));
    }
    expect(readdirSync(parent)).toEqual(['set']);
    using dataset = openDataset(folder);
    expect(dataset.clips).toHaveLength(3);
  });

  test('overwrites a dataset only when told to, and then wholly', async () => {
    const parent = fresh();
    const folder = join(parent, 'set');
    await writeSmallDataset(folder);
    expect(failure(() => createDataset(folder, START))).toMatchObject({
      code: 'DATASET_EXISTS',
      exitCode: 2,
    });
    const writer = createDataset(folder, START, { overwrite: true });
    await writer.addClip(draft('only'), patternFrames(5, 2, 80));
    writer.finish();
    expect(readdirSync(parent)).toEqual(['set']);
    using dataset = openDataset(folder);
    expect(dataset.clips.map((clip) => clip.id)).toEqual(['only']);
  });

  test('never overwrites what it did not make, whatever it is told', async () => {
    const file = fresh();
    writeFileSync(file, 'precious');
    const folder = fresh();
    mkdirSync(folder);
    writeFileSync(join(folder, 'precious.txt'), 'precious');
    const mixed = await small();
    writeFileSync(join(mixed, 'precious.txt'), 'precious');
    for (const path of [file, folder, mixed]) {
      const error = failure(() => createDataset(path, START, { overwrite: true }));
      expect(error).toMatchObject({ code: 'OUTPUT_NOT_OURS', exitCode: 2 });
    }
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect(readFileSync(join(mixed, 'precious.txt'), 'utf8')).toBe('precious');
  });

  test('takes an empty folder, and refuses one that was filled meanwhile', async () => {
    const folder = fresh();
    mkdirSync(folder);
    await writeSmallDataset(folder);
    const other = fresh();
    const writer = createDataset(other, START);
    await writer.addClip(draft('one'), patternFrames(0, 1, 80));
    mkdirSync(other);
    writeFileSync(join(other, 'precious.txt'), 'precious');
    expect(failure(() => writer.finish()).code).toBe('OUTPUT_NOT_OURS');
    expect(readdirSync(other)).toEqual(['precious.txt']);
  });

  test('a clip whose frames fail half-way is taken back, and the next one follows without a gap', async () => {
    const folder = fresh();
    const writer = createDataset(folder, START);
    await writer.addClip(draft('one'), patternFrames(0, 2, 80));
    function* failing(): Generator<Uint8Array> {
      yield* patternFrames(1, 3, 80);
      throw new Error('decoder died');
    }
    await expect(writer.addClip(draft('bad'), failing())).rejects.toThrow('decoder died');
    const errors = [
      ['CLIP_EMPTY', draft('empty'), []],
      ['CLIP_DUPLICATE', draft('one'), patternFrames(1, 2, 80)],
      ['CLIP_LABEL', draft('odd', { label: 'q' }), patternFrames(1, 2, 80)],
      ['CLIP_FRAME_SIZE', draft('short'), patternFrames(1, 2, 79)],
      ['CLIP_FRAME_SIZE', draft('mixed'), [new Uint8Array(80), new Uint8Array(81)]],
    ] as const;
    for (const [code, clip, frames] of errors) {
      expect((await failureOf(writer.addClip(clip, frames))).code).toBe(code);
    }
    await writer.addClip(
      () => draft('two', { dropped: { black: 2, blank: 0, duplicate: 1 } }),
      patternFrames(2, 2, 80),
    );
    writer.finish();
    using dataset = openDataset(folder);
    expect(dataset.clips.map((clip) => clip.id)).toEqual(['one', 'two']);
    expect(dataset.clips[1]?.dropped).toEqual({ black: 2, blank: 0, duplicate: 1 });
    expect(dataset.readFrame(dataset.clips[1]!, 0)).toEqual(patternFrame(2, 0, 80));
  });

  test('an empty dataset is not written and the first rejection is named', () => {
    const parent = fresh();
    const writer = createDataset(join(parent, 'set'), START);
    writer.reject('a.mp4', 'moov atom not found');
    const error = failure(() => writer.finish());
    expect(error.code).toBe('DATASET_EMPTY');
    expect(error.message).toContain('moov atom not found');
    expect(readdirSync(parent)).toEqual([]);
  });

  test('one clip at a time, and nothing after the end', async () => {
    const writer = createDataset(fresh(), START);
    const first = writer.addClip(draft('one'), patternFrames(0, 2, 80));
    await expect(writer.addClip(draft('two'), patternFrames(0, 2, 80))).rejects.toThrow(/still being added/);
    await first;
    writer.finish();
    writer.abort();
    await expect(writer.addClip(draft('two'), patternFrames(0, 2, 80))).rejects.toThrow(/closed/);
    expect(() => writer.finish()).toThrow(/closed/);
  });

  test('the same clips give the same bytes', async () => {
    const [first, second] = [await small(), await small()];
    for (const name of readdirSync(first)) {
      expect(readFileSync(join(first, name)).equals(readFileSync(join(second, name)))).toBe(true);
    }
  });

  test('an output under a file or in a place for no files is one clear error', () => {
    const file = fresh();
    writeFileSync(file, '');
    const under = failure(() => createDataset(join(file, 'set'), START));
    expect(under).toMatchObject({ code: 'WRITE_FAILED', exitCode: 5 });
    expect(under.message).toMatch(/is a file, not a folder/);
    if (existsSync('/proc/self')) {
      expect(failure(() => createDataset('/proc/uscl-set', START))).toMatchObject({ kind: 'resource' });
    }
  });
});

describe('what a killed writer left behind', () => {
  const host = hostname().replaceAll(/[^A-Za-z0-9]/g, '_');
  /** The id of a process that has ended. */
  const dead = (): number => spawnSync(process.execPath, ['-e', '']).pid;

  test('is cleared by the next writer of the same target, and only that', async () => {
    const parent = fresh();
    mkdirSync(parent);
    const leftover = join(parent, `.set.${host}-${dead()}-1.tmp`);
    const others = [
      join(parent, `.set.${host}-${process.ppid}-1.tmp`),
      join(parent, `.set.elsewhere-${dead()}-1.tmp`),
      join(parent, `.another.${host}-${dead()}-1.tmp`),
    ];
    for (const path of [leftover, ...others]) {
      mkdirSync(path);
      writeFileSync(join(path, 'frames.bin'), 'half');
    }
    await writeSmallDataset(join(parent, 'set'));
    expect(existsSync(leftover)).toBe(false);
    for (const path of others) expect(existsSync(path)).toBe(true);
  });

  test('two writers in one process do not clear each other', async () => {
    const folder = fresh();
    const first = createDataset(folder, START);
    const second = createDataset(folder, START);
    await second.addClip(draft('second'), patternFrames(0, 1, 80));
    second.abort();
    await first.addClip(draft('first'), patternFrames(0, 1, 80));
    expect(first.finish().clips).toBe(1);
  });

  test('a dataset moved aside by a writer killed in mid-swap comes back', async () => {
    const parent = fresh();
    const folder = join(parent, 'set');
    await writeSmallDataset(folder);
    renameSync(folder, join(parent, `.set.${host}-${dead()}-1.old`));
    expect(failure(() => createDataset(folder, START)).code).toBe('DATASET_EXISTS');
    using dataset = openDataset(folder);
    expect(dataset.clips).toHaveLength(3);
  });
});

function edit(folder: string, name: string, from: string, to: string): void {
  const path = join(folder, name);
  const text = readFileSync(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}

function dropLine(folder: string, line: number): void {
  const path = join(folder, 'clips.jsonl');
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, lines.toSpliced(line, 1).join('\n'));
}
