/**
 * Optimizer updates as plain loops, PyTorch's definitions (torch.optim.Adam, AdamW, SGD), and moving averages. Also used by the fast
 * backend for ranges too short to be worth a kernel call.
 */
import type { AdamStep, Ranges, SgdStep } from '../core/backend.ts';
import { hostData } from '../core/host-vector.ts';
import type { Stretch } from '../core/parameters.ts';

/**
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − lr/(1−β₁ᵗ) · m / (√(v/(1−β₂ᵗ)) + ε)
 * (Kingma & Ba 2015; decoupled decay: Loshchilov & Hutter 2019).
 */
export function adamUpdate(step: AdamStep, ranges: Ranges = step.ranges): void {
  const { beta1, beta2, epsilon, learningRate, gradientScale } = step;
  const [values, gradients] = [hostData(step.values), hostData(step.gradients)];
  const [first, second] = [hostData(step.first), hostData(step.second)];
  const size = learningRate / (1 - beta1 ** step.step);
  const correction = Math.sqrt(1 - beta2 ** step.step);
  const coupled = step.decay === 'coupled' ? step.weightDecay : 0;
  const shrink = step.decay === 'decoupled' ? 1 - learningRate * step.weightDecay : 1;
  for (const [start, end] of ranges)
    for (let i = start; i < end; i++) {
      const gradient = gradients[i]! * gradientScale + coupled * values[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * gradient;
      const v = beta2 * second[i]! + (1 - beta2) * gradient * gradient;
      first[i] = m;
      second[i] = v;
      values[i] = values[i]! * shrink - (size * m) / (Math.sqrt(v) / correction + epsilon);
    }
}

/** θ ← keep·θ + (1 − keep)·θ_source on these stretches (Polyak & Juditsky 1992). */
export function followUpdate(
  target: Float32Array,
  source: Float32Array,
  keep: number,
  stretches: readonly Stretch[],
): void {
  for (const { from, to, sourceFrom } of stretches) {
    const shift = sourceFrom - from;
    for (let i = from; i < to; i++) target[i] = keep * target[i]! + (1 - keep) * source[i + shift]!;
  }
}

/** b ← μb + g (b = g at the first step), θ ← θ − lr·b, or θ − lr·(g + μb) with Nesterov. */
export function sgdUpdate(step: SgdStep, ranges: Ranges = step.ranges): void {
  const { learningRate, momentum, gradientScale, weightDecay } = step;
  const [values, gradients] = [hostData(step.values), hostData(step.gradients)];
  const buffer = hostData(step.momentumBuffer);
  const decay = step.step === 1 ? 0 : momentum;
  for (const [start, end] of ranges)
    for (let i = start; i < end; i++) {
      const gradient = gradients[i]! * gradientScale + weightDecay * values[i]!;
      const b = decay * buffer[i]! + gradient;
      buffer[i] = b;
      values[i]! -= learningRate * (step.nesterov ? gradient + momentum * b : b);
    }
}

/** Σ x² over the ranges in four interleaved f64 sums: the order is fixed, so the bits are. */
export function sumOfSquares(vector: Float32Array, ranges: Ranges): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (const [start, end] of ranges) {
    let i = start;
    for (; i + 3 < end; i += 4) {
      a += vector[i]! * vector[i]!;
      b += vector[i + 1]! * vector[i + 1]!;
      c += vector[i + 2]! * vector[i + 2]!;
      d += vector[i + 3]! * vector[i + 3]!;
    }
    for (; i < end; i++) a += vector[i]! * vector[i]!;
  }
  return a + b + (c + d);
}
