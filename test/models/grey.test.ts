/**
 * A first convolution folded from three channels into one. A forward pass in float64, written here, is the judge: where the means
 * are one nothing differs, the border included; where they are not, the border differs by as much as is said.
 */
import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import type { Network, ValueShape } from '../../src/engine/core/network.ts';
import { inferShapes, INPUT, parameterSpecs, statisticSpecs } from '../../src/engine/core/network.ts';
import { greyStem, type Normalisation } from '../../src/models/grey.ts';
import { FEATURES, resnet, type ResNetDepth } from '../../src/models/resnet.ts';
import { restoreWeights, type Weights } from '../../src/runs/named-tensors.ts';
import { borderError } from '../../src/trainer/starting-weights.ts';
import { KINDS, openKind } from '../engine/kinds.ts';

const SIZE = 33;
const WIDTH = 4;
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const ONE_MEAN = { mean: [0.45, 0.45, 0.45], std: [0.229, 0.3, 0.18] };

interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}
type Tensors = ReadonlyMap<string, Tensor>;

/** Weights as they are initialised, with running statistics that are not trivial. */
function weightsOf(network: Network): Tensors {
  const tensor = (name: string, shape: readonly number[]): [string, Tensor] => {
    const random = randomAt(7, name);
    const count = shape.reduce((product, side) => product * side, 1);
    const scale = shape.length === 4 ? Math.sqrt(2 / (shape[1]! * shape[2]! * shape[3]!)) : 0.2;
    const centre = /running_var|bn\d\.weight|downsample\.1\.weight/.test(name) ? 1 : 0;
    const data = Float64Array.from({ length: count }, () =>
      Math.max(centre === 1 ? 0.3 : -Infinity, centre + scale * random.normal()),
    );
    // f32 as files have them.
    return [name, { shape, data: Float64Array.from(Float32Array.from(data)) }];
  };
  return new Map([
    ...parameterSpecs(network).map(({ name, shape }) => tensor(name, shape)),
    ...statisticSpecs(network).map(({ name, length }) => tensor(name, [length])),
  ]);
}

/** Of one image, in float64: every value of the network by name. */
function forward(network: Network, weights: Tensors, image: Float64Array): Map<string, Float64Array> {
  const shapes = inferShapes(network);
  const values = new Map([[INPUT, image]]);
  const at = (name: string): Float64Array => values.get(name)!;
  const map = (name: string): readonly [number, number, number] =>
    shapes.get(name) as Extract<ValueShape, readonly [number, number, number]>;
  for (const node of network.nodes) {
    const out = new Float64Array(shapes.get(node.name)!.reduce((product, side) => product * side, 1));
    values.set(node.name, out);
    if (node.kind === 'conv' || node.kind === 'maxPool') {
      const [channels, height, width] = map(node.input);
      const [filters, rows, columns] = map(node.name);
      const x = at(node.input);
      const kernel = node.kind === 'conv' ? weights.get(`${node.name}.weight`)!.data : null;
      for (let f = 0; f < filters; f++)
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            let [total, most] = [0, -Infinity];
            for (let i = 0; i < node.kernel; i++)
              for (let j = 0; j < node.kernel; j++) {
                const [r, c] = [
                  row * node.stride + i - node.padding,
                  column * node.stride + j - node.padding,
                ];
                if (r < 0 || c < 0 || r >= height || c >= width) continue;
                if (kernel === null) most = Math.max(most, x[(f * height + r) * width + c]!);
                else
                  for (let channel = 0; channel < channels; channel++)
                    total +=
                      kernel[((f * channels + channel) * node.kernel + i) * node.kernel + j]! *
                      x[(channel * height + r) * width + c]!;
              }
            out[(f * rows + row) * columns + column] = kernel === null ? most : total;
          }
    } else if (node.kind === 'batchNorm') {
      const [channels, height, width] = map(node.input);
      const of = (name: string): Float64Array => weights.get(`${node.name}.${name}`)!.data;
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < height * width; i++) {
          const deviation = Math.sqrt(of('running_var')[c]! + node.epsilon);
          const plain =
            ((at(node.input)[c * height * width + i]! - of('running_mean')[c]!) / deviation) *
              of('weight')[c]! +
            of('bias')[c]!;
          out[c * height * width + i] = node.relu ? Math.max(0, plain) : plain;
        }
    } else if (node.kind === 'addRelu') {
      const [a, b] = node.inputs.map(at);
      out.forEach((_, i) => (out[i] = Math.max(0, a![i]! + b![i]!)));
    } else if (node.kind === 'globalAveragePool') {
      const [channels, height, width] = map(node.input);
      const pixels = height * width;
      for (let c = 0; c < channels; c++)
        out[c] =
          at(node.input)
            .subarray(c * pixels, (c + 1) * pixels)
            .reduce((a, b) => a + b, 0) / pixels;
    } else throw new Error(`no ${node.kind} in a trunk`);
  }
  return values;
}

/** A grey image in 0 to 1, as an 8-bit frame gives it, and its planes for a network, normalised. */
const grey = Float64Array.from({ length: SIZE * SIZE }, () => 0);
const random = randomAt(3, 'grey');
grey.forEach((_, i) => (grey[i] = Math.floor(256 * random.uniform()) / 255));
function planes(channels: number, { mean, std }: Normalisation): Float64Array {
  const of = (value: number | readonly number[], c: number): number =>
    typeof value === 'number' ? value : value[c]!;
  return Float64Array.from({ length: channels * grey.length }, (_, i) => {
    const c = Math.floor(i / grey.length);
    return (grey[i % grey.length]! - of(mean, c)) / of(std, c);
  });
}

