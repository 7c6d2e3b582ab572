/**
 * The first convolution of a ResNet for three channels as one for a single channel, for images whose channels all show the same
 * grey g. The network sees x_c = (g − m_c) / s_c, and 0 beyond the border. Where all channels have one mean m,
 *
 *     Σ_c w_c ∗ x_c = w ∗ x   with   x = (g − m) / s   and   w = Σ_c w_c · s / s_c   for any s,
 *
 * everywhere: beyond the border x is 0 where every x_c is. With several means x_c = x · s / s_c + b_c with b_c = (m − m_c) / s_c.
 * The constants give Σ_c w_c ∗ b_c, which is one number inside the image and another one near the border, where a part of the
 * window lies in the padding. No convolution of one channel does that; `border` says how large the difference is.
 */

/** How images are normalised, (x − mean) / std: one number for all channels, or one each. */
export interface Normalisation {
  readonly mean: number | readonly number[];
  readonly std: number | readonly number[];
}

/** A first convolution of one channel. */
export interface GreyStem {
  /** [filters, 1, kernel, kernel]. */
  readonly kernel: Float64Array;
  /** Of its images. */
  readonly normalise: { readonly mean: number; readonly std: number };
  /**
   * [filters]: the largest difference at the border of an image, once the difference inside is made up for by a constant. 0 of
   * every filter where the three means are one: then nothing differs anywhere.
   */
  readonly border: Float64Array;
}

/** Of torchvision's first convolution. */
const STRIDE = 2;

/**
 * Folds `weight` [filters, 3, kernel, kernel] of a network for square images of `size` pixels that are normalised so. Several
 * means become the one that makes Σ_c b_c 0.
 */
export function greyStem(
  { shape, data }: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  { mean, std }: Normalisation,
  size: number,
): GreyStem {
  const [filters = 0, channels = 0, side = 0] = shape;
  const each = (value: number | readonly number[]): number[] =>
    typeof value === 'number' ? new Array<number>(channels).fill(value) : [...value];
  const [means, stds] = [each(mean), each(std)];
  const one = (values: readonly number[]): boolean => values.every((value) => value === values[0]);
  const s = one(stds) ? stds[0]! : sum(stds) / channels;
  const m = one(means)
    ? means[0]!
    : sum(means.map((value, c) => value / stds[c]!)) / sum(stds.map((value) => 1 / value));
  const taps = side * side;
  const kernel = new Float64Array(filters * taps);
  /** Σ_c w_c · b_c, tap by tap. */
  const constant = new Float64Array(filters * taps);
  for (let f = 0; f < filters; f++)
    for (let c = 0; c < channels; c++)
      for (let tap = 0; tap < taps; tap++) {
        const w = data[(f * channels + c) * taps + tap]!;
        kernel[f * taps + tap]! += (w * s) / stds[c]!;
        constant[f * taps + tap]! += (w * (m - means[c]!)) / stds[c]!;
      }
  const border = one(means) ? new Float64Array(filters) : borderOf(constant, side, size);
  return { kernel, normalise: { mean: m, std: s }, border };
}

/** Of each filter the largest |sum of the taps that lie in the padding|, over all places of the window. */
function borderOf(constant: Float64Array, side: number, size: number): Float64Array {
  const padding = (side - 1) / 2;
  const places = Math.floor((size + 2 * padding - side) / STRIDE) + 1;
  /** Half-open ranges of the taps that lie in the image, along one axis, each once. */
  const inside = new Map<string, readonly [number, number]>();
  for (let place = 0; place < places; place++) {
    const start = place * STRIDE - padding;
    const range = [Math.max(0, -start), Math.min(side, size - start)] as const;
    inside.set(range.join(), range);
  }
  const taps = side * side;
  return Float64Array.from({ length: constant.length / taps }, (_, f) => {
    const own = constant.subarray(f * taps, (f + 1) * taps);
    let largest = 0;
    for (const [top, bottom] of inside.values())
      for (const [left, right] of inside.values()) {
        let outside = 0;
        own.forEach((value, tap) => {
          const [row, column] = [Math.floor(tap / side), tap % side];
          if (row < top || row >= bottom || column < left || column >= right) outside += value;
        });
        largest = Math.max(largest, Math.abs(outside));
      }
    return largest;
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
