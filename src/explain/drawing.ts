/** Pictures in rows under captions: what the sheets of explanations have in common. */
import sharp, { type OverlayOptions } from 'sharp';
import type { Dataset } from '../dataset/reader.ts';
import type { Field } from '../dataset/types.ts';
import { escapeXml } from '../charts/markup.ts';

export const PAPER = '#1b1d21';
export const INK = '#e6e6e6';
export const PALE = '#a0a4ab';
export const ACCENT = '#ffb46b';

/** Pixels [height, width, 3]. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A stored frame as RGB. */
export async function framePixels(
  dataset: Dataset,
  frame: Uint8Array,
  size: { readonly width: number; readonly height: number },
): Promise<Pixels> {
  const { width, height } = size;
  if (dataset.manifest.channels === 3) return { data: frame, width, height };
  const { data } = await sharp(frame, { raw: { width, height, channels: 1 } })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width, height };
}

/** Fitted into a square (or a box); small pictures are enlarged. */
export async function fitted({ data, width, height }: Pixels, box: number): Promise<Pixels> {
  const result = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(box, box, { fit: 'inside', kernel: 'cubic' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: result.data, width: result.info.width, height: result.info.height };
}

export function layer({ data, width, height }: Pixels, left: number, top: number): OverlayOptions {
  return { input: Buffer.from(data), raw: { width, height, channels: 3 }, left, top };
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
      const room = Math.max(4, Math.floor(width / (size * ADVANCE)));
      const shown = text.length <= room ? text : `…${text.slice(text.length - room + 1)}`;
      return `<text x="${x}" y="${y + (i + 1) * (size + 3) - 3}" font-size="${size}" fill="${colour}"${bold ? ' font-weight="bold"' : ''}>${escapeXml(shown)}</text>`;
    })
    .join('');
}

/** Dashed outlines, given in pixels of a picture that is drawn with its corner at `left`, `top`. */
export function outline(
  outlines: Field['outlines'],
  left: number,
  top: number,
  scaleX: number,
  scaleY: number,
): string {
  return outlines
    .map((points) => {
      const drawn = points.map(
        ([x, y]) => `${(left + x * scaleX).toFixed(1)},${(top + y * scaleY).toFixed(1)}`,
      );
      return `<polygon points="${drawn.join(' ')}" fill="none" stroke="#7be08a" stroke-width="1" stroke-dasharray="4 3"/>`;
    })
    .join('');
}

/** The pictures and the drawing over them, as one sheet. */
export function sheet(
  size: { readonly width: number; readonly height: number },
  layers: readonly OverlayOptions[],
  drawing: string,
) {
  const { width, height } = size;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="${width}" height="${height}" font-family="DejaVu Sans Mono, monospace">` +
    `${drawing}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: PAPER }, limitInputPixels: false })
    .composite([...layers, { input: Buffer.from(svg), left: 0, top: 0 }])
    .removeAlpha();
}

/** A file name that every system takes, with the end of the id, which tells clips apart. */
export function fileName(index: number, id: string, ending: string): string {
  const safe = id
    .replaceAll(/\.[A-Za-z0-9]{1,5}$/g, '')
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${String(index + 1).padStart(4, '0')}-${safe.slice(-60) || 'clip'}${ending}`;
}
