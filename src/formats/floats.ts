/** Tensors of any floating-point type as f32. */
import type { Tensor } from './safetensors.ts';

/**
 * The elements in f32: those of the tensor itself where they are, exact for F16 and BF16, rounded for F64; null for integers
 * and booleans.
 */
export function floatsOf({ dtype, data }: Tensor): Float32Array | null {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (!(data instanceof Uint16Array)) return null;
  if (dtype === 'BF16') return bfloat16(data);
  return dtype === 'F16' ? halves(data) : null;
}

/** A bfloat16 is the upper half of an f32. */
function bfloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! * 0x1_0000;
  return new Float32Array(words.buffer);
}

/** A loop, because `from` with a function keeps all numbers in a list first, which is many times as much memory. */
function halves(bits: Uint16Array): Float32Array {
  const floats = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) floats[i] = halfOf(bits[i]!);
  return floats;
}

/** IEEE 754 binary16: a sign, five bits of exponent with bias 15, ten of fraction. */
function halfOf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 0x400;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}
