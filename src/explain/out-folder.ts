/**
 * The folder of an explanation: who may write there, and what of an earlier explanation stays. Parts (heat, map,
 * neighbours) that are not made anew are kept as long as they are of the same weights and data.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { usageError, UsclError } from '../base/errors.ts';
import { guardWrites, writeFileAtomic } from '../base/files.ts';
import {
  type Explanation,
  EXPLANATION_FILE,
  explanationSchema,
  readExplanation,
} from '../evaluation/explanations/explanation.ts';
import { hashOf, isUnfinished, requireOurs } from '../runs/run-folder.ts';
import { CAM_FOLDER } from './cam-picture.ts';
import { MAP_FILES } from './map.ts';
import { NEIGHBOURS_FOLDER } from './neighbours.ts';

export type Part = 'cam' | 'map' | 'neighbours';

/** What is explained: parts of different ones do not belong together. */
export type About = Pick<Explanation, 'weights' | 'data' | 'framesPerClip'>;

const FILES_OF: Readonly<Record<Part, readonly string[]>> = {
  cam: [CAM_FOLDER],
  map: [MAP_FILES.csv, ...Object.values(MAP_FILES.svg)],
  neighbours: [NEIGHBOURS_FOLDER],
};
export const PARTS = ['cam', 'map', 'neighbours'] as const;

/**
 * Makes room for `parts` and returns what is kept of the explanation that is there, or null. Errors:
 * `OUTPUT_NOT_OURS`, `EXPLANATION_EXISTS` (unless `overwrite`).
 */
export function openFolder(
  folder: string,
  about: About,
  parts: readonly Part[],
  overwrite: boolean,
): Explanation | null {
  const ours: readonly string[] = Object.values(FILES_OF).flat();
  if (!existsSync(join(folder, EXPLANATION_FILE)))
    requireOurs(folder, 'an explanation', (name) => ours.includes(name) || isUnfinished(name));
  const there = overwrite ? readIfSound(folder) : readExplanation(folder);
  const isSame = there !== null && hashOf(aboutOf(there)) === hashOf(aboutOf(about));
  const replaced = isSame ? parts : PARTS;
  const lost = there === null ? [] : replaced.filter((part) => hasPart(there, part));
  if (lost.length > 0 && !overwrite)
    throw usageError(
      'EXPLANATION_EXISTS',
      isSame
        ? `${folder} already holds this explanation (${lost.join(', ')}).`
        : `${folder} holds an explanation of other weights or other clips.`,
      'Say --overwrite to replace it, or choose another folder with --out.',
      { where: folder },
    );
  guardWrites(folder, () => {
    // The list goes first: nothing is named that is no longer there.
    if (replaced.length === PARTS.length) rmSync(join(folder, EXPLANATION_FILE), { force: true });
    else if (there !== null) writeExplanation(folder, without(there, replaced));
    for (const part of replaced)
      for (const name of FILES_OF[part]) rmSync(join(folder, name), { recursive: true, force: true });
  });
  return isSame ? without(there, replaced) : null;
}

/** Writes the list of what there is, last of all. */
export function writeExplanation(folder: string, explanation: Explanation): void {
  writeFileAtomic(join(folder, EXPLANATION_FILE), [
    `${JSON.stringify(explanationSchema.parse(explanation), null, 1)}\n`,
  ]);
}

/** What cannot be read is replaced as a whole. */
function readIfSound(folder: string): Explanation | null {
  try {
    return readExplanation(folder);
  } catch (thrown) {
    if (thrown instanceof UsclError && thrown.code === 'EXPLANATION_DAMAGED') return null;
    throw thrown;
  }
}

function aboutOf({ weights, data, framesPerClip }: About): About {
  return {
    weights: { file: weights.file, sha256: weights.sha256, step: weights.step, epoch: weights.epoch },
    data: data.map(({ name, hash, clips }) => ({ name, hash, clips })),
    framesPerClip,
  };
}

function hasPart(explanation: Explanation, part: Part): boolean {
  return part === 'neighbours' ? explanation.neighbours.length > 0 : explanation[part] !== null;
}

function without(explanation: Explanation, parts: readonly Part[]): Explanation {
  return {
    ...explanation,
    cam: parts.includes('cam') ? null : explanation.cam,
    map: parts.includes('map') ? null : explanation.map,
    neighbours: parts.includes('neighbours') ? [] : explanation.neighbours,
  };
}
