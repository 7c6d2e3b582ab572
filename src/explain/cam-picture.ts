/**
 * One frame beside the same frame under its heat, with what was explained: as a PNG, or all frames of a clip as a video.
 * And where in a stored frame there is ultrasound: the dataset's field, brought from the original picture to the stored
 * one; or, for a clip that was stored whole, the field that can be found now. Whole pictures are where it matters most:
 * there text and rulers are left for a network to look at.
 */
import { HEAT_COLOURS, overlayHeat } from '../evaluation/explanations/heat-colours.ts';
import { type CamPlan, type Grid, insideShare, resizeMap } from '../evaluation/explanations/grad-cam.ts';
import {
  ACCENT,
  dashed,
  fitted,
  GOOD,
  INK,
  layer,
  type Line,
  lines,
  PALE,
  pointsOf,
  sheetOf,
  type Tile,
} from '../charts/sheet.ts';
import type { Field } from '../dataset/types.ts';
import { uniformFrames } from '../evaluation/features/uniform-frames.ts';
import { LOOK_AT } from '../ingest/contact-sheet.ts';
import { findField } from '../ingest/field/find.ts';
import { rasterize } from '../ingest/field/raster.ts';
import { join } from 'node:path';
import type { CamVideo } from '../evaluation/explanations/explanation.ts';
import { imageLength } from '../views/config.ts';
import { fillWholeView } from '../views/whole.ts';
import { fileName, type PooledClip, referenceTo } from './clip-pool.ts';
import { encodeVideo, type VideoFormat } from '../video/encode.ts';
import type { Work } from './options.ts';
import type { Subject } from './opened-data.ts';

export interface CamPicture {
  readonly clip: PooledClip;
  readonly frame: Uint8Array;
  /** Heat [cells.height, cells.width] and what counts as hottest. */
  readonly heat: Float32Array;
  readonly cells: Grid;
  readonly full: number;
  readonly region: FieldRegion | null;
  /** Lines under the pictures. */
  readonly captions: readonly Line[];
}

/** Folder of the pictures. */
export const CAM_FOLDER = 'cam';

const GAP = 8;
const BAR = 14;
const LINE = 15;

/** Size of a picture for frames of this size. Even sides, as video encoders want them. */
export function camPictureSize(
  { width, height }: { readonly width: number; readonly height: number },
  box: number,
  captions: number,
): { readonly width: number; readonly height: number; readonly tile: Grid } {
  const scale = box / Math.max(width, height);
  const tile = {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
  const even = (value: number): number => value + (value % 2);
  return {
    width: even(3 * GAP + 2 * tile.width + BAR + 52),
    height: even(3 * GAP + tile.height + captions * LINE),
    tile,
  };
}

/** Draws one picture; what `sharp` gives is a PNG or raw pixels as the caller likes. */
export async function drawCam(picture: CamPicture, box = 320) {
  const { clip, frame, heat, cells, full, region, captions } = picture;
  const { record, dataset } = clip;
  const size = { width: record.width, height: record.height };
  const { tile, ...whole } = camPictureSize(size, box, captions.length);
  const large = resizeMap(heat, cells, size);
  const { channels } = dataset.manifest;
  const plain = await fitted(frame, { ...size, channels }, box, 'cubic');
  const warm = await fitted(overlayHeat(frame, large, full), { ...size, channels: 3 }, box, 'cubic');
  const right = 2 * GAP + tile.width;
  const drawing = [
    ...(region?.outlines ?? []).map((outline) =>
      dashed(
        pointsOf(outline, { left: right, top: GAP }, tile.width / size.width, tile.height / size.height),
        GOOD,
      ),
    ),
    lines(captions, GAP, 2 * GAP + tile.height - 4, whole.width - 2 * GAP),
    ...barLabels(right + tile.width + GAP + BAR + 4, GAP, tile.height),
  ];
  const bar = colourBar(BAR, tile.height);
  return sheetOf(
    whole,
    [layer(plain, GAP, GAP), layer(warm, right, GAP), layer(bar, right + tile.width + GAP, GAP)],
    drawing,
  );
}

function colourBar(width: number, height: number): Tile {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const share = height === 1 ? 1 : 1 - y / (height - 1);
    const at = 3 * Math.round(255 * share);
    const colour = HEAT_COLOURS.subarray(at, at + 3);
    for (let x = 0; x < width; x++) data.set(colour, 3 * (y * width + x));
  }
  return { input: data, raw: { width, height, channels: 3 } };
}

function barLabels(x: number, top: number, height: number): string[] {
  const label = (text: string, y: number, colour: string): string =>
    `<text x="${x}" y="${y}" font-size="11" fill="${colour}">${text}</text>`;
  return [label('most', top + 10, INK), label('none', top + height - 1, PALE)];
}

