/** One frame beside the same frame under its heat, with what was explained: as a PNG, or as a frame of a video. */
import { HEAT_COLOURS, overlayHeat } from '../../evaluation/heat-colours.ts';
import { type Grid, resizeMap } from '../../evaluation/grad-cam.ts';
import type { PooledClip } from './clip-pool.ts';
import {
  ACCENT,
  fitted,
  framePixels,
  INK,
  layer,
  type Line,
  lines,
  outline,
  PALE,
  type Pixels,
  sheet,
} from './drawing.ts';
import type { FieldRegion } from './field-region.ts';

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
  const plain = await fitted(await framePixels(dataset, frame, size), box);
  const warm = await fitted({ data: overlayHeat(frame, large, full), ...size }, box);
  const right = 2 * GAP + tile.width;
  const drawing = [
    ...(region === null
      ? []
      : [outline(region.outlines, right, GAP, tile.width / size.width, tile.height / size.height)]),
    lines(captions, GAP, 2 * GAP + tile.height - 4, whole.width - 2 * GAP),
    ...barLabels(right + tile.width + GAP + BAR + 4, GAP, tile.height),
  ];
  const bar = colourBar(BAR, tile.height);
  return sheet(
    whole,
    [layer(plain, GAP, GAP), layer(warm, right, GAP), layer(bar, right + tile.width + GAP, GAP)],
    drawing.join(''),
  );
}

function colourBar(width: number, height: number): Pixels {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const share = height === 1 ? 1 : 1 - y / (height - 1);
    const at = 3 * Math.round(255 * share);
    const colour = HEAT_COLOURS.subarray(at, at + 3);
    for (let x = 0; x < width; x++) data.set(colour, 3 * (y * width + x));
  }
  return { data, width, height };
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
