/**
 * Rows on the unit sphere and their cosine similarities in float64: the part that contrastive objectives share.
 * A row shorter than `LEAST_NORM` has no direction: it counts as the zero vector, similar to nothing (cosine 0, its
 * own included), and gets no gradient. A non-finite row makes everything it touches NaN, which is never hidden.
 */
/** Below this norm a row has no direction (the ε of PyTorch's `cosine_similarity`). */
const LEAST_NORM = 1e-8;

export interface Directions {
  readonly rows: number;
  readonly dim: number;
  /** [rows, dim], each row of length 1, or all zero where it has no direction. */
  readonly units: Float64Array;
  /** [rows], 1 / norm, or 0 where a row has no direction. */
  readonly inverseNorms: Float64Array;
}

export interface UnitRows extends Directions {
  /** [rows, rows], cosine similarities, symmetric to the bit. */
  readonly cosines: Float64Array;
}

/** Normalises the first `rows` × `dim` numbers of `vectors` and compares every row with every other. */
export function unitRows(vectors: Float32Array, rows: number, dim: number): UnitRows {
  const directions = directionsOf(vectors, rows, dim);
  return { ...directions, cosines: gramMatrix(directions.units, rows, dim) };
}

/** Normalises the first `rows` × `dim` numbers of `vectors`; zero rows follow up to a multiple of `step` rows. */
export function directionsOf(vectors: Float32Array, rows: number, dim: number, step = 1): Directions {
  const units = new Float64Array(Math.ceil(rows / step) * step * dim);
  const inverseNorms = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * dim;
    let square = 0;
    for (let i = start; i < start + dim; i++) square += vectors[i]! * vectors[i]!;
    const norm = Math.sqrt(square);
    if (norm < LEAST_NORM) continue;
    inverseNorms[row] = 1 / norm;
    for (let i = start; i < start + dim; i++) units[i] = vectors[i]! / norm;
  }
  return { rows, dim, units, inverseNorms };
}

/** U·Uᵀ; four columns at a time, so that a row is read once for four products. */
function gramMatrix(units: Float64Array, rows: number, dim: number): Float64Array {
  const gram = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    const a = i * dim;
    for (let j = i; j < rows; j += 4) {
      // Past the last row the last one is computed again and thrown away.
      const last = rows - 1;
      const b0 = j * dim;
      const b1 = Math.min(j + 1, last) * dim;
      const b2 = Math.min(j + 2, last) * dim;
      const b3 = Math.min(j + 3, last) * dim;
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      let sum3 = 0;
      for (let k = 0; k < dim; k++) {
        const value = units[a + k]!;
        sum0 += value * units[b0 + k]!;
        sum1 += value * units[b1 + k]!;
        sum2 += value * units[b2 + k]!;
        sum3 += value * units[b3 + k]!;
      }
      setBoth(gram, rows, i, j, sum0);
      if (j + 1 < rows) setBoth(gram, rows, i, j + 1, sum1);
      if (j + 2 < rows) setBoth(gram, rows, i, j + 2, sum2);
      if (j + 3 < rows) setBoth(gram, rows, i, j + 3, sum3);
    }
  }
  return gram;
}

function setBoth(matrix: Float64Array, rows: number, i: number, j: number, value: number): void {
  matrix[i * rows + j] = value;
  matrix[j * rows + i] = value;
}

/**
 * Backward of `unitRows` through a symmetric matrix of similarity gradients: with W = ∂L/∂cosines + its transpose
 * (zero diagonal), ∂L/∂u_i = Σ_k W_ik u_k and ∂L/∂z_i = (∂L/∂u_i − (∂L/∂u_i · u_i) u_i) / ‖z_i‖. Overwrites `gradient`.
 */
export function backThroughCosines(
  { rows, dim, units, inverseNorms }: Directions,
  weights: Float64Array,
  gradient: Float32Array,
): void {
  const toUnit = new Float64Array(dim);
  for (let i = 0; i < rows; i++) {
    toUnit.fill(0);
    let k = 0;
    for (; k + 3 < rows; k += 4) {
      const w0 = weights[i * rows + k]!;
      const w1 = weights[i * rows + k + 1]!;
      const w2 = weights[i * rows + k + 2]!;
      const w3 = weights[i * rows + k + 3]!;
      const u = k * dim;
      for (let d = 0; d < dim; d++)
        toUnit[d]! +=
          w0 * units[u + d]! +
          w1 * units[u + dim + d]! +
          w2 * units[u + 2 * dim + d]! +
          w3 * units[u + 3 * dim + d]!;
    }
    for (; k < rows; k++) {
      const weight = weights[i * rows + k]!;
      for (let d = 0; d < dim; d++) toUnit[d]! += weight * units[k * dim + d]!;
    }
    backThroughNorm(units, inverseNorms, i, toUnit, gradient);
  }
}

/** ∂L/∂z_i from ∂L/∂u_i, which is as long as a row: what lies along the row itself would only change its length. */
export function backThroughNorm(
  units: Float64Array,
  inverseNorms: Float64Array,
  row: number,
  toUnit: Float64Array,
  gradient: Float32Array,
): void {
  const dim = toUnit.length;
  const start = row * dim;
  let radial = 0;
  for (let d = 0; d < dim; d++) radial += toUnit[d]! * units[start + d]!;
  const inverse = inverseNorms[row]!;
  for (let d = 0; d < dim; d++) gradient[start + d] = (toUnit[d]! - radial * units[start + d]!) * inverse;
}
