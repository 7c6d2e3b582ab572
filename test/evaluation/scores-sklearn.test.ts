/**
 * Every score at every level against scikit-learn: golden numbers, and random predictions given to the scikit-learn of
 * this machine. Both come from test/golden/scores.py, which finds levels, ties and missing classes on its own.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import { CLASS_SCORES, LEVELS, OVERALL_SCORES } from '../../src/evaluation/scores/evaluation-result.ts';
import { predictionsSchema, type Predictions } from '../../src/evaluation/scores/predictions.ts';
import { makePredictions } from './made-predictions.ts';
import { golden } from './support.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = join(import.meta.dirname, '..', 'golden', 'scores.py');
const value = z.number().nullable();

const seedSchema = z.object({
  scores: z.record(z.enum(OVERALL_SCORES), value),
  perClass: z.array(z.record(z.enum(CLASS_SCORES), value)),
  confusion: z.array(z.array(z.int())),
  reliability: z.object({
    counts: z.array(z.int()),
    accuracy: z.array(z.number()),
    confidence: z.array(z.number()),
  }),
});
const expectedSchema = z.record(z.enum(LEVELS), z.array(seedSchema));

/** Ours beside theirs; the golden file is written with 17 digits, so only the order of sums may differ. */
function expectEqual(predictions: Predictions, expected: z.infer<typeof expectedSchema>): void {
  const [rate] = evaluatePredictions(predictions, { resamples: 1 }).labelRates;
  const near = (ours: number | null, theirs: number | null, what: string): void => {
    expect(ours === null, `${what}: ${ours} and ${theirs}`).toBe(theirs === null);
    if (ours !== null && theirs !== null) expect(ours, what).toBeCloseTo(theirs, 10);
  };
  for (const level of LEVELS) {
    const ours = rate![level];
    expected[level].forEach((theirs, seed) => {
      for (const name of OVERALL_SCORES)
        near(ours.scores[name].perSeed[seed]!, theirs.scores[name], `${level} ${name}`);
      ours.perClass.forEach((one, c) => {
        for (const name of CLASS_SCORES)
          near(one[name].perSeed[seed]!, theirs.perClass[c]![name], `${level} class ${c} ${name}`);
      });
    });
    const seeds = expected[level].length;
    const meanOver = (of: (one: z.infer<typeof seedSchema>) => number): number =>
      expected[level].reduce((sum, one) => sum + of(one), 0) / seeds;
    ours.confusion.forEach((row, t) => {
      row.forEach((count, p) => {
        expect(count).toBeCloseTo(
          meanOver((one) => one.confusion[t]![p]!),
          10,
        );
      });
    });
    ours.reliability.forEach((bin, b) => {
      expect(bin.count, `${level} bin ${b}`).toBe(
        expected[level].reduce((sum, one) => sum + one.reliability.counts[b]!, 0),
      );
    });
    if (seeds > 1) continue;
    const filled = ours.reliability.filter(({ count }) => count > 0);
    filled.forEach((bin, i) => {
      expect(bin.accuracy).toBeCloseTo(expected[level][0]!.reliability.accuracy[i]!, 10);
      expect(bin.confidence).toBeCloseTo(expected[level][0]!.reliability.confidence[i]!, 10);
    });
  }
}

describe('scores of predictions', () => {
  const cases = golden('scores', z.object({ predictions: predictionsSchema, expected: expectedSchema }));

  it('have golden cases with ties, absent classes and a single class', () => {
    expect(cases).toHaveLength(7);
    const nulls = cases.flatMap(({ expected }) =>
      LEVELS.flatMap((level) => expected[level].flatMap(({ scores }) => Object.values(scores))),
    );
    expect(nulls.filter((one) => one === null).length).toBeGreaterThan(5);
  });

  it.each(cases.map((one, i) => [i, one.predictions.classes.length, one] as const))(
    'equal scikit-learn in golden case %i of %i classes',
    (_, __, { predictions, expected }) => {
      expectEqual(predictions, expected);
    },
  );
});

function hasSklearn(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import sklearn, scipy'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!existsSync(PYTHON) || !hasSklearn())(
  `the scikit-learn of this machine (skipped where ${PYTHON} has none)`,
  () => {
    it('gives the same scores for random predictions', { timeout: 120_000 }, () => {
      const sets = Array.from({ length: 25 }, (_, i) => {
        const random = randomAt(i, 'sklearn');
        const made = makePredictions({
          seed: i,
          clips: 12 + random.integer(60),
          groups: 3 + random.integer(12),
          classes: 2 + random.integer(4),
          seeds: [0, 1].slice(random.integer(2)),
          frames: 1 + random.integer(5),
          skill: random.between(-0.5, 3),
        });
        return i % 3 === 0 ? coarse(made) : made;
      });
      const answer = execFileSync(PYTHON, [SCRIPT, '--stdin'], {
        input: JSON.stringify(sets),
        maxBuffer: 2 ** 28,
      });
      const expected = z.array(expectedSchema).parse(JSON.parse(answer.toString()));
      sets.forEach((one, i) => {
        expectEqual(one, expected[i]!);
      });
    });
  },
);

/** Probabilities in steps of 1/16, so that many are equal. */
function coarse(predictions: Predictions): Predictions {
  const round = (frame: readonly number[]): number[] => {
    const steps = frame.map((p) => Math.floor(16 * p));
    steps[0]! += 16 - steps.reduce((sum, step) => sum + step, 0);
    return steps.map((step) => step / 16);
  };
  return {
    ...predictions,
    cells: predictions.cells.map((cell) => ({
      ...cell,
      rows: cell.rows.map((row) => ({ ...row, probabilities: row.probabilities.map(round) })),
    })),
  };
}
