/**
 * A contact sheet: one PNG to look a dataset over by eye. Each cell is a clip (frames spread over its length) under
 * its label and id; clips stand in the order of classes and groups, so that a stray one shows. Where a clip was cut to
 * its ultrasound field, the outline is drawn over its first frame, with where it lay in the original and how sure the
 * finder was. Only stored pixels are shown.
 */
import type { OverlayOptions } from 'sharp';
import { escapeXml } from '../charts/markup.ts';
import {
  centred,
  type Corner,
  dashed,
  endOf,
  fitted,
  GOOD,
  INK,
  PALE,
  pointsOf,
  sheetOf,
  writePng,
} from '../charts/sheet.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord, Field } from '../dataset/types.ts';
import type { Size } from '../video/geometry.ts';
import { compareNatural, spread } from './common/paths.ts';

/** Clips shown at most; of more, an even share of every class is sampled, spread over its groups. */
const MOST = 60;
/** Frames shown of a clip; a shorter clip shows what it has. */
const FRAMES = 3;
/** Side of a frame's square in pixels; frames are fitted in. */
const TILE = 128;
const CAPTION = 22;
const GAP = 6;
const HEADER = 30;
const COLOURS = ['#7fd1ff', '#ffb46b', '#9be28a', '#ff8fa3', '#d5a6ff', '#ffe27a'];
/** Longer side of the drawing of where the field lay in the original. */
const SCHEMATIC = 20;
/** Confidence below which a person should look at a found field. */
export const LOOK_AT = 0.8;
/** Average advance of a 13-pixel monospaced letter. */
const LETTER = 7.9;

/** Writes the sheet to `path` and returns its size. Errors: `DISK_FULL`, `WRITE_FAILED`, those of `readFrame`. */
export async function contactSheet(
  dataset: Dataset,
  path: string,
): Promise<{ readonly width: number; readonly height: number; readonly clips: number }> {
  const clips = sampleClips(dataset.clips, dataset.manifest.classes);
  const cell = { width: FRAMES * (TILE + 2) + GAP, height: TILE + CAPTION + GAP };
  const square = Math.round(Math.sqrt((clips.length * cell.height) / cell.width));
  const columns = Math.min(Math.max(1, square), clips.length);
  const width = columns * cell.width + GAP;
  const height = HEADER + Math.ceil(clips.length / columns) * cell.height + GAP;
  const layers: OverlayOptions[] = [];
  const captions: string[] = [];
  // Down the columns, so that neighbours in order stay neighbours in the picture.
  const rows = Math.ceil(clips.length / columns);
  for (const [index, clip] of clips.entries()) {
    const left = GAP + Math.floor(index / rows) * cell.width;
    const top = HEADER + (index % rows) * cell.height;
    captions.push(caption(clip, dataset.manifest.classes, left, top + 15, cell.width - GAP));
    const raw = { width: clip.width, height: clip.height, channels: dataset.manifest.channels };
    for (const [position, frame] of spread(clip.frames, FRAMES).entries()) {
      const picture = await fitted(dataset.readFrame(clip, frame), raw, TILE);
      const placed = centred(picture, left + position * (TILE + 2), top + CAPTION, TILE);
      if (position === 0 && clip.field !== null)
        captions.push(outlineOver(clip, clip.field, placed, picture.raw));
      layers.push(placed);
    }
  }
  const shown =
    clips.length < dataset.clips.length
      ? `${clips.length} of ${dataset.clips.length} clips shown`
      : `${clips.length} clips`;
  const title = `${dataset.manifest.name}: ${shown}, ${dataset.manifest.frames} frames. Research use only, not a medical device.`;
  const heading = `<text x="${GAP}" y="20" font-size="14" fill="#ffffff">${escapeXml(endOf(title, width - 2 * GAP, 8.5))}</text>`;
  await writePng(path, sheetOf({ width, height }, layers, [heading, ...captions]));
  return { width, height, clips: clips.length };
}

/** Clips by class, then group; of more than `MOST`, every class keeps its share (at least one) spread over its groups. */
function sampleClips(clips: readonly ClipRecord[], classes: readonly string[]): readonly ClipRecord[] {
  const order = (clip: ClipRecord): number =>
    clip.label === null ? classes.length : classes.indexOf(clip.label);
  const sorted = [...clips].sort(
    (a, b) => order(a) - order(b) || compareNatural(a.group, b.group) || compareNatural(a.id, b.id),
  );
  if (sorted.length <= MOST) return sorted;
  const labels = [...new Set(sorted.map((clip) => clip.label))];
  return labels.flatMap((label) => {
    const members = sorted.filter((clip) => clip.label === label);
    const share = Math.max(1, Math.round((MOST * members.length) / sorted.length));
    return spread(members.length, share).map((index) => members[index]!);
  });
}

function caption(clip: ClipRecord, classes: readonly string[], x: number, y: number, width: number): string {
  const label = clip.label ?? 'unlabelled';
  const colour = clip.label === null ? PALE : COLOURS[classes.indexOf(clip.label) % COLOURS.length];
  const size = `${clip.frames}f`;
  const { field } = clip;
  const sure = field === null ? '' : field.from === 'found' ? field.confidence.toFixed(2) : field.from;
  const drawing = field === null ? 0 : SCHEMATIC + 4;
  const room = width - drawing - (label.length + size.length + sure.length + 3) * LETTER;
  const id = endOf(clip.id, room, LETTER);
  return (
    `<text x="${x}" y="${y}" font-size="13"><tspan font-weight="bold" fill="${colour}">${escapeXml(label)}</tspan>` +
    `<tspan fill="${INK}"> ${escapeXml(id)}</tspan><tspan fill="${PALE}"> ${size}</tspan>` +
    (field === null
      ? '</text>'
      : `<tspan fill="${shadeOf(field)}"> ${sure}</tspan></text>${schematic(clip, field, x + width - SCHEMATIC, y - 13)}`)
  );
}

/** Green where the finder is sure or nobody guessed, orange where a person should look. */
export function shadeOf(field: Field): string {
  return field.confidence >= LOOK_AT ? GOOD : '#ffa040';
}

/** The original picture as a small frame with the field in it. */
function schematic({ original }: ClipRecord, field: Field, x: number, y: number): string {
  const scale = SCHEMATIC / Math.max(original.width, original.height);
  const shapes = field.outlines.map((outline) => pointsOf(outline, { left: x, top: y }, scale, scale));
  return (
    `<rect x="${x}" y="${y}" width="${original.width * scale}" height="${original.height * scale}" fill="#000000" stroke="#6b7078" stroke-width="0.7"/>` +
    shapes.map((points) => `<polygon points="${points}" fill="${shadeOf(field)}"/>`).join('')
  );
}

/** The field's outline on a thumbnail that is [width, height] in the sheet. */
function outlineOver(clip: ClipRecord, field: Field, corner: Corner, size: Size): string {
  const kept = clip.crop ?? { x: 0, y: 0, ...clip.original };
  const [across, down] = [size.width / kept.width, size.height / kept.height];
  return field.outlines
    .map((outline) => dashed(pointsOf(outline, corner, across, down, kept), shadeOf(field)))
    .join('');
}
