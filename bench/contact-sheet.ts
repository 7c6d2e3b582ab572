/**
 * Makes the contact sheet of the documentation from simulated clips on made-up screens of machines: DICOM files with and
 * without declared regions, and pictures. Nobody's data: names and echoes are invented.
 *
 *     npx tsx bench/contact-sheet.ts FOLDER
 *     npx uscl ingest FOLDER --out DATASET && npx uscl inspect DATASET --sheet docs/contact-sheet.png
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { drawClip } from '../src/phantom/findings.ts';
import { drawPatient } from '../src/phantom/nuisance.ts';
import { PHANTOM_CLASSES } from '../src/phantom/parameters.ts';
import { simulateClip } from '../src/phantom/simulate.ts';
import { writeUltrasound } from '../test/dicom-writer.ts';

const SIZE = { width: 480, height: 360 };
const FAN = { x: 110, y: 30, side: 300 };
const FRAMES = 8;

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: npx tsx bench/contact-sheet.ts FOLDER');
for (const [index, syntax] of (
  ['explicit', 'rle', 'deflated', 'implicit', 'pictures', 'pictures'] as const
).entries()) {
  const label = PHANTOM_CLASSES[index % PHANTOM_CLASSES.length]!;
  const frames = await screens(index, label);
  if (syntax === 'pictures') {
    const clip = join(folder, `clip-${index}`);
    mkdirSync(clip, { recursive: true });
    const raw = { ...SIZE, channels: 1 as const };
    for (const [f, frame] of frames.entries()) {
      await sharp(frame, { raw })
        .png()
        .toFile(join(clip, `frame-${f}.png`));
    }
    continue;
  }
  mkdirSync(folder, { recursive: true });
  const { x, y, side } = FAN;
  const region = { x0: x, y0: y, x1: x + side - 1, y1: y + side - 1 };
  const bytes = writeUltrasound({
    rows: SIZE.height,
    columns: SIZE.width,
    frames,
    syntax,
    frameTime: 100,
    patient: `INVENTED-${index}`,
    uid: `2.25.${900 + index}`,
    ...(index % 2 === 0 ? { regions: [region] } : {}),
  });
  writeFileSync(join(folder, `IM${index}`), bytes);
}

/** Frames of a simulated clip on a screen with an invented name, a ruler, a grey bar and settings. */
async function screens(index: number, label: (typeof PHANTOM_CLASSES)[number]): Promise<Uint8Array[]> {
  const { width, height } = SIZE;
  const patient = drawPatient(11, index);
  const clip = simulateClip(
    drawClip({ seed: 11, id: `sheet-${index}`, patient, label, frames: FRAMES, size: FAN.side }),
  );
  const ticks = Array.from(
    { length: 11 },
    (_, i) => `<rect x="${width - 20}" y="${FAN.y + 28 * i}" width="${i % 5 === 0 ? 10 : 6}" height="1.5"/>`,
  );
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" fill="#dddddd" font-family="DejaVu Sans" font-size="11">` +
    `<text x="8" y="16">INVENTED^NAME ${index}</text><text x="${width - 130}" y="16">2000-01-01 12:0${index}</text>` +
    `<text x="8" y="60">Gen</text><text x="8" y="76">Depth 12</text><text x="8" y="92">Gain 50</text>` +
    `<text x="8" y="${height - 10}">MI 0.9 TIs 0.2</text>` +
    `<defs><linearGradient id="g" x1="0" y1="1" x2="0" y2="0"><stop offset="0" stop-color="#000"/><stop offset="1" stop-color="#fff"/></linearGradient></defs>` +
    `<rect x="10" y="120" width="9" height="110" fill="url(#g)"/>${ticks.join('')}</svg>`;
  return Promise.all(
    clip.map((picture) =>
      sharp({ create: { width, height, channels: 3, background: '#000000' } })
        .composite([
          {
            input: Buffer.from(picture),
            raw: { width: FAN.side, height: FAN.side, channels: 1 },
            left: FAN.x,
            top: FAN.y,
          },
          { input: Buffer.from(svg), left: 0, top: 0 },
        ])
        .toColourspace('b-w')
        .removeAlpha()
        .raw()
        .toBuffer()
        .then((bytes) => new Uint8Array(bytes)),
    ),
  );
}
