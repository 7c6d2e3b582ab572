import { mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type * as files from '../../src/base/files.ts';
import { readEvents } from '../events.ts';
import { EventWriter } from '../../src/formats/tensorboard.ts';

const disk = vi.hoisted(() => ({ full: false }));

vi.mock('../../src/base/files.ts', async (original) => {
  const real = await original<typeof files>();
  return {
    ...real,
    writeAll: (file: number, bytes: Uint8Array) => {
      if (!disk.full) {
        real.writeAll(file, bytes);
        return;
      }
      writeSync(file, bytes, 0, Math.floor(bytes.length / 2));
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  };
});

it('survives a full disk: a clear error, whole records on disk, and nothing lost once there is space', () => {
  const folder = mkdtempSync(join(tmpdir(), 'uscl-events-'));
  try {
    const writer = EventWriter.open(folder);
    for (let step = 0; step < 5; step++) writer.scalar('loss', step, step);
    writer.flush();
    for (let step = 5; step < 9; step++) writer.scalar('loss', step, step);
    disk.full = true;
    expect(() => {
      writer.flush();
    }).toThrow(expect.objectContaining({ code: 'DISK_FULL', where: writer.path }) as Error);
    const held = readEvents(readFileSync(writer.path));
    expect(held.slice(1).map((event) => event.step)).toEqual([0, 1, 2, 3, 4]);

    disk.full = false;
    writer.close();
    const all = readEvents(readFileSync(writer.path));
    expect(all.slice(1).map((event) => event.step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  } finally {
    disk.full = false;
    rmSync(folder, { recursive: true, force: true });
  }
});
