/**
 * Which pictures are masks of which, by their names: `X_mask`, `X_Annotation`, `X_seg_2` and the like beside `X`,
 * or `X` in a folder `masks/`, `annotations/`, … whose pictures lie above it or in a folder beside it.
 */
import { join } from 'node:path';
import { groupBy } from '../../base/collect.ts';
import { folderOf, stemOf } from '../common/paths.ts';
import type { SourceItem } from '../common/ingest-plan.ts';
import { readMaskCodes } from './codes.ts';

export interface MaskPairs {
  /** Masks of each picture that has some, both by relative path. */
  readonly masksOf: ReadonlyMap<string, readonly string[]>;
  /** Masks by their names whose picture is not there, or is not one only; with the reason. */
  readonly orphans: ReadonlyMap<string, string>;
}

const WORD =
  '(?:masks?|annotations?|segmentations?|seg|segmented|labels?|labelmap|gt|ground ?truth|contours?|outlines?)';
const SUFFIX = new RegExp(`^(.+?)[ _.-]+${WORD}(?:[ _-]*\\d+)?$`, 'i');
const FOLDER = new RegExp(`(?:^|[ _.-])${WORD}$`, 'i');

/** Pairs the pictures of a source. */
export function pairMasks(paths: readonly string[]): MaskPairs {
  const byStem = new Map<string, string[]>();
  const foldersIn = new Map<string, Set<string>>();
  for (const path of paths) {
    const folder = folderOf(path);
    add(byStem, key(folder, stemOf(path)), path);
    const parts = folder === '' ? [] : folder.split('/');
    for (const [i, name] of parts.entries()) {
      const above = parts.slice(0, i).join('/');
      foldersIn.set(above, (foldersIn.get(above) ?? new Set()).add(name));
    }
  }
  const masksOf = new Map<string, string[]>();
  const orphans = new Map<string, string>();
  for (const path of paths) {
    const places = placesOf(path, foldersIn);
    if (places === undefined) continue;
    const found = places
      .map((place) => (byStem.get(place) ?? []).filter((other) => other !== path && !isInMaskFolder(other)))
      .find(({ length }) => length > 0);
    if (found === undefined) orphans.set(path, 'it is the mask of a picture that is not there');
    else if (found.length > 1)
      orphans.set(path, `it is the mask of ${found[0]!} or of ${found[1]!}: names do not tell`);
    else add(masksOf, found[0]!, path);
  }
  return { masksOf, orphans };
}

/** Where the picture of a mask may be, the likeliest first; undefined for what is no mask by its name. */
function placesOf(path: string, foldersIn: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const folder = folderOf(path);
  const stem = stemOf(path);
  const bare = SUFFIX.exec(stem)?.[1];
  const parts = folder === '' ? [] : folder.split('/');
  const at = parts.findLastIndex((name) => FOLDER.test(name));
  if (at === -1) return bare === undefined ? undefined : [key(folder, bare)];
  const above = parts.slice(0, at).join('/');
  const rest = parts.slice(at + 1);
  const beside = [...(foldersIn.get(above) ?? [])].filter((name) => !FOLDER.test(name)).sort();
  const stems = [stem, ...(bare === undefined ? [] : [bare])];
  const folders = [[], ...beside.map((name) => [name])].map((name) =>
    [...(above === '' ? [] : [above]), ...name, ...rest].join('/'),
  );
  return stems.flatMap((one) => folders.map((place) => key(place, one)));
}

function isInMaskFolder(path: string): boolean {
  return folderOf(path)
    .split('/')
    .some((name) => FOLDER.test(name));
}

function key(folder: string, stem: string): string {
  return `${folder}\n${stem}`;
}

function add(map: Map<string, string[]>, name: string, value: string): void {
  const known = map.get(name);
  if (known === undefined) map.set(name, [value]);
  else known.push(value);
}

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

/**
 * Pictures of a source that are probably masks of others: they are called so, or have the name of a picture in another
 * folder, and those of them that are looked at hold few values and have the size of that picture.
 */
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
