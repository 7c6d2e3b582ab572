import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { UsclError } from '../../src/base/errors.ts';
import { openDataset } from '../../src/dataset/reader.ts';
import { drawClip } from '../../src/phantom/findings.ts';
import { drawPatient } from '../../src/phantom/nuisance.ts';
import { PHANTOM_CLASSES } from '../../src/phantom/parameters.ts';
import { makePhantom, planClips } from '../../src/phantom/phantom.ts';
import { simulateClip } from '../../src/phantom/simulate.ts';
import { scratchFolder } from '../dataset/helpers.ts';
import { failureOf } from '../failures.ts';

const SMALL = { clips: 7, framesPerClip: 3, size: 40, patients: 3 };
const folder = scratchFolder();

async function bytes(name: string, options: object = {}): Promise<Buffer[]> {
  const out = join(folder, name);
  await makePhantom({ ...SMALL, ...options, out });
  return ['clips.jsonl', 'frames.bin', 'dataset.json'].map((file) => readFileSync(join(out, file)));
}

const refused = (options: object): Promise<UsclError> =>
  failureOf(makePhantom({ ...SMALL, out: join(folder, 'never'), ...options }));

describe('makePhantom', () => {
  it('makes the same bytes for the same options, other clips for another seed', async () => {
    const [clips, frames, manifest] = await bytes('same-1');
    const again = await bytes('same-2');
    expect(again[0]!.equals(clips!)).toBe(true);
    expect(again[1]!.equals(frames!)).toBe(true);
    expect(again[2]!.equals(manifest!)).toBe(true);
    const other = await bytes('other', { seed: 1 });
    expect(other[1]!.equals(frames!)).toBe(false);
  });

  it('writes a dataset: sizes, labels, groups, frame rate, how it was made', async () => {
    const out = join(folder, 'whole');
    const seen: number[] = [];
    const manifest = await makePhantom({
      ...SMALL,
      out,
      seed: 5,
      onProgress: (done, total) => {
        expect(total).toBe(7);
        seen.push(done);
      },
    });
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    using dataset = openDataset(out);
    expect(dataset.manifest).toEqual(manifest);
    expect(manifest).toMatchObject({
      name: 'phantom',
      classes: [...PHANTOM_CLASSES],
      channels: 1,
      size: 40,
      clips: 7,
      frames: 21,
    });
    expect(manifest.made).toMatchObject({ seed: 5, patients: 3, framesPerClip: 3 });
    expect(new Set(dataset.clips.map((clip) => clip.group)).size).toBe(3);
    for (const clip of dataset.clips) {
      expect(clip).toMatchObject({ width: 40, height: 40, frames: 3, fps: 10, sourceSha256: null });
      const frame = dataset.readFrame(clip, 2);
      expect(Math.max(...frame)).toBeGreaterThan(60);
    }
  });

  it('keeps a clip the same when the dataset is cut otherwise: frames have addresses, not a history', async () => {
    await bytes('short', { framesPerClip: 1 });
    using short = openDataset(join(folder, 'short'));
    expect(short.clips[0]).toMatchObject({ fps: null, flags: ['still'] });
    const clip = short.clips[0]!;
    const parameters = drawClip({
      seed: 0,
      id: clip.id,
      patient: drawPatient(0, 0),
      label: PHANTOM_CLASSES.find((name) => name === clip.label)!,
      frames: 1,
      size: 40,
    });
    expect(simulateClip(parameters)[0]).toEqual(new Uint8Array(short.readFrame(clip, 0)));
  });

  it('stops between clips when asked, and leaves nothing', async () => {
    const controller = new AbortController();
    const out = join(folder, 'aborted');
    const running = makePhantom({
      ...SMALL,
      out,
      signal: controller.signal,
      onProgress: (done) => {
        if (done === 2) controller.abort(new Error('enough'));
      },
    });
    await expect(running).rejects.toThrow('enough');
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('aborted'))).toEqual([]);
  });

  it.each([
    ['clips', { clips: 2 }, '2', 'from 3'],
    ['clips', { clips: 10.5 }, '10.5', 'whole number'],
    ['framesPerClip', { framesPerClip: 0 }, '0', 'from 1'],
    ['size', { size: 31 }, '31', 'from 32 to 512'],
    ['size', { size: Number.NaN }, 'NaN', 'from 32'],
    ['seed', { seed: -1 }, '-1', 'from 0'],
    ['patients', { patients: 8 }, '8', 'from 1 to 7'],
  ])('refuses an impossible %s: %j', async (name, options, value, range) => {
    const error = await refused(options);
    expect(error).toMatchObject({ kind: 'usage', code: 'PHANTOM_OPTION', where: name });
    expect(error.message).toContain(name);
    expect(error.message).toContain(value);
    expect(error.remedy).toContain(range);
  });

  it.each([
    [['a-lines', 'c-lines'], '"c-lines"'],
    [['a-lines', 'a-lines'], 'twice'],
    [[], 'at least one'],
  ])('refuses the classes %j', async (classes, complaint) => {
    const error = await refused({ classes });
    expect(error).toMatchObject({ kind: 'usage', code: 'PHANTOM_CLASS', where: 'classes' });
    expect(error.message).toContain(complaint);
    expect(error.remedy).toContain('consolidation');
  });

  it('does not replace a dataset unless told to', async () => {
    await bytes('there', { clips: 3, framesPerClip: 1 });
    expect(await refused({ out: join(folder, 'there') })).toMatchObject({ code: 'DATASET_EXISTS' });
    await bytes('there', { clips: 4, framesPerClip: 1, overwrite: true });
    using dataset = openDataset(join(folder, 'there'));
    expect(dataset.clips).toHaveLength(4);
  });
});

