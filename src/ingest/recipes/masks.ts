/**
 * Pictures with segmentation masks beside them, paired by names (`masks/names.ts`). What the values of the masks mean is
 * decided over all of them: two values are outside and one structure; up to fifteen others are a structure each, in
 * the order of the palette or the grey levels; grey masks of more values were compressed with loss and are cut at half
 * brightness. Lines round an area are filled. HC18 (van den Heuvel et al. 2018) is such a set.
 */
import { join } from 'node:path';
import { told } from '../../base/collect.ts';
import { discover } from '../folders/discover.ts';
import { labelsOf } from '../folders/labels.ts';
import { type MaskCodes, readMaskCodes } from '../masks/codes.ts';
import { pairMasks } from '../masks/names.ts';
import { isOutline } from '../masks/masks.ts';
import { stemOf } from '../common/paths.ts';
import type { Rejection } from '../common/ingest-plan.ts';
import { lookAlikes } from './look-alikes.ts';
import type { Recipe, RecipeContext, RecipePlan } from './recipe.ts';
import { contentsOf, folderError, sorted } from './recipe.ts';
import { tableNotes } from './seen-tables.ts';

const EXPECTED = 'pictures and, beside them, masks called X_mask, X_Annotation or X in a folder masks/';

/** More values than this are no structures. */
const MOST_VALUES = 16;
const AT_ONCE = 8;

/** Number, which picture of it, `HC`: names of HC18; the number is the fetus. */
const HC18 = /^(\d+)_(\d*)HC$/;
const HC18_FACTS = {
  name: 'hc18',
  licence: 'CC BY 4.0',
  citation:
    'van den Heuvel TLA, de Bruijn D, de Korte CL, van Ginneken B. Automated measurement of fetal head circumference ' +
    'using 2D ultrasound images. PLoS ONE 2018, 13(8), e0200412. doi:10.1371/journal.pone.0200412',
  homepage: 'https://hc18.grand-challenge.org/',
} as const;

export const masks = {
  name: 'masks',
  about: 'pictures with segmentation masks beside them, your own or public ones such as HC18',
  layout:
    'X.png with X_mask.png, X_mask_1.png, X_Annotation.png, … or with X.png in a folder masks/ beside it or beside its ' +
    'folder; masks of two values, palettes of several structures, or outlines, which are filled',
  from: 'HC18: download it from Zenodo, record 1327317, and unpack training_set.zip.',
  licence: null,
  citation: null,
  homepage: null,
  classes: 'of the table given with --labels, else none',
  groups: 'of the table; else the number in the names of HC18, or pictures that look alike',
  caution:
    'Where patients are not known, pictures of one patient that look different may lie on both sides of a split.',
  options: { labels: true },
  commands: ['uscl ingest training_set --recipe masks --out hc18'],
  recognises: () => false,
  plan,
} as const satisfies Recipe;

async function plan({ root, options, skip, signal }: RecipeContext): Promise<RecipePlan> {
  const found = await discover(root, { layout: 'stills', skip, signal });
  const rejected: Rejection[] = [...found.rejected];
  const pictures = found.items.filter(({ kind }) => kind === 'still');
  for (const { path, kind } of found.items)
    if (kind !== 'still') rejected.push({ source: path, reason: 'it is not a single picture' });
  const { masksOf, orphans } = pairMasks(pictures.map(({ path }) => path));
  const all = [...masksOf.values()].flat();
  if (all.length === 0)
    throw folderError(
      'masks',
      root,
      EXPECTED,
      `none of ${pictures.length} pictures has one${contentsOf(root)}`,
    );
  for (const [source, reason] of orphans) rejected.push({ source, reason });
  const { reading, structures, notes } = await readingOf(root, all, signal);
  const isMask = new Set([...all, ...orphans.keys()]);
  const items = pictures.filter(({ path }) => !isMask.has(path));
  const isHc18 = items.every(({ path }) => HC18.test(stemOf(path)));
  const labelled = labelsOf(items, options.labels, false);
  const names = items.map(({ path }) => path);
  const groups =
    options.labels !== undefined
      ? null
      : isHc18
        ? names.map((path) => `fetus-${HC18.exec(stemOf(path))![1]!}`)
        : await lookAlikes(root, names, signal);
  const clips = labelled.clips.map((clip, index) => {
    const own = masksOf.get(clip.item.path);
    return {
      ...clip,
      group: groups?.[index] ?? clip.group,
      ...(own === undefined ? {} : { masks: own, ...(reading === null ? {} : { maskReading: reading }) }),
    };
  });
  const without = items.length - masksOf.size;
  return {
    ...labelled,
    ...(isHc18 ? HC18_FACTS : {}),
    clips: sorted(clips),
    ...(structures === null ? {} : { structures }),
    rejected,
    ignored: found.ignored,
    notes: told([
      ...notes,
      without > 0 && `${without} pictures have no mask.`,
      groups !== null &&
        (isHc18
          ? 'Groups are the numbers in the names.'
          : 'Groups were found by looks. Patients are not known.'),
      ...(await tableNotes(root, names, options.labels)),
    ]),
  };
}

