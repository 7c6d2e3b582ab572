import { describe, expect, it } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import { type EchoChanges, echoChanger } from '../../src/views/echo-changes.ts';
import { equalise } from '../../src/views/echoes/clahe.ts';
import { addAlongDepth, depthCurve, levelsTable, throughTable } from '../../src/views/echoes/levels.ts';
import { multiply, speckleMaker } from '../../src/views/echoes/speckle.ts';
import type { Affine } from '../../src/views/field/affine.ts';
import { blankOutside, narrow } from '../../src/views/field/edge.ts';
import { fieldOf, type FrameField } from '../../src/views/field/field.ts';
import { fillInside, moved } from '../../src/views/field/outline.ts';
import { clipWithField, fanPoints } from './field/fans.ts';
import { clipOf } from './helpers.ts';

const SIZE = 40;
const AREA = SIZE * SIZE;
const OFF: EchoChanges = {
  ...{ depthGain: null, speckle: null, gain: null, gamma: null, clahe: null, margin: null },
};
const FIELD = fieldOf(
  clipWithField('convex', [fanPoints({ x: 40, y: -20, near: 35, far: 95, half: 0.5 })], {
    ...{ width: 80, height: 80 },
  }),
);
/** The view shows the frame at half its size; a point of the frame is half as far away in the view. */
const HALVED: Affine = [2, 0, 0, 0, 2, 0];
const outlines = FIELD.outlines.map((outline) => moved(outline, [0.5, 0, 0, 0, 0.5, 0]));

function picture(planes = 1): Uint8Array {
  const random = randomAt(2, 'picture');
  return Uint8Array.from({ length: planes * AREA }, () => random.integer(200) + 30);
}

function changed(changes: Partial<EchoChanges>, field: FrameField = FIELD, planes = 1): Uint8Array {
  const pixels = picture(planes);
  echoChanger(SIZE)(pixels, { ...OFF, ...changes }, field, HALVED, null);
  return pixels;
}

const ON: { readonly [Name in keyof EchoChanges]: () => NonNullable<EchoChanges[Name]> } = {
  depthGain: () => [8, -8, 5],
  speckle: () => ({ strength: 0.8, grain: 1.5, noise: randomAt(4, 'noise') }),
  gain: () => ({ decibels: 10, factor: 1.3 }),
  gamma: () => 0.6,
  clahe: () => ({ tiles: 2, limit: 4 }),
  margin: () => 4,
};
const all = (): EchoChanges =>
  Object.fromEntries(Object.entries(ON).map(([name, value]) => [name, value()])) as unknown as EchoChanges;

const inside = new Uint8Array(AREA);
fillInside(outlines, SIZE, inside);

/** Each change by itself, on one plane. */
const STEPS: readonly (readonly [name: string, step: (pixels: Uint8Array) => void])[] = [
  [
    'depthGain',
    (pixels) => {
      const curve = depthCurve(ON.depthGain());
      addAlongDepth(pixels, SIZE, curve, { beams: FIELD.beams, placement: HALVED }, inside);
    },
  ],
  [
    'speckle',
    (pixels) => {
      const factors = new Float32Array(AREA);
      speckleMaker(SIZE)(ON.speckle(), factors);
      multiply(pixels, factors);
    },
  ],
  [
    'gain',
    (pixels) => {
      throughTable(pixels, levelsTable(ON.gain(), null), inside);
    },
  ],
  [
    'gamma',
    (pixels) => {
      throughTable(pixels, levelsTable(null, ON.gamma()), inside);
    },
  ],
  [
    'clahe',
    (pixels) => {
      equalise(pixels, SIZE, ON.clahe(), inside);
    },
  ],
  [
    'margin',
    (pixels) => {
      const mask = inside.slice();
      narrow(outlines, SIZE, ON.margin(), mask);
      blankOutside(pixels, mask);
    },
  ],
];

function inOrder(steps: typeof STEPS): Uint8Array {
  const pixels = picture();
  for (const [, step] of steps) step(pixels);
  return pixels;
}

describe('changes of echoes', () => {
  it('come in the order of a machine', () => {
    expect(changed(all())).toEqual(inOrder(STEPS));
    // In this picture every two neighbours show which came first, but for the edge, which blanks what CLAHE made.
    for (let i = 0; i + 2 < STEPS.length; i++) {
      const swapped = STEPS.toSpliced(i, 2, STEPS[i + 1]!, STEPS[i]!);
      expect(inOrder(swapped), STEPS[i]![0]).not.toEqual(inOrder(STEPS));
    }
  });

  it.each(STEPS)('%s alone is that change and no other', (name, step) => {
    const pixels = picture();
    step(pixels);
    expect(changed({ [name]: ON[name as keyof EchoChanges]() })).toEqual(pixels);
    expect(pixels).not.toEqual(picture());
  });

  it('do nothing where all are off', () => {
    expect(changed({})).toEqual(picture());
  });

  it('are alike in all channels', () => {
    const grey = changed(all());
    const pixels = new Uint8Array(3 * AREA);
    for (let c = 0; c < 3; c++) pixels.set(picture(), c * AREA);
    echoChanger(SIZE)(pixels, all(), FIELD, HALVED, null);
    for (let c = 0; c < 3; c++) expect(pixels.subarray(c * AREA, (c + 1) * AREA)).toEqual(grey);
  });

  it('leave what lies outside of the field as dark as it was, whatever the gain', () => {
    const pixels = new Uint8Array(AREA);
    const { margin: _margin, ...brighter } = all();
    echoChanger(SIZE)(pixels, { ...OFF, ...brighter, depthGain: [9, 9] }, FIELD, HALVED, null);
    for (let i = 0; i < AREA; i++)
      if (inside[i] === 0) expect(pixels[i]).toBe(0);
      else expect(pixels[i]).toBeGreaterThan(0);
  });

  it('take the whole frame for the field where none is known, and then blank no edge', () => {
    const bare = fieldOf(clipOf('clip', { frames: 1, width: 80, height: 80 }));
    expect(changed({ margin: 8 }, bare)).toEqual(picture());
    const expected = picture();
    throughTable(expected, levelsTable(ON.gain(), null), new Uint8Array(AREA).fill(1));
    expect(changed({ gain: ON.gain() }, bare)).toEqual(expected);
  });

  it('leave what lies beyond the part that is shown as it was', () => {
    const pixels = picture();
    // Of the frame 20 to 60 across and all of it down: 10 to 30 in the view.
    const shown = { left: 20, top: 0, right: 60, bottom: 80 };
    echoChanger(SIZE)(pixels, { ...OFF, gain: ON.gain() }, FIELD, HALVED, shown);
    const whole = changed({ gain: ON.gain() });
    for (let i = 0; i < AREA; i++)
      expect(pixels[i]).toBe(i % SIZE >= 10 && i % SIZE < 30 ? whole[i] : picture()[i]);
  });

  it('carry nothing from one image to the next', () => {
    const changer = echoChanger(SIZE);
    const bare = fieldOf(clipOf('clip', { frames: 1, width: 80, height: 80 }));
    changer(picture(), all(), bare, [1, 0, 5, 0, 1, 5], { left: 9, top: 9, right: 50, bottom: 50 });
    const pixels = picture();
    changer(pixels, all(), FIELD, HALVED, null);
    expect(pixels).toEqual(changed(all()));
  });
});
