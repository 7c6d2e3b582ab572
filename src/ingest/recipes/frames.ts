/**
 * One's own clips in the layout that USCL's reference code trains on: a folder of frames a video, optionally below
 * folders whose names are the classes. Labels come from a table where one is given, else from the class folders.
 */
import { discover } from '../folders/discover.ts';
import { labelsOf } from '../folders/labels.ts';
import type { Rejection, SourceItem } from '../common/ingest-plan.ts';
import { folderError, type Recipe, type RecipeContext, type RecipePlan } from './recipe.ts';

const EXPECTED = 'a folder of jpg or png frames for every video';

export const frames = {
  name: 'frames',
  about: 'your own clips as folders of frames',
  layout: 'a folder of jpg, png, tif or webp frames a video, optionally below folders named as the classes',
  from: null,
  licence: null,
  citation: null,
  homepage: null,
  classes: 'of the table given with --labels; else the names of the class folders; else none',
  groups: 'of the table; else the video',
  caution: null,
  options: { labels: true },
  commands: ['uscl ingest frames --recipe frames --out lung'],
  recognises: () => false,
  plan,
} as const satisfies Recipe;

async function plan({ root, options, skip, signal }: RecipeContext): Promise<RecipePlan> {
  const found = await discover(root, { layout: 'frames', skip, signal });
  const items: SourceItem[] = [];
  const rejected: Rejection[] = [...found.rejected];
  for (const item of found.items) {
    if (item.kind === 'frames') items.push(item);
    else rejected.push({ source: item.path, reason: 'it is not a folder of frames' });
  }
  if (items.length === 0) throw folderError('frames', root, EXPECTED, `there are none in ${root}`);
  const labelled = labelsOf(items, options.labels, true);
  return {
    ...labelled,
    rejected,
    ignored: found.ignored,
    notes: labelled.fromFolders ? ['Labels are the names of the class folders.'] : [],
  };
}
