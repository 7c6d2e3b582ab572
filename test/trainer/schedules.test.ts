import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../../src/runs/config.ts';
import { learningRateAt } from '../../src/trainer/loop.ts';
import { readCosineGolden } from '../golden/tables.ts';

const golden = readCosineGolden();

/** Rates at the first step of every epoch of a run of ten steps an epoch. */
function ratesByEpoch(set: readonly string[], epochs: number): number[] {
  const config = resolveConfig({ set });
  return Array.from({ length: epochs }, (_, epoch) =>
    learningRateAt({ epoch, step: 10 * epoch }, { epochs, steps: 10 * epochs }, config),
  );
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((rate, i) => {
    expect(Math.abs(rate - expected[i]!)).toBeLessThan(1e-12 + 1e-9 * expected[i]!);
  });
}

describe('against PyTorch', () => {
  test('cosine without warm-up is CosineAnnealingLR stepped once an epoch', () => {
    expectClose(ratesByEpoch(['schedule.warmup=none'], golden.epochs), golden.cosine);
  });

  test('the preset reference has the rates of the published code', () => {
    const config = resolveConfig({ preset: 'reference' });
    expect(config.optimizer.learningRate).toBe(golden.base);
    const total = { epochs: golden.epochs, steps: 27 * golden.epochs };
    const rates = golden.reference.map((_, epoch) =>
      learningRateAt({ epoch, step: 27 * epoch + 5 }, total, config),
    );
    expectClose(rates, golden.reference);
  });
});

describe('shape', () => {
  test('linear warm-up rises in equal parts to the peak and the cosine falls from there to the end', () => {
    const rates = ratesByEpoch(['schedule.warmupLength=4', 'optimizer.learningRate=1'], 24);
    expect(rates.slice(0, 5)).toEqual([0.25, 0.5, 0.75, 1, 1]);
    for (let i = 5; i < 24; i++) expect(rates[i]!).toBeLessThan(rates[i - 1]!);
    expect(rates[14]).toBeCloseTo(0.5, 12);
    expect(rates[23]).toBeCloseTo((1 + Math.cos((Math.PI * 19) / 20)) / 2, 12);
  });

  test('constant stays at the peak after the warm-up', () => {
    const rates = ratesByEpoch(
      ['schedule.kind=constant', 'schedule.warmupLength=2', 'optimizer.learningRate=1'],
      5,
    );
    expect(rates).toEqual([0.5, 1, 1, 1, 1]);
  });

  test('a horizon shorter than the run ends at 0 and stays there', () => {
    const rates = ratesByEpoch(['schedule.warmup=none', 'schedule.horizon=3'], 6);
    expect(rates.slice(3)).toEqual([0, 0, 0]);
  });

  test('by step the rate changes within an epoch, by epoch it does not', () => {
    const at = (unit: string, step: number): number => {
      const { schedule } = resolveConfig({ set: [`schedule.unit=${unit}`, 'schedule.warmup=none'] });
      const config = { schedule, optimizer: { learningRate: 1 } };
      return learningRateAt({ epoch: Math.floor(step / 10), step }, { epochs: 3, steps: 30 }, config);
    };
    expect(at('epoch', 10)).toBe(at('epoch', 19));
    expect(at('step', 19)).toBeLessThan(at('step', 10));
    expect(at('step', 15)).toBeCloseTo(0.5, 12);
  });
});
