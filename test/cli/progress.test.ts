/** Progress off a terminal: a line says something new. */
import type * as Files from 'node:fs';
import { beforeEach, describe, expect, test, vi } from 'vitest';

const lines = vi.hoisted((): string[] => []);
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof Files>()),
  writeSync: (_stream: number, bytes: Uint8Array, from = 0): number => {
    lines.push(Buffer.from(bytes).subarray(from).toString());
    return bytes.length - from;
  },
}));
const { Output } = await import('../../src/cli/output.ts');

beforeEach(() => {
  lines.length = 0;
});

describe('progress off a terminal', () => {
  test('a step that is told again is not printed again, whatever its note', () => {
    const progress = new Output(false).progress('probe', '%');
    for (const note of ['first', 'second', 'third']) progress.update(100, 100, note);
    progress.end();
    expect(lines).toEqual(['probe: 100/100 % · first\n']);
  });

  test('steps come at most every few seconds, the last one always', () => {
    vi.useFakeTimers({ toFake: ['performance'], now: 1_000_000 });
    try {
      const progress = new Output(false).progress('embed', 'frames');
      for (let tenth = 0; tenth <= 200; tenth++) {
        // Every number is told ten times, over 20 s.
        progress.update(Math.floor(tenth / 10), 20);
        vi.advanceTimersByTime(100);
      }
      expect(lines.map((line) => /\d+\/20/.exec(line)?.[0])).toEqual(['5/20', '10/20', '15/20', '20/20']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a second stage that counts from the beginning is told too', () => {
    const progress = new Output(false).progress('study', 'runs');
    progress.update(2, 2);
    progress.update(3, 3);
    expect(lines).toEqual(['study: 2/2 runs\n', 'study: 3/3 runs\n']);
  });
});