/** Largest difference by the largest value. */
function relative(expected: ArrayLike<number>, found: ArrayLike<number>): number {
  const all = Array.from(expected);
  const most = Math.max(...all.map(Math.abs));
  return Math.max(...all.map((value, i) => Math.abs(value - found[i]!))) / most;
}

function bothOf(depth: ResNetDepth, normalise: Normalisation) {
  const colour = resnet(depth, { channels: 3, size: SIZE, width: WIDTH });
  const single = resnet(depth, { channels: 1, size: SIZE, width: WIDTH });
  const weights = weightsOf(colour);
  const stem = greyStem(weights.get('conv1.weight')!, normalise, SIZE);
  const folded: Tensors = new Map([
    ...weights,
    ['conv1.weight', { shape: [WIDTH, 1, 7, 7], data: stem.kernel }],
  ]);
  return { colour, single, weights, stem, folded };
}

describe.each([18, 50] as const)('a ResNet-%i', (depth) => {
  test.each([
    ['three deviations', ONE_MEAN],
    ['one number of each', { mean: 0.5, std: 0.25 }],
  ])('with one mean and %s answers the same, in float64', (_, normalise) => {
    const { colour, single, weights, stem, folded } = bothOf(depth, normalise);
    expect([...stem.border].every((value) => value === 0)).toBe(true);
    const three = forward(colour, weights, planes(3, normalise));
    const one = forward(single, folded, planes(1, stem.normalise));
    // Every place of the first convolution, corners included.
    expect(relative(three.get('conv1')!, one.get('conv1')!)).toBeLessThan(1e-12);
    expect(relative(three.get(FEATURES)!, one.get(FEATURES)!)).toBeLessThan(1e-10);
  });

  test.each(KINDS)('with one mean answers the same in f32 on %s', (kind) => {
    const { colour, single, weights, stem, folded } = bothOf(depth, ONE_MEAN);
    const expected = forward(colour, weights, planes(3, ONE_MEAN)).get(FEATURES)!;
    using backend = openKind(kind);
    const featuresOf = (network: Network, own: Tensors, image: Float64Array): Float32Array => {
      using parameters = backend.createParameters(network);
      const f32: Weights = new Map(
        [...own].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]),
      );
      restoreWeights(f32, parameters, 'here');
      using plan = backend.compile(network, parameters, {
        ...{ batch: 1, mode: 'infer', precision: 'f32', fold: true },
      });
      plan.input.set(image);
      plan.forward();
      return plan.output(FEATURES).slice();
    };
    const three = featuresOf(colour, weights, planes(3, ONE_MEAN));
    const one = featuresOf(single, folded, planes(1, stem.normalise));
    expect(relative(three, one)).toBeLessThan(1e-5);
    expect(relative(expected, one)).toBeLessThan(1e-5);
  });

  test('with three means differs at the border, by as much as is said', () => {
    const { colour, single, weights, stem, folded } = bothOf(depth, IMAGENET);
    const three = forward(colour, weights, planes(3, IMAGENET));
    const one = forward(single, folded, planes(1, stem.normalise));
    const side = Math.sqrt(three.get('conv1')!.length / WIDTH);
    const shifted = weights.get('bn1.running_mean')!.data.slice();
    for (let f = 0; f < WIDTH; f++) {
      const own = (values: Map<string, Float64Array>): Float64Array =>
        values.get('conv1')!.subarray(f * side * side, (f + 1) * side * side);
      const difference = own(three).map((value, i) => value - own(one)[i]!);
      const middle = difference[Math.floor(side / 2) * (side + 1)]!;
      shifted[f]! -= middle;
      // What a constant can make up for, it makes up for: the difference inside is one number a filter.
      const left = difference.map((value) => Math.abs(value - middle));
      const inside = left.filter((__, i) => {
        const [row, column] = [Math.floor(i / side), i % side];
        return Math.min(row, column) >= 2 && Math.max(row, column) < side - 2;
      });
      expect(Math.max(...inside)).toBeLessThan(1e-12);
      expect(Math.max(...left)).toBeCloseTo(stem.border[f]!, 12);
      expect(stem.border[f]).toBeGreaterThan(1e-3);
    }
    // In deviations of the first features, as the refusal says it: the largest over filters.
    const variance = weights.get('bn1.running_var')!.data;
    const byHand = Math.max(...Array.from(stem.border, (value, f) => value / Math.sqrt(variance[f]! + 1e-5)));
    expect(borderError(stem.border, variance)).toBeCloseTo(byHand, 12);
    // The best that one channel can do: the constant in the norm behind. Its features are others all the same.
    const best = new Map([...folded, ['bn1.running_mean', { shape: [WIDTH], data: shifted }]]);
    const features = forward(single, best, planes(1, stem.normalise)).get(FEATURES)!;
    const worst = relative(three.get(FEATURES)!, features);
    expect(worst).toBeGreaterThan(1e-3);
    expect(worst).toBeLessThan(relative(three.get(FEATURES)!, one.get(FEATURES)!));
  });
});

test('a stem of one deviation keeps it to the bit', () => {
  const weight = { shape: [1, 3, 1, 1], data: [1, 2, 4] };
  expect(greyStem(weight, { mean: 0.485, std: 0.229 }, 8)).toEqual({
    kernel: Float64Array.of(7),
    normalise: { mean: 0.485, std: 0.229 },
    border: new Float64Array(1),
  });
});
