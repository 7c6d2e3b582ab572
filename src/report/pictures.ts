/**
 * Pictures that go into the page as data: frames of clips, read from the dataset that was given for it, and pictures
 * that `uscl explain` made. Small, without metadata, the same bytes for the same run.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { dataError, messageOf } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import { type CamEntry, EXPLANATION_FOLDER } from '../evaluation/explanations/explanation.ts';
import type { Subject } from './subject.ts';

export interface Picture {
  /** `data:` address. */
  readonly source: string;
  readonly width: number;
  readonly height: number;
}

export interface Pictures {
  /** Frames of mistaken clips, by clip id. */
  readonly frames: ReadonlyMap<string, Picture>;
  readonly cams: readonly { readonly entry: CamEntry; readonly picture: Picture }[];
}

/** Longest sides in pixels. */
const FRAME_SIDE = 320;
const CAM_SIDE = 900;

/** The frames of these clips. A clip or frame that the dataset has not got is left out. */
export async function framesOf(
  dataset: Dataset,
  shown: readonly { readonly id: string; readonly frame: number }[],
): Promise<ReadonlyMap<string, Picture>> {
  const pictures = new Map<string, Picture>();
  const byId = new Map(dataset.clips.map((clip) => [clip.id, clip]));
  const { channels } = dataset.manifest;
  for (const { id, frame } of shown) {
    const clip = byId.get(id);
    if (clip === undefined || frame >= clip.frames) continue;
    const { width, height } = clip;
    const pixels = sharp(dataset.readFrame(clip, frame), { raw: { width, height, channels } });
    pictures.set(id, await encoded(pixels, FRAME_SIDE, 88));
  }
  return pictures;
}

/** Heat pictures of a run's explanation, at most `most`: classes in turn, one picture a clip. */
export async function camsOf(subject: Subject, most: number): Promise<Pictures['cams']> {
  const entries = subject.explanation?.cam?.entries.filter(({ png }) => png !== null) ?? [];
  const cams: { entry: CamEntry; picture: Picture }[] = [];
  for (const entry of chooseCams(entries, most)) {
    const path = join(subject.folder, EXPLANATION_FOLDER, entry.png!);
    cams.push({ entry, picture: await readPicture(path) });
  }
  return cams;
}

/** The surest of each class in turn, a clip once, so that every class is seen. */
function chooseCams(entries: readonly CamEntry[], most: number): readonly CamEntry[] {
  const classes = [...new Set(entries.map((entry) => entry.class))];
  const queues = classes.map((one) => {
    const clips = new Set<string>();
    return entries
      .filter((entry) => entry.class === one)
      .sort((a, b) => b.probability - a.probability)
      .filter(({ clip }) => !clips.has(clip) && clips.add(clip));
  });
  const longest = Math.max(0, ...queues.map((queue) => queue.length));
  const turns = Array.from({ length: longest }, (_, turn) => queues.flatMap((queue) => queue[turn] ?? []));
  return turns.flat().slice(0, most);
}

async function readPicture(path: string): Promise<Picture> {
  try {
    return await encoded(sharp(path), CAM_SIDE, 86);
  } catch (thrown) {
    throw dataError(
      'EXPLANATION_DAMAGED',
      `A picture of the explanation ${existsSync(path) ? 'cannot be read' : 'is missing'}: ${messageOf(thrown)}.`,
      'Run `uscl explain` again with --overwrite, or say --no-pictures.',
      { where: path, cause: thrown },
    );
  }
}

async function encoded(picture: Sharp, side: number, quality: number): Promise<Picture> {
  const { data, info } = await picture
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return { source: `data:image/jpeg;base64,${data.toString('base64')}`, width, height };
}
