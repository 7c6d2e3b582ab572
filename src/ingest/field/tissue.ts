/**
 * Which cells show ultrasound: those that differ from the flat background of the screen, and of these the part that
 * is large and solid; letters, rulers and marks are thin or apart.
 */
import type { Cells, Part } from './cells.ts';
import { close, fillHoles, open, partsOf, select } from './cells.ts';
import type { Features } from './features.ts';

/** Texture and motion, in grey levels, below which a cell is flat. */
const FLAT_TEXTURE = 0.6;
const FLAT_MOTION = 0.4;
/** Share of the picture that a shade must fill with flat cells to be the background. */
const MIN_BACKGROUND = 0.004;

export interface Tissue {
  /** Luminance of the flat background; null where the picture has none. */
  readonly background: number | null;
  /** All cells that differ from the background. */
  readonly lit: Cells;
  /** The solid part of them, holes filled. Empty where nothing is lit. */
  readonly tissue: Cells;
}

export function findTissue(features: Features): Tissue {
  const { columns, rows } = features;
  const background = backgroundOf(features);
  const lit: Cells = { columns, rows, data: litCells(features, background) };
  const radius = Math.max(1, Math.round(Math.max(columns, rows) / 100));
  const solid = open(close(lit, 1), radius);
  const { parts, labels } = partsOf(solid);
  const largest = parts[0];
  if (largest === undefined) return { background, lit, tissue: solid };
  const wanted = new Set(parts.filter((part) => belongs(part, largest)).map(({ label }) => label));
  return { background, lit, tissue: fillHoles(select(solid, labels, wanted)) };
}

/**
 * Whether a part belongs to the same field as the largest one: a dark band (a cyst, a shadow, fluid) parts the field
 * across the beams, so the pieces lie one above the other and are about as wide; menus lie beside, bars are thin.
 */
function belongs(part: Part, largest: Part): boolean {
  if (part === largest) return true;
  const width = part.right - part.left + 1;
  const height = part.bottom - part.top + 1;
  const common = Math.min(part.right, largest.right) - Math.max(part.left, largest.left) + 1;
  const solidity = part.area / (width * height);
  return (
    part.area >= 0.04 * largest.area &&
    common >= 0.9 * width &&
    common >= 0.3 * (largest.right - largest.left + 1) &&
    height >= width / 8 &&
    solidity >= 0.4
  );
}

/** The most frequent luminance of flat cells. */
function backgroundOf(features: Features): number | null {
  const histogram = new Float64Array(258);
  const { mean, texture, motion } = features;
  for (let i = 0; i < mean.length; i++) {
    if (texture[i]! < FLAT_TEXTURE && motion[i]! < FLAT_MOTION) histogram[Math.round(mean[i]!) + 1]!++;
  }
  let best = -1;
  let most = 0;
  for (let level = 0; level < 256; level++) {
    const count = histogram[level]! + histogram[level + 1]! + histogram[level + 2]!;
    if (count > most) [best, most] = [level, count];
  }
  return most >= MIN_BACKGROUND * mean.length ? best : null;
}

function litCells({ mean, texture, motion }: Features, background: number | null): Uint8Array {
  const lit = new Uint8Array(mean.length);
  for (let i = 0; i < lit.length; i++) {
    // Bars, buttons and shaded panels of a screen are smooth and still to the last grey level; tissue never is.
    const alive = texture[i]! + motion[i]! > 0.25;
    const apart = background === null || Math.abs(mean[i]! - background) > 2.5;
    if ((apart && alive) || texture[i]! > 1.2 || motion[i]! > 0.8) lit[i] = 1;
  }
  return lit;
}
