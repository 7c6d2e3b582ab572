import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  classAt,
  levelRows,
  levelScorer,
  type ScoredClip,
  overallAt,
  scoreCount,
  scoresUnder,
  overChanceAt,
} from '../../src/evaluation/scores/level-scorer.ts';
import { CLASS_SCORES, LEVELS, OVERALL_SCORES } from '../../src/evaluation/scores/evaluation-result.ts';

const GROUPS = 4;
const CLASSES = 3;

/** Probabilities in eighths, so that rows tie and stand at the edges of bins. */
const frame = fc.tuple(fc.nat(8), fc.nat(8)).map(([a, b]) => {
  const first = Math.min(a, b);
  const second = Math.max(a, b) - first;
  return [first / 8, second / 8, (8 - first - second) / 8];
});
const clip = fc.record({
  label: fc.nat(CLASSES - 1),
  group: fc.nat(GROUPS - 1),
  frames: fc.array(frame, { minLength: 1, maxLength: 3 }),
});

it('a group drawn several times counts as its clips written down as often, in every score', () => {
  fc.assert(
    fc.property(
      fc.array(clip, { minLength: 1, maxLength: 15 }),
      fc.array(fc.nat(3), { minLength: GROUPS, maxLength: GROUPS }),
      fc.constantFrom(...LEVELS),
      (clips: ScoredClip[], times, level) => {
        const copies = clips.flatMap((one) => Array.from({ length: times[one.group]! }, () => one));
        if (copies.length === 0) return;
        const scores = (of: readonly ScoredClip[], drawn: readonly number[]): Float64Array =>
          scoresUnder(levelScorer(levelRows(of, CLASSES, level), GROUPS, 8), Float64Array.from(drawn));
        const weighted = scores(clips, times);
        scores(copies, [1, 1, 1, 1]).forEach((written, i) => {
          if (Number.isNaN(written)) expect(weighted[i]).toBeNaN();
          else expect(weighted[i]).toBeCloseTo(written, 12);
        });
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

it('every score has a place of its own in the vector', () => {
  const places = [
    ...OVERALL_SCORES.map(overallAt),
    ...[0, 1, 2].flatMap((c) => CLASS_SCORES.map((name) => classAt(c, name))),
    overChanceAt(3),
  ];
  expect([...places].sort((a, b) => a - b)).toEqual([...new Array(scoreCount(3)).keys()]);
});