/** What a picture says of one frame. */
export function camCaptions(
  { record }: PooledClip,
  facts: {
    readonly class: string;
    readonly probability: number;
    readonly insideShare: number | null;
    readonly frame: string;
  },
): Line[] {
  const label = record.label ?? 'no label';
  const inside =
    facts.insideShare === null
      ? 'field not known, or no heat'
      : `${(100 * facts.insideShare).toFixed(0)} % of the heat inside the field`;
  return [
    {
      text: `what speaks for ${facts.class}, given ${(100 * facts.probability).toFixed(0)} %`,
      bold: true,
      colour: ACCENT,
    },
    { text: `labelled ${label} · ${facts.frame} · ${inside}` },
    { text: record.id, colour: PALE },
    { text: 'Research use only, not a medical device.', colour: PALE },
  ];
}

export interface FieldRegion {
  /** [height, width] of the stored frame, 1 inside. */
  readonly inside: Uint8Array;
  /** In pixels of the stored frame. */
  readonly outlines: Field['outlines'];
  /** Whether it was looked for now. */
  readonly foundNow: boolean;
}

/** Frames in which a field is looked for. */
const LOOKED_AT = 12;

/** Null where no field is known and none can be found with confidence. */
export function fieldRegion({ dataset, record }: PooledClip): FieldRegion | null {
  const { width, height, field } = record;
  if (field !== null) {
    const kept = record.crop ?? { x: 0, y: 0, ...record.original };
    const [scaleX, scaleY] = [width / kept.width, height / kept.height];
    const outlines = field.outlines.map((outline) =>
      outline.map(([x, y]): [number, number] => [(x - kept.x) * scaleX, (y - kept.y) * scaleY]),
    );
    return { outlines, inside: rasterize(outlines, { width, height }), foundNow: false };
  }
  const frames = uniformFrames(record.frames, LOOKED_AT).map((frame) => dataset.readFrame(record, frame));
  const found = findField(frames, { width, height }, dataset.manifest.channels);
  if (found === null || found.confidence < LOOK_AT) return null;
  const inside = rasterize(found.outlines, { width, height });
  // A guess that leaves nothing out tells nothing.
  return inside.includes(0) ? { outlines: found.outlines, inside, foundNow: true } : null;
}

const BOX = 320;
const CAPTIONS = 4;
/** Shown so many a second where the clip does not tell. */
const DEFAULT_FPS = 5;

interface Explained {
  readonly heat: Float32Array;
  readonly probability: number;
}

/** Writes the video of class `index` in `classes`. Errors: those of `encodeVideo`, the network and `readFrame`. */
export async function camVideo(
  clip: PooledClip,
  number: number,
  chosen: number,
  region: FieldRegion | null,
  { subject, folder, options }: Work,
  plan: CamPlan,
  format: VideoFormat,
): Promise<CamVideo> {
  const name = subject.classes?.[chosen] ?? '';
  const { signal } = options;
  const { record, dataset } = clip;
  const file = `${CAM_FOLDER}/${fileName(number, record.id, `.${format}`)}`;
  const explained = explainFrames(clip, chosen, plan, subject.view, signal);
  const full = Math.max(...explained.map(({ heat }) => Math.max(...heat)));
  const size = { width: record.width, height: record.height };
  const fps = record.fps ?? DEFAULT_FPS;
  async function* frames(): AsyncGenerator<Uint8Array> {
    for (const [frame, { heat, probability }] of explained.entries()) {
      const share =
        region === null ? null : insideShare(resizeMap(heat, plan.cells, size), region.inside).heat;
      const drawn = await drawCam(
        {
          ...{ clip, region, heat, full, cells: plan.cells, frame: dataset.readFrame(record, frame) },
          captions: camCaptions(clip, {
            class: name,
            probability,
            insideShare: share,
            frame: `frame ${frame + 1} of ${record.frames}`,
          }),
        },
        BOX,
      );
      yield await drawn.raw().toBuffer();
    }
  }
  const { width, height } = camPictureSize(size, BOX, CAPTIONS);
  await encodeVideo(join(folder, file), { format, width, height, fps, signal }, frames());
  return { ...referenceTo(clip), class: name, frames: record.frames, fps, file };
}

/** Maps are a few cells a side, so those of a whole clip are held at once. */
function explainFrames(
  { record, dataset }: PooledClip,
  chosen: number,
  plan: CamPlan,
  view: Subject['view'],
  signal: AbortSignal | undefined,
): Explained[] {
  const explained: Explained[] = [];
  for (let from = 0; from < record.frames; from += plan.batch) {
    signal?.throwIfAborted();
    const count = Math.min(plan.batch, record.frames - from);
    for (let i = 0; i < count; i++)
      fillWholeView(dataset.readFrame(record, from + i), record, view, plan.input, i * imageLength(view));
    const images = plan.explain(count, (probabilities) => probabilities.map(() => chosen));
    for (const { heat, probabilities } of images)
      explained.push({ heat, probability: probabilities[chosen]! });
  }
  return explained;
}
