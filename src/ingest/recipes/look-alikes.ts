/**
 * Groups of pictures that look alike, for sets that do not say which pictures belong together: near-duplicates must
 * not lie on both sides of a split. Pictures are joined in chains, so a group may hold two that differ.
 */
import { join } from 'node:path';
import { leakFreeUnits } from '../../curation/duplicates.ts';
import { perceptualHash } from '../../dataset/perceptual-hash.ts';
import { storedSize } from '../../video/geometry.ts';
import { decodeStill, openStill } from '../pictures/still.ts';

/**
 * Bits of 64 in which two hashes may differ. A little more than an audit allows, since to join too many costs less here
 * than to join too few: of BUSI's near-duplicates that others marked, 95 % of the pairs differ in at most this many (90 %
 * in 10), and of 194,209 other pairs 20 do, several of them duplicates that the marks miss.
 */
const ALIKE_BITS = 12;

/** Shorter side at which pictures are hashed. */
const SIZE = 192;
const AT_ONCE = 8;

/** For each path the first (by name) of those that look like it; a picture that cannot be read is alone. */
export async function lookAlikes(
  root: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const pictures: { group: string; sourceSha256: null; hashes: string[] }[] = [];
  for (let start = 0; start < paths.length; start += AT_ONCE) {
    signal?.throwIfAborted();
    const some = paths.slice(start, start + AT_ONCE);
    const hashed = some.map(async (path) => ({
      group: path,
      sourceSha256: null,
      hashes: await hashesOf(join(root, path)),
    }));
    pictures.push(...(await Promise.all(hashed)));
  }
  return leakFreeUnits(pictures, ALIKE_BITS).unitOf;
}

/** The hash of a picture; none of one that cannot be read. */
async function hashesOf(path: string): Promise<string[]> {
  try {
    const still = await openStill(path);
    const { width, height } = storedSize(still, SIZE);
    return [perceptualHash(await decodeStill(still, { width, height }, 1), width, height, 1)];
  } catch {
    // It is named when it is to become a clip.
    return [];
  }
}
