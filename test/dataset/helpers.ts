/** Small datasets for tests of this and of higher rooms. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { ClipDraft } from '../../src/dataset/types.ts';
import type { DatasetStart } from '../../src/dataset/writer.ts';
import { createDataset } from '../../src/curation/create-dataset.ts';

/** A folder that goes away after the test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'uscl-test-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

export const START: DatasetStart = {
  name: 'test',
  licence: null,
  citation: null,
  homepage: null,
  classes: ['a', 'b'],
  channels: 1,
  size: 8,
  made: { command: 'test' },
};

export function draft(id: string, changes: Partial<ClipDraft> = {}): ClipDraft {
  return {
    id,
    group: id,
    label: null,
    source: `${id}.mp4`,
    sourceSha256: null,
    width: 10,
    height: 8,
    fps: 5,
    original: { width: 20, height: 16, fps: 25, frames: 50 },
    crop: null,
    dropped: { black: 0, blank: 0, duplicate: 0 },
    flags: [],
    ...changes,
  };
}

/** Frame `frame` of clip number `clip`: every byte tells where it belongs. */
export function patternFrame(clip: number, frame: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (clip * 31 + frame * 7 + i) % 256);
}

export function* patternFrames(clip: number, frames: number, length: number): Generator<Uint8Array> {
  for (let frame = 0; frame < frames; frame++) yield patternFrame(clip, frame, length);
}

/** Three clips of 4, 1 and 3 frames; labels a, null, b. */
export async function writeSmallDataset(folder: string, overwrite = false): Promise<void> {
  using writer = createDataset(folder, START, { overwrite });
  await writer.addClip(draft('one', { label: 'a' }), patternFrames(0, 4, 80));
  await writer.addClip(draft('two', { fps: null, flags: ['still'] }), patternFrames(1, 1, 80));
  await writer.addClip(draft('three', { label: 'b', width: 8, height: 12 }), patternFrames(2, 3, 96));
  writer.reject('broken.mp4', 'it cannot be decoded');
  writer.finish();
}
