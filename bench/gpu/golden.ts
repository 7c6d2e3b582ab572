/**
 * A forward and a backward pass of whole ResNets with the same weights, images and gradients of the outputs, here and in
 * PyTorch by its own autograd on the same device: outputs, gradients of every parameter, running statistics.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBackend } from '../../src/index.ts';
import type { Precision } from '../../src/exports/engine.ts';
import { initialise, OUTPUTS } from '../../src/exports/methods.ts';
import { contrastNetwork, DIM, HIDDEN, writeTensors, writeWeights } from './network.ts';
import { type At, askPeer } from './part.ts';

const BATCH = 16;

interface Compared {
  readonly network: string;
  readonly precision: Precision;
  readonly tensors: number;
  /** Tensors with PyTorch's bits. */
  readonly sameBits: number;
  /** Largest ‖a − b‖ / ‖b‖ of a tensor, and whose it is. */
  readonly worst: number;
  readonly of: string;
}

export function compareWithPyTorch(at: At): readonly Compared[] {
  const [size, width] = at.rehearse ? [32, 8] : [112, 64];
  const compared = ([18, 50] as const).flatMap((depth) =>
    (['f32', 'bf16'] as const).map((precision) => compareOne(at, { depth, size, width, precision })),
  );
  for (const { network, precision, tensors, sameBits, worst, of } of compared)
    at.tell(
      `- ${network}, ${precision}: ${sameBits} of ${tensors} tensors have PyTorch's bits; farthest ${worst.toExponential(1)} (${of})`,
    );
  return compared;
}

interface Case {
  readonly depth: 18 | 50;
  readonly size: number;
  readonly width: number;
  readonly precision: Precision;
}

function compareOne(at: At, { depth, size, width, precision }: Case): Compared {
  using backend = openBackend({ kind: 'torch', device: at.device });
  const network = contrastNetwork(depth, size, width);
  using parameters = backend.createParameters(network);
  initialise(parameters, 1);
  const file = (name: string): string => join(at.scratch, `golden-${name}`);
  writeWeights(file('weights'), parameters);
  using plan = backend.compile(network, parameters, { batch: BATCH, mode: 'train', precision });
  const wave = (target: Float32Array, step: number): Float32Array => {
    for (let i = 0; i < target.length; i++)
      target[i] = Math.sin(step * (i + 1)) + 0.3 * Math.cos(0.37 * i * step);
    return target;
  };
  wave(plan.input, 0.011);
  plan.forward();
  const output = plan.output(OUTPUTS.projection).slice();
  wave(plan.outputGradient(OUTPUTS.projection), 0.7);
  plan.outputGradient(OUTPUTS.features).fill(0);
  plan.backward();
  writeTensors(file('given'), [
    { name: 'images', shape: [BATCH, 1, size, size], data: plan.input },
    { name: 'gradient', shape: [BATCH, DIM], data: plan.outputGradient(OUTPUTS.projection) },
  ]);
  askPeer(at, [
    ...['golden', '--device', at.device, '--depth', String(depth), '--width', String(width)],
    ...['--hidden', String(HIDDEN), '--dim', String(DIM), '--precision', precision],
    ...['--weights', file('weights'), '--given', file('given'), '--out', file('found')],
  ]);
  const bytes = readFileSync(file('found'));
  const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  // The peer's order: the output, gradients in the order of parameters, statistics in theirs.
  const [gradients, statistics] = [parameters.gradients.read(), parameters.statistics.read()];
  const parts = [
    { name: 'output', data: output },
    ...parameters.specs.map(({ name, offset, length }) => ({
      name,
      data: gradients.subarray(offset, offset + length),
    })),
    ...parameters.statisticSpecs.map(({ name, offset, length }) => ({
      name,
      data: statistics.subarray(offset, offset + length),
    })),
  ];
  let [from, sameBits, worst, of] = [0, 0, 0, ''];
  for (const { name, data } of parts) {
    const theirs = numbers.subarray(from, (from += data.length));
    const error = distance(data, theirs);
    if (data.every((value, i) => Object.is(value, theirs[i]))) sameBits++;
    if (!(error <= worst)) [worst, of] = [error, name];
  }
  if (from !== numbers.length)
    throw new Error(`The peer gave ${numbers.length} numbers, and ${from} were expected.`);
  return { network: `ResNet-${depth}, ${size} px`, precision, tensors: parts.length, sameBits, worst, of };
}

/** ‖a − b‖ / ‖b‖. */
function distance(a: Float32Array, b: Float32Array): number {
  let [difference, length] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    length += b[i]! ** 2;
  }
  return Math.sqrt(difference / (length === 0 ? 1 : length));
}
