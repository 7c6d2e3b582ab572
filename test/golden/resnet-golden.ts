/**
 * One training step of a ResNet with USCL's heads on any backend, beside the numbers PyTorch gives in float64
 * (`resnet_golden.py`, where conditioning and tolerances are explained). A test asks `compareWithGolden` and judges.
 */
import { z } from 'zod';
import type { Backend, Parameters, Precision } from '../../src/engine/core/backend.ts';
import { readSafetensors, type Safetensors } from '../../src/formats/safetensors.ts';
import { withHeads } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import {
  digest,
  entriesError,
  estimatedError,
  normError,
  parseDigest,
  relativeError,
  sides,
  values,
} from './hashed.ts';

export const RESNET_CASES = ['resnet18', 'resnet18-two-views', 'resnet50'] as const;
export type ResNetCase = (typeof RESNET_CASES)[number];

/** Errors of one tensor against the float64 truth, relative to its norm. */
export interface TensorError {
  readonly name: string;
  /** Over the whole tensor: exact for outputs, estimated from 32 random projections for the others. */
  readonly error: number;
  /** Over 64 kept entries alone (for outputs the same as `error`). */
  readonly entries: number;
  /** Of the norm: |‖found‖ − ‖golden‖| / ‖golden‖. */
  readonly norm: number;
  /** What PyTorch's own step in this precision (f32, or bf16 by CPU autocast) is off by. */
  readonly pytorch: number;
}

export interface GoldenComparison {
  readonly outputs: readonly TensorError[];
  readonly gradients: readonly TensorError[];
  readonly statistics: readonly TensorError[];
}

const aboutSchema = z.object({
  depth: z.union([z.literal(18), z.literal(50)]),
  size: z.int(),
  batch: z.int(),
  views: z.int(),
  salt: z.string(),
  margin: z.number(),
  deviations: z.record(z.string(), z.tuple([z.number(), z.number()])),
});
type About = z.infer<typeof aboutSchema>;

const CLASSES = 3;

/** Runs the case's step (forward, backward) on the backend and measures how far everything lies from the truth. */
export function compareWithGolden(
  name: ResNetCase,
  backend: Backend,
  precision: Precision,
): GoldenComparison {
  const golden = readSafetensors(new URL(`data/${name}.safetensors`, import.meta.url).pathname);
  const about = aboutSchema.parse(JSON.parse(golden.metadata['about'] ?? ''));
  const { depth, size, batch, views, salt } = about;
  const network = withHeads(resnet(depth, { channels: 3, size }), {
    projection: { hidden: 512, dim: 256 },
    classifier: { classes: CLASSES, input: 'representation' },
  });
  using parameters = backend.createParameters(network);
  fillParameters(parameters, salt, depth);
  using plan = backend.compile(network, parameters, { batch, mode: 'train', precision, normGroups: views });
  plan.input.set(images(salt, batch, size));
  plan.forward();
  const outputs = network.outputs.map((output): TensorError => {
    const found = plan.output(output);
    plan.outputGradient(output).set(values(`${salt}/${output}/coefficient`, found.length, 0, 1));
    const expected = numbersOf(golden, `output/${output}`);
    const error = relativeError(expected, found);
    const norm = Math.abs(Math.hypot(...found) / Math.hypot(...expected) - 1);
    return { name: output, error, entries: error, norm, pytorch: deviation(about, output, precision) };
  });
  plan.backward();
  const errorOf = (
    group: string,
    tensor: string,
    flat: Float32Array,
    offset: number,
    length: number,
  ): TensorError => {
    const expected = parseDigest(numbersOf(golden, `${group}/${tensor}`));
    const found = digest(tensor, flat.subarray(offset, offset + length));
    return {
      name: tensor,
      error: estimatedError(expected, found),
      entries: entriesError(expected, found),
      norm: normError(expected, found),
      pytorch: deviation(about, tensor, precision),
    };
  };
  const expectedNames = [...golden.tensors.keys()].filter((key) => !key.startsWith('output/'));
  if (expectedNames.length !== parameters.specs.length + parameters.statisticSpecs.length)
    throw new RangeError(`${name} has ${expectedNames.length} golden tensors, the network another number`);
  return {
    outputs,
    gradients: parameters.specs.map((spec) =>
      errorOf('gradient', spec.name, parameters.gradients.read(), spec.offset, spec.length),
    ),
    statistics: parameters.statisticSpecs.map((spec) =>
      errorOf('statistic', spec.name, parameters.statistics.read(), spec.offset, spec.length),
    ),
  };
}

