import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { randomAt } from '../../src/base/random.ts';
import { minimise } from '../../src/evaluation/probes/lbfgs.ts';
import { fitLogisticRegression, predictLogistic } from '../../src/evaluation/probes/logistic.ts';
import { codeOf, golden } from './support.ts';

const cases = golden(
  'logistic',
  z.object({
    dim: z.int(),
    classes: z.int(),
    C: z.number(),
    classWeight: z.enum(['none', 'balanced']),
    train: z.array(z.number()),
    labels: z.array(z.int()),
    test: z.array(z.number()),
    probabilities: z.array(z.number()),
    weights: z.array(z.number()),
    intercepts: z.array(z.number()),
  }),
);

const largestDifference = (a: ArrayLike<number>, b: readonly number[]): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...b.map((value, i) => Math.abs(value - a[i]!)));
};

describe('logistic regression', () => {
  it.each(cases)(
    'equals scikit-learn: $classes classes, $dim features, $labels.length rows, C $C, weights $classWeight',
    ({ dim, classes, C, classWeight, train, labels, test, probabilities, weights, intercepts }) => {
      const x = Float32Array.from(train);
      const model = fitLogisticRegression(x, labels, dim, classes, { C, classWeight });
      const found = predictLogistic(model, Float32Array.from(test));
      expect(model.converged).toBe(true);
      expect(largestDifference(found, probabilities)).toBeLessThan(2e-4);
      expect(largestDifference(model.weights, weights)).toBeLessThan(2e-3);
      const centre = model.intercepts.length === 1 ? 0 : average(intercepts) - average([...model.intercepts]);
      // With a softmax a shift common to all intercepts changes nothing.
      expect(
        largestDifference(
          model.intercepts.map((b) => b + centre),
          intercepts,
        ),
      ).toBeLessThan(2e-3);
    },
  );

  it('at its optimum meets the stationarity of the stated objective', () => {
    // Independent of any library: Σᵢ sᵢ(pᵢ − yᵢ) = 0, and W = −C Σᵢ sᵢ(pᵢ − yᵢ)xᵢ.
    const [rows, dim, classes, C] = [70, 9, 3, 0.5];
    const random = randomAt(5, 'logistic');
    const x = Float32Array.from({ length: rows * dim }, () => random.normal());
    const labels = Int32Array.from({ length: rows }, () => random.integer(classes));
    const model = fitLogisticRegression(x, labels, dim, classes, { C, standardise: false, tolerance: 1e-10 });
    const p = predictLogistic(model, x);
    for (let c = 0; c < classes; c++) {
      let sum = 0;
      const pull = new Float64Array(dim);
      for (let i = 0; i < rows; i++) {
        const residual = p[i * classes + c]! - (labels[i] === c ? 1 : 0);
        sum += residual;
        for (let d = 0; d < dim; d++) pull[d]! += residual * x[i * dim + d]!;
      }
      expect(Math.abs(sum)).toBeLessThan(1e-6);
      for (let d = 0; d < dim; d++) expect(model.weights[c * dim + d]).toBeCloseTo(-C * pull[d]!, 5);
    }
  });

  it.each([2, 3])('takes few steps on columns that are almost the same, with %i classes', (classes) => {
    const [rows, dim] = [600, 40];
    const random = randomAt(8, 'logistic', classes);
    const common = Float64Array.from({ length: rows }, () => random.normal());
    const x = Float32Array.from(
      { length: rows * dim },
      (_, i) => common[Math.floor(i / dim)]! + 0.01 * random.normal(),
    );
    const labels = Int32Array.from(common, (value) =>
      Math.max(0, Math.min(classes - 1, Math.floor(value + random.normal() + classes / 2))),
    );
    const model = fitLogisticRegression(x, labels, dim, classes, { C: 100 });
    expect(model.converged).toBe(true);
    // Without the factorised XᵀX it takes 59 and 103.
    expect(model.iterations).toBeLessThan(40);
  });

  it('gives a class without rows the probability 0, and the others as if it did not exist', () => {
    const { dim, train, labels, test } = cases.find((one) => one.classes === 2)!;
    const x = Float32Array.from(train);
    const two = predictLogistic(fitLogisticRegression(x, labels, dim, 2), Float32Array.from(test));
    const moved = labels.map((label) => (label === 0 ? 1 : 3));
    const four = predictLogistic(fitLogisticRegression(x, moved, dim, 4), Float32Array.from(test));
    for (let i = 0; i < test.length / dim; i++) {
      expect([...four.subarray(i * 4, i * 4 + 4)]).toEqual([0, two[i * 2], 0, two[i * 2 + 1]]);
    }
  });

  it('is not moved by the scale and offset of a feature', () => {
    const { dim, classes, train, labels, test } = cases[0]!;
    const moved = (values: number[]): Float32Array =>
      Float32Array.from(values, (value, i) => (i % dim === 1 ? 64 * value - 8 : value));
    const plain = predictLogistic(
      fitLogisticRegression(Float32Array.from(train), labels, dim, classes),
      Float32Array.from(test),
    );
    const other = predictLogistic(fitLogisticRegression(moved(train), labels, dim, classes), moved(test));
    expect(largestDifference(other, [...plain])).toBeLessThan(1e-4);
  });

  it('stays finite on separable rows of great length', () => {
    const x = Float32Array.of(-1e6, -1e6, 1e6, 1e6);
    const model = fitLogisticRegression(x, [0, 0, 1, 1], 1, 2, { standardise: false, C: 1e6 });
    const p = predictLogistic(model, x);
    expect([...p].every(Number.isFinite)).toBe(true);
    expect(p[0]).toBeGreaterThan(0.99);
    expect(p[7]).toBeGreaterThan(0.99);
  });

  it('refuses one class and an impossible C', () => {
    expect(codeOf(() => fitLogisticRegression(Float32Array.of(1, 2), [1, 1], 1, 2))).toBe('PROBE_ONE_CLASS');
    for (const C of [0, -1, NaN, Infinity]) {
      expect(codeOf(() => fitLogisticRegression(Float32Array.of(1, 2), [0, 1], 1, 2, { C }))).toBe(
        'PROBE_OPTION',
      );
    }
  });
});

