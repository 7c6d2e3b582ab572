/**
 * Groups of pictures that look alike, for sets that do not say which pictures belong together: near-duplicates must
 * not lie on both sides of a split. Pictures are joined in chains, so a group may hold two that differ.
 */
import { join } from 'node:path';
import { FLAT_HASH, perceptualHash } from '../../dataset/perceptual-hash.ts';
import { storedSize } from '../geometry.ts';
import { decodeStill, openStill } from '../still.ts';

/**
 * Bits of 64 in which two hashes may differ. On BUSI (624 pictures whose near-duplicates were marked by others), 95 % of
 * the marked pairs differ in at most this many, and 20 of 194,209 other pairs do, most of them duplicates that the
 * marks miss.
 */
const ALIKE_BITS = 12;

/** Shorter side at which pictures are hashed. */
const SIZE = 192;
const AT_ONCE = 8;

/** For each path the index of the first picture of its group; one that cannot be read is alone. */
export async function lookAlikes(
  root: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<readonly number[]> {
  const hashes: (readonly [number, number] | null)[] = [];
  for (let start = 0; start < paths.length; start += AT_ONCE) {
    signal?.throwIfAborted();
    const some = paths.slice(start, start + AT_ONCE);
    hashes.push(...(await Promise.all(some.map((path) => hashOf(join(root, path))))));
  }
  const first = paths.map((_, index) => index);
  const rootOf = (index: number): number => {
    let at = index;
    while (first[at] !== at) at = first[at]!;
    return at;
  };
  for (let i = 0; i < hashes.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [hashes[i], hashes[j]];
      if (!a || !b || bits(a[0] ^ b[0]) + bits(a[1] ^ b[1]) > ALIKE_BITS) continue;
      const [p, q] = [rootOf(i), rootOf(j)];
      first[Math.max(p, q)] = Math.min(p, q);
    }
  }
  return first.map((_, index) => rootOf(index));
}

/** The halves of a picture's hash; null for one that cannot be read or has nothing in it. */
async function hashOf(path: string): Promise<readonly [number, number] | null> {
  try {
    const still = await openStill(path);
    const { width, height } = storedSize(still, SIZE);
    const hash = perceptualHash(await decodeStill(still, { width, height }, 1), width, height, 1);
    return hash === FLAT_HASH
      ? null
      : [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)];
  } catch {
    // It is named when it is to become a clip.
    return null;
  }
}

/** Ones in a 32-bit number. */
function bits(value: number): number {
  let rest = value - ((value >>> 1) & 0x55555555);
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
