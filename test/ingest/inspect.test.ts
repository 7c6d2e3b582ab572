import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import type { Dataset } from '../../src/dataset/reader.ts';
import type { ClipDraft, Field } from '../../src/dataset/types.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';
import { contactSheet } from '../../src/ingest/contact-sheet.ts';
import type { Inspection } from '../../src/ingest/inspect.ts';
import { inspectDataset } from '../../src/ingest/inspect.ts';
import { draft, scratchFolder, START } from '../dataset/helpers.ts';
import { failureOf, gradient } from './media.ts';

const scratch = scratchFolder();
let count = 0;

interface Made extends Partial<Omit<ClipDraft, 'id'>> {
  readonly id: string;
  readonly frames?: number;
  /** Makes every frame this instead of a moving gradient. */
  readonly still?: Uint8Array;
}

async function datasetOf(
  clips: readonly Made[],
  channels: 1 | 3 = 1,
  classes = ['a', 'b'],
): Promise<Dataset> {
  const folder = join(scratch, `set${++count}`);
  using writer = createDataset(folder, { ...START, classes, channels });
  for (const [index, { id, frames = 4, still, ...changes }] of clips.entries()) {
    const { width = 20, height = 16 } = changes;
    const pictures = Array.from(
      { length: frames },
      (_, f) => still ?? gradient(width * channels, height, index + f * 5),
    );
    await writer.addClip(draft(id, { width, height, ...changes }), pictures);
  }
  writer.reject('bad.mp4', 'no');
  writer.finish();
  return openDataset(folder);
}

/** Enough clips of two classes over four groups that nothing is wrong. */
const SOUND: readonly Made[] = Array.from({ length: 8 }, (_, i) => ({
  id: `clip${i}`,
  group: `p${i % 4}`,
  label: i < 4 ? 'a' : 'b',
}));

const codes = ({ problems }: Inspection): string[] => problems.map(({ code }) => code);
const about = (inspection: Inspection, code: string): readonly string[] | undefined =>
  inspection.problems.find((problem) => problem.code === code)?.about;

describe('inspection', () => {
  test('names classes that are one in two spellings, or mean that there is none', async () => {
    const clips = SOUND.map((clip, i) => ({ ...clip, label: ['covid', 'COVID', 'NA', 'normal'][i % 4]! }));
    using dataset = await datasetOf(clips, 1, ['COVID', 'NA', 'covid', 'normal']);
    const found = inspectDataset(dataset);
    expect(about(found, 'classes-alike')).toEqual(['COVID', 'covid']);
    expect(about(found, 'classes-missing')).toEqual(['NA']);
    const levels = found.problems.filter(({ code }) => code.startsWith('classes-'));
    expect(levels.map(({ level }) => level)).toEqual(['warning', 'warning']);
  });

  test('counts clips, frames, bytes, classes, groups, sizes and rates', async () => {
    using dataset = await datasetOf([
      ...SOUND,
      {
        id: 'still',
        frames: 1,
        fps: null,
        flags: ['still'],
        width: 30,
        dropped: { black: 2, blank: 0, duplicate: 1 },
      },
    ]);
    const inspection = inspectDataset(dataset);
    expect(inspection).toMatchObject({
      name: 'test',
      clips: 9,
      frames: 33,
      stills: 1,
      bytes: 32 * 320 + 480,
      framesPerClip: { min: 1, median: 4, max: 4 },
      fps: { min: 5, median: 5, max: 5 },
      dropped: { black: 2, blank: 0, duplicate: 1 },
      sizes: [
        { width: 20, height: 16, clips: 8 },
        { width: 30, height: 16, clips: 1 },
      ],
      classes: [
        { label: 'a', clips: 4, frames: 16, groups: 4 },
        { label: 'b', clips: 4, frames: 16, groups: 4 },
        { label: null, clips: 1, frames: 1, groups: 1 },
      ],
    });
    expect(inspection.groups[0]).toEqual({ group: 'p0', clips: 2, frames: 8, labels: { a: 1, b: 1 } });
    expect(inspection.groups.map(({ group }) => group)).toEqual(['p0', 'p1', 'p2', 'p3', 'still']);
    expect(codes(inspection)).toEqual(['rejected-sources', 'unlabelled', 'few-frames']);
  });

  test('a class in one group only, an empty class and one-class groups are told', async () => {
    using dataset = await datasetOf(
      SOUND.map((clip, i) => ({ ...clip, group: i < 4 ? 'only' : `p${i}` })),
      1,
      ['a', 'b', 'c'],
    );
    const inspection = inspectDataset(dataset);
    expect(about(inspection, 'class-in-one-group')).toEqual(['a']);
    expect(about(inspection, 'empty-class')).toEqual(['c']);
    expect(about(inspection, 'one-class-groups')).toEqual(['only', 'p4', 'p5', 'p6', 'p7']);
    expect(inspection.problems[0]?.level).toBe('error');
  });

  test('the same file in two groups is an error, in one group a warning', async () => {
    const [one, two] = ['1'.repeat(64), '2'.repeat(64)];
    const hashes = [one, one, two, null, two, null, null, null];
    using dataset = await datasetOf(
      SOUND.map((clip, i) => ({
        ...clip,
        group: i === 4 ? 'p2' : (clip.group ?? ''),
        sourceSha256: hashes[i] ?? null,
      })),
    );
    const inspection = inspectDataset(dataset);
    expect(about(inspection, 'same-source-in-two-groups')).toEqual(['clip0', 'clip1']);
    expect(about(inspection, 'same-source-twice')).toEqual(['clip2', 'clip4']);
  });

  test('fields: how many, how sure, and which to look at', async () => {
    const field = (confidence: number, from: Field['from']): Field => ({
      shape: 'convex',
      outlines: [
        [
          [0, 0],
          [20, 0],
          [10, 16],
        ],
      ],
      confidence,
      from,
    });
    using dataset = await datasetOf([
      { id: 'sure', field: field(0.95, 'found') },
      { id: 'unsure', field: field(0.6, 'found') },
      { id: 'told', field: field(1, 'declared') },
      { id: 'given', field: field(1, 'given') },
      { id: 'none', flags: ['no-field', 'callipers', 'frozen'] },
    ]);
    const inspection = inspectDataset(dataset);
    expect(inspection.fields).toEqual({
      declared: 1,
      found: 2,
      given: 1,
      none: 1,
      confidence: { min: 0.6, median: expect.closeTo(0.775) as number, max: 0.95 },
    });
    expect(about(inspection, 'unsure-fields')).toEqual(['unsure']);
    for (const code of ['no-field', 'callipers', 'frozen-clips'])
      expect(about(inspection, code)).toEqual(['none']);
  });

  test('clips that do not move, are dark, damaged, small or few', async () => {
    using dataset = await datasetOf([
      { id: 'frozen', still: gradient(20, 16, 1) },
      { id: 'dark', still: new Uint8Array(320), label: 'a' },
      { id: 'torn', flags: ['damaged'], label: 'a' },
      { id: 'small', flags: ['small'], label: 'a' },
    ]);
    const inspection = inspectDataset(dataset);
    expect(about(inspection, 'constant-clips')).toEqual(['frozen', 'dark']);
    expect(about(inspection, 'dark-clips')).toEqual(['dark']);
    expect(about(inspection, 'damaged-clips')).toEqual(['torn']);
    expect(about(inspection, 'small-clips')).toEqual(['small']);
    expect(about(inspection, 'one-class')).toEqual(['a']);
    expect(codes(inspection)).toContain('few-clips');
  });
});

