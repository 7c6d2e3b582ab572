/**
 * Finds the ultrasound field of a clip by looking at its frames: what differs from the flat background of the screen
 * and is large and solid, with a rectangle or fan fitted around it. No file told it: a person checks it
 * (`uscl inspect`) and may overrule it with a field file.
 */
import type { Field } from '../../dataset/types.ts';
import type { Size } from '../geometry.ts';
import type { Cells } from './cells.ts';
import { measure } from './features.ts';
import { fitShape, supportOf } from './fit.ts';
import type { Shape } from './shape.ts';
import { fillShape, outlineOf } from './shape.ts';
import { findTissue } from './tissue.ts';

/** Fields of less confidence are not given out. */
export const MIN_CONFIDENCE = 0.5;

/** Share of an edge that must be seen for the picture to be cut there. */
const MIN_SUPPORT = 0.35;

/**
 * The field in [height, width, channels] u8 frames of one clip (a dozen spread over the clip are best, one is
 * enough); null where there is none that can be told with `MIN_CONFIDENCE`.
 */
export function findField(frames: readonly Uint8Array[], size: Size, channels: 1 | 3): Field | null {
  if (frames.length === 0) return null;
  const features = measure(frames, size, channels);
  const { columns, rows, cell } = features;
  const { lit, tissue } = findTissue(features);
  if (!tissue.data.includes(1)) return null;
  const fitted = fitShape(tissue);
  const shape = withoutUnseenEdges(fitted, tissue, lit);
  const confidence = confidenceOf(shape, tissue);
  const outline = outlineOf(shape, columns, rows).map(([x, y]): [number, number] => [
    round(x >= columns ? size.width : x * cell),
    round(y >= rows ? size.height : y * cell),
  ]);
  if (outline.length < 3 || confidence < MIN_CONFIDENCE) return null;
  return {
    shape: nameOf(shape, columns, rows),
    outlines: [outline],
    confidence: round(confidence),
    from: 'found',
  };
}

/**
 * Moves edges that cannot be seen to the picture's border: darkness that sets in gradually is attenuation or a
 * shadow, and the field goes on there. An edge stays where something that is no tissue lies behind it.
 */
function withoutUnseenEdges(shape: Shape, tissue: Cells, lit: Cells): Shape {
  const { columns, rows } = tissue;
  const support = supportOf(shape, tissue);
  let best = shape;
  const attempt = (wider: Shape): void => {
    const before = fillShape(best, columns, rows).data;
    const after = fillShape(wider, columns, rows).data;
    let foreign = 0;
    for (let i = 0; i < after.length; i++) {
      if (after[i] === 1 && before[i] === 0 && lit.data[i] === 1 && tissue.data[i] === 0) foreign++;
    }
    if (foreign <= 0.001 * after.length) best = wider;
  };
  if (support.bottom.share < MIN_SUPPORT) attempt({ ...best, bottom: { y: rows + 1, curvature: 0 } });
  if (support.top.share < MIN_SUPPORT) attempt({ ...best, top: { y: -1, curvature: 0 } });
  if (support.left.share < MIN_SUPPORT) attempt({ ...best, left: { x: -1, slope: 0 } });
  if (support.right.share < MIN_SUPPORT) attempt({ ...best, right: { x: columns + 1, slope: 0 } });
  return best;
}

function confidenceOf(shape: Shape, tissue: Cells): number {
  const { columns, rows, data } = tissue;
  const inside = fillShape(shape, columns, rows).data;
  let [both, either] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 1 && inside[i] === 1) both++;
    if (data[i] === 1 || inside[i] === 1) either++;
  }
  return either === 0 ? 0 : both / either;
}

function nameOf(shape: Shape, columns: number, rows: number): Field['shape'] {
  const { left, right, top, bottom } = shape;
  const opening = right.slope - left.slope;
  if (opening < 0.06) {
    const whole = left.x <= 0.5 && right.x >= columns - 0.5 && top.y <= 0.5 && bottom.y >= rows - 0.5;
    return whole ? 'rectangle' : 'linear';
  }
  const apex = (left.x - right.x) / opening;
  // A phased array's beams leave from (almost) one point.
  return top.y - apex < 0.12 * (bottom.y - apex) ? 'sector' : 'convex';
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
