import { describe, expect, it } from 'vitest';
import type { ClipRecord } from '../../../src/dataset/types.ts';
import { drawAugmentation } from '../../../src/views/draw.ts';
import {
  bestPlace,
  type Extent,
  largestCrop,
  type Placed,
  shareInside,
} from '../../../src/views/field/crops.ts';
import { fieldOf } from '../../../src/views/field/field.ts';
import type { Outline, Rectangle } from '../../../src/views/field/outline.ts';
import { clipOf, viewOf, type ViewInput } from '../helpers.ts';
import { clipWithField, type Fan, fanPoints, outlineOf, sampledShare } from './fans.ts';

const FRAME = { width: 160, height: 140 };
const SECTOR: Fan = { x: 80, y: 2, near: 1, far: 135, half: 0.62 };
const CONVEX: Fan = { x: 70, y: -50, near: 60, far: 180, half: 0.4 };
const SHAPES = [SECTOR, CONVEX, { ...SECTOR, half: 0.35 }, { ...CONVEX, x: 95, far: 150 }];
const areaOf = ({ left, top, right, bottom }: Rectangle): number => (right - left) * (bottom - top);

const viewWith = (augment: ViewInput['augment'], more: ViewInput = {}) =>
  viewOf({ size: 64, augment: { cropScale: [0.2, 1], ...augment }, ...more });
const sectorClip = (fan: Fan, frame: Pick<ClipRecord, 'width' | 'height'> = FRAME): ClipRecord =>
  clipWithField('sector', [fanPoints(fan)], frame);

