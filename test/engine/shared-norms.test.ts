/*
 * Batch norms whose statistics several processes share: together they compute what one process does with the whole batch.
 * The whole batch is the independent computation; the reference's is itself held to finite differences.
 */
import { describe, expect, it, test } from 'vitest';
import type { Backend, BackendKind, PlanOptions } from '../../src/engine/core/backend.ts';
import { INPUT, type Network, type Node } from '../../src/engine/core/network.ts';
import { averages, shareMoments } from '../../src/engine/core/shared-norms.ts';
import { openBackend } from '../../src/engine/open.ts';
import { resnet } from '../../src/models/resnet.ts';
import {
  everyNode,
  fillNormal,
  fillParameters,
  fillStatistics,
  oddNetwork,
  openReLUs,
  relativeError,
  vectorNorms,
} from './helpers.ts';
import { FAST, KINDS, openKind } from './kinds.ts';
import { inTurns, type TurnRanks } from './turns.ts';

interface Case {
  readonly network: Network;
  readonly options: Pick<PlanOptions, 'precision' | 'frozenNorms' | 'trainable'> & {
    readonly groups: number;
  };
  /** Images of the whole batch. */
  readonly batch: number;
  /** Added to the images: means far from zero. */
  readonly shift?: number;
}

interface Computed {
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly gradients: Float32Array;
  readonly statistics: Float32Array;
}

const ALONE: Pick<TurnRanks, 'rank' | 'size'> = { rank: 0, size: 1 };

/** A rank's rows: of each group the rank-th of equal consecutive parts. */
function rowsOf(whole: Float32Array, groups: number, { rank, size }: typeof ALONE): Float32Array {
  const length = whole.length / groups / size;
  const parts = Array.from({ length: groups }, (_, group) => {
    const from = (group * size + rank) * length;
    return [...whole.subarray(from, from + length)];
  });
  return Float32Array.from(parts.flat());
}

/** The rows of all ranks in the order of the whole batch. */
function joined(parts: readonly Float32Array[], groups: number): Float32Array {
  const whole = new Float32Array(parts.length * parts[0]!.length);
  const length = parts[0]!.length / groups;
  parts.forEach((part, rank) => {
    for (let group = 0; group < groups; group++)
      whole.set(part.subarray(group * length, (group + 1) * length), (group * parts.length + rank) * length);
  });
  return whole;
}

function drawn(length: number, seed: number, purpose: string, shift = 0): Float32Array {
  const values = new Float32Array(length);
  fillNormal(values, seed, purpose);
  return values.map((value) => value + shift);
}

/** A forward and a backward pass of a rank's rows; alone, those of the whole batch by the plain norms. */
function pass(
  backend: Backend,
  { network, options: { groups, ...options }, batch, shift }: Case,
  ranks: typeof ALONE | TurnRanks,
  moved?: (images: Float32Array) => void,
): Computed {
  using parameters = backend.createParameters(network);
  fillParameters(parameters, 3);
  fillStatistics(parameters);
  if (moved !== undefined) openReLUs(parameters);
  using plan = backend.compile(network, parameters, {
    ...{ batch: batch / ranks.size, mode: 'train', normGroups: groups, taps: [INPUT], ...options },
    ...('gather' in ranks ? { normRanks: ranks } : {}),
  });
  const images = drawn(plan.input.length * ranks.size, 2, 'images', shift);
  moved?.(images);
  plan.input.set(rowsOf(images, groups, ranks));
  plan.forward();
  const values = new Map(network.outputs.map((name) => [name, plan.output(name).slice()]));
  for (const name of network.outputs) {
    const gradient = plan.outputGradient(name);
    gradient.set(rowsOf(drawn(gradient.length * ranks.size, 4, name), groups, ranks));
  }
  plan.backward();
  values.set('the images’ gradient', plan.valueGradient(INPUT).slice());
  return { values, gradients: parameters.gradients.read(), statistics: parameters.statistics.read() };
}

