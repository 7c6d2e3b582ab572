/** Heat against PyTorch's autograd, on both engines, and what must hold of any map. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Backend, BackendKind, Parameters } from '../../src/engine/core/backend.ts';
import type { Network } from '../../src/engine/core/network.ts';
import {
  camLayer,
  CamPlan,
  gradCam,
  insideShare,
  resizeMap,
} from '../../src/evaluation/explanations/grad-cam.ts';
import { withHeads } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import { relativeError, values } from '../golden/hashed.ts';
import { codeOf } from './support.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

const golden = z
  .object({
    chosen: z.array(z.int()),
    logits: z.array(z.number()),
    maps: z.record(z.string(), z.object({ shape: z.array(z.int()), values: z.array(z.number()) })),
    resized: z.object({ height: z.int(), width: z.int(), values: z.array(z.number()) }),
  })
  .parse(JSON.parse(readFileSync(new URL('../golden/data/grad-cam.json', import.meta.url), 'utf8')));

const SIZE = 64;
const BATCH = 3;
const CLASSES = 3;
const NETWORK = withHeads(resnet(18, { channels: 1, size: SIZE, width: 16 }), {
  projection: null,
  classifier: { classes: CLASSES, input: 'representation' },
});

/** The weights and statistics of `grad_cam_golden.py`. */
function goldenParameters(backend: Backend, network: Network): Parameters {
  const parameters = backend.createParameters(network);
  for (const { name, shape, offset, length } of parameters.specs)
    parameters.values.write(valueOf(name, shape, length), offset);
  for (const { name, length, offset } of parameters.statisticSpecs)
    parameters.statistics.write(valueOf(name, [length], length), offset);
  return parameters;
}

function valueOf(name: string, shape: readonly number[], count: number): Float32Array {
  const key = `cam/${name}`;
  if (shape.length === 4) return values(key, count, 0, Math.sqrt(2 / (shape[1]! * shape[2]! * shape[3]!)));
  if (shape.length === 2) return values(key, count, 0, 1 / Math.sqrt(shape[1]!));
  if (name.endsWith('running_var')) return values(key, count, 1, 0.2);
  if (name.endsWith('weight')) return values(key, count, 1, 0.1);
  return values(key, count, 0, 0.2);
}

const images = values('cam/images', BATCH * SIZE * SIZE, 0, 1);

function softmax(logits: readonly number[]): number[] {
  const raised = logits.map(Math.exp);
  const sum = raised.reduce((a, b) => a + b);
  return raised.map((value) => value / sum);
}

/** The plain kernels take their time: three layers of different kinds will do for them. */
const layersOf = (kind: BackendKind): readonly string[] =>
  kind === 'reference' ? ['layer4.1', 'layer2.0.downsample.1', 'maxpool'] : Object.keys(golden.maps);

describe.each(KINDS)('Grad-CAM on %s', (kind) => {
  it.each(layersOf(kind))('equals PyTorch at %s', (layer) => {
    using backend = openKind(kind);
    using parameters = goldenParameters(backend, NETWORK);
    using plan = new CamPlan(backend, NETWORK, parameters, { layer, batch: BATCH });
    plan.input.set(images);
    const { shape, values: expected } = golden.maps[layer]!;
    const found = plan.explain(BATCH, () => golden.chosen);
    expect([BATCH, plan.cells.height, plan.cells.width]).toEqual(shape);
    const area = expected.length / BATCH;
    found.forEach(({ heat, probabilities, class: chosen }, i) => {
      expect(relativeError(expected.slice(i * area, (i + 1) * area), heat)).toBeLessThan(2e-4);
      expect(chosen).toBe(golden.chosen[i]);
      softmax(golden.logits.slice(i * CLASSES, (i + 1) * CLASSES)).forEach((p, c) => {
        expect(probabilities[c]).toBeCloseTo(p, 5);
      });
    });
  });

  it('changes no weight and no running statistic, and one image has no say in the map of another', () => {
    using backend = openKind(kind);
    using parameters = goldenParameters(backend, NETWORK);
    const before = [parameters.values.read(), parameters.statistics.read()];
    using plan = new CamPlan(backend, NETWORK, parameters, { layer: 'layer3', batch: BATCH });
    plan.input.set(images);
    const [first] = plan.explain(BATCH, () => [1, 0, 0]);
    plan.input.set(values('other', 2 * SIZE * SIZE, 3, 2), SIZE * SIZE);
    const [again] = plan.explain(BATCH, () => [1, 2, 2]);
    expect(relativeError(first!.heat, again!.heat)).toBeLessThan(1e-5);
    expect([parameters.values.read(), parameters.statistics.read()]).toEqual(before);
  });
});

