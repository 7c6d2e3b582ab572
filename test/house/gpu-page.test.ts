/** The parts of the page about a GPU (`bench/gpu`) run to their end on a processor, and their findings are those of a sound machine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loaderSpeed } from '../../bench/gpu/loader.ts';
import type { At } from '../../bench/gpu/part.ts';
import { resumedExactly } from '../../bench/gpu/resume.ts';
import { makePhantom } from '../../src/index.ts';
import { TORCH } from '../engine/kinds.ts';

const scratch = mkdtempSync(join(tmpdir(), 'uscl-gpu-page-'));
const told: string[] = [];
const at: At = {
  ...{ device: 'cpu', python: 'python3', scratch, rehearse: true },
  tell: (line) => told.push(line),
};

beforeAll(() => makePhantom({ out: join(scratch, 'clips'), seed: 1, clips: 24, framesPerClip: 4, size: 64 }));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe.skipIf(TORCH === undefined)('the page', () => {
  test('a run that was stopped and resumed has the bits of one that was not, and so has the same run once more', async () => {
    const results = await resumedExactly(at);
    expect(results).toMatchObject({ again: [], resumed: [] });
    expect(told.splice(0)).toEqual([
      '- stopped: stopped after 3 of 6 steps, then resumed',
      expect.stringMatching(/^- the same run once more: all \d{3} tensors have the same bits$/),
      expect.stringMatching(/^- stopped and resumed: all \d{3} tensors have the same bits$/),
    ]);
  });
});

test('the loader is measured for both presets', async () => {
  const measured = await loaderSpeed(at);
  expect(measured).toEqual(
    expect.arrayContaining(
      ['uscl', 'us'].map((preset) => ({ preset, workers: 1, imagesPerSecond: expect.any(Number) as number })),
    ),
  );
  expect(
    told.every((line) => /^- preset `\w+`, \d+ worker\(s\): \d+ images\/s, \d+ a worker$/.test(line)),
  ).toBe(true);
});