/** What `size` processes compute together, as one. */
function together(
  kind: BackendKind,
  size: number,
  of: Case,
  open = openKind,
): Computed & { sent: readonly number[] } {
  using backend = open(kind);
  const { results, sent } = inTurns(size, (ranks) => pass(backend, of, ranks));
  for (const { statistics } of results) expect(statistics).toEqual(results[0]!.statistics);
  const [{ values, gradients, statistics }] = results as readonly [Computed];
  return {
    values: new Map(
      [...values.keys()].map((name) => [
        name,
        joined(
          results.map((one) => one.values.get(name)!),
          of.options.groups,
        ),
      ]),
    ),
    gradients: gradients.map((_, i) => results.reduce((sum, one) => sum + one.gradients[i]!, 0)),
    statistics,
    sent,
  };
}

function alone(kind: BackendKind, of: Case): Computed {
  using backend = openKind(kind);
  return pass(backend, of, ALONE);
}

/** How far each of what was computed is from the truth, relative to the truth. */
function distances(truth: Computed, found: Computed): ReadonlyMap<string, number> {
  return new Map([
    ...[...truth.values].map(
      ([name, value]) => [name, relativeError(value, found.values.get(name)!)] as const,
    ),
    ['gradients', relativeError(truth.gradients, found.gradients)],
    ['statistics', relativeError(truth.statistics, found.statistics)],
  ]);
}

function compare(
  found: Computed,
  truth: Computed,
  limits: { readonly values: number; readonly gradients: number },
): void {
  for (const [name, distance] of distances(truth, found))
    expect(distance, name).toBeLessThan(name.includes('gradient') ? limits.gradients : limits.values);
}

const NETWORKS: Readonly<Record<string, Network>> = {
  'every kind of node': everyNode(2, 24, 8),
  'odd widths and sides': oddNetwork(5),
  'norms of vectors': vectorNorms(7),
};
const ROUNDING = { values: 1e-5, gradients: 1e-4 };