describe('minimise', () => {
  it('finds the minimum of a badly scaled quadratic, and of Rosenbrock’s valley', () => {
    const scales = [1, 100, 1e4, 0.01];
    const quadratic = minimise(
      (x, gradient) => {
        let value = 0;
        scales.forEach((scale, i) => {
          const off = x[i]! - i;
          gradient[i] = scale * off;
          value += 0.5 * scale * off * off;
        });
        return value;
      },
      new Float64Array(4),
      { tolerance: 1e-9, maxIterations: 200 },
    );
    expect(quadratic.converged).toBe(true);
    quadratic.x.forEach((value, i) => {
      expect(value).toBeCloseTo(i, 6);
    });

    const rosenbrock = minimise(
      (x, gradient) => {
        const [a, b] = [x[0]!, x[1]!];
        gradient[0] = -2 * (1 - a) - 400 * a * (b - a * a);
        gradient[1] = 200 * (b - a * a);
        return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
      },
      Float64Array.of(-1.2, 1),
      { tolerance: 1e-8, maxIterations: 200 },
    );
    expect(rosenbrock.converged).toBe(true);
    expect(rosenbrock.x[0]).toBeCloseTo(1, 6);
    expect(rosenbrock.x[1]).toBeCloseTo(1, 6);
  });

  /** Minimises ½ Σ kᵢ·xᵢ² and counts how often it was asked for. */
  function bowl(curvatures: readonly number[], start: readonly number[], tolerance: number) {
    let calls = 0;
    const found = minimise(
      (x, gradient) => {
        calls++;
        let value = 0;
        curvatures.forEach((curvature, i) => {
          gradient[i] = curvature * x[i]!;
          value += 0.5 * curvature * x[i]! ** 2;
        });
        return value;
      },
      Float64Array.from(start),
      { tolerance, maxIterations: 200 },
    );
    return { ...found, calls };
  }

  it('counts its steps: none at the minimum, one where the first step meets it', () => {
    expect(bowl([1], [0], 1e-9)).toMatchObject({ iterations: 0, converged: true, calls: 1 });
    expect(bowl([1], [1], 1e-9)).toMatchObject({ iterations: 1, converged: true, calls: 2 });
  });

  it('turns back where a step went past the minimum and up the other side', () => {
    // The step of 1 goes from 0.1 to −0.095: lower, but steeper than 0.9 of where it came from.
    const found = bowl([1.95], [0.1], 1e-9);
    expect(found.converged).toBe(true);
    expect(found.x[0]).toBeCloseTo(0, 12);
  });

  it('takes steps of the length that the last curvature suggests, on steep bowls and on flat ones', () => {
    const steep = bowl([900, 1000, 1100, 1300, 1500], [1, 2, -1, 0.5, 0.3], 1e-9);
    const flat = bowl([1e-3, 1.2e-3, 2e-3, 9e-4], [1, 2, -1, 3], 1e-12);
    for (const { converged, calls } of [steep, flat]) {
      expect(converged).toBe(true);
      // 12 and 18; with steps of the unscaled gradient 77, and no end at all.
      expect(calls).toBeLessThan(30);
    }
  });

  it('goes downhill where a product of the memory leaves the range of numbers', () => {
    // Products of steps and gradients are about 1e-310, and one over them is infinite.
    const found = bowl([1, 3], [1e-155, 1e-155], 1e-157);
    expect(found.converged).toBe(true);
    for (const value of found.x) expect(Math.abs(value)).toBeLessThan(1e-157);
  });

  it('says so when iterations run out', () => {
    const found = minimise(
      (x, gradient) => {
        gradient[0] = Math.exp(x[0]!);
        return gradient[0];
      },
      Float64Array.of(0),
      { tolerance: 1e-12, maxIterations: 3 },
    );
    expect(found).toMatchObject({ converged: false, iterations: 3 });
  });
});

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
