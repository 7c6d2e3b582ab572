/**
 * Numbers that Python and TypeScript both compute from a name and an index, so that golden tests need no weight files.
 * The same as `hashed.py` beside it, function by function.
 */
const GOLDEN_RATIO = 0x9e3779b9;
/** Entries kept of a tensor, at hashed positions. */
const ENTRIES = 64;
/** Projections kept of a tensor: dot products with hashed vectors of +1 and −1. */
const PROJECTIONS = 32;

/** FNV-1a, 32 bits, of an ASCII name. */
export function keyOf(name: string): number {
  let key = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) key = Math.imul(key ^ name.charCodeAt(i), 0x01000193);
  return key >>> 0;
}

/** murmur3's finaliser. */
function mixed(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function hashAt(key: number, index: number): number {
  return mixed(mixed(Math.imul(index, GOLDEN_RATIO) ^ key) + key) >>> 0;
}

export function hashes(name: string, count: number): Uint32Array {
  const key = keyOf(name);
  return Uint32Array.from({ length: count }, (_, index) => hashAt(key, index));
}

function uniformAt(key: number, index: number): number {
  return (hashAt(key, index) + 0.5) / 2 ** 31 - 1;
}

/** Uniform in (−1, 1). */
export function uniforms(name: string, count: number): Float64Array {
  const key = keyOf(name);
  return Float64Array.from({ length: count }, (_, index) => uniformAt(key, index));
}

/** Uniform with this mean and standard deviation, rounded to f32. */
export function values(name: string, count: number, centre: number, deviation: number): Float32Array {
  const key = keyOf(name);
  const spread = deviation * Math.sqrt(3);
  const result = new Float32Array(count);
  for (let i = 0; i < count; i++) result[i] = centre + spread * uniformAt(key, i);
  return result;
}

/** `low` for about this share of the elements and `high` for the others. */
export function sides(name: string, count: number, share: number, low: number, high: number): Float32Array {
  return Float32Array.from(uniforms(name, count), (uniform) => (uniform < 2 * share - 1 ? low : high));
}

/** What a golden file keeps of a tensor. */
export interface Digest {
  readonly norm: number;
  readonly entries: Float64Array;
  readonly projections: Float64Array;
}

/** Indices of the entries kept of a tensor of `length` elements. */
export function positions(name: string, length: number): Uint32Array {
  return hashes(`${name}/entries`, ENTRIES).map((hash) => hash % length);
}

export function digest(name: string, tensor: Float32Array): Digest {
  const key = keyOf(`${name}/signs`);
  // Elements are first summed by each byte of their hash: four additions an element instead of one a projection.
  const sums = new Float64Array(4 * 256);
  let square = 0;
  for (let i = 0; i < tensor.length; i++) {
    const value = tensor[i]!;
    square += value * value;
    const signs = hashAt(key, i);
    sums[signs & 255]! += value;
    sums[256 + ((signs >>> 8) & 255)]! += value;
    sums[512 + ((signs >>> 16) & 255)]! += value;
    sums[768 + (signs >>> 24)]! += value;
  }
  const projections = Float64Array.from({ length: PROJECTIONS }, (_, p) => {
    let projection = 0;
    for (let byte = 0; byte < 256; byte++) {
      const sum = sums[256 * (p >> 3) + byte]!;
      projection += ((byte >> (p & 7)) & 1) === 0 ? sum : -sum;
    }
    return projection;
  });
  const entries = Float64Array.from(positions(name, tensor.length), (position) => tensor[position]!);
  return { norm: Math.sqrt(square), entries, projections };
}

/** A digest as a golden file holds it: norm, entries, projections in a row. */
export function parseDigest(numbers: ArrayLike<number>): Digest {
  const all = Float64Array.from(numbers);
  if (all.length !== 1 + ENTRIES + PROJECTIONS) throw new RangeError(`a digest of ${all.length} numbers`);
  return { norm: all[0]!, entries: all.slice(1, 1 + ENTRIES), projections: all.slice(1 + ENTRIES) };
}

/**
 * Estimate of ‖found − golden‖ / ‖golden‖ from two digests: for random signs w, E[(w·e)²] = ‖e‖². With 32 projections
 * it is within about an eighth of the true value (one standard deviation).
 */
export function estimatedError(golden: Digest, found: Digest): number {
  let sum = 0;
  for (let p = 0; p < PROJECTIONS; p++) sum += (found.projections[p]! - golden.projections[p]!) ** 2;
  return Math.sqrt(sum / PROJECTIONS) / golden.norm;
}

/** |‖found‖ − ‖golden‖| / ‖golden‖. */
export function normError(golden: Digest, found: Digest): number {
  return Math.abs(found.norm - golden.norm) / golden.norm;
}

/** ‖found − golden‖ / ‖golden‖ of the kept entries alone. */
export function entriesError(golden: Digest, found: Digest): number {
  return relativeError(golden.entries, found.entries);
}

/** ‖found − golden‖ / ‖golden‖. */
export function relativeError(golden: ArrayLike<number>, found: ArrayLike<number>): number {
  if (golden.length !== found.length) throw new RangeError(`${golden.length} and ${found.length} numbers`);
  let difference = 0;
  let square = 0;
  for (let i = 0; i < golden.length; i++) {
    difference += (found[i]! - golden[i]!) ** 2;
    square += golden[i]! ** 2;
  }
  return Math.sqrt(difference / square);
}