describe.each(KINDS)('processes that share their norms (%s)', (kind) => {
  describe.each([
    [2, 1],
    [2, 2],
    [4, 1],
    [4, 2],
  ])('%i of them, %i parts of the batch', (size, groups) => {
    it.each(Object.entries(NETWORKS))(
      'have the outputs, gradients and statistics of one: %s',
      (_, network) => {
        const of: Case = { network, batch: 16, options: { groups, precision: 'f32' } };
        const found = together(kind, size, of);
        compare(found, alone(kind, of), ROUNDING);
        // What is compared can differ: a process that normalises as many parts of each is something else.
        const parted = alone(kind, { ...of, options: { ...of.options, groups: groups * size } });
        expect(relativeError(parted.gradients, found.gradients)).toBeGreaterThan(1e-2);
      },
    );
  });

  it('do so where means are large beside deviations', () => {
    const of: Case = {
      ...{ network: everyNode(2, 24, 8), batch: 8, shift: 20 },
      options: { groups: 2, precision: 'f32' },
    };
    compare(together(kind, 2, of), alone(kind, of), { values: 5e-5, gradients: 5e-4 });
  });

  it('meet once for each norm on the way up and once on the way down, with two numbers a channel of each part', () => {
    const network = everyNode(2, 32, 6);
    const of: Case = { network, batch: 8, options: { groups: 2, precision: 'f32' } };
    const each = (channels: number): number => 2 * 2 * channels;
    const up = [6, 12, 12, 12, 12].map(each);
    expect(together(kind, 2, of).sent).toEqual([...up, ...[...up].reverse()]);
    // Frozen norms share nothing, and what nobody asks for on the way down is not shared.
    const frozenNorms = (node: string): boolean => node !== 'cNorm';
    expect(together(kind, 2, { ...of, options: { ...of.options, frozenNorms } }).sent).toEqual([48, 48]);
  });

  it('share what is frozen as it was', () => {
    const frozenNorms = (node: string): boolean => ['stemNorm', 'bNorm'].includes(node);
    const of: Case = {
      ...{ network: everyNode(2, 24, 8), batch: 8 },
      options: { groups: 1, precision: 'f32', frozenNorms },
    };
    compare(together(kind, 2, of), alone(kind, of), ROUNDING);
  });

  it('pass a gradient through norms whose scale and shift do not train', () => {
    const of: Case = {
      ...{ network: everyNode(2, 24, 8), batch: 8 },
      options: { groups: 1, precision: 'f32', trainable: (name) => !/Norm\.(weight|bias)$/.test(name) },
    };
    compare(together(kind, 2, of), alone(kind, of), ROUNDING);
  });

  it('may have a single vector each', () => {
    const of: Case = { network: vectorNorms(6), batch: 4, options: { groups: 1, precision: 'f32' } };
    compare(together(kind, 4, of), alone(kind, of), ROUNDING);
    using backend = openKind(kind);
    const single = (): Computed => pass(backend, { ...of, batch: 1 }, ALONE);
    expect(single).toThrow('has a single one to normalise');
  });

  it('infer alone, whatever they share in training', () => {
    const network = everyNode(2, 32);
    using backend = openKind(kind);
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 3);
    const output = (normRanks: PlanOptions['normRanks']): Float32Array => {
      const options = { batch: 4, mode: 'infer', precision: 'f32', normRanks } as const;
      using plan = backend.compile(network, parameters, options);
      fillNormal(plan.input, 2, 'images');
      plan.forward();
      return plan.output('head').slice();
    };
    const nobody = { size: 2, gather: (): never => expect.unreachable() };
    expect(output(nobody)).toEqual(output(undefined));
  });

  it('do so in bf16, within the rounding of maps', () => {
    const of: Case = {
      ...{ network: everyNode(2, 24, 16), batch: 8 },
      options: { groups: 2, precision: 'bf16' },
    };
    compare(together(kind, 2, of), alone(kind, of), { values: 1e-2, gradients: 5e-2 });
  });

  it('do so in memory of their own', () => {
    const of: Case = { network: everyNode(2, 32, 4), batch: 8, options: { groups: 2, precision: 'f32' } };
    const separate = (): Backend => openBackend({ kind, threads: 1, separateMemory: true });
    compare(together(kind, 2, of, separate), alone(kind, of), ROUNDING);
  });
});

// Through twenty layers rounding grows, and where it turns a ReLU over a gradient moves by a whole step: how far hangs on the
// kernels. So what is asked is that ranks are about as close to the truth as one process is that uses the same kernels. Both distances
// are drawn by rounding, and differ by a factor of up to 2.2; what normalises anything else is a thousand times as far.
it.each(FAST)('are as close to the reference as one process, through a whole ResNet-18 (%s)', (kind) => {
  const network = resnet(18, { channels: 1, size: 32, width: 8 });
  const of: Case = { network, batch: 8, options: { groups: 2, precision: 'f32' } };
  const truth = alone('reference', of);
  const [ofOne, ofTwo] = [distances(truth, alone(kind, of)), distances(truth, together(kind, 2, of))];
  for (const [name, distance] of ofTwo) expect(distance, name).toBeLessThan(4 * ofOne.get(name)!);
  const parted = alone(kind, { ...of, options: { ...of.options, groups: 4 } });
  for (const [name, distance] of distances(truth, parted))
    expect(distance, name).toBeGreaterThan(1000 * ofOne.get(name)!);
});

it.each(FAST)('equal the reference (%s)', (kind) => {
  const of: Case = { network: oddNetwork(5), batch: 8, options: { groups: 2, precision: 'f32' } };
  compare(together(kind, 2, of), alone('reference', of), { values: 2e-5, gradients: 2e-4 });
});

