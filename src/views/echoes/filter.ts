/**
 * A filter along rows that writes its result turned: what were rows are columns. Done twice, it is a separable filter of
 * a picture the right way round again. It holds four sums at a time, so that a value is read once for four results.
 */

/** The next multiple of 4: rows of results are this long, whatever a picture needs of them. */
export function inFours(length: number): number {
  return 4 * Math.ceil(length / 4);
}

/**
 * target[x, y] ← Σ weights[k] · source[y, x + k] for `rows` rows and `results` results in each, a multiple of 4. Rows of the
 * source are `results` + taps − 1 long, rows of the target as long as there are rows.
 */
export function filterTurned(
  source: Float32Array,
  rows: number,
  results: number,
  weights: Float64Array,
  target: Float32Array,
): void {
  const taps = weights.length;
  const inFourTaps = taps - (taps % 4);
  const length = results + taps - 1;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < results; x += 4) {
      let at = (y * length + x) | 0;
      let v0 = source[at]!;
      let v1 = source[at + 1]!;
      let v2 = source[at + 2]!;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      at = (at + 3) | 0;
      let k = 0;
      // Four taps a turn: then no value has to be moved from name to name. The order of the additions stays that of the taps.
      for (; k < inFourTaps; k += 4) {
        const w0 = weights[k]!;
        const v3 = source[at]!;
        s0 += w0 * v0;
        s1 += w0 * v1;
        s2 += w0 * v2;
        s3 += w0 * v3;
        const w1 = weights[k + 1]!;
        v0 = source[at + 1]!;
        s0 += w1 * v1;
        s1 += w1 * v2;
        s2 += w1 * v3;
        s3 += w1 * v0;
        const w2 = weights[k + 2]!;
        v1 = source[at + 2]!;
        s0 += w2 * v2;
        s1 += w2 * v3;
        s2 += w2 * v0;
        s3 += w2 * v1;
        const w3 = weights[k + 3]!;
        v2 = source[at + 3]!;
        s0 += w3 * v3;
        s1 += w3 * v0;
        s2 += w3 * v1;
        s3 += w3 * v2;
        at = (at + 4) | 0;
      }
      for (; k < taps; k++) {
        const weight = weights[k]!;
        const v3 = source[at]!;
        s0 += weight * v0;
        s1 += weight * v1;
        s2 += weight * v2;
        s3 += weight * v3;
        v0 = v1;
        v1 = v2;
        v2 = v3;
        at = (at + 1) | 0;
      }
      const out = (x * rows + y) | 0;
      target[out] = s0;
      target[out + rows] = s1;
      target[out + 2 * rows] = s2;
      target[out + 3 * rows] = s3;
    }
  }
}
