/**
 * What a dataset cannot show by itself: the outlines of its fields on the whole original pictures, for the person who
 * checks them. Reads the source again and holds everything that was cut away, names of patients too: it is written
 * only where somebody asks for it, and never into the dataset.
 */
import type { OverlayOptions } from 'sharp';
import { dataError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';
import { escapeXml } from '../charts/markup.ts';
import { type Corner, fitted, layer, pointsOf, sheetOf, writePng } from '../charts/sheet.ts';
import { shadeOf } from './contact-sheet.ts';
import { discover } from './folders/discover.ts';
import { openSource } from './open.ts';
import { findVideoTools } from '../video/ffmpeg.ts';

/** Clips shown at most, those of least confidence first. */
const MOST = 60;
const TILE = 240;
const CAPTION = 16;
const GAP = 6;

/** Size of the picture, and what is on it. */
export interface OutlineSheet {
  readonly width: number;
  readonly height: number;
  /** Clips shown. */
  readonly clips: number;
  /** Ids of clips whose source is not there under the name they have, as of DICOM files, which get pseudonyms. */
  readonly missing: readonly string[];
}

/**
 * Draws the first frame of each clip's original, found in the folder `source` that the dataset was made from, with
 * the outline that was kept. Errors: `SOURCE_MISMATCH` where not one clip is found; those of reading and writing.
 */
export async function outlineSheet(
  dataset: Dataset,
  source: string,
  path: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<OutlineSheet> {
  const { items } = await discover(source, { layout: 'auto', signal });
  const byPath = new Map(items.map((item) => [item.path, item]));
  const missing = dataset.clips.filter((clip) => !byPath.has(clip.source)).map(({ id }) => id);
  const clips = dataset.clips
    .filter((clip) => byPath.has(clip.source))
    .sort((a, b) => (a.field?.confidence ?? 0) - (b.field?.confidence ?? 0))
    .slice(0, MOST);
  if (clips.length === 0) {
    throw dataError(
      'SOURCE_MISMATCH',
      'Not one clip of the dataset has its source in that folder under its name.',
      'Give the folder the dataset was made from; clips of DICOM files, and all clips of an ingest with a key file, carry pseudonyms and cannot be found.',
      { where: source },
    );
  }
  const tools = clips.some((clip) => byPath.get(clip.source)?.kind === 'video')
    ? await findVideoTools()
    : null;
  const columns = Math.max(1, Math.round(Math.sqrt(clips.length * 1.2)));
  const width = columns * (TILE + GAP) + GAP;
  const height = Math.ceil(clips.length / columns) * (TILE + CAPTION + GAP) + GAP;
  const layers: OverlayOptions[] = [];
  const drawings: string[] = [];
  for (const [index, clip] of clips.entries()) {
    signal?.throwIfAborted();
    const item = byPath.get(clip.source);
    if (item === undefined) continue;
    const left = GAP + (index % columns) * (TILE + GAP);
    const top = GAP + CAPTION + Math.floor(index / columns) * (TILE + CAPTION + GAP);
    const opened = await openSource(
      { item, label: null, group: '', flags: [] },
      { root: source, tools, key: null, signal },
    );
    const frame = await firstFrame(opened.frames({ channels: 3, fps: 1, signal }));
    if (frame === null) continue;
    const raw = { width: opened.width, height: opened.height, channels: 3 as const };
    const picture = await fitted(frame, raw, TILE);
    layers.push(layer(picture, left, top));
    const [across, down] = [picture.raw.width / raw.width, picture.raw.height / raw.height];
    drawings.push(drawingOf(clip, { left, top }, across, down));
  }
  await writePng(path, sheetOf({ width, height }, layers, drawings));
  return { width, height, clips: clips.length, missing };
}

function drawingOf(clip: ClipRecord, corner: Corner, across: number, down: number): string {
  const { field } = clip;
  const sure = field === null ? 'no field' : `${field.shape} ${field.confidence.toFixed(2)} ${field.from}`;
  const caption = `${clip.id.slice(-Math.max(4, 32 - sure.length))} ${sure}`;
  const colour = field === null ? '#ff6b6b' : shadeOf(field);
  const outlines = (field?.outlines ?? []).map((outline) => {
    const points = pointsOf(outline, corner, across, down);
    return `<polygon points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  });
  return `<text x="${corner.left}" y="${corner.top - 4}" font-size="11" fill="${colour}">${escapeXml(caption)}</text>${outlines.join('')}`;
}

async function firstFrame(
  frames: AsyncGenerator<Uint8Array, string | undefined, undefined>,
): Promise<Uint8Array | null> {
  try {
    const next = await frames.next();
    return next.done === true ? null : next.value;
  } finally {
    await frames.return(undefined);
  }
}
