/** The pairs of an audit as a picture: the two frames that look alike, side by side, a pair a cell, for a person to judge. */
import sharp, { type OverlayOptions } from 'sharp';
import { writeFileAtomic } from '../base/files.ts';
import { escapeXml } from '../charts/markup.ts';
import type { AuditedClip, AuditResult, SuspectedPair } from './audit.ts';
import type { Dataset } from '../dataset/reader.ts';

export interface AuditSheetOptions {
  /** Pairs shown at most, leaks first. Default 40. */
  readonly pairs?: number;
  /** Side of a frame's square in pixels. Default 160. */
  readonly tile?: number;
}

const GAP = 10;
const CAPTION = 48;
const HEADER = 30;
const COLUMNS = 4;
/** Average advance of an 11-pixel monospaced letter. */
const LETTER = 6.7;

/** Writes the sheet as PNG. `second` null as in the audit. Errors: `WRITE_FAILED`, `DISK_FULL`, those of `readFrame`. */
export async function auditSheet(
  result: AuditResult,
  first: Dataset,
  second: Dataset | null,
  path: string,
  options: AuditSheetOptions = {},
): Promise<void> {
  const { tile = 160 } = options;
  const pairs = result.pairs.slice(0, options.pairs ?? 40);
  const columns = Math.max(1, Math.min(COLUMNS, pairs.length));
  const cell = { width: 2 * tile + GAP + 2, height: tile + CAPTION };
  const width = GAP + columns * cell.width;
  const height = HEADER + Math.max(1, Math.ceil(pairs.length / columns)) * cell.height + GAP;
  const layers: OverlayOptions[] = [];
  const texts: string[] = [];
  for (const [i, pair] of pairs.entries()) {
    const left = GAP + (i % columns) * cell.width;
    const top = HEADER + Math.floor(i / columns) * cell.height;
    texts.push(captions(pair, left, top, 2 * tile));
    for (const [side, clip] of [pair.a, pair.b].entries()) {
      const { data, info } = await thumbnail(side === 0 ? first : (second ?? first), clip, tile);
      layers.push({
        input: data,
        raw: { width: info.width, height: info.height, channels: 3 },
        left: left + side * (tile + 2) + Math.floor((tile - info.width) / 2),
        top: top + CAPTION - 6 + Math.floor((tile - info.height) / 2),
      });
    }
  }
  const title = `${result.suspected} suspected pairs, ${result.leaks} leaks; ${pairs.length} shown`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="${width}" height="${height}" font-family="DejaVu Sans Mono, monospace">` +
    `<text x="${GAP}" y="20" font-size="13" fill="#ffffff">${title}</text>${texts.join('')}</svg>`;
  const png = await sharp({
    create: { width, height, channels: 3, background: '#1b1d21' },
    limitInputPixels: false,
  })
    .composite([...layers, { input: Buffer.from(svg), left: 0, top: 0 }])
    .png()
    .toBuffer();
  writeFileAtomic(path, [png]);
}

function thumbnail(dataset: Dataset, clip: AuditedClip, tile: number) {
  const record = dataset.clips[clip.index]!;
  const { width, height } = record;
  const raw = { width, height, channels: dataset.manifest.channels };
  return sharp(dataset.readFrame(record, clip.frame), { raw })
    .resize(tile, tile, { fit: 'inside' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
}

function captions(
  { a, b, reasons, distance, mirrored, sameGroup }: SuspectedPair,
  x: number,
  y: number,
  width: number,
): string {
  const why = `${reasons.join(', ')}${distance === null ? '' : `, ${distance} bits`}${mirrored ? ', mirrored' : ''}${sameGroup ? ', one group' : ''}`;
  const line = (text: string, row: number, colour: string): string =>
    `<text x="${x}" y="${y + 11 + 13 * row}" font-size="11" fill="${colour}">${escapeXml(fit(text, width))}</text>`;
  return (
    line(why, 0, sameGroup ? '#a0a4ab' : '#ffb46b') +
    line(`${a.id} (${a.label ?? 'no label'})`, 1, '#e6e6e6') +
    line(`${b.id} (${b.label ?? 'no label'})`, 2, '#e6e6e6')
  );
}

/** The end of a text that is too long: of ids, the end tells them apart. */
function fit(text: string, width: number): string {
  const room = Math.floor(width / LETTER);
  return text.length <= room ? text : `…${text.slice(text.length - room + 1)}`;
}
