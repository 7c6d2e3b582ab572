/** Loops over numbers of single precision: a filter along rows or columns, white noise, amplitudes, and what multiplies levels. */
import * as c from './code.ts';
import { kernel } from './module.ts';

/**
 * target[y, x] ← Σ weights[k] · source[y, x + k · step], each product and sum rounded, from the first tap to the last. Strides of rows,
 * `width`, `taps` and `step` are in bytes; the width is a multiple of 64.
 */
export const filter = kernel(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  ([source, sourceStride, target, targetStride, rows, width, weights, taps, step], variable) => {
    const [y, x, k, at] = [variable('i32'), variable('i32'), variable('i32'), variable('i32')];
    const weight = variable('v128');
    const sums = [variable('v128'), variable('v128'), variable('v128'), variable('v128')];
    return [
      c.repeat(y, c.int(0), c.get(rows), c.int(1), [
        c.repeat(x, c.int(0), c.get(width), c.int(64), [
          ...sums.map((sum) => c.set(sum, c.singles([0, 0, 0, 0]))),
          c.set(at, c.add(c.get(source), c.get(x))),
          c.repeat(k, c.int(0), c.get(taps), c.int(4), [
            c.set(weight, c.loadSplat32(c.add(c.get(weights), c.get(k)))),
            ...sums.map((sum, i) =>
              c.set(
                sum,
                c.f32.add(c.get(sum), c.f32.multiply(c.get(weight), c.loadVector(c.get(at), 16 * i))),
              ),
            ),
            c.set(at, c.add(c.get(at), c.get(step))),
          ]),
          ...sums.map((sum, i) => c.storeVector(c.add(c.get(target), c.get(x)), c.get(sum), 16 * i)),
        ]),
        c.set(source, c.add(c.get(source), c.get(sourceStride))),
        c.set(target, c.add(c.get(target), c.get(targetStride))),
      ]),
    ];
  },
);

/**
 * Fills `length` bytes, a multiple of 32, with complex white noise: real and imaginary parts in turns, each the sum of two bytes less
 * its mean, times `scale`. The bytes are words of four generators sfc32 in turns, whose states a, b, c and counter are four vectors at
 * `state`.
 */
export const noise = kernel(['i32', 'i32', 'i32', 'f32'], ([target, length, state, scale], variable) => {
  const [a, b, d, counter] = [variable('v128'), variable('v128'), variable('v128'), variable('v128')];
  const [word, sums, at] = [variable('v128'), variable('v128'), variable('i32')];
  const scaled = (four: c.V128): c.V128 => c.f32.multiply(c.f32.ofInts(four), c.splatSingle(c.get(scale)));
  const out = c.add(c.get(target), c.get(at));
  return [
    ...[a, b, d, counter].map((part, i) => c.set(part, c.loadVector(c.get(state), 16 * i))),
    c.repeat(at, c.int(0), c.get(length), c.int(32), [
      c.set(word, c.i32.add(c.i32.add(c.get(a), c.get(b)), c.get(counter))),
      c.set(counter, c.i32.add(c.get(counter), c.ints([1, 1, 1, 1]))),
      c.set(a, c.xor(c.get(b), c.i32.shiftRightUnsigned(c.get(b), 9))),
      c.set(b, c.i32.add(c.get(d), c.i32.shiftLeft(c.get(d), 3))),
      c.set(
        d,
        c.i32.add(c.or(c.i32.shiftLeft(c.get(d), 21), c.i32.shiftRightUnsigned(c.get(d), 11)), c.get(word)),
      ),
      c.set(sums, c.i16.subtract(c.i16.sumPairs(c.get(word)), c.i16.splat(255))),
      c.storeVector(out, scaled(c.i32.low(c.get(sums)))),
      c.storeVector(out, scaled(c.i32.high(c.get(sums))), 16),
    ]),
  ];
});

/** target[y, x] ← base + scale · |source[y, x]| for complex numbers. Strides and `width`, a multiple of 16, are in bytes of the target's rows. */
export const amplitudes = kernel(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'f32', 'f32'],
  ([source, sourceStride, target, targetStride, rows, width, base, scale], variable) => {
    const [y, x, at] = [variable('i32'), variable('i32'), variable('i32')];
    const [real, imaginary] = [variable('v128'), variable('v128')];
    const places = (first: number): number[] =>
      [0, 8, 16, 24].flatMap((place) => [0, 1, 2, 3].map((byte) => place + first + byte));
    const part = (first: number): c.V128 =>
      c.shuffle(c.loadVector(c.get(at)), c.loadVector(c.get(at), 16), places(first));
    const squared = (value: c.Local<'v128'>): c.V128 => c.f32.multiply(c.get(value), c.get(value));
    return [
      c.repeat(y, c.int(0), c.get(rows), c.int(1), [
        c.repeat(x, c.int(0), c.get(width), c.int(16), [
          c.set(at, c.add(c.get(source), c.shiftLeft(c.get(x), c.int(1)))),
          c.set(real, part(0)),
          c.set(imaginary, part(4)),
          c.storeVector(
            c.add(c.get(target), c.get(x)),
            c.f32.add(
              c.splatSingle(c.get(base)),
              c.f32.multiply(
                c.splatSingle(c.get(scale)),
                c.f32.sqrt(c.f32.add(squared(real), squared(imaginary))),
              ),
            ),
          ),
        ]),
        c.set(source, c.add(c.get(source), c.get(sourceStride))),
        c.set(target, c.add(c.get(target), c.get(targetStride))),
      ]),
    ];
  },
);

/** levels[i] ← levels[i] · factors[i], rounded, at most 255; `length` levels, a multiple of 16. */
export const multiplyLevels = kernel(['i32', 'i32', 'i32'], ([levels, factors, length], variable) => {
  const [at, four, bytes] = [variable('i32'), variable('i32'), variable('v128')];
  const low = c.i16.lowBytes(c.get(bytes));
  const high = c.i16.highBytes(c.get(bytes));
  const product = (levelsOf: c.V128, i: number): c.V128 =>
    c.i32.ofSingles(
      c.f32.least(
        c.singles([255, 255, 255, 255]),
        c.f32.add(
          c.f32.multiply(c.f32.ofInts(levelsOf), c.loadVector(c.get(four), 16 * i)),
          c.singles([0.5, 0.5, 0.5, 0.5]),
        ),
      ),
    );
  return [
    c.repeat(at, c.int(0), c.get(length), c.int(16), [
      c.set(bytes, c.loadVector(c.add(c.get(levels), c.get(at)))),
      c.set(four, c.add(c.get(factors), c.shiftLeft(c.get(at), c.int(2)))),
      c.storeVector(
        c.add(c.get(levels), c.get(at)),
        c.u8.narrow(
          c.i16.narrow(product(c.i32.low(low), 0), product(c.i32.high(low), 1)),
          c.i16.narrow(product(c.i32.low(high), 2), product(c.i32.high(high), 3)),
        ),
      ),
    ]),
  ];
});
