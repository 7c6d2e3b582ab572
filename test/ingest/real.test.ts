/** The two public sets as they are: plans over all files, decoding of a few that once made trouble. */
import { copyFileSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { ingest } from '../../src/ingest/ingest.ts';
import { planRecipe } from '../../src/ingest/recipes/recipes.ts';
import { scratchFolder } from '../dataset/helpers.ts';

const asked = resolve(process.env['USCL_TEST_DATA'] ?? '../shared/data');
// Plans take a real path, as `ingest` makes of its source; the data may lie behind a link.
const data = existsSync(asked) ? realpathSync(asked) : asked;
const blues = join(data, 'covid_blues');
const pocus = join(data, 'pocus');
const scratch = scratchFolder();

/** Copies a few files of a set, paths kept. */
function partOf(set: string, name: string, paths: readonly string[]): string {
  const folder = join(scratch, name);
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(set, path), join(folder, path));
  }
  return folder;
}

describe.skipIf(!existsSync(blues))(`COVID-BLUES (skipped where ${blues} is absent)`, () => {
  test('every video has a patient and every row a video and a label', async () => {
    for (const label of ['severity', 'a-lines', 'b-lines'] as const) {
      const plan = await planRecipe('covid-blues', blues, { label });
      expect([plan.rejected, plan.unmatchedLabels, plan.withoutRow]).toEqual([[], [], []]);
      expect(plan.clips.every((clip) => clip.label !== null)).toBe(true);
      expect(new Set(plan.clips.map((clip) => clip.label))).toEqual(new Set(plan.classes));
      expect(new Set(plan.clips.map((clip) => clip.group)).size).toBe(42);
      expect(plan.clips).toHaveLength(238);
    }
  });

  test('black beginnings are dropped, a clip of eight frames keeps three', async () => {
    const names = ['patient_2_R1', 'patient_3_R2', 'patient_6_L1', 'patient_30_L3'];
    const source = partOf(blues, 'blues', ['severity.csv', ...names.map((name) => `lus_videos/${name}.mp4`)]);
    const out = join(scratch, 'blues-out');
    const { dropped, rejected, damaged, unmatchedLabels } = await ingest({
      ...{ source, out, recipe: 'covid-blues', recipeOptions: { label: 'b-lines' }, crop: 'none' },
    });
    expect([dropped, rejected, damaged]).toEqual([{ black: 2, blank: 0, duplicate: 0 }, [], []]);
    expect(unmatchedLabels).toHaveLength(234);
    using dataset = openDataset(out);
    expect(dataset.clips.map(({ group, frames }) => [group, frames])).toEqual([
      ['patient_2', 20],
      ['patient_30', 20],
      ['patient_3', 3],
      ['patient_6', 11],
    ]);
    for (const clip of dataset.clips)
      expect([clip.width, clip.height, clip.original.width]).toEqual([256, 256, 350]);
  });
});

describe.skipIf(!existsSync(pocus))(`POCUS (skipped where ${pocus} is absent)`, () => {
  test('the plan has the counts of the set', async () => {
    const plan = await planRecipe('pocus', pocus, { stills: true });
    expect(plan.rejected).toEqual([]);
    const counts = new Map<string | null, number>();
    for (const { item, label } of plan.clips) {
      if (item.kind === 'video') counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    expect(Object.fromEntries(counts)).toEqual({ covid: 16, pneumonia: 29, regular: 46, null: 5 });
    expect(plan.clips.filter(({ item }) => item.kind === 'still')).toHaveLength(26);
  });

  test('gif, mov, avi, mpeg, oblong pixels, odd names, stills', async () => {
    const source = partOf(pocus, 'pocus', [
      'manifest.csv',
      'pocus_videos/convex/Cov-Atlas-Day+1.gif',
      'pocus_videos/convex/Cov_combatting_Image1.mp4',
      'pocus_videos/convex/Cov_recommendations_lightbeam_mov6.mov',
      'pocus_videos/convex/Pneu_northumbria_0409_set2_vid4.avi',
      'pocus_videos/convex/Reg_pat1Image_133410.mpeg',
      'pocus_videos/convex/Reg-Atlas-lungcurtain.gif',
      'pocus_images/convex/Pneu_Avi_consolidated-lung.JPG',
    ]);
    const out = join(scratch, 'pocus-out');
    const summary = await ingest({
      ...{ source, out, recipe: 'pocus', recipeOptions: { stills: true }, crop: 'none' },
    });
    expect(summary).toMatchObject({ clips: 7, damaged: [], dropped: { black: 1, blank: 0, duplicate: 0 } });
    expect(new Set(summary.rejected.map(({ reason }) => reason))).toEqual(new Set(['there is no such file']));
    using dataset = openDataset(out);
    expect(
      dataset.clips.map(({ source: path, frames, width, height }) => [
        path.replace(/^.*\//, ''),
        frames,
        width,
        height,
      ]),
    ).toEqual([
      ['Pneu_Avi_consolidated-lung.JPG', 1, expect.any(Number), 256],
      ['Cov-Atlas-Day+1.gif', 17, 256, 256],
      ['Cov_combatting_Image1.mp4', 20, 288, 256],
      ['Cov_recommendations_lightbeam_mov6.mov', 52, 256, 256],
      ['Pneu_northumbria_0409_set2_vid4.avi', 18, 256, 256],
      ['Reg-Atlas-lungcurtain.gif', 29, 212, 212],
      ['Reg_pat1Image_133410.mpeg', 37, 256, 256],
    ]);
  });
});
