/** What is written to a terminal: names of files must not play with it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { oneLine, visible } from '../../src/cli/output.ts';

describe('names on a terminal', () => {
  test('control characters and marks of direction become escapes, letters stay', () => {
    expect(visible('a\u001b[31mred\u0007\r.mp4\nnext\tübung 超 🫁')).toBe(
      'a\\u{1b}[31mred\\u{7}\\u{d}.mp4\nnext\\tübung 超 🫁',
    );
    expect(oneLine('two\nlines')).toBe('two\\nlines');
    expect(oneLine('scan\u202egpj.exe')).toBe('scan\\u{202e}gpj.exe');
  });

  test('nothing that moves the cursor or turns the writing gets through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(oneLine(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
        expect(visible(text).split('\n')).toHaveLength(text.split('\n').length);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
