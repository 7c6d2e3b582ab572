/**
 * Which cells show ultrasound: those that differ from the flat background of the screen, and of these the part that
 * is large and solid; letters, rulers and marks are thin or apart.
 */
import { type Cells, close, fillHoles, open, type Part, partsOf, select } from './morphology.ts';
import type { Features } from './features.ts';

/** Texture and motion, in grey levels, below which a cell is flat. */
const FLAT_TEXTURE = 0.6;
const FLAT_MOTION = 0.4;
/** Texture, grey levels, that speckle does not reach over an area. */
const HARD = 40;
/** Share of the picture that a shade must fill with flat cells to be the background. */
const MIN_BACKGROUND = 0.004;

/**
 * `lit`: all cells that differ from the background. `tissue`: the solid part of them, holes filled; empty where nothing
 * is lit. `strength` [rows, columns]: how much a cell differs from the background, grey levels.
 */
export function findTissue(features: Features) {
  const { columns, rows } = features;
  const background = backgroundOf(features);
  const strength = features.mean.map(
    (mean, i) => Math.abs(mean - (background ?? 0)) + features.motion[i]! + features.texture[i]!,
  );
  const lit: Cells = { columns, rows, data: litCells(features, background) };
  const radius = Math.max(1, Math.round(Math.max(columns, rows) / 100));
  const closed = close(withoutLetters(lit, features), 1);
  const solid = open(closed, radius);
  const { parts, labels } = partsOf(solid);
  const largest = parts[0];
  if (largest === undefined) return { lit, strength, tissue: solid };
  const main = select(solid, labels, new Set([largest.label]));
  const liveliness = meanWhere(features.motion, main.data, 1) / 2;
  // Letters have far harder contrasts than speckle.
  const hardest = 2 * meanWhere(features.texture, main.data, 1) + 5;
  const wanted = new Set(
    parts
      .filter((part) => {
        if (part === largest) return true;
        if (meanWhere(features.texture, labels, part.label) > hardest) return false;
        if (lieInLine(part, largest)) return true;
        if (features.frames < 3 || part.area < 0.01 * largest.area) return false;
        return (
          isWithin(part, largest) &&
          meanWhere(features.motion, labels, part.label) > Math.max(0.5, liveliness)
        );
      })
      .map(({ label }) => label),
  );
  const tissue = select(solid, labels, wanted);
  addNearField(tissue, closed, largest);
  return { lit, strength, tissue: fillHoles(tissue) };
}

/**
 * The lit cells without those of letters, whose contrast is far harder than that of speckle and does not move. Small
 * bright reflectors go too, but holes in tissue are closed again and do not move its edges.
 */
function withoutLetters(lit: Cells, { texture, motion }: Features): Cells {
  const limit = Math.max(HARD, 2.5 * medianOver(texture, lit));
  const data = lit.data.map((value, i) =>
    value === 1 && (texture[i]! <= limit || motion[i]! > 0.2 * texture[i]!) ? 1 : 0,
  );
  return { ...lit, data };
}

/**
 * Whether a part lies in line with the largest one: a dark band (a cyst, a shadow, fluid) parts the field across the
 * beams, so the pieces lie one above the other and are about as wide; menus lie beside, bars are thin.
 */
function lieInLine(part: Part, largest: Part): boolean {
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

function isWithin(part: Part, { left, right, top, bottom }: Part): boolean {
  return part.left >= left && part.right <= right && part.top >= top && part.bottom <= bottom;
}

/**
 * The lines that a probe's face leaves above a dark field (a water bath, no contact) are thin, but exactly as wide as
 * the field of a linear probe.
 */
function addNearField(tissue: Cells, closed: Cells, largest: Part): void {
  const width = largest.right - largest.left + 1;
  const { parts, labels } = partsOf(closed);
  const slack = Math.max(2, 0.03 * width);
  const lines = parts.filter(
    (part) =>
      part.bottom < largest.bottom &&
      part.top < largest.top &&
      part.area > 0.6 * (part.right - part.left + 1) &&
      Math.abs(part.left - largest.left) <= slack &&
      Math.abs(part.right - largest.right) <= slack,
  );
  const wanted = new Set(lines.map(({ label }) => label));
  tissue.data.forEach((_, i) => {
    if (wanted.has(labels[i]!)) tissue.data[i] = 1;
  });
}

/** The upper median over the cells; 0 where there are none. */
function medianOver(values: Float32Array, cells: Cells): number {
  const chosen = values.filter((_, i) => cells.data[i] === 1).sort();
  return chosen[chosen.length >> 1] ?? 0;
}

/** The mean over the cells with this label; 0 where there are none. */
function meanWhere(values: Float32Array, labels: ArrayLike<number>, label: number): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    if (labels[i] !== label) continue;
    sum += values[i]!;
    count++;
  }
  return count === 0 ? 0 : sum / count;
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
