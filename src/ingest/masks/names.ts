/**
 * Which pictures are masks of which, by their names alone: `X_mask`, `X_Annotation`, `X_seg_2` and the like beside `X`,
 * or `X` in a folder `masks/`, `annotations/`, … whose pictures lie above it or in a folder beside it.
 */
import { folderOf, stemOf } from '../common/paths.ts';

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
