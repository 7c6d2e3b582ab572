/**
 * Methods as whole networks beside PyTorch in float64 (`test/golden/methods_golden.py`), three steps of SGD on both backends
 * in f32: every loss and measurement, every gradient, running statistics, the network that follows where there is one, and
 * the parameters in the end.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ParameterSpec } from '../../src/engine/core/network.ts';
import { methodNamed } from '../../src/methods/registry.ts';
import { MethodNetwork } from '../../src/trainer/methods/method-network.ts';
import type { StepBatch } from '../../src/trainer/methods/step-batch.ts';
import { namedVectors } from '../../src/runs/named-tensors.ts';
import { methodOptions, resolveConfig } from '../../src/runs/config.ts';
import { values } from '../golden/hashed.ts';
import { GIVEN, labelledRows, SMALL_TRUNK } from './support.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

const numbers = z.array(z.number());
const tensors = z.record(z.string(), numbers);
const golden = z
  .object({
    learningRate: z.number(),
    momentum: z.number(),
    weightDecay: z.number(),
    cases: z.record(
      z.string(),
      z.object({
        seed: z.int(),
        method: z.looseObject({ name: z.string() }),
        windowSeconds: z.number().optional(),
        groups: z.array(z.int()).optional(),
        sources: z.array(z.array(z.int())).optional(),
        steps: z.array(
          z.object({
            labels: z.array(numbers),
            times: z.array(numbers).optional(),
            losses: z.record(z.string(), z.number()),
            gradients: tensors,
            statistics: tensors,
          }),
        ),
        parameters: tensors,
        target: tensors.default({}),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', 'golden', 'data', 'methods.json'), 'utf8')));

/** By the largest number of all tensors; in f32 PyTorch itself has gradients within 1e-6. Losses: by 1 or their own size. */
const TOLERANCE = { losses: 1e-6, gradients: 2e-6, statistics: 1e-6, parameters: 1e-6 };

/**
 * Gradients of each tensor by its own largest number, unless that is 0 but for rounding, as of a bias before a norm. A norm of
 * two rows is all but a constant: what comes through it is a difference of nearly equal numbers, down to 1e-12 of the largest.
 */
const ownTolerance = (name: string): number => (/^(simsiam|byol) 2$/.test(name) ? 1e-2 : 5e-6);
const ROUNDING = 1e-13;

const HEADS: Readonly<Record<string, readonly string[]>> = {
  uscl: ['method.projection={hidden: 8, dim: 4}'],
  simclr: ['method.projection={hidden: 8, dim: 4}'],
  supcon: ['method.projection={hidden: 8, dim: 4}'],
  'barlow-twins': ['method.projection={hidden: 8, dim: 4}'],
  vicreg: ['method.projection={hidden: 8, dim: 4}'],
  debiased: ['method.projection={hidden: 8, dim: 4}'],
  byol: ['method.projection={hidden: 8, dim: 4}', 'method.predictor={hidden: 4}'],
  simsiam: ['method.projection={hidden: 8, dim: 4}', 'method.predictor={hidden: 4}'],
  fixmatch: [],
  'pi-model': [],
  'mean-teacher': [],
  mixmatch: [],
  supervised: [],
  'temporal-coherence': ['method.projection={hidden: 8, dim: 4}'],
  'patient-positives': ['method.projection={hidden: 8, dim: 4}'],
};