describe('dealing clips to patients', () => {
  it.each([
    [96, 24],
    [120, 30],
    [100, 7],
    [9, 9],
    [50, 1],
  ])('is balanced over classes and patients: %i clips of %i patients', (clips, patients) => {
    for (const seed of [0, 1, 2]) {
      const plan = planClips(PHANTOM_CLASSES, clips, patients, seed);
      const count = (keys: readonly (string | number)[]) => {
        const counts = new Map<string | number, number>();
        for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
        return [...counts.values()];
      };
      const classes = count(plan.map((clip) => clip.label));
      const groups = count(plan.map((clip) => clip.patient));
      expect(plan).toHaveLength(clips);
      expect(new Set(plan.map((clip) => clip.id)).size).toBe(clips);
      expect(classes).toHaveLength(3);
      expect(Math.max(...classes) - Math.min(...classes)).toBeLessThanOrEqual(1);
      expect(groups).toHaveLength(patients);
      expect(Math.max(...groups) - Math.min(...groups)).toBeLessThanOrEqual(1);
    }
  });

  it('mixes classes within patients, so a patient does not give its class away', () => {
    const plan = planClips(PHANTOM_CLASSES, 96, 24, 0);
    const mixed = Array.from({ length: 24 }, (_, patient) => {
      const own = plan.filter((clip) => clip.patient === patient).map((clip) => clip.label);
      return new Set(own).size;
    });
    expect(Math.min(...mixed)).toBeGreaterThanOrEqual(2);
  });
});

describe('clips as they are drawn', () => {
  const request = (index: number) => ({
    seed: 3,
    id: `clip-${index}`,
    patient: drawPatient(3, index % 10),
    label: PHANTOM_CLASSES[index % 3]!,
    frames: 1,
    size: 40,
  });

  it('carry the signs of their class and only those', () => {
    for (let index = 0; index < 60; index++) {
      const { label, lung, consolidation, wall, display } = drawClip(request(index));
      const lasting = lung.streaks.filter((streak) => streak.decayDbPerCm < 1);
      expect(lasting.length >= 3).toBe(label === 'b-lines');
      expect(consolidation !== null).toBe(label === 'consolidation');
      // At least the first A-line is in the picture.
      if (label === 'a-lines') expect(display.depthMm).toBeGreaterThan(2 * wall.pleuraMm);
    }
  });

  it('do not tell their class by brightness alone', () => {
    const means: number[][] = [[], [], []];
    for (let index = 0; index < 60; index++) {
      const picture = simulateClip(drawClip(request(index)))[0]!;
      const lit = picture.filter((value) => value > 0);
      means[index % 3]!.push(lit.reduce((sum, value) => sum + value, 0) / lit.length);
    }
    const centre = means.map((values) => values.reduce((sum, value) => sum + value, 0) / values.length);
    const within = means.flatMap((values, i) => values.map((value) => (value - centre[i]!) ** 2));
    const spread = Math.sqrt(within.reduce((sum, value) => sum + value, 0) / within.length);
    // Class means differ by less than one and a half standard deviations of the clips within a class.
    expect(Math.max(...centre) - Math.min(...centre)).toBeLessThan(1.5 * spread);
  });
});