/** What the values of these masks mean; without a reading, half brightness tells. A mask that cannot be read is named when its picture becomes a clip. */
async function readingOf(root: string, paths: readonly string[], signal: AbortSignal | undefined) {
  const values = new Set<number>();
  const kinds = new Map<MaskCodes['kind'], string>();
  const palettes = new Map<string, string>();
  let [lines, drawn] = [0, 0];
  for (let start = 0; start < paths.length; start += AT_ONCE) {
    signal?.throwIfAborted();
    const some = paths.slice(start, start + AT_ONCE);
    const read = await Promise.all(some.map((path) => readMaskCodes(join(root, path)).catch(() => null)));
    for (const [i, mask] of read.entries()) {
      if (mask === null) continue;
      kinds.set(mask.kind, some[i]!);
      palettes.set(mask.palette, some[i]!);
      const own = new Set(mask.codes);
      if (values.size <= MOST_VALUES) for (const value of own) values.add(value);
      let most = 0;
      for (const value of own) most = Math.max(most, value);
      const light = most / 2;
      const inside = Uint8Array.from(mask.codes, (code) => (code > light ? 1 : 0));
      if (!inside.includes(1)) continue;
      drawn++;
      if (isOutline(inside, mask)) lines++;
    }
  }
  if (kinds.size === 1 && palettes.size > 1) {
    const [one, other] = [...palettes.values()];
    const differ = `the palettes of ${one!} and ${other!} differ, so their indices do not mean the same`;
    throw folderError('masks', root, 'masks of one palette, or in grey', differ);
  }
  // What is outside: black, wherever a palette has it; else the first index.
  const colours: readonly string[] = [...palettes.keys()].join('').match(/.{6}/g) ?? [];
  const background = Math.max(0, colours.indexOf('000000'));
  const structures = [...values].filter((value) => value !== background).sort((a, b) => a - b);
  if (values.size > MOST_VALUES && (kinds.has('palette') || kinds.has('colour')))
    throw folderError('masks', root, EXPECTED, `its masks have more than ${MOST_VALUES} colours`);
  if (kinds.size > 1) {
    const examples = [...kinds].map(([kind, path]) => `${path} is ${kind}`).join(', ');
    throw folderError('masks', root, 'masks of one kind (palette, grey or colour)', examples);
  }
  if (structures.length === 0) throw folderError('masks', root, EXPECTED, 'its masks are black throughout');
  const areLines = lines > drawn / 2;
  const notes = areLines ? [`Masks are outlines (${lines} of ${drawn}); they were filled.`] : [];
  const shades = 'Masks have shades; brighter than half is inside.';
  if (values.size > MOST_VALUES) return { reading: null, structures: null, notes: [...notes, shades] };
  if (structures.length === 1)
    return { reading: { codes: structures, isOutline: areLines }, structures: null, notes };
  return {
    reading: { codes: structures, isOutline: false },
    structures: structures.map((_, i) => `structure-${i + 1}`),
    notes: [
      `Masks hold ${structures.length} structures, of the ${[...kinds.keys()].join()} values ${structures.join(', ')}.`,
    ],
  };
}
