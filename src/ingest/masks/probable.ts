/**
 * Pictures of a source that are probably masks of others: they are called so (`names.ts`), or have the name of a
 * picture in another folder, and those of them that are looked at hold few values and have the size of that picture.
 */
import { join } from 'node:path';
import { groupBy } from '../../base/collect.ts';
import { readMaskCodes } from './codes.ts';
import { pairMasks } from './names.ts';
import { folderOf, stemOf } from '../common/paths.ts';
import type { SourceItem } from '../common/plan.ts';

/** Pairs that are looked at, of those that names tell. */
const LOOKED_AT = 12;
/** Pictures of tissue have more values than this, masks have fewer, unless they were compressed with loss. */
const FEW_VALUES = 16;
/** Of those looked at, how many have to be masks. */
const MOST = 0.75;

export interface ProbableMask {
  readonly mask: string;
  readonly picture: string;
}

export async function probableMasks(
  root: string,
  items: readonly SourceItem[],
): Promise<readonly ProbableMask[]> {
  const paths = items.flatMap((item) =>
    item.kind === 'frames' ? item.files : item.kind === 'still' ? [item.path] : [],
  );
  const named = [...pairMasks(paths).masksOf].flatMap(([picture, masks]) =>
    masks.map((mask) => ({ mask, picture })),
  );
  if (named.length > 0 && (await areMasks(root, named))) return named;
  for (const pairs of sameNames(paths)) if (await areMasks(root, pairs)) return pairs;
  return [];
}

/** For each two folders that share names of pictures, the pairs of equal names: both ways round. */
function* sameNames(paths: readonly string[]): Generator<ProbableMask[]> {
  // Among many folders of frames any two share names; masks are kept in a few folders.
  const byFolder = groupBy(paths, folderOf);
  if (byFolder.size > 8) return;
  const folders = [...byFolder.values()].map((own) => new Map(own.map((path) => [stemOf(path), path])));
  for (const one of folders)
    for (const other of folders) {
      if (one === other) continue;
      const pairs = [...one].flatMap(([stem, mask]) => {
        const picture = other.get(stem);
        return picture === undefined ? [] : [{ mask, picture }];
      });
      if (pairs.length > 1 && pairs.length >= one.size / 2) yield pairs;
    }
}

async function areMasks(root: string, pairs: readonly ProbableMask[]): Promise<boolean> {
  const count = Math.min(LOOKED_AT, pairs.length);
  const some = Array.from({ length: count }, (_, i) => pairs[Math.floor((i * pairs.length) / count)]!);
  const answers = await Promise.all(some.map((pair) => isMask(root, pair)));
  return answers.filter(Boolean).length >= MOST * count;
}

async function isMask(root: string, { mask, picture }: ProbableMask): Promise<boolean> {
  try {
    const [one, other] = await Promise.all([mask, picture].map((path) => readMaskCodes(join(root, path))));
    const isOfSize = one!.width === other!.width && one!.height === other!.height;
    return isOfSize && isFew(one!.codes) && !isFew(other!.codes);
  } catch {
    // What cannot be read is named when it is decoded.
    return false;
  }
}

function isFew(codes: Uint32Array): boolean {
  const values = new Set<number>();
  for (const code of codes) if (values.add(code).size > FEW_VALUES) return false;
  return true;
}
