import { describe, expect, it } from 'vitest';
import { barlowTwinsLoss } from '../../src/objectives/barlow-twins.ts';
import { consistencyLoss } from '../../src/objectives/consistency.ts';
import { debiasedContrastive } from '../../src/objectives/debiased-contrastive.ts';
import { infoNce } from '../../src/objectives/info-nce.ts';
import { negativeCosine } from '../../src/objectives/negative-cosine.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { pseudoLabelLoss } from '../../src/objectives/pseudo-label.ts';
import { softCrossEntropy } from '../../src/objectives/soft-cross-entropy.ts';
import { supervisedContrastive } from '../../src/objectives/supervised-contrastive.ts';
import { temporalCoherence } from '../../src/objectives/temporal-coherence.ts';
import { classWeights, rowWeights, softTargets } from '../../src/objectives/targets.ts';
import { vicregLoss } from '../../src/objectives/vicreg.ts';
import {
  digest,
  estimatedError,
  hashes,
  keyOf,
  parseDigest,
  positions,
  relativeError,
  sides,
  uniforms,
  values,
} from './hashed.ts';
import {
  readBarlowTwinsGolden,
  readConsistencyGolden,
  readDebiasedContrastiveGolden,
  readGroupedNtXentGolden,
  readHashedSamples,
  readInfoNceGolden,
  readNegativeCosineGolden,
  readNtXentGolden,
  readPseudoLabelGolden,
  readSoftCrossEntropyGolden,
  readSupervisedContrastiveGolden,
  readTemporalCoherenceGolden,
  readVicregGolden,
} from './tables.ts';

/** A gradient and the digest of PyTorch's; the bound is by default what its storage in f32 allows. */
function expectDigest(name: string, gradient: Float32Array, golden: readonly number[], bound = 1e-7): void {
  const expected = parseDigest(golden);
  const found = digest(name, gradient);
  if (expected.norm === 0) {
    expect(found.norm).toBe(0);
    return;
  }
  expect(estimatedError(expected, found)).toBeLessThan(bound);
  expect(relativeError(expected.entries, found.entries)).toBeLessThan(bound);
}

/** A loss and its parts, all of them, each within 1e-13 of 1 or its own size. */
function expectParts(found: object, golden: Readonly<Record<string, number>>): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(golden).sort());
  for (const [part, value] of Object.entries(found) as [string, number][])
    expect(Math.abs(value - golden[part]!), part).toBeLessThan(1e-13 * Math.max(1, Math.abs(value)));
}

/** Two views of each clip: what they share, and what is a view's own. */
function sharedViews(name: string, pairs: number, dim: number): Float32Array {
  const shared = values(name, pairs * dim, 0.1, 1);
  return values(`${name}/own`, 2 * pairs * dim, 0, 0.5).map((own, i) => shared[i % shared.length]! + own);
}

describe('hashed numbers', () => {
  it('are the same in Python and TypeScript, to the bit', () => {
    const python = readHashedSamples();
    for (const [name, key] of Object.entries(python.keys)) expect(keyOf(name)).toBe(key);
    expect([...hashes('conv1.weight', 4)]).toEqual(python.hashes);
    expect([...uniforms('conv1.weight', 4)]).toEqual(python.uniforms);
    expect([...values('conv1.weight', 4, 1, 0.1)]).toEqual(python.values);
    expect([...sides('conv1.weight', 6, 0.5, -2, 2)]).toEqual(python.sides);
    expect([...positions('conv1.weight', 9408)].slice(0, 4)).toEqual(python.positions);
    const golden = parseDigest(python.digest);
    const found = digest('x', values('x', 1000, 0.5, 1));
    expect(found.entries).toEqual(golden.entries);
    expect(found.norm).toBeCloseTo(golden.norm, 10);
    expect(relativeError(golden.projections, found.projections)).toBeLessThan(1e-12);
  });

  it.each([1e-6, 1e-3, 0.3])('digests estimate a relative error of %f within a factor of 1.5', (error) => {
    const tensor = values('tensor', 5000, 0.2, 1);
    const noise = values('noise', 5000, 0, 1);
    const disturbed = tensor.map((value, i) => value + error * noise[i]!);
    const estimate = estimatedError(digest('t', tensor), digest('t', disturbed));
    const truth = relativeError(tensor, disturbed);
    expect(estimate / truth).toBeGreaterThan(1 / 1.5);
    expect(estimate / truth).toBeLessThan(1.5);
  });

  it('digests see one wrong element', () => {
    const tensor = values('tensor', 5000, 0, 1);
    const disturbed = tensor.slice();
    disturbed[1234]! += 1;
    const truth = relativeError(tensor, disturbed);
    expect(estimatedError(digest('t', tensor), digest('t', disturbed))).toBeCloseTo(truth, 5);
  });
});