describe.each(KINDS)('on %s', (kind) => {
  test.each(Object.entries(golden.cases))(
    'three steps of %s are those of PyTorch',
    async (name, expected) => {
      const { learningRate, momentum, weightDecay } = golden;
      const options = Object.entries(expected.method).map(([key, value]) => `method.${key}=${String(value)}`);
      const config = resolveConfig({
        set: [
          ...[...options, ...HEADS[expected.method.name]!, 'precision=f32'],
          `optimizer={kind: sgd, momentum: ${momentum}, weightDecay: ${weightDecay}}`,
        ],
      });
      const method = methodNamed(config.method.name);
      const sources = expected.sources?.map((classes, source) => ({ name: `source ${source}`, classes }));
      const { windowSeconds = null } = expected;
      const open = method.open(methodOptions(config), {
        ...{ ...GIVEN, trunk: SMALL_TRUNK },
        view: { ...GIVEN.view, spg: { ...GIVEN.view.spg, windowSeconds } },
        ...(sources === undefined ? {} : { sources }),
      });
      using backend = openKind(kind);
      using network = new MethodNetwork({ backend, config, opened: { method, open } });
      const { specs, statisticSpecs, gradients, statistics, values: parameters } = network.parameters;
      const prefix = `methods/${name}/${expected.seed}/`;
      // A target is saved beside the network that trains, or in its place where its weights are left.
      const isLeft = network.left !== network.parameters;
      const others = isLeft ? namedVectors(network.left) : network.state.others;
      const followers = others.flatMap(({ vector, tensors }) =>
        tensors
          .filter((tensor) => isLeft || tensor.name.startsWith('target.'))
          .map(({ name: one, offset, length }) => {
            return { name: one.replace('target.', ''), vector, offset, length };
          }),
      );
      for (const spec of specs) {
        const start = startOf(prefix, spec);
        parameters.write(start, spec.offset);
        const follower = followers.find((one) => one.name === spec.name);
        follower?.vector.write(start, follower.offset);
      }

      for (const [number, step] of expected.steps.entries()) {
        const progress = number / expected.steps.length;
        const made = batchOf(`${prefix}step${number}`, step.labels, {
          ...{ groups: expected.groups, times: step.times },
          sources: sources?.length ?? 1,
        });
        const batch = { ...made, number, progress };
        const result = await network.step(() => Promise.resolve(batch), 1, learningRate, null);
        const { losses } = result;
        expect(Object.keys(losses[0]!).sort()).toEqual(Object.keys(step.losses).sort());
        for (const [key, value] of Object.entries(step.losses)) {
          const what = `${key}: ${losses[0]![key]!}, PyTorch ${value}`;
          expect(Math.abs(losses[0]![key]! - value), what).toBeLessThan(
            TOLERANCE.losses * Math.max(Math.abs(value), 1),
          );
        }
        expectClose(byName(specs, gradients.read()), step.gradients, TOLERANCE.gradients, ownTolerance(name));
        expectClose(byName(statisticSpecs, statistics.read()), step.statistics, TOLERANCE.statistics);
      }
      expectClose(byName(specs, parameters.read()), expected.parameters, TOLERANCE.parameters);
      const target = Object.fromEntries(
        followers.map(({ name: one, vector, offset, length }) => [
          one,
          vector.read(new Float32Array(length), offset),
        ]),
      );
      expectClose(target, expected.target, TOLERANCE.parameters);
    },
  );
});

function startOf(prefix: string, { name, role, length }: ParameterSpec): Float32Array {
  const ofNorm = role === 'normScale' || role === 'normShift';
  return values(prefix + name, length, role === 'normScale' ? 1 : 0, ofNorm ? 0.2 : 0.5);
}

function batchOf(
  name: string,
  labels: readonly (readonly number[])[],
  of: {
    readonly groups: readonly number[] | undefined;
    readonly times: readonly (readonly number[])[] | undefined;
    readonly sources: number;
  },
): StepBatch {
  const views = labels.map((own, view) => ({
    ...labelledRows(...own),
    ...(of.groups === undefined ? {} : { groups: Int32Array.from(of.groups) }),
    ...(of.times === undefined ? {} : { times: Float64Array.from(of.times[view]!) }),
    sources: Int32Array.from(own, (_, clip) => clip % of.sources),
  }));
  const images = views.flatMap(({ clips }, view) => {
    const length = 6 * clips.length;
    const own = values(`${name}/view${view}`, length, 0, 0.5);
    return [...values(name, length, 0, 1).map((shown, i) => shown + own[i]!)];
  });
  const { clips } = views[0]!;
  const made = Float32Array.from(images);
  return { clipIds: clips.map(String), pairs: clips.length, views, images: made, number: 0, progress: 0 };
}

interface Place {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

function byName(places: readonly Place[], all: Float32Array): Record<string, Float32Array> {
  return Object.fromEntries(
    places.map(({ name, offset, length }) => [name, all.subarray(offset, offset + length)]),
  );
}

/** Tensors of the same names and lengths, within `all` times the largest number of all and `own` times that of each. */
function expectClose(
  found: Readonly<Record<string, Float32Array>>,
  expected: Readonly<Record<string, readonly number[]>>,
  all: number,
  own = Infinity,
): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  const largest = largestOf(Object.values(expected).flat());
  for (const [name, wanted] of Object.entries(expected)) {
    expect(found[name]!.length, name).toBe(wanted.length);
    const ownLargest = largestOf(wanted);
    const bound = Math.min(all * largest, ownLargest > ROUNDING * largest ? own * ownLargest : Infinity);
    for (const [i, value] of wanted.entries()) {
      const what = `${name} ${i}: ${found[name]![i]!}, PyTorch ${value}`;
      expect(Math.abs(found[name]![i]! - value), what).toBeLessThanOrEqual(bound);
    }
  }
}

function largestOf(numbers: readonly number[]): number {
  return Math.max(...numbers.map(Math.abs));
}
