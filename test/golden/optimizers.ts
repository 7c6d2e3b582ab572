/** Start and gradients of the golden optimizer cases, as `optimizer_golden.py` makes them. */
import { values } from './hashed.ts';

/** Parameters before the first step. */
export const optimizerStart = (name: string, length: number): Float32Array =>
  values(`${name}/start`, length, 0, 1);

/** Gradient of step 0, 1, …; its last four elements are of the size of Adam's ε. */
export function optimizerGradient(name: string, step: number, length: number): Float32Array {
  const gradient = values(`${name}/gradient/${step}`, length, 0, 1);
  for (let i = length - 4; i < length; i++) gradient[i]! *= 2 ** -26;
  return gradient;
}