describe('NT-Xent against PyTorch', () => {
  it.each(Object.entries(readNtXentGolden()))(
    '%s: value, gradient, alignment, uniformity',
    (name, golden) => {
      const { pairs, dim, temperature } = golden;
      const gradient = new Float32Array(2 * pairs * dim);
      const result = ntXent(values(name, 2 * pairs * dim, 0.1, 1), pairs, dim, temperature, gradient);
      expect(result.loss).toBeCloseTo(golden.loss, 12);
      expect(result.alignment).toBeCloseTo(golden.alignment, 12);
      expect(result.uniformity).toBeCloseTo(golden.uniformity, 12);
      expectDigest(name, gradient, golden.gradient);
    },
  );
});

describe('NT-Xent between groups against PyTorch', () => {
  it.each(Object.entries(readGroupedNtXentGolden()))('%s: value, gradient', (name, golden) => {
    const { pairs, dim, temperature } = golden;
    const groups = Array.from({ length: pairs }, (_, clip) => clip % golden.groups);
    const gradient = new Float32Array(2 * pairs * dim);
    const embeddings = values(name, 2 * pairs * dim, 0.1, 1);
    const result = ntXent(embeddings, pairs, dim, temperature, gradient, { groups });
    expect(result.loss).toBeCloseTo(golden.loss, 12);
    expectDigest(name, gradient, golden.gradient);
  });
});

describe('supervised contrastive against PyTorch', () => {
  it.each(Object.entries(readSupervisedContrastiveGolden()))(
    '%s: value, gradient, positives',
    (name, golden) => {
      const { labels, dim, temperature } = golden;
      const length = 2 * labels.length * dim;
      const gradient = new Float32Array(length);
      const result = supervisedContrastive(
        values(name, length, 0.1, 1),
        Int32Array.from(labels),
        dim,
        temperature,
        gradient,
      );
      expect(result.loss).toBeCloseTo(golden.loss, 12);
      expect(result.positives).toBeCloseTo(golden.positives, 12);
      expectDigest(name, gradient, golden.gradient);
    },
  );
});

describe('debiased contrastive against PyTorch', () => {
  it.each(Object.entries(readDebiasedContrastiveGolden()))(
    '%s: value, gradient, views at the floor',
    (name, golden) => {
      const { pairs, dim, temperature, classPrior } = golden;
      const embeddings = sharedViews(name, pairs, dim);
      const gradient = new Float32Array(embeddings.length);
      const result = debiasedContrastive(embeddings, pairs, dim, temperature, classPrior, gradient);
      expect(result.loss).toBeCloseTo(golden.loss, 12);
      expect(result.floored).toBe(golden.floored);
      expectDigest(name, gradient, golden.gradient);
    },
  );
});

describe('Barlow Twins against PyTorch', () => {
  it.each(Object.entries(readBarlowTwinsGolden()))('%s: value, parts, gradient', (name, golden) => {
    const { pairs, dim, weight } = golden;
    const embeddings = sharedViews(name, pairs, dim);
    const gradient = new Float32Array(embeddings.length);
    const result = barlowTwinsLoss(embeddings, pairs, dim, weight, gradient);
    expectParts(result, golden.found);
    expectDigest(name, gradient, golden.gradient);
  });
});

describe('VICReg against PyTorch', () => {
  it.each(Object.entries(readVicregGolden()))('%s: value, parts, gradient', (name, golden) => {
    const { pairs, dim, scale } = golden;
    const [invariance, variance, covariance] = golden.weights;
    const embeddings = sharedViews(name, pairs, dim).map((value) => scale * value);
    const gradient = new Float32Array(embeddings.length);
    const result = vicregLoss(embeddings, pairs, dim, { invariance, variance, covariance }, gradient);
    expectParts(result, golden.found);
    expectDigest(name, gradient, golden.gradient);
  });
});

describe('temporal coherence against PyTorch', () => {
  it.each(Object.entries(readTemporalCoherenceGolden()))('%s: value, parts, gradient', (name, golden) => {
    const { pairs, dim, margin } = golden;
    const embeddings = sharedViews(name, pairs, dim);
    const gradient = new Float32Array(embeddings.length);
    const isNear = (pair: number): boolean => pair % 3 !== 1;
    expectParts(temporalCoherence(embeddings, pairs, dim, isNear, margin, gradient), golden.found);
    expectDigest(name, gradient, golden.gradient);
  });
});