test('gradients of shared norms agree with finite differences of the loss of all processes', () => {
  const norm = (name: string, input: string, relu: boolean): Node => ({
    ...({ kind: 'batchNorm', name, input, relu } as const),
    ...{ epsilon: 1e-2, momentum: 0.1 },
  });
  const network: Network = {
    input: [1, 6, 6],
    nodes: [
      { kind: 'conv', name: 'a', input: INPUT, filters: 3, kernel: 3, stride: 1, padding: 1 },
      norm('aNorm', 'a', false),
      { kind: 'conv', name: 'b', input: 'aNorm', filters: 4, kernel: 3, stride: 2, padding: 1 },
      norm('bNorm', 'b', true),
      { kind: 'globalAveragePool', name: 'pooled', input: 'bNorm' },
      { kind: 'linear', name: 'hidden', input: 'pooled', features: 5 },
      norm('last', 'hidden', false),
    ],
    outputs: ['pooled', 'last'],
  };
  const of: Case = { network, batch: 4, options: { groups: 1, precision: 'f32' } };
  using backend = openKind('reference');
  const lossOf = (moved: (images: Float32Array) => void): number => {
    const { results } = inTurns(2, (ranks) => pass(backend, of, ranks, moved));
    let loss = 0;
    for (const name of network.outputs) {
      const outputs = joined(
        results.map(({ values }) => values.get(name)!),
        1,
      );
      const weights = drawn(outputs.length, 4, name);
      outputs.forEach((value, i) => (loss += value * weights[i]!));
    }
    return loss;
  };
  const { results } = inTurns(2, (ranks) => pass(backend, of, ranks, () => undefined));
  const gradient = joined(
    results.map(({ values }) => values.get('the images’ gradient')!),
    1,
  );
  const direction = drawn(gradient.length, 9, 'direction');
  // Of the first rank's images alone, of the second's, and of both: each reaches the loss of the other.
  const half = gradient.length / 2;
  for (const isMoved of [(i: number) => i < half, (i: number) => i >= half, () => true]) {
    const along = direction.map((value, i) => (isMoved(i) ? value : 0));
    const step = 3e-3;
    const at = (factor: number): number =>
      lossOf((images) => {
        along.forEach((value, i) => (images[i]! += factor * value));
      });
    const measured = (at(step) - at(-step)) / (2 * step);
    const predicted = gradient.reduce((sum, value, i) => sum + value * along[i]!, 0);
    expect(Math.abs(measured - predicted) / Math.abs(predicted)).toBeLessThan(1e-2);
  }
});

describe('moments of several processes', () => {
  const ranksOf = (parts: readonly Float32Array[]) => ({
    size: parts.length,
    gather: (): Float32Array => Float32Array.from(parts.flatMap((part) => [...part])),
  });

  it('are those of all their numbers, where deviations are a millionth of means', () => {
    const rows = [0, 1, 2].map((rank) => [0, 1, 2, 3].map((i) => 1000 + 1e-3 * (rank * 3 + i * i)));
    const momentsOf = (values: readonly number[]): readonly [number, number] => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length];
    };
    const own = rows.map((values) => Float32Array.from(momentsOf(values)));
    const [mean, variance] = [own[1]!.slice(0, 1), own[1]!.slice(1)];
    shareMoments(ranksOf(own), [{ mean, variance }]);
    const [allMean, allVariance] = momentsOf(rows.flat());
    expect(mean[0]).toBeCloseTo(allMean, 3);
    // Means are f32 numbers near 1000, 6e-5 apart.
    expect(Math.abs(variance[0]! - allVariance) / allVariance).toBeLessThan(0.05);
  });

  it('average each array over processes, in its place', () => {
    const all = [Float32Array.of(1, 2, 3), Float32Array.of(5, 6, 7)];
    const found = averages(ranksOf(all), [Float32Array.of(1), Float32Array.of(2, 3)]);
    expect(found.map((array) => [...array])).toEqual([[3], [4, 5]]);
  });
});
