/** Optimizer updates by PyTorch's fused kernels, one call for all ranges, and sums of squares; only the sum reaches the host. */
import type { AdamStep, Ranges, SgdStep, Vector } from '../core/backend.ts';
import { requireWhole } from './layout.ts';
import { disposeAll } from './layers/common.ts';
import type { Runtime } from './native/runtime.ts';
import type { Tensor } from './native/tensor.ts';
import { torchVector } from './vector.ts';

export function torchAdam(runtime: Runtime, step: AdamStep): void {
  const { ranges, learningRate, beta1, beta2, weightDecay, epsilon, decay } = step;
  if (ranges.length === 0) return;
  const lists = [step.values, step.gradients, step.first, step.second].map((vector) =>
    partsOf(vector, ranges),
  );
  using count = constant(runtime, step.step);
  using scale = inverseScale(runtime, step.gradientScale);
  try {
    const [values, gradients, first, second] = lists as [Tensor[], Tensor[], Tensor[], Tensor[]];
    const steps = ranges.map(() => count);
    runtime.call(
      decay === 'coupled' ? 'adam' : 'adamw',
      ...([values, gradients, first, second, [], steps] as const),
      ...([learningRate, beta1, beta2, weightDecay, epsilon] as const),
      ...([false, false, scale ?? null, null] as const),
    );
  } finally {
    disposeAll(lists.flat());
  }
}

export function torchSgd(runtime: Runtime, step: SgdStep): void {
  const { ranges, learningRate, momentum, nesterov, weightDecay } = step;
  if (ranges.length === 0) return;
  const lists = [step.values, step.gradients, step.momentumBuffer].map((vector) => partsOf(vector, ranges));
  using scale = inverseScale(runtime, step.gradientScale);
  try {
    const [values, gradients, buffers] = lists as [Tensor[], Tensor[], Tensor[]];
    runtime.call(
      'sgd',
      // Without momentum there is no buffer.
      ...([values, gradients, momentum === 0 ? [] : buffers] as const),
      ...([weightDecay, momentum, learningRate, 0] as const),
      ...([nesterov, false, step.step === 1, scale ?? null, null] as const),
    );
  } finally {
    disposeAll(lists.flat());
  }
}

/** Products of one stretch are summed in f32: short enough that little is lost. */
const STRETCH = 1 << 18;

/** Sums of squares of stretches in f32, their sum in f64 where the device has it. */
export function torchSumOfSquares(runtime: Runtime, vector: Vector, ranges: Ranges): number {
  const parts = ranges.flatMap(stretches);
  if (parts.length === 0) return 0;
  const type = runtime.typeOf(runtime.device.name === 'mps' ? 'f32' : 'f64');
  const { layout } = torchVector(vector);
  for (const [start, end] of ranges) requireWhole(layout, start, end);
  using numbers = torchVector(vector).unordered();
  const sums = parts.map(([start, end]) => {
    using part = numbers.part(start, end - start);
    const [dot] = runtime.call('dot', part, part);
    using sum = dot!;
    return runtime.view(sum, [1]);
  });
  try {
    using all = runtime.concatenate(sums);
    const [made] = runtime.call('sum', all, [0], true, type);
    using total = made!;
    return runtime.number(total);
  } finally {
    disposeAll(sums);
  }
}

function stretches([start, end]: Ranges[number]): Ranges {
  return Array.from({ length: Math.ceil((end - start) / STRETCH) }, (_, index) => [
    start + index * STRETCH,
    Math.min(end, start + (index + 1) * STRETCH),
  ]);
}

function partsOf(vector: Vector, ranges: Ranges): Tensor[] {
  const whole = torchVector(vector);
  return ranges.map(([start, end]) => whole.part(start, end - start));
}

function constant(runtime: Runtime, value: number): Tensor {
  const tensor = runtime.empty([1], 'f32');
  runtime.fill(tensor, value);
  return tensor;
}

/** What fused kernels divide gradients by. */
function inverseScale(runtime: Runtime, scale: number): Tensor | undefined {
  return scale === 1 ? undefined : constant(runtime, 1 / scale);
}