describe('negative cosine against PyTorch', () => {
  it.each(Object.entries(readNegativeCosineGolden()))('%s: value, gradient, spread', (name, golden) => {
    const { pairs, dim, centre } = golden;
    const length = 2 * pairs * dim;
    const gradient = new Float32Array(length);
    const result = negativeCosine(
      values(name, length, 0.1, 1),
      values(`${name}/targets`, length, centre, 1),
      pairs,
      dim,
      gradient,
    );
    expect(result.loss).toBeCloseTo(golden.loss, 14);
    expect(result.spread).toBeCloseTo(golden.spread, 14);
    expectDigest(name, gradient, golden.gradient);
  });
});

describe('InfoNCE against PyTorch', () => {
  it.each(Object.entries(readInfoNceGolden()))('%s: value, gradient, accuracy, alignment', (name, golden) => {
    const { rows, count, clips, dim, temperature } = golden;
    const queries = values(name, rows * dim, 0.1, 1);
    const noise = values(`${name}/keys`, rows * dim, 0, 1);
    const keys = queries.map((value, i) => 0.25 * value + noise[i]!);
    const negatives = values(`${name}/negatives`, count * dim, 0.1, 1);
    const clipOf = hashes(`${name}/clips`, count).map((hash) => hash % clips);
    const gradient = new Float32Array(rows * dim);
    const isNegative = (row: number, negative: number): boolean => clipOf[negative] !== row;
    const result = infoNce(queries, keys, negatives, isNegative, dim, temperature, gradient);
    expect(result.loss).toBeCloseTo(golden.loss, 13);
    expect(result.accuracy).toBe(golden.accuracy);
    expect(result.alignment).toBeCloseTo(golden.alignment, 13);
    expectDigest(name, gradient, golden.gradient);
  });
});

describe('pseudo-labels against PyTorch', () => {
  it.each(Object.entries(readPseudoLabelGolden()))('%s: value, gradient, counts', (name, golden) => {
    const { rows, classes, threshold, confident, agreeing } = golden;
    const weak = values(`${name}/weak`, rows * classes, 0, 3);
    const noise = values(name, rows * classes, 0, 2);
    const strong = weak.map((value, i) => 0.5 * value + noise[i]!);
    const gradient = new Float32Array(rows * classes);
    const result = pseudoLabelLoss(weak, strong, classes, threshold, gradient);
    expect(result.loss).toBeCloseTo(golden.loss, 14);
    expect(result).toMatchObject({ confident, agreeing });
    expectDigest(name, gradient, golden.gradient);
  });
});

describe('consistency against PyTorch', () => {
  it.each(Object.entries(readConsistencyGolden()))('%s: value, both gradients, agreement', (name, golden) => {
    const { rows, classes, agreeing } = golden;
    const scores = values(name, rows * classes, 0, 2);
    const noise = values(`${name}/others`, rows * classes, 0, 1);
    const others = scores.map((value, i) => 0.5 * value + noise[i]!);
    const [gradient, othersGradient] = [new Float32Array(scores.length), new Float32Array(scores.length)];
    const result = consistencyLoss(scores, others, classes, gradient, othersGradient);
    expect(result.loss).toBeCloseTo(golden.loss, 14);
    expect(result.confidence).toBeCloseTo(golden.confidence, 14);
    expect(result).toMatchObject({ agreeing });
    expectDigest(name, gradient, golden.gradient);
    expectDigest(name, othersGradient, golden.othersGradient);
  });
});

describe('soft cross-entropy against PyTorch', () => {
  it.each(Object.entries(readSoftCrossEntropyGolden()))('%s: value and gradient', (name, golden) => {
    const { rows, classes, smoothing, mixed } = golden;
    const labels = Int32Array.from(golden.labels);
    const mixing = mixed
      ? {
          partner: hashes(`${name}/partners`, rows).map((hash) => hash % rows),
          weight: Float32Array.from(uniforms(`${name}/shares`, rows), (share) => (1 + share) / 2),
        }
      : null;
    const weights = classWeights(labels, classes, golden.weights === null ? 'none' : 'balanced');
    // scikit-learn's.
    if (golden.weights !== null)
      golden.weights.forEach((weight, c) => {
        expect(weights[c]).toBeCloseTo(weight, 12);
      });
    const gradient = new Float32Array(rows * classes);
    const result = softCrossEntropy(
      values(name, rows * classes, 0, 3),
      softTargets(labels, classes, { smoothing, mixing }),
      classes,
      rowWeights(labels, weights, mixing),
      gradient,
    );
    // Targets are stored in f32.
    expect(result.loss).toBeCloseTo(golden.loss, 6);
    expectDigest(name, gradient, golden.gradient, 3e-7);
  });
});