it('scores that are not finite are an error, not a map', () => {
  using backend = openKind('reference');
  using parameters = goldenParameters(backend, NETWORK);
  using plan = new CamPlan(backend, NETWORK, parameters, { layer: 'layer4', batch: 1 });
  plan.input.fill(Infinity);
  expect(codeOf(() => plan.explain(1, () => [0]))).toBe('NON_FINITE');
});

it('no image needs no map; more than a batch, or less than none, is an error of the caller', () => {
  using backend = openKind('reference');
  using parameters = goldenParameters(backend, NETWORK);
  using plan = new CamPlan(backend, NETWORK, parameters, { layer: 'layer4', batch: 1 });
  plan.input.set(images.subarray(0, SIZE * SIZE));
  expect(plan.explain(0, () => [])).toEqual([]);
  for (const count of [2, -1, NaN]) expect(() => plan.explain(count, () => [0, 0])).toThrow(RangeError);
});

describe('the layer that is looked at', () => {
  it('is a stage by its last value, or a value by its name', () => {
    expect(camLayer(NETWORK, 'layer4')).toEqual({ layer: 'layer4.1', shape: [128, 2, 2] });
    expect(camLayer(NETWORK, 'layer2.0').layer).toBe('layer2.0');
    expect(camLayer(NETWORK, 'maxpool').shape).toEqual([16, 16, 16]);
  });

  it('must be a feature map of a network with class scores', () => {
    expect(codeOf(() => camLayer(NETWORK, 'layer5'))).toBe('CAM_LAYER');
    expect(codeOf(() => camLayer(NETWORK, 'features'))).toBe('CAM_LAYER');
    expect(codeOf(() => camLayer(NETWORK, 'input'))).toBe('CAM_LAYER');
    using backend = openKind('reference');
    const trunk = resnet(18, { channels: 1, size: 16, width: 2 });
    using parameters = backend.createParameters(trunk);
    expect(codeOf(() => new CamPlan(backend, trunk, parameters))).toBe('CAM_NO_SCORES');
  });
});

describe('arithmetic of maps', () => {
  it('sums channels by the mean of their gradient and keeps what is above zero', () => {
    const activations = Float32Array.of(1, 2, 3, 4, 1, 0, 0, 1);
    const gradients = Float32Array.of(1, 1, 1, 1, -8, 0, 0, 0);
    expect([...gradCam(activations, gradients, [2, 2, 2], 0)]).toEqual([0, 2, 3, 2]);
    expect(() => gradCam(activations, gradients, [2, 2, 2], 1)).toThrow(RangeError);
  });

  it('enlarges as PyTorch does, to a picture that is not square', () => {
    const { height, width, values: expected } = golden.resized;
    const map = Float32Array.from(golden.maps['layer3.1']!.values.slice(0, 16));
    const large = resizeMap(map, { width: 4, height: 4 }, { width, height });
    expect(relativeError(expected, large)).toBeLessThan(1e-6);
  });

  it('leaves a map of one value flat and one of its own size alone', () => {
    expect([...resizeMap(Float32Array.of(3), { width: 1, height: 1 }, { width: 2, height: 3 })]).toEqual(
      new Array(6).fill(3),
    );
    const map = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(resizeMap(map, { width: 3, height: 2 }, { width: 3, height: 2 })).toEqual(map);
  });

  it('tells the share of heat in a region beside that of its area', () => {
    const inside = Uint8Array.of(1, 0, 0, 0);
    expect(insideShare(Float32Array.of(3, 1, 0, 0), inside)).toEqual({ heat: 0.75, area: 0.25 });
    expect(insideShare(new Float32Array(4), inside)).toEqual({ heat: null, area: 0.25 });
    expect(() => insideShare(new Float32Array(3), inside)).toThrow(RangeError);
  });
});
