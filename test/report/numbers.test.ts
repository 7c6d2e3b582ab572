/** Every kind of number as it stands on a page, at its edges: signs, zeros, nothing, rounding up to a limit. */
import { describe, expect, test } from 'vitest';
import {
  bytes,
  count,
  counted,
  interval,
  listed,
  moment,
  NONE,
  percent,
  plain,
  pValue,
  roundPercent,
  score,
  signed,
} from '../../src/report/numbers.ts';

type Row = readonly [string, string];

const rows: Readonly<Record<string, readonly Row[]>> = {
  score: [
    [score(0.71249), '0.712'],
    [score(0.7126), '0.713'],
    [score(0.7126, 1), '0.7'],
    [score(-0.25), '−0.250'],
    // What rounds to zero has no sign.
    [score(-0.0004), '0.000'],
    [score(null), NONE],
    [score(NaN), NONE],
    [score(Infinity), NONE],
  ],
  interval: [
    [interval([0.612, 0.803]), '0.612–0.803'],
    [interval([0, 1], 2), '0.00–1.00'],
    [interval([-0.1, 0.2]), '−0.100 to 0.200'],
    [interval([-0.2, -0.1], 1), '−0.2 to −0.1'],
    [interval(null), NONE],
  ],
  signed: [
    [signed(0.012), '+0.012'],
    [signed(-0.012), '−0.012'],
    [signed(0.0004), '0.000'],
    [signed(0.0006), '+0.001'],
    [signed(0.04, 1), '0.0'],
    [signed(0), '0.000'],
    [signed(null), NONE],
    [signed(NaN), NONE],
  ],
  percent: [
    [percent(0.7125), '71.3 %'],
    [percent(0.5, 0), '50 %'],
    [percent(1), '100.0 %'],
    [percent(-0.02), '−2.0 %'],
    [percent(null), NONE],
    [percent(NaN), NONE],
  ],
  roundPercent: [
    [roundPercent(0.95), '95 %'],
    [roundPercent(0.125), '12.5 %'],
    [roundPercent(0.07), '7 %'],
    [roundPercent(1), '100 %'],
    [roundPercent(1 / 3), '33.33 %'],
  ],
  count: [
    [count(0), '0'],
    [count(999), '999'],
    [count(1234), '1234'],
    [count(12345), '12 345'],
    [count(1234567), '1 234 567'],
    [count(2.5), '2.5'],
    [count(31746.25), '31 746.3'],
    [count(0.1 + 0.2 + 2.7), '3'],
    [count(-3), '−3'],
  ],
  plain: [
    [plain(0), '0'],
    [plain(3e-4), '0.0003'],
    [plain(1e-5), '0.00001'],
    [plain(1.5e-7), '1.5 × 10⁻⁷'],
    [plain(9.9e-6), '9.9 × 10⁻⁶'],
    [plain(123456.7), '123500'],
    [plain(1e6), '1 × 10⁶'],
    [plain(-2.5e12), '−2.5 × 10¹²'],
    [plain(-0.5), '−0.5'],
    [plain(null), NONE],
    [plain(NaN), NONE],
  ],
  pValue: [
    [pValue(0.0004), '< 0.001'],
    [pValue(0.001), '0.001'],
    [pValue(0.0414), '0.041'],
    [pValue(1), '1.000'],
    [pValue(null), NONE],
    [pValue(NaN), NONE],
  ],
  counted: [
    [counted(1, 'clip'), '1 clip'],
    [counted(0, 'clip'), '0 clips'],
    [counted(12000, 'clip'), '12 000 clips'],
    [counted(2, 'class', 'classes'), '2 classes'],
  ],
  bytes: [
    [bytes(0), '0 B'],
    [bytes(1023), '1023 B'],
    [bytes(1024), '1.0 KiB'],
    [bytes(8 * 2 ** 30 - 2 ** 28), '7.8 GiB'],
    [bytes(3 * 2 ** 50), '3072.0 TiB'],
  ],
  moment: [[moment(1_790_000_000), '2026-09-21 14:13 UTC']],
  listed: [
    [listed([]), ''],
    [listed(['a']), 'a'],
    [listed(['a', 'b']), 'a and b'],
    [listed(['a', 'b', 'c']), 'a, b and c'],
  ],
};

describe.each(Object.entries(rows))('%s', (_, own) => {
  test.each(own)('%s', (found, golden) => {
    // Wherever a space stands, it may be one that does not break.
    expect(found.replaceAll(/\s/g, ' ')).toBe(golden);
  });
});
