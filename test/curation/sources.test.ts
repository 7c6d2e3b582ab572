import { describe, expect, test } from 'vitest';
import { sourcesOf } from '../../src/curation/sources.ts';
import { codeOf } from '../failures.ts';

const dataset = (made: Record<string, unknown>, ...ids: readonly string[]) =>
  ({ manifest: { name: 'lung', made }, clips: ids.map((id) => ({ id })) }) as unknown as Parameters<
    typeof sourcesOf
  >[0];
const ingested = { command: 'ingest' };

describe('the sources of a dataset', () => {
  test('of one that was not merged are itself', () => {
    expect(sourcesOf(dataset(ingested, 'a', 'b/c'))).toEqual({ names: ['lung'], of: Int32Array.of(0, 0) });
  });

  test('of a merged one are those of its parts, of merged parts theirs', () => {
    const inner = {
      command: 'merge',
      of: [
        { prefix: 'x', made: ingested },
        { prefix: 'xy', made: ingested },
      ],
    };
    const made = {
      command: 'merge',
      of: [
        { prefix: 'far', made: ingested },
        { prefix: 'near', made: inner },
      ],
    };
    // A prefix that begins another one is told from it.
    const ids = ['near/xy/1', 'far/1', 'near/x/y', 'near/xy/2'];
    expect(sourcesOf(dataset(made, ...ids))).toEqual({
      names: ['far', 'near/x', 'near/xy'],
      of: Int32Array.of(2, 0, 1, 2),
    });
  });

  test('are not guessed: a clip of none of them is refused', () => {
    const made = { command: 'merge', of: [{ prefix: 'far', made: ingested }] };
    expect(codeOf(() => sourcesOf(dataset(made, 'far/1', 'farther/1')))).toBe('SOURCE_UNKNOWN');
  });
});