describe('crops inside the field', () => {
  it('lie in it by the share that was asked for, 1,000 draws over sectors', () => {
    for (const [i, fan] of SHAPES.entries())
      for (const share of [0.9, 1]) {
        const view = viewWith({ insideField: { probability: 1, share } });
        const outline = outlineOf(fanPoints(fan));
        for (let epoch = 0; epoch < 125; epoch++) {
          const { box } = drawAugmentation(view, sectorClip(fan), i, epoch, 0);
          expect(shareInside([outline], box)).toBeGreaterThanOrEqual(share - 1e-9);
          expect(sampledShare(outline, box, 60)).toBeGreaterThan(share - 0.02);
          expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0);
          expect(box.right).toBeLessThanOrEqual(FRAME.width + 1e-9);
          expect(box.bottom).toBeLessThanOrEqual(FRAME.height + 1e-9);
        }
      }
  });

  it('have areas uniform in cropScale of the largest crop, and ratios log-uniform in cropRatio', () => {
    const view = viewWith({ cropScale: [0.1, 0.5], cropRatio: [0.8, 1.25], insideField: { probability: 1 } });
    const outlines = [outlineOf(fanPoints(CONVEX))];
    // On a view's grid a square is as wide as the frame's proportions make it.
    const stretch = FRAME.width / FRAME.height;
    const largest = areaOf(largestCrop(outlines, stretch, 0.9, FRAME)!);
    const boxes = Array.from(
      { length: 1500 },
      (_, epoch) => drawAugmentation(view, sectorClip(CONVEX), 1, epoch, 0).box,
    );
    for (const level of [0.2, 0.3, 0.4]) {
      const below = boxes.filter((box) => areaOf(box) / largest < level).length / boxes.length;
      expect(Math.abs(below - (level - 0.1) / 0.4)).toBeLessThan(0.04);
    }
    const ratios = boxes.map(({ left, top, right, bottom }) => (right - left) / (bottom - top) / stretch);
    for (const level of [0.9, 1, 1.1]) {
      const below = ratios.filter((ratio) => ratio < level).length / boxes.length;
      expect(Math.abs(below - Math.log(level / 0.8) / Math.log(1.25 / 0.8))).toBeLessThan(0.04);
    }
  });

  it('lie everywhere in the field', () => {
    const view = viewWith({ cropScale: [0.05, 0.05], insideField: { probability: 1 } });
    const boxes = Array.from(
      { length: 600 },
      (_, epoch) => drawAugmentation(view, sectorClip(CONVEX), 2, epoch, 0).box,
    );
    const middles = boxes.map(({ left, right }) => (left + right) / 2);
    const depths = boxes.map(({ top, bottom }) => (top + bottom) / 2);
    expect(Math.max(...middles) - Math.min(...middles)).toBeGreaterThan(70);
    expect(Math.max(...depths) - Math.min(...depths)).toBeGreaterThan(90);
  });

  it('are the largest there is where nothing else will do, always the same', () => {
    const outlines = [outlineOf(fanPoints(SECTOR))];
    const largest = largestCrop(outlines, FRAME.width / FRAME.height, 0.9, FRAME)!;
    // A whole crop of the middle ratio fits at one place; one of another ratio nowhere.
    for (const cropRatio of [
      [1, 1],
      [0.2, 5],
    ] as const) {
      const view = viewWith({ cropScale: [1, 1], cropRatio, insideField: { probability: 1 } });
      const boxes = Array.from(
        { length: 5 },
        (_, epoch) => drawAugmentation(view, sectorClip(SECTOR), 1, epoch, 0).box,
      );
      for (const box of boxes) expect(areaOf(box)).toBeCloseTo(areaOf(largest), 6);
      expect(boxes.filter((box) => Math.abs(box.left - largest.left) < 1e-6).length).toBeGreaterThan(2);
    }
  });

  it('follow a field that is bent', () => {
    const view = viewWith({ insideField: { probability: 1 }, probe: { probability: 1 } });
    for (let epoch = 0; epoch < 60; epoch++) {
      const { box, field } = drawAugmentation(view, sectorClip(CONVEX), 1, epoch, 0);
      expect(shareInside(field!.outlines, box)).toBeGreaterThanOrEqual(0.9 - 1e-9);
    }
  });

  it('are those of other clips where there is no field, and as often as asked where there is', () => {
    const [plain, inside] = [viewWith({}), viewWith({ insideField: { probability: 0.4 } })];
    const bare = clipOf('clip', { frames: 3, ...FRAME });
    let changed = 0;
    for (let epoch = 0; epoch < 1000; epoch++) {
      const draw = (view: typeof plain, clip: ClipRecord): Rectangle =>
        drawAugmentation(view, clip, 1, epoch, 0).box;
      expect(draw(inside, bare)).toEqual(draw(plain, bare));
      expect(draw(plain, sectorClip(SECTOR))).toEqual(draw(plain, bare));
      if (draw(inside, sectorClip(SECTOR)).left !== draw(plain, bare).left) changed++;
    }
    expect(Math.abs(changed / 1000 - 0.4)).toBeLessThan(0.05);
  });

  it('of a field beyond the frame are those of no field', () => {
    const away = clipWithField(
      'polygon',
      [
        [
          [500, 0],
          [600, 0],
          [600, 90],
        ],
      ],
      FRAME,
    );
    const view = viewWith({ insideField: { probability: 1 } });
    expect(drawAugmentation(view, away, 1, 2, 0).box).toEqual(
      drawAugmentation(viewWith({}), away, 1, 2, 0).box,
    );
  });
});

describe('the best place of a crop', () => {
  it.each(SHAPES)('has as much of it inside as the best of all places, to 1 %% (%j)', (fan) => {
    const outlines = [outlineOf(fanPoints(fan))];
    for (const crop of [
      { width: 60, height: 50 },
      { width: 100, height: 90 },
      { width: 30, height: 100 },
    ]) {
      let most = 0;
      for (let left = 0; left <= FRAME.width - crop.width; left += 2)
        for (let top = 0; top <= FRAME.height - crop.height; top += 2)
          most = Math.max(
            most,
            shareInside(outlines, { left, top, right: left + crop.width, bottom: top + crop.height }),
          );
      const { box, share } = bestPlace(outlines, crop, FRAME);
      expect(share).toBeGreaterThan(most - 0.01);
      expect(shareInside(outlines, box)).toBe(share);
    }
  });
});

