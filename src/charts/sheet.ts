/**
 * Sheets of pictures for a person to look at: frames fitted into tiles on a dark ground, with captions and outlines drawn
 * over them. What stands where is each sheet's own.
 */
import sharp, { type KernelEnum, type OverlayOptions, type Sharp } from 'sharp';
import { writeFileAtomic } from '../base/files.ts';
import { escapeXml } from './markup.ts';

export const INK = '#e6e6e6';
export const PALE = '#a0a4ab';
export const ACCENT = '#ffb46b';
export const GOOD = '#7be08a';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Pixels that a sheet takes once it knows where; in colour. */
export interface Tile {
  readonly input: Uint8Array;
  readonly raw: Size & { readonly channels: 3 };
}

/** A frame [height, width, channels] u8 fitted into a square, in colour. Small ones are enlarged. */
export async function fitted(
  frame: Uint8Array,
  { width, height, channels }: Size & { readonly channels: 1 | 3 },
  side: number,
  kernel?: keyof KernelEnum,
): Promise<Tile> {
  const { data, info } = await sharp(frame, { raw: { width, height, channels }, limitInputPixels: false })
    .resize(side, side, { fit: 'inside', ...(kernel === undefined ? {} : { kernel }) })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { input: data, raw: { width: info.width, height: info.height, channels: 3 } };
}

/** The tile in the middle of a square whose corner this is. */
export function centred(tile: Tile, left: number, top: number, side: number): OverlayOptions & Corner {
  const before = (length: number): number => Math.floor((side - length) / 2);
  return layer(tile, left + before(tile.raw.width), top + before(tile.raw.height));
}

/** The tile with its corner there. */
export function layer({ input, raw }: Tile, left: number, top: number): OverlayOptions & Corner {
  return { input: Buffer.from(input), raw, left, top };
}

/** Tiles and the drawings over them (elements of SVG), as one picture. */
export function sheetOf(
  { width, height }: Size,
  layers: readonly OverlayOptions[],
  drawings: readonly string[],
): Sharp {
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="${width}" height="${height}" font-family="DejaVu Sans Mono, monospace">` +
    `${drawings.join('')}</svg>`;
  const ground = { width, height, channels: 3, background: '#1b1d21' } as const;
  return sharp({ create: ground, limitInputPixels: false })
    .composite([...layers, { input: Buffer.from(svg), left: 0, top: 0 }])
    .removeAlpha();
}

/** Writes a sheet as PNG, whole or not at all. Errors: `WRITE_FAILED`, `DISK_FULL`. */
export async function writePng(path: string, sheet: Sharp): Promise<void> {
  writeFileAtomic(path, [await sheet.png({ compressionLevel: 9 }).toBuffer()]);
}

export interface Line {
  readonly text: string;
  readonly colour?: string;
  readonly bold?: boolean;
}

/** Average advance of a letter of DejaVu Sans Mono, as a share of its size. */
const ADVANCE = 0.61;

/** Lines of text below `y`, cut off at `width`. */
export function lines(texts: readonly Line[], x: number, y: number, width: number, size = 12): string {
  return texts
    .map(({ text, colour = INK, bold = false }, i) => {
      const shown = endOf(text, width, size * ADVANCE);
      return `<text x="${x}" y="${y + (i + 1) * (size + 3) - 3}" font-size="${size}" fill="${colour}"${bold ? ' font-weight="bold"' : ''}>${escapeXml(shown)}</text>`;
    })
    .join('');
}

/** The end of a text that is too long: of ids, the end tells them apart. */
export function endOf(text: string, width: number, letter: number): string {
  const room = Math.max(4, Math.floor(width / letter));
  return text.length <= room ? text : `…${text.slice(text.length - room + 1)}`;
}

export interface Corner {
  readonly left: number;
  readonly top: number;
}

/** Points of an outline in pixels of a picture, for a polygon on the picture drawn at `corner` in another size. */
export function pointsOf(
  outline: readonly (readonly [x: number, y: number])[],
  { left, top }: Corner,
  scaleX: number,
  scaleY: number,
  origin: { readonly x: number; readonly y: number } = { x: 0, y: 0 },
): string {
  const place = ([x, y]: readonly [number, number]): string =>
    `${(left + (x - origin.x) * scaleX).toFixed(1)},${(top + (y - origin.y) * scaleY).toFixed(1)}`;
  return outline.map(place).join(' ');
}

/** A dashed polygon. */
export function dashed(points: string, colour: string): string {
  return `<polygon points="${points}" fill="none" stroke="${colour}" stroke-width="1" stroke-dasharray="4 3"/>`;
}
