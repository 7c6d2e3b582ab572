/** The seam to PyTorch: operators as it declares them, kernels of each device, a device that is not there. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openBackend } from '../../src/engine/open.ts';
import { openTorch } from '../../src/engine/torch/backend.ts';
import { bindKernels } from '../../src/engine/torch/native/binding.ts';
import { loadTorch } from '../../src/engine/torch/native/library.ts';
import { SCHEMAS } from '../../src/engine/torch/native/schemas.ts';
import { torchVector } from '../../src/engine/torch/vector.ts';
import { everyNode, fillNormal } from './helpers.ts';
import { pythonOfTorch, TORCH } from './kinds.ts';

const python = pythonOfTorch();
const hasCuda = TORCH !== undefined && existsSync(join(TORCH, 'libtorch_cuda.so'));
const hasDriver = existsSync('/dev/nvidia0');

interface Told {
  readonly cuda: boolean;
  readonly operators: readonly {
    readonly takes: readonly string[];
    readonly gives: number;
    readonly cpu: boolean;
    readonly cuda: boolean;
  }[];
}

describe.skipIf(python === undefined)('operators of the dispatcher', () => {
  const lines = Object.values(SCHEMAS).map(({ name, overload }) => `${name} ${overload}`);
  const script = join(import.meta.dirname, '..', 'golden', 'torch_schemas.py');
  it('are declared as PyTorch declares them, and have kernels for processors and NVIDIA GPUs', () => {
    const { stdout, stderr, status } = spawnSync(python!, [script], {
      ...{ input: lines.join('\n'), encoding: 'utf8' },
    });
    expect(status, stderr).toBe(0);
    const told = JSON.parse(stdout) as Told;
    expect(told.operators).toHaveLength(lines.length);
    Object.values(SCHEMAS).forEach(({ takes, gives }, i) => {
      const theirs = told.operators[i]!;
      expect(theirs, lines[i]).toMatchObject({ takes, gives, cpu: true });
      if (told.cuda) expect(theirs.cuda, lines[i]).toBe(true);
    });
  });
});

describe.skipIf(TORCH === undefined)('the backend of PyTorch', () => {
  it('says what it runs on', () => {
    using backend = openBackend({ kind: 'torch', device: 'cpu', threads: 1 });
    const { name, library, device, threads } = backend.describe();
    expect({ name, device, threads }).toEqual({ name: 'torch', device: 'cpu', threads: 1 });
    expect(library).toMatch(/^PyTorch 2\.\d+\.\d+\S* on cpu$/);
  });

  it('reads and writes parts of vectors through copies as it does in place', () => {
    const [shared, copied] = [false, true].map((staged) => {
      using backend = openTorch({ device: 'cpu', threads: 1, staged });
      using vector = backend.allocate(100);
      const numbers = new Float32Array(40);
      fillNormal(numbers, 1, 'numbers');
      vector.write(numbers, 7);
      using other = vector.clone();
      other.write(numbers.subarray(0, 3), 97);
      expect(() => {
        vector.write(numbers, 61);
      }).toThrow(RangeError);
      vector.copyFrom(other);
      return [vector.read(), other.read(new Float32Array(5), 95)];
    });
    expect(copied).toEqual(shared);
    expect(shared![1]!.slice(2)).toEqual(shared![0]!.slice(7, 10));
  });

  it.each([false, true])('has weights in the host’s order (copies as for a GPU: %s)', (staged) => {
    using backend = openTorch({ device: 'cpu', threads: 1, staged });
    using parameters = backend.createParameters(everyNode(3, 8));
    const { values, specs, gradients } = parameters;
    const weight = specs.find(({ role, shape }) => role === 'convWeight' && shape[1]! > 1 && shape[2]! > 1)!;
    const numbers = Float32Array.from({ length: values.length }, (_, i) => i);
    values.write(numbers);
    expect(values.read()).toEqual(numbers);
    expect(values.clone().read()).toEqual(numbers);

    // Any part, also one that begins in the middle of a weight and ends in another.
    const [start, end] = [weight.offset + 5, weight.offset + weight.length + 3];
    expect(values.read(new Float32Array(end - start), start)).toEqual(numbers.subarray(start, end));
    const other = Float32Array.from({ length: end - start }, (_, i) => -i);
    values.write(other, start);
    numbers.set(other, start);
    expect(values.read()).toEqual(numbers);

    // On the device the channels are last: [filters, height, width, channels].
    const [filters, channels, height, width] = weight.shape as [number, number, number, number];
    using raw = values.unordered();
    const lying = raw.read(new Float32Array(weight.length), weight.offset);
    const expected = new Float32Array(weight.length);
    for (let f = 0; f < filters; f++)
      for (let c = 0; c < channels; c++)
        for (let pixel = 0; pixel < height * width; pixel++)
          expected[(f * height * width + pixel) * channels + c] =
            numbers[weight.offset + (f * channels + c) * height * width + pixel]!;
    expect(lying).toEqual(expected);

    // Vectors made alike have that order, others have the host's.
    using alike = backend.allocate(gradients);
    alike.copyFrom(values);
    using rawAlike = alike.unordered();
    expect(rawAlike.read(new Float32Array(weight.length), weight.offset)).toEqual(expected);
    using plain = backend.allocate(values.length);
    plain.copyFrom(values);
    using rawPlain = plain.unordered();
    expect(rawPlain.read()).toEqual(numbers);
    alike.copyFrom(plain);
    expect(rawAlike.read(new Float32Array(weight.length), weight.offset)).toEqual(expected);
    expect(() => torchVector(values).part(weight.offset + 1, 2)).toThrow(/lies in another order/);
    expect(() => backend.sumOfSquares(values, [[0, weight.offset + 4]])).toThrow(/lies in another order/);
    const squares = numbers.reduce((sum, value) => sum + value ** 2, 0);
    expect(backend.sumOfSquares(values, [[0, values.length]]) / squares).toBeCloseTo(1, 6);
  });

  it('sums squares in f64', () => {
    using backend = openTorch({ device: 'cpu', threads: 1 });
    using vector = backend.allocate(4_000_000);
    vector.write(new Float32Array(4_000_000).fill(1));
    // One after the other in f32 they would stop at 2²⁴; in pairs they would lose the last digits.
    vector.write(Float32Array.of(3, 0.5), 10);
    expect(backend.sumOfSquares(vector, [[0, 4_000_000]])).toBe(4_000_000 - 2 + 9.25);
    expect(backend.sumOfSquares(vector, [])).toBe(0);
  });

  it('is refused where a backend of the processor is asked for a GPU', () => {
    for (const kind of ['onednn', 'reference'] as const)
      expect(() => openBackend({ kind, device: 'cuda' })).toThrow(
        expect.objectContaining({
          code: 'BACKEND_DEVICE',
          message: expect.stringContaining(kind) as unknown,
        }),
      );
  });

  it.skipIf(!hasCuda)('finds every kernel of NVIDIA GPUs that it calls', () => {
    const library = loadTorch(1);
    expect(Object.keys(bindKernels(library.load('torch_cuda'), 'cuda'))).toHaveLength(11);
  });

  it.skipIf(hasDriver)('names a GPU that is not there, with the way out', () => {
    for (const device of ['cuda', 'xpu', 'mps'] as const)
      expect(() => openBackend({ kind: 'torch', device, threads: 1 })).toThrow(
        expect.objectContaining({ code: 'TORCH_DEVICE', where: `device ${device}` }),
      );
  });

  it.skipIf(hasCuda)('says of a PyTorch for processors that it is built without CUDA', () => {
    expect(() => openBackend({ kind: 'torch', device: 'cuda', threads: 1 })).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(
          /^PyTorch cannot compute on cuda: .* is built without it\.$/,
        ) as unknown,
        remedy: expect.stringContaining('PyTorch with CUDA') as unknown,
      }),
    );
  });

  it('says that there is no memory for what no machine has, and goes on', () => {
    using backend = openTorch({ device: 'cpu', threads: 1 });
    // 256 TiB: twice the addresses of a process.
    expect(() => backend.allocate(2 ** 46)).toThrow(
      expect.objectContaining({
        ...{ code: 'OUT_OF_MEMORY', kind: 'resource' },
        message: expect.stringContaining(`${2 ** 46} numbers`) as unknown,
        remedy: expect.stringContaining('batch.size') as unknown,
      }),
    );
    using vector = backend.allocate(3);
    expect([...vector.read()]).toEqual([0, 0, 0]);
  });
});