describe('the contact sheet', () => {
  test('shows frames where it says: every clip has its tiles, grey or in colour', async () => {
    for (const channels of [1, 3] as const) {
      using dataset = await datasetOf(
        [
          { id: 'bright', label: 'a', still: new Uint8Array(320 * channels).fill(200) },
          {
            id: 'one',
            label: 'b',
            frames: 1,
            width: 16,
            height: 20,
            still: new Uint8Array(320 * channels).fill(90),
          },
        ],
        channels,
      );
      const path = join(scratch, `sheet${channels}.png`);
      const { width, height } = await contactSheet(dataset, path);
      const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([width, height, 3]);
      const at = (x: number, y: number): number[] => [
        ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
      ];
      // Tiles of 128 (+2): several in the first row, one in the second, under a heading of 30 and captions of 22.
      const [first, second] = [30 + 22 + 64, 30 + 22 + 64 + 156];
      expect([at(70, first), at(200, first)]).toEqual([
        [200, 200, 200],
        [200, 200, 200],
      ]);
      expect(at(70, second)).toEqual([90, 90, 90]);
      expect(at(200, second)).not.toEqual([90, 90, 90]);
    }
  });

  test('draws the outline of a field where it lies in the stored picture', async () => {
    const outline: [number, number][] = [
      [12, 10],
      [52, 10],
      [52, 42],
      [12, 42],
    ];
    using dataset = await datasetOf([
      {
        id: 'cut',
        still: new Uint8Array(320),
        frames: 1,
        original: { width: 64, height: 48, fps: null, frames: 1 },
        crop: { x: 12, y: 10, width: 40, height: 32 },
        field: { shape: 'linear', outlines: [outline], confidence: 0.6, from: 'found' },
      },
      { id: 'plain', still: new Uint8Array(320), frames: 1 },
    ]);
    const path = join(scratch, 'outline.png');
    const { width } = await contactSheet(dataset, path);
    const { data } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const orange = (x0: number, y0: number, x1: number, y1: number): number => {
      let found = 0;
      for (let y = y0; y < y1; y++) {
        for (let x = x0; x < x1; x++) {
          const [r, g, b] = data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
          if (r! > 90 && g! < r! && b! < g!) found++;
        }
      }
      return found;
    };
    // The picture is 128 × 102 from (6, 65); the outline runs along its border, nothing is drawn within.
    expect(orange(5, 64, 136, 169)).toBeGreaterThan(100);
    expect(orange(12, 71, 128, 161)).toBe(0);
    // Nothing on the clip without a field, which lies below.
    expect(orange(5, 208, 136, 340)).toBe(0);
  });

  test('samples large datasets so that each class keeps its share', async () => {
    const clips = Array.from({ length: 240 }, (_, i) => ({
      id: `c${i}`,
      label: i < 216 ? 'a' : 'b',
      frames: 1,
    }));
    using dataset = await datasetOf(clips);
    const sheet = await contactSheet(dataset, join(scratch, 'large.png'));
    expect(sheet.clips).toBe(60);
    // About square.
    expect(sheet.width / sheet.height).toBeGreaterThan(0.5);
    expect(sheet.width / sheet.height).toBeLessThan(2);
  });

  test('ids and labels may hold anything', async () => {
    const id = `<&>"'\u0000\u001b]0;\ud800${'long '.repeat(60)}`;
    using dataset = await datasetOf([{ id, label: '<b>' }], 1, ['<b>']);
    await contactSheet(dataset, join(scratch, 'odd.png'));
    expect(existsSync(join(scratch, 'odd.png'))).toBe(true);
  });

  test('a place that cannot be written is a clear error', async () => {
    using dataset = await datasetOf(SOUND);
    const error = await failureOf(contactSheet(dataset, join(dataset.folder, 'dataset.json', 'sheet.png')));
    expect(error).toMatchObject({ code: 'WRITE_FAILED', exitCode: 5 });
  });
});