/** `bestPlace` as its comment says, a place at a time. */
function slowBestPlace(outlines: readonly Outline[], crop: Extent, frame: Extent): Placed {
  const [roomX, roomY] = [frame.width - crop.width, frame.height - crop.height];
  let best: Placed | null = null;
  const look = (x: number, y: number): void => {
    const [left, top] = [Math.min(roomX, Math.max(0, x)), Math.min(roomY, Math.max(0, y))];
    const box = { left, top, right: left + crop.width, bottom: top + crop.height };
    const share = shareInside(outlines, box);
    if (best === null || share > best.share) best = { box, share };
  };
  for (let row = 0; row < 5; row++)
    for (let column = 0; column < 5; column++) look((column * roomX) / 4, (row * roomY) / 4);
  for (let halving = 1; halving <= 5; halving++) {
    const { left, top } = best!.box;
    for (let row = -1; row <= 1; row++)
      for (let column = -1; column <= 1; column++)
        look(left + (column * roomX) / 4 / 2 ** halving, top + (row * roomY) / 4 / 2 ** halving);
  }
  return best!;
}

it.each(SHAPES)('the best place is that of looking at one place after another, to the bit (%j)', (fan) => {
  // The second part of the field lies where the first one ends.
  const second = outlineOf(fanPoints({ ...fan, y: fan.y + 125 }));
  for (const outlines of [[outlineOf(fanPoints(fan))], [outlineOf(fanPoints(fan)), second]])
    for (const [width, height] of [
      [160, 140],
      [160, 33],
      [41.3, 140],
      [50, 50],
      [97.1, 61.7],
    ] as const)
      expect(bestPlace(outlines, { width, height }, FRAME)).toEqual(
        slowBestPlace(outlines, { width, height }, FRAME),
      );
});

describe('the largest crop', () => {
  it('is searched anew where anything that is asked for differs', () => {
    const outlines = [outlineOf(fanPoints(CONVEX))];
    const asked = [
      [1, 0.9, FRAME],
      [1.2, 0.9, FRAME],
      [1, 0.8, FRAME],
      [1, 0.9, { width: 120, height: 140 }],
      [1, 0.9, { width: 160, height: 120 }],
      [1, 0.9, FRAME],
    ] as const;
    const together = asked.map(([ratio, share, frame]) => largestCrop(outlines, ratio, share, frame));
    const apart = asked.map(([ratio, share, frame]) =>
      largestCrop([outlineOf(fanPoints(CONVEX))], ratio, share, frame),
    );
    expect(together).toEqual(apart);
    expect(new Set(together.map((box) => JSON.stringify(box))).size).toBe(5);
  });

  it('is that of the field as the frame shows it, also where clips share the record of it', () => {
    const clip = sectorClip(CONVEX);
    const shapes: readonly ClipRecord[] = [
      clip,
      { ...clip, width: 80 },
      { ...clip, height: 70 },
      { ...clip, crop: { x: 10, y: 5, width: 140, height: 130 } },
      { ...clip, crop: { x: 0, y: 5, width: 140, height: 130 } },
      clip,
    ];
    for (const one of shapes) expect(fieldOf(one)).toEqual(fieldOf(structuredClone(one)));
    expect(new Set(shapes.map((one) => JSON.stringify(fieldOf(one)))).size).toBe(5);
  });

  it('is the frame of a field that fills it', () => {
    const whole = fieldOf(clipOf('a', { frames: 1, ...FRAME })).outlines;
    expect(largestCrop(whole, FRAME.width / FRAME.height, 1, FRAME)).toEqual({
      ...{ left: 0, top: 0, right: 160, bottom: 140 },
    });
    expect(areaOf(largestCrop(whole, 1, 1, FRAME)!)).toBeCloseTo(140 * 140, 6);
  });

  it.each(SHAPES)('is hardly smaller than the largest of all, found the slow way (%j)', (fan) => {
    const outlines = [outlineOf(fanPoints(fan))];
    for (const share of [0.8, 1]) {
      const found = largestCrop(outlines, 1, share, FRAME)!;
      expect(shareInside(outlines, found)).toBeGreaterThanOrEqual(share);
      expect(found.right - found.left).toBeCloseTo(found.bottom - found.top, 9);
      let largest = 0;
      for (let side = 10; side <= 140; side += 2)
        for (let left = 0; left <= 160 - side; left += 2)
          for (let top = 0; top <= 140 - side; top += 2)
            if (shareInside(outlines, { left, top, right: left + side, bottom: top + side }) >= share)
              largest = side;
      expect(found.right - found.left).toBeGreaterThan(0.96 * largest - 2);
    }
  });
});
