/**
 * Finds the ultrasound field of a clip by looking at its frames: what differs from the flat background of the screen
 * and is large and solid, with a rectangle or fan fitted around it. No file told it: a person checks it
 * (`uscl inspect`) and may overrule it with a field file.
 */
import type { Field } from '../../dataset/types.ts';
import { hundredths, type Size } from '../../video/geometry.ts';
import type { Cells } from './morphology.ts';
import { measure } from './features.ts';
import { apexOf, fitShape, type Supports, supportOf } from './fit.ts';
import { fillShape, outlineOf, type Shape } from './shape.ts';
import { findTissue } from './tissue.ts';

/** Fields of less confidence are not given out. */
export const MIN_CONFIDENCE = 0.5;

/** Letters differ by more than this from the background, in grey levels; the last echoes of a fading picture do not. */
const BRIGHT = 20;

/** Cells of something foreign that may lie where an edge is moved over: a stray block of a codec. */
const MAX_FOREIGN = 4;

/**
 * Share of an edge that must be seen for the picture to be cut there, and the share of the field's area that may be
 * added by moving it to the border: depth is lost in the dark, a whole side rarely.
 */
const EDGES = {
  bottom: { seen: 0.5, added: 3 },
  top: { seen: 0.5, added: 0.2 },
  left: { seen: 0.35, added: 0.2 },
  right: { seen: 0.35, added: 0.2 },
} as const;

/**
 * The field in [height, width, channels] u8 frames of one clip (a dozen spread over the clip are best, one is
 * enough); null where there is none that can be told with `MIN_CONFIDENCE`.
 */
export function findField(frames: readonly Uint8Array[], size: Size, channels: 1 | 3): Field | null {
  if (frames.length === 0) return null;
  const features = measure(frames, size, channels);
  const { columns, rows, cell } = features;
  const { lit, tissue, strength } = findTissue(features);
  if (!tissue.data.includes(1)) return null;
  const fitted = fitShape(tissue);
  const support = supportOf(fitted, tissue, strength);
  // What is bright, no tissue and does not move: letters, marks, buttons.
  const foreign = lit.data.map((value, i) =>
    value === 1 && tissue.data[i] === 0 && features.motion[i]! < 0.5 && strength[i]! > BRIGHT ? 1 : 0,
  );
  const shape = withoutUnseenEdges(fitted, support, tissue, strength, foreign);
  const confidence = confidenceOf(shape, support, supportOf(shape, tissue, strength), tissue);
  const outline = outlineOf(shape, columns, rows).map(([x, y]): [number, number] => [
    hundredths(x >= columns ? size.width : x * cell),
    hundredths(y >= rows ? size.height : y * cell),
  ]);
  if (outline.length < 3 || confidence < MIN_CONFIDENCE) return null;
  return {
    shape: nameOf(shape, columns, rows),
    outlines: [outline],
    confidence: hundredths(confidence),
    from: 'found',
  };
}

/**
 * Moves edges that cannot be seen to the picture's border: darkness that sets in gradually is attenuation or a
 * shadow, and the field goes on there. An edge stays where something that is no tissue lies behind it.
 */
function withoutUnseenEdges(
  fitted: Shape,
  support: Supports,
  tissue: Cells,
  strength: Float32Array,
  foreign: Uint8Array,
): Shape {
  const { columns, rows, data } = tissue;
  const unseen = (edge: keyof Supports): boolean => support[edge].share < EDGES[edge].seen;
  let best = fitted;
  // Tissue beyond a dark band is part of the field whatever lies between.
  if (unseen('top')) {
    const first = Math.floor(data.indexOf(1) / columns);
    if (first < best.top.y) best = { ...best, top: { y: first, curvature: 0 } };
  }
  if (unseen('bottom')) {
    const last = Math.floor(data.lastIndexOf(1) / columns) + 1;
    if (last > best.bottom.y) best = { ...best, bottom: { ...best.bottom, y: last } };
  }
  const now = supportOf(best, tissue, strength);
  const attempt = (edge: keyof Supports, wider: Shape): void => {
    if (!unseen(edge) || now[edge].share >= EDGES[edge].seen) return;
    const before = fillShape(best, columns, rows).data;
    const after = fillShape(wider, columns, rows).data;
    let [behind, added, area] = [0, 0, 0];
    for (let i = 0; i < after.length; i++) {
      area += before[i]!;
      if (after[i] === 0 || before[i] === 1) continue;
      added++;
      behind += foreign[i]!;
    }
    if (behind <= MAX_FOREIGN && added <= EDGES[edge].added * area) best = wider;
  };
  attempt('bottom', { ...best, bottom: { y: rows + 1, curvature: 0 } });
  attempt('top', { ...best, top: { y: -1, curvature: 0 } });
  attempt('left', { ...best, left: { x: -1, slope: 0 } });
  attempt('right', { ...best, right: { x: columns + 1, slope: 0 } });
  return best;
}

/**
 * An estimate of the intersection over union with the true field. Tissue left out counts fully. Darkness inside
 * counts half as far as the edges were not seen, because between edges that are seen it is a shadow or a cyst; an
 * edge that stays without being seen may lie anywhere.
 */
function confidenceOf(shape: Shape, fitted: Supports, final: Supports, tissue: Cells): number {
  const { columns, rows, data } = tissue;
  const inside = fillShape(shape, columns, rows).data;
  let [both, area, total] = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    area += inside[i]!;
    total += data[i]!;
    both += inside[i]! & data[i]!;
  }
  if (area === 0 || total === 0) return 0;
  const dark = 1 - both / area;
  return (both / total) * (1 - 0.5 * dark * (1 - seenShare(fitted))) * (1 - 0.4 * (1 - seenShare(final)));
}

/** Share of all edges inside the picture that is seen. */
function seenShare(support: Supports): number {
  const edges = Object.values(support);
  const length = edges.reduce((sum, edge) => sum + edge.length, 0);
  return length === 0 ? 1 : edges.reduce((sum, edge) => sum + edge.share * edge.length, 0) / length;
}

function nameOf(shape: Shape, columns: number, rows: number): Field['shape'] {
  const { left, right, top, bottom } = shape;
  const apex = apexOf(shape);
  if (!Number.isFinite(apex)) {
    const whole = left.x <= 0.5 && right.x >= columns - 0.5 && top.y <= 0.5 && bottom.y >= rows - 0.5;
    return whole ? 'rectangle' : 'linear';
  }
  // A phased array's beams leave from (almost) one point.
  return top.y - apex < 0.12 * (bottom.y - apex) ? 'sector' : 'convex';
}
