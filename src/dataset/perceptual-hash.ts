/**
 * Perceptual hashes of ultrasound frames: 64 bits that stay nearly the same when a frame is encoded again, scaled,
 * made a little brighter or cut to its field, and differ between frames of different scans. All frames of a probe share
 * the shape of the fan and the darkening with depth, which makes them alike to hashes of plain brightness; here the
 * brightness of the surroundings is taken out first, and the bits are signs of what is left (coarse texture of tissue).
 * Hashes depend on pixels alone. Every stored dataset holds them: a change here needs a new dataset version.
 */

import { DETAIL_SIDE, localDetail } from './local-detail.ts';

const SIDE = DETAIL_SIDE;
/** Hashes kept of a clip, at most. */
export const HASHES_PER_CLIP = 16;

/** The hash of a frame with nothing in it; never counts as alike. */
export const FLAT_HASH = '0000000000000000';

/**
 * Hash of a [height, width, channels] u8 frame as 16 hex digits. Errors: `RangeError` for a frame of another length.
 */
export function perceptualHash(frame: Uint8Array, width: number, height: number, channels: 1 | 3): string {
  if (frame.length !== width * height * channels)
    throw new RangeError(`A ${width}×${height}×${channels} frame has not ${frame.length} bytes.`);
  const detail = localDetail(frame, width, height, channels);
  return detail === null ? FLAT_HASH : signs(detail);
}

/**
 * Which frames of a clip of `frames` frames are hashed: at most `HASHES_PER_CLIP`, ascending, evenly over its length.
 */
export function hashPositions(frames: number): readonly number[] {
  let stride = 1;
  while (Math.ceil(frames / stride) >= 2 * HASHES_PER_CLIP) stride *= 2;
  const kept = Math.ceil(frames / stride);
  const count = Math.min(HASHES_PER_CLIP, kept);
  return Array.from({ length: count }, (_, i) => stride * Math.floor(((i + 0.5) * kept) / count));
}

/** Frequencies of the cosine transform (half waves down, across) that give the bits. */
const BITS = (() => {
  const all: { readonly u: number; readonly v: number }[] = [];
  for (let v = 0; v < SIDE / 2; v++)
    for (let u = 0; u < SIDE / 2; u++) if (u * u + v * v >= 4) all.push({ u, v });
  return all.sort((a, b) => a.u * a.u + a.v * a.v - (b.u * b.u + b.v * b.v) || a.u - b.u).slice(0, 64);
})();

const WAVES = Array.from({ length: SIDE / 2 }, (_, u) =>
  Float64Array.from({ length: SIDE }, (_, x) => Math.cos((Math.PI * u * (x + 0.5)) / SIDE)),
);

/** Bits that change when a frame is mirrored left to right: of waves that are odd about the middle. */
const ODD = BITS.reduce((word, { u }) => 2n * word + BigInt(u % 2), 0n);

/** The hash of the mirrored frame, but for rounding. */
export function mirroredHash(hash: string): string {
  return hash === FLAT_HASH ? hash : (BigInt(`0x${hash}`) ^ ODD).toString(16).padStart(16, '0');
}

const HIGHEST = Math.max(...BITS.map(({ u }) => u));
/** Scratch of `signs`, [HIGHEST + 1, SIDE]: the transform across. */
const ACROSS = new Float64Array((HIGHEST + 1) * SIDE);

/** Signs of 64 coefficients of the cosine transform, as hex. */
function signs(detail: Float64Array): string {
  for (let u = 0; u <= HIGHEST; u++) {
    const wave = WAVES[u]!;
    // Four rows at once: sums of one row would wait for each other.
    for (let y = 0, at = 0; y < SIDE; y += 4, at += 4 * SIDE) {
      let [a, b, c, d] = [0, 0, 0, 0];
      for (let x = 0; x < SIDE; x++) {
        const w = wave[x]!;
        a += w * detail[at + x]!;
        b += w * detail[at + SIDE + x]!;
        c += w * detail[at + 2 * SIDE + x]!;
        d += w * detail[at + 3 * SIDE + x]!;
      }
      const to = u * SIDE + y;
      ACROSS[to] = a;
      ACROSS[to + 1] = b;
      ACROSS[to + 2] = c;
      ACROSS[to + 3] = d;
    }
  }
  let hex = '';
  for (let i = 0; i < 64; i += 4) {
    let digit = 0;
    for (let j = i; j < i + 4; j++) {
      const { u, v } = BITS[j]!;
      const wave = WAVES[v]!;
      const at = u * SIDE;
      let sum = 0;
      for (let y = 0; y < SIDE; y++) sum += wave[y]! * ACROSS[at + y]!;
      digit = 2 * digit + (sum > 0 ? 1 : 0);
    }
    hex += digit.toString(16);
  }
  return hex;
}
