/**
 * Draws docs/augmentations.png: simulated frames with each augmentation, the frame as it is beside four draws.
 * Fields are those that an ingest would find.
 *
 *     npx tsx bench/augmentations.ts docs/augmentations.png
 */
import { writeFileSync } from 'node:fs';
import type { OverlayOptions } from 'sharp';
import { ACCENT, centred, fitted, lines, PALE, sheetOf } from '../src/charts/sheet.ts';
import { AUGMENT_PRESETS } from '../src/views/augment-presets.ts';
import { type AugmentConfig, frameViewSchema } from '../src/views/config.ts';
import { frameRenderer } from '../src/views/frames.ts';
import { type ProbeShape, simulatedFrames } from './simulated-frames.ts';

const FRAME = 256;
const TILE = 96;
const GAP = 4;
const MARGIN = 12;
const LABEL = 16;
const DRAWS = 4;
/** Of draws that show what is possible: their strengths lie far apart. */
const SEED = 15;
/** Grey levels of the picture: enough for the eye, and a third of the bytes. */
const SHADES = 16;

const [path = 'docs/augmentations.png'] = process.argv.slice(2);
const { none, us, uscl } = AUGMENT_PRESETS;
const on = <Operation extends object>(operation: Operation) => ({ ...operation, probability: 1 });

/** What each row shows: its name, what it does, the probe it starts from, what is switched on. */
interface Row {
  readonly name: string;
  readonly says: string;
  readonly shape: ProbeShape;
  readonly augment: Partial<AugmentConfig>;
}
const row = (name: string, says: string, shape: ProbeShape, augment: Partial<AugmentConfig>): Row => {
  return { name, says, shape, augment };
};
const crops = { cropScale: us.cropScale, cropRatio: us.cropRatio };
/** Two columns of rows. */
const COLUMNS: readonly (readonly Row[])[] = [
  [
    row('insideField', 'crops that keep to the field', 'convex', {
      insideField: on(us.insideField),
      ...crops,
    }),
    row('probe', 'linear to convex', 'linear', { probe: on(none.probe) }),
    row('probe', 'another opening of the beams', 'convex', { probe: on(none.probe) }),
    row('depthGain', 'gain along depth', 'linear', { depthGain: on(none.depthGain) }),
    row('speckle', 'noise with grains', 'linear', { speckle: on(none.speckle) }),
    row('gain', 'gain and dynamic range', 'convex', { gain: on(none.gain) }),
    row('gamma', 'another grey map', 'convex', { gamma: on(none.gamma) }),
  ],
  [
    row('clahe', 'local equalisation', 'convex', { clahe: on(none.clahe) }),
    row('fieldEdge', 'the edge moved inwards', 'sector', { fieldEdge: on(none.fieldEdge) }),
    row('blur', 'Gaussian blur', 'linear', { blur: on(none.blur) }),
    row('cutout', 'black squares', 'convex', { cutout: on(none.cutout) }),
    row('preset uscl', 'as published', 'convex', uscl),
    row('preset us', 'for ultrasound', 'convex', us),
    row('preset us', 'for ultrasound', 'linear', us),
  ],
];

const SHAPES: readonly ProbeShape[] = ['convex', 'linear', 'sector'];
const frames = simulatedFrames(SHAPES, FRAME, 1);
const strip = (DRAWS + 1) * (TILE + GAP) + GAP;
const layers: OverlayOptions[] = [];
const captions: string[] = [];
for (const [column, rows] of COLUMNS.entries())
  for (const [place, { name, says, shape, augment }] of rows.entries()) {
    const left = MARGIN + column * (strip + MARGIN);
    const top = MARGIN + place * (LABEL + TILE + MARGIN);
    captions.push(
      lines([{ text: name, bold: true, colour: ACCENT }], left, top - 3, strip, 12),
      lines([{ text: says, colour: PALE }], left + 8 * (name.length + 1), top - 3, strip, 12),
    );
    for (let draw = 0; draw <= DRAWS; draw++) {
      const image = rendered(shape, draw === 0 ? none : { ...none, ...augment }, draw);
      const tile = await fitted(image, { width: TILE, height: TILE, channels: 1 }, TILE);
      layers.push(centred(tile, left + draw * (TILE + GAP) + (draw === 0 ? 0 : GAP), top + LABEL, TILE));
    }
  }
const width = MARGIN + COLUMNS.length * (strip + MARGIN);
const height = MARGIN + Math.max(...COLUMNS.map(({ length }) => length)) * (LABEL + TILE + MARGIN);
const sheet = sheetOf({ width, height }, layers, captions).png({
  palette: true,
  colours: SHADES,
  dither: 0,
  effort: 10,
});
writeFileSync(path, await sheet.toBuffer());

/** A view of the frame as bytes. */
function rendered(shape: ProbeShape, augment: AugmentConfig, draw: number): Uint8Array {
  const view = { ...frameViewSchema.parse({ size: TILE, normalise: { mean: 0, std: 1 } }), augment };
  const image = new Float32Array(TILE * TILE);
  frameRenderer(frames, view)([{ clip: SHAPES.indexOf(shape), frame: 0 }], SEED, draw, image);
  return Uint8Array.from(image, (value) => Math.round(255 * value));
}