/** The largest error, for messages: `layer1.0.bn1.weight 2.1e-6`. */
export function worst(errors: readonly TensorError[]): string {
  const [first] = [...errors].sort((a, b) => b.error - a.error);
  return first === undefined ? 'none' : `${first.name} ${first.error.toExponential(1)}`;
}

/** One golden tensor. */
export function numbersOf(golden: Safetensors, name: string): Float32Array {
  const data = golden.tensors.get(name)?.data;
  if (!(data instanceof Float32Array)) throw new RangeError(`no golden tensor ${name}`);
  return data;
}

function deviation(about: About, name: string, precision: Precision): number {
  const found = about.deviations[name];
  if (found === undefined) throw new RangeError(`no deviation of ${name}`);
  return found[precision === 'f32' ? 0 : 1];
}

/** `weight` of `resnet_golden.py` for every parameter; running statistics as a fresh network has them. */
export function fillParameters(parameters: Parameters, salt: string, depth: 18 | 50): void {
  const lastNorm = depth === 50 ? '.bn3.' : '.bn2.';
  for (const { name, shape, offset, length } of parameters.specs)
    parameters.values.write(weight(`${salt}/${name}`, name, shape, length, lastNorm), offset);
  for (const { offset, length, initial } of parameters.statisticSpecs)
    parameters.statistics.write(new Float32Array(length).fill(initial), offset);
}

function weight(
  key: string,
  name: string,
  shape: readonly number[],
  length: number,
  lastNorm: string,
): Float32Array {
  if (shape.length === 4) return values(key, length, 0, Math.sqrt(2 / (shape[0]! * shape[2]! * shape[3]!)));
  if (name === 'projection.0.weight') return values(key, length, 0, 0.1 / Math.sqrt(shape[1]!));
  if (name === 'projection.0.bias')
    return sum(values(key, length, 0, 0.1), sides(`${key}/side`, length, 0.25, -1.5, 1.5));
  if (/^(projection|classifier)/.test(name)) return values(key, length, 0, 1 / Math.sqrt(shape.at(-1)!));
  if (name.includes(lastNorm))
    return name.endsWith('weight')
      ? values(key, length, 0.3, 0.03)
      : sum(values(key, length, 0, 0.1), sides(`${key}/side`, length, 0.3, -1.5, 0.5));
  if (name.endsWith('weight')) return values(key, length, 1, 0.1);
  return sum(values(key, length, 0, 0.1), sides(`${key}/side`, length, 0.2, -2, 2));
}

const sum = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + b[i]!);

const GRID = 5;

/** `images` of `resnet_golden.py`: a hashed 5×5 grid a channel, interpolated linearly, plus a little noise. */
export function images(salt: string, batch: number, size: number): Float32Array {
  const maps = batch * 3;
  const grid = values(`${salt}/grid`, maps * GRID * GRID, 0, 1);
  const result = values(`${salt}/noise`, maps * size * size, 0, 0.1);
  const place = Array.from({ length: size }, (_, pixel) => {
    const at = pixel * ((GRID - 1) / (size - 1));
    const cell = Math.min(Math.trunc(at), GRID - 2);
    return { cell, part: at - cell };
  });
  for (let map = 0; map < maps; map++) {
    const at = (row: number, column: number): number => grid[(map * GRID + row) * GRID + column]!;
    place.forEach((y, row) => {
      const down = (column: number): number =>
        at(y.cell, column) * (1 - y.part) + at(y.cell + 1, column) * y.part;
      place.forEach((x, column) => {
        const smooth = down(x.cell) * (1 - x.part) + down(x.cell + 1) * x.part;
        const index = (map * size + row) * size + column;
        result[index] = smooth + result[index]!;
      });
    });
  }
  return result;
}
