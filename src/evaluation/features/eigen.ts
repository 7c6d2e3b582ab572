/**
 * Eigenvalues of a symmetric matrix: Householder reduction to tridiagonal form, then QL with implicit shifts
 * (Golub & Van Loan, Matrix Computations, §8.3). Values only, no vectors; cubic in the size, so for the few
 * hundred features of a backbone, not for images.
 */
import { UsclError } from '../../base/errors.ts';

/**
 * Eigenvalues of a symmetric [size, size] matrix (row-major, not modified), largest first, each to a rounding error of
 * the largest. Error: `EIGEN_NOT_FINITE`.
 */
export function symmetricEigenvalues(matrix: Float64Array, size: number): Float64Array {
  let largest = 0;
  for (const value of matrix) largest = Math.max(largest, Math.abs(value));
  if (!Number.isFinite(largest))
    throw new UsclError({
      kind: 'numeric',
      code: 'EIGEN_NOT_FINITE',
      message: 'The covariance of the features holds values that are not finite.',
      remedy: 'The network has diverged: train with a lower learning rate, or with precision=f32.',
    });
  if (largest === 0) return new Float64Array(size);
  // Near 1 no square overflows, and none that matters underflows. A power of two changes no digit.
  const scale = 2 ** Math.floor(Math.log2(largest));
  const { diagonal, beside } = tridiagonal(
    matrix.map((value) => value / scale),
    size,
  );
  implicitQl(diagonal, beside);
  return diagonal
    .map((value) => value * scale)
    .sort()
    .reverse();
}

/**
 * Orthogonal reduction A → QᵀAQ: `diagonal` [size] and `beside` [size], beside[i] joining i and i + 1. Destroys `a`.
 * Works on full rows (A stays symmetric), so that all inner loops run along memory.
 */
function tridiagonal(a: Float64Array, size: number): { diagonal: Float64Array; beside: Float64Array } {
  const diagonal = new Float64Array(size);
  const beside = new Float64Array(size);
  const v = new Float64Array(size);
  const w = new Float64Array(size);
  for (let k = 0; k < size - 2; k++) {
    let square = 0;
    for (let j = k + 2; j < size; j++) square += a[k * size + j]! ** 2;
    const head = a[k * size + k + 1]!;
    if (square === 0) {
      beside[k] = head;
      continue;
    }
    const length = Math.sqrt(head * head + square);
    const alpha = head > 0 ? -length : length;
    beside[k] = alpha;
    // v = row − alpha·e, H = I − v·vᵀ / half.
    v[k + 1] = head - alpha;
    for (let j = k + 2; j < size; j++) v[j] = a[k * size + j]!;
    const half = length * (length + Math.abs(head));
    let projection = 0;
    for (let i = k + 1; i < size; i++) {
      let sum = 0;
      for (let j = k + 1; j < size; j++) sum += a[i * size + j]! * v[j]!;
      w[i] = sum / half;
      projection += v[i]! * w[i]!;
    }
    const share = projection / (2 * half);
    for (let i = k + 1; i < size; i++) w[i]! -= share * v[i]!;
    for (let i = k + 1; i < size; i++) {
      const vi = v[i]!;
      const wi = w[i]!;
      for (let j = k + 1; j < size; j++) a[i * size + j]! -= vi * w[j]! + wi * v[j]!;
    }
  }
  for (let i = 0; i < size; i++) diagonal[i] = a[i * size + i]!;
  if (size > 1) beside[size - 2] = a[(size - 2) * size + size - 1]!;
  return { diagonal, beside };
}

/** Diagonalises a tridiagonal matrix in place: `d` becomes its eigenvalues, unordered. */
function implicitQl(d: Float64Array, e: Float64Array): void {
  const size = d.length;
  const limit = 60;
  // Relative to the whole matrix: beside values that are rounding errors themselves, a smaller bound is never met.
  const negligible =
    Number.EPSILON * d.reduce((most, value, i) => Math.max(most, Math.abs(value) + Math.abs(e[i]!)), 0);
  for (let l = 0; l < size; l++) {
    for (let iteration = 0; ; iteration++) {
      let m = l;
      while (m < size - 1 && Math.abs(e[m]!) > negligible) m++;
      if (m === l) break;
      if (iteration === limit) throw new Error(`Eigenvalue ${l} of ${size} did not converge.`);
      // Wilkinson's shift from the leading 2×2 block.
      const ratio = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      const root = Math.hypot(ratio, 1);
      let g = d[m]! - d[l]! + e[l]! / (ratio + (ratio >= 0 ? root : -root));
      let sine = 1;
      let cosine = 1;
      let p = 0;
      let split = false;
      for (let i = m - 1; i >= l; i--) {
        const f = sine * e[i]!;
        const b = cosine * e[i]!;
        const length = Math.hypot(f, g);
        e[i + 1] = length;
        if (length === 0) {
          d[i + 1]! -= p;
          e[m] = 0;
          split = true;
          break;
        }
        sine = f / length;
        cosine = g / length;
        g = d[i + 1]! - p;
        const turn = (d[i]! - g) * sine + 2 * cosine * b;
        p = sine * turn;
        d[i + 1] = g + p;
        g = cosine * turn - b;
      }
      if (split) continue;
      d[l]! -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}
