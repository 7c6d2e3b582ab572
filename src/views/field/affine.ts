/** Affine maps of the plane: points of one picture to points of another. */

/** (x, y) ↦ (a·x + b·y + c, d·x + e·y + f). */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** p ↦ outer(inner(p)). */
export function after(outer: Affine, inner: Affine): Affine {
  const [a, b, c, d, e, f] = outer;
  const [p, q, r, s, t, u] = inner;
  return [a * p + b * s, a * q + b * t, a * r + b * u + c, d * p + e * s, d * q + e * t, d * r + e * u + f];
}

/** The map that undoes one; its area factor must not be 0. */
export function inverseOf([a, b, c, d, e, f]: Affine): Affine {
  const area = a * e - b * d;
  return [e / area, -b / area, (b * f - c * e) / area, -d / area, a / area, (c * d - a * f) / area];
}

/**
 * The map from output to input of: shear along x by `shear` degrees, zoom by `scale`, turn clockwise by `angle`
 * degrees, shift by whole pixels.
 */
export function inverseAffine(
  angle: number,
  shiftX: number,
  shiftY: number,
  scale: number,
  shear: number,
): Affine {
  const turn = (angle * Math.PI) / 180;
  const cos = Math.cos(turn) / scale;
  const sin = Math.sin(turn) / scale;
  const tangent = Math.tan((shear * Math.PI) / 180);
  const a = cos + tangent * sin;
  const b = sin - tangent * cos;
  return [a, b, -a * shiftX - b * shiftY, -sin, cos, sin * shiftX - cos * shiftY];
}
