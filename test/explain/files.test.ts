/** Files that are in no dataset: what is shown of them, and what must not come out. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { probeVideo } from '../../src/video/probe.ts';
import { explain } from '../../src/explain/explain.ts';
import type { ExplainOptions } from '../../src/explain/options.ts';
import { nativeFile } from '../ingest/dicom-marked.ts';
import { makePicture, makeVideo } from '../ingest/media.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';

const scratch = scratchFolder();
const MARKER = 'ZQPHIKLM';
const media = join(scratch, 'media');
const hospital = join(scratch, `${MARKER} export`);
let model = '';

beforeAll(async () => {
  mkdirSync(hospital);
  makeVideo(join(media, 'clip.mp4'));
  await makePicture(join(media, 'still.png'));
  writeFileSync(join(media, 'broken.mp4'), 'no video');
  const marking = { marker: MARKER, bars: 3, patient: `${MARKER} 4711`, study: '1.2.3', uid: '1.2.3.4' };
  writeFileSync(join(hospital, `${MARKER}.dcm`), nativeFile(marking));
  model = writeModel(scratch, {
    classes: ['a', 'b'],
    ingest: { fps: 'all', size: 32, channels: 1, crop: 'none' },
  });
});

function explained(out: string, data: readonly string[], options: Partial<ExplainOptions> = {}) {
  return explain({
    ...{ source: model, data, out: join(scratch, out), backend: 'reference', cam: {} },
    ...options,
  });
}

describe('files', () => {
  it('are read as what the network learned from, and go when they have been shown', async () => {
    const notes: string[] = [];
    const { cam, data } = await explained('files', [media], { onNote: (text) => notes.push(text) });
    expect(data).toMatchObject([{ name: 'files', clips: 2 }]);
    expect(cam!.entries.map(({ clip, frame }) => `${clip} ${frame}`)).toEqual([
      ...[1, 3, 6, 8].map((frame) => `clip.mp4 ${frame}`),
      'still.png 0',
    ]);
    expect(notes.join()).toContain('broken.mp4');
    expect(readdirSync(join(scratch, 'files')).sort()).toEqual(['cam', 'explain.json']);
  });

  it.each([
    ['mp4', 4, 'ftyp'],
    ['gif', 0, 'GIF89a'],
  ] as const)('become videos of every frame: %s', async (video, at, magic) => {
    const { cam, folder } = await explained(video, [join(media, 'clip.mp4'), join(media, 'still.png')], {
      cam: { video },
    });
    const [only, ...others] = cam!.videos;
    expect(others).toEqual([]);
    expect(only).toMatchObject({ clip: 'clip.mp4', frames: 10, fps: 10 });
    const path = join(folder, only!.file);
    expect(readFileSync(path).toString('latin1', at, at + magic.length)).toBe(magic);
    const { frames, fps, width } = await probeVideo(path);
    expect([frames, fps]).toEqual([10, 10]);
    // Two pictures side by side.
    expect(width).toBeGreaterThan(640);
  });

  it('of a patient are shown under a pseudonym, and nothing says the name', async () => {
    const { cam, folder } = await explained('patient', [hospital]);
    expect(cam!.entries).toHaveLength(4);
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      expect(entry.name).not.toContain(MARKER);
      if (entry.isFile())
        expect(readFileSync(join(entry.parentPath, entry.name)).includes(MARKER)).toBe(false);
    }
  });

  it('none of which can be read are an error, and leave nothing', async () => {
    const error = await errorOf(() => explained('unreadable', [join(media, 'broken.mp4')]));
    expect(error.code).toBe('FILES_UNREADABLE');
    expect(readdirSync(join(scratch, 'unreadable'))).toEqual([]);
  });

  it('do not stay when the explanation is stopped', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = explained('stopped', [media], {
      signal: controller.signal,
      onProgress: (_done, _total, note) => {
        if (note?.startsWith('heat') === true) controller.abort(reason);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    expect(existsSync(join(scratch, 'stopped', '.clips.tmp'))).toBe(false);
  });
});
