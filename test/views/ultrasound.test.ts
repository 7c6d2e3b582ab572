/** Augmentations for ultrasound on the whole way from a clip to an image: their addresses, their places, their history. */
import { describe, expect, it } from 'vitest';
import { type Random, randomAt } from '../../src/base/random.ts';
import type { ClipRecord, Field } from '../../src/dataset/types.ts';
import { AUGMENT_PRESETS } from '../../src/views/augment-presets.ts';
import { clipRenderer } from '../../src/views/clip-views.ts';
import { type AugmentConfig, imageLength, viewSchema } from '../../src/views/config.ts';
import { drawCropInside } from '../../src/views/crop.ts';
import { type Augmentation, drawAugmentation } from '../../src/views/draw.ts';
import { depthCurve } from '../../src/views/echoes/levels.ts';
import { frameRenderer } from '../../src/views/frames.ts';
import type { FrameSource } from '../../src/views/image.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { clipWithField, type Fan, fanPoints } from './field/fans.ts';
import { type ClipShape, frameViewOf, memoryDataset, PLAIN, viewOf, type ViewInput } from './helpers.ts';

const FRAME = { width: 160, height: 140 };
const CONVEX: Fan = { x: 80, y: -50, near: 60, far: 180, half: 0.4 };
const CLIP = clipWithField('convex', [fanPoints(CONVEX)], FRAME);

const on = { probability: 1 };
const ALL = {
  ...{
    insideField: on,
    probe: on,
    depthGain: on,
    speckle: on,
    gain: on,
    gamma: on,
    clahe: on,
    fieldEdge: on,
  },
} as const satisfies ViewInput['augment'];
type Name = keyof typeof ALL;
const NAMES = Object.keys(ALL) as Name[];

/** A dataset whose clips have these fields. */
function withFields(
  shapes: readonly (ClipShape & { readonly field: Field | null })[],
  frameOf?: Parameters<typeof memoryDataset>[2],
  channels: 1 | 3 = 1,
): FrameSource {
  const source = memoryDataset(shapes, channels, frameOf);
  const clips = source.clips.map((clip, i) => ({ ...clip, field: shapes[i]!.field }));
  return {
    manifest: source.manifest,
    clips,
    readFrame: (clip, frame, target) => source.readFrame(source.clips[clips.indexOf(clip)]!, frame, target),
  };
}

const draw = (augment: ViewInput['augment'], epoch: number, clip: ClipRecord = CLIP): Augmentation =>
  drawAugmentation(viewOf({ size: 64, augment }), clip, 3, epoch, 0);

describe('draws for ultrasound', () => {
  /** An augmentation as text, without the parts that an operation may change. */
  const rest = (augmentation: Augmentation, left: readonly string[]): string => {
    const { echoes, ...others } = augmentation;
    const parts = Object.entries({ ...others, ...echoes }).filter(
      ([name]) => !left.includes(name) && name !== 'field',
    );
    return JSON.stringify(parts);
  };
  const CHANGES: Readonly<Record<Name, readonly string[]>> = {
    ...{ insideField: ['box'], probe: ['bend'], depthGain: ['depthGain'], speckle: ['speckle'] },
    ...{ gain: ['gain'], gamma: ['gamma'], clahe: ['clahe'], fieldEdge: ['margin'] },
  };
  const NONE = { depthGain: null, speckle: null, gain: null, gamma: null, clahe: null, margin: null };

  it.each(NAMES)('%s switched on changes no other draw, and with probability 0 nothing', (name) => {
    const others = { blur: on, rotation: on, cutout: on, outPainting: on, nonLinearIntensity: on } as const;
    for (let epoch = 0; epoch < 40; epoch++) {
      const without = draw(others, epoch);
      const off = draw({ ...others, [name]: { ...AUGMENT_PRESETS.us[name], probability: 0 } }, epoch);
      expect(off).toEqual(without);
      const switchedOn = draw({ ...others, [name]: on }, epoch);
      const left = CHANGES[name];
      const filled = { ...without, echoes: switchedOn.echoes === null ? null : NONE } as Augmentation;
      expect(rest(switchedOn, left)).toBe(rest(filled, left));
      expect(rest(switchedOn, [])).not.toBe(rest(filled, []));
    }
  });

  it.each(NAMES)('%s comes as often as it is asked for', (name) => {
    let changed = 0;
    for (let epoch = 0; epoch < 600; epoch++) {
      const { box, bend, echoes } = draw({ ...PLAIN, [name]: { probability: 0.3 } }, epoch);
      if (name === 'insideField' ? box.right < 160 : bend !== null || echoes !== null) changed++;
    }
    expect(Math.abs(changed / 600 - 0.3)).toBeLessThan(0.06);
  });

  it('have numbers of their own addresses, in the ranges of the configuration', () => {
    const { depthGain, speckle, gain, gamma, clahe, fieldEdge, probe } = viewSchema.parse({}).augment;
    const log = gamma.exponent.map(Math.log);
    for (let epoch = 0; epoch < 20; epoch++) {
      const at = (purpose: string): Random => {
        const random = randomAt(3, purpose, epoch, 'clip', 0);
        // The coin.
        random.uniform();
        return random;
      };
      const { echoes, bend, field, box } = draw(ALL, epoch);
      const depths = at('depth-gain');
      const span = depthGain.decibels;
      expect(echoes!.depthGain).toEqual([0, 1, 2, 3].map(() => depths.between(-span, span)));
      const grains = at('speckle');
      expect(echoes!.speckle).toMatchObject({
        strength: grains.between(...speckle.strength),
        grain: grains.between(...speckle.grain),
      });
      expect(echoes!.speckle!.noise).toEqual(randomAt(3, 'speckle-noise', epoch, 'clip', 0));
      const gains = at('gain');
      expect(echoes!.gain).toEqual({
        decibels: gains.between(...gain.decibels),
        factor: gains.between(...gain.factor),
      });
      expect(echoes!.gamma).toBe(Math.exp(at('gamma').between(log[0]!, log[1]!)));
      expect(echoes!.clahe).toEqual({ tiles: 4, limit: at('clahe').between(...clahe.limit) });
      expect(echoes!.margin).toBe(64 * at('field-edge').between(...fieldEdge.margin));
      const { left, right, curvature } = field!.beams;
      const degrees = at('probe').between(...probe.degrees);
      expect(((right - left) * curvature * 180) / Math.PI).toBeCloseTo(degrees, 6);
      expect(bend!.to).toBe(field!.beams);
      const view = viewOf({ size: 64, augment: ALL });
      expect(box).toEqual(drawCropInside(view, field!.outlines, CLIP, at('inside-field')));
    }
  });
});

describe('the place of what is changed', () => {
  /** Level of a point by its depth in the fan: the picture says itself how deep a pixel lies. */
  const depthOf = (x: number, y: number): number =>
    (Math.hypot(x - CONVEX.x, y - CONVEX.y) - CONVEX.near) / 120;
  const levels = (level: (x: number, y: number) => number): Uint8Array =>
    Uint8Array.from({ length: 160 * 140 }, (_, i) =>
      Math.round(Math.min(255, Math.max(0, level((i % 160) + 0.5, Math.floor(i / 160) + 0.5)))),
    );
  const scene = levels((x, y) => 60 + 130 * depthOf(x, y));
  const field = levels((x, y) => {
    const depth = depthOf(x, y);
    return depth > 0 && depth < 1 && Math.abs(Math.atan2(x - CONVEX.x, y - CONVEX.y)) < CONVEX.half ? 255 : 0;
  });
  const source = withFields([{ frames: 2, ...FRAME, field: CLIP.field }], (_, frame) =>
    frame === 0 ? scene : field,
  );
  const SIZE = 96;
  const AREA = SIZE * SIZE;
  /** Pixels of a frame; both frames with the draws of the first. */
  const seen = (frame: 0 | 1, augment: ViewInput['augment'], epoch: number): Float32Array => {
    const view = frameViewOf({
      size: SIZE,
      normalise: { mean: 0, std: 1 / 255 },
      augment: { ...PLAIN, ...augment },
    });
    const of = frame === 0 ? source : { ...source, readFrame: alsoFirst };
    const image = new Float32Array(AREA);
    frameRenderer(of, view)([{ clip: 0, frame: 0 }], 3, epoch, image);
    return image;
  };
  const alsoFirst: FrameSource['readFrame'] = (clip, _frame, target) => source.readFrame(clip, 1, target);

  const GEOMETRIES: readonly (readonly [string, ViewInput['augment']])[] = [
    ['whole frames', {}],
    ['crops and flips', { cropScale: [0.3, 0.7], flip: 0.5 }],
    ['turned views', { cropScale: [0.5, 1], rotation: { probability: 1, degrees: 30 }, flip: 0.5 }],
    ['other probes', { probe: on }],
    [
      'all of it',
      {
        insideField: on,
        cropScale: [0.3, 1],
        flip: 0.5,
        probe: on,
        rotation: { probability: 1, degrees: 20 },
      },
    ],
  ];

  it.each(GEOMETRIES)(
    'of gain along depth is the depth that the picture shows, and the field: %s',
    (_, augment) => {
      for (let epoch = 0; epoch < 8; epoch++) {
        const [plain, within] = [seen(0, augment, epoch), seen(1, augment, epoch)];
        const withGain = { ...augment, depthGain: { probability: 1, decibels: 8 } };
        const after = seen(0, withGain, epoch);
        const view = frameViewOf({ size: SIZE, augment: { ...PLAIN, ...withGain } });
        const { echoes } = drawAugmentation(
          { ...view, augment: view.augment! },
          source.clips[0]!,
          3,
          epoch,
          'frame 0',
        );
        const curve = depthCurve(echoes!.depthGain!);
        let [changed, error] = [0, 0];
        for (let i = 0; i < AREA; i++) {
          if (within[i] === 0) expect(Math.abs(after[i]! - plain[i]!)).toBeLessThan(0.01);
          if (within[i]! < 254.5) continue;
          changed++;
          const depth = (plain[i]! - 60) / 130;
          const shift = curve[Math.min(1024, Math.max(0, Math.round(1024 * depth)))]!;
          const off = Math.abs(after[i]! - plain[i]! - shift);
          // A level of the scene is 1/130 of the depth, in which the curve rises by at most 2.5 levels; rounded thrice.
          expect(off).toBeLessThan(4);
          error += off;
        }
        expect(changed).toBeGreaterThan(AREA / 8);
        expect(error / changed).toBeLessThan(0.8);
      }
    },
  );

  /** Views whose picture ends at their own border, and nowhere within them beside the field. */
  const WHOLE: typeof GEOMETRIES = [
    ...GEOMETRIES.slice(0, 2),
    ['turned views', { rotation: { probability: 1, degrees: 30 }, flip: 0.5 }],
    ['other probes', { probe: on, flip: 0.5 }],
  ];

  it.each(WHOLE)('of a narrowed edge is the field that the picture shows: %s', (_, augment) => {
    for (let epoch = 0; epoch < 8; epoch++) {
      const [plain, within] = [seen(0, augment, epoch), seen(1, augment, epoch)];
      const after = seen(0, { ...augment, fieldEdge: { probability: 1, margin: [0.05, 0.05] } }, epoch);
      const margin = 0.05 * SIZE;
      /** Whether every pixel at this distance or nearer is of the field, those beyond the view taken for `beyond`. */
      const deepInside = (at: number, reach: number, beyond: boolean): boolean => {
        const [x, y] = [at % SIZE, Math.floor(at / SIZE)];
        for (let v = Math.ceil(y - reach); v <= y + reach; v++)
          for (let u = Math.ceil(x - reach); u <= x + reach; u++) {
            if (Math.hypot(u - x, v - y) > reach) continue;
            const seen = u >= 0 && v >= 0 && u < SIZE && v < SIZE;
            if (seen ? within[v * SIZE + u]! < 128 : !beyond) return false;
          }
        return true;
      };
      const found = { kept: 0, blanked: 0 };
      for (let i = 0; i < AREA; i++) {
        if (within[i] === 0) expect(after[i]).toBeCloseTo(0, 4);
        else if (deepInside(i, margin + 2.5, false)) {
          expect(after[i]).toBeCloseTo(plain[i]!, 4);
          found.kept++;
        } else if (!deepInside(i, margin - 2.5, true)) {
          expect(after[i]).toBeCloseTo(0, 4);
          found.blanked++;
        }
      }
      expect(found.kept).toBeGreaterThan(AREA / 20);
      expect(found.blanked).toBeGreaterThan(SIZE / 4);
    }
  });
});

describe('images with everything on', () => {
  const shapes = [
    { frames: 4, ...FRAME, field: CLIP.field },
    { frames: 4, width: 90, height: 120, field: null },
    { frames: 4, width: 120, height: 90, field: { ...CLIP.field!, shape: 'polygon' as const } },
  ];
  const augment = {
    ...ALL,
    ...{ cropScale: [0.2, 1] as const, rotation: { probability: 0.5 }, affine: { probability: 0.5 } },
    ...{ blur: { probability: 0.5 }, cutout: { probability: 0.5 }, sharpen: { probability: 0.5 } },
  } as const satisfies ViewInput['augment'];
  const half = Object.fromEntries(NAMES.map((name) => [name, { probability: 0.5 }]));

  it.each([1, 3] as const)('hang on their address alone, in %i channels', (channels) => {
    const dataset = withFields(shapes, undefined, channels);
    for (const view of [
      viewOf({ size: 32, channels, augment }),
      viewOf({ size: 32, channels, augment: { ...augment, ...half } }),
    ]) {
      const length = imageLength(view);
      for (const views of [
        'pair',
        [
          { frame: 0, augment: view.augment },
          { frame: 1, augment: AUGMENT_PRESETS.us },
        ],
      ] as const) {
        const render = clipRenderer(dataset, view, views);
        for (const epoch of [0, 1]) {
          const together = new Float32Array(2 * 3 * length);
          render([2, 0, 1], 5, epoch, together);
          for (const [i, clip] of [2, 0, 1].entries()) {
            const alone = new Float32Array(2 * length);
            clipRenderer(dataset, view, views)([clip], 5, epoch, alone);
            for (const number of [0, 1])
              expect(together.subarray((3 * number + i) * length, (3 * number + i + 1) * length)).toEqual(
                alone.subarray(number * length, (number + 1) * length),
              );
          }
        }
      }
    }
  });

  it('without a field are as before where only crops and edges ask for one', () => {
    const dataset = withFields(shapes);
    const images = [{}, { insideField: on, fieldEdge: on }].map((asked) => {
      const view = viewOf({ size: 32, augment: { cropScale: [0.2, 1], ...asked } });
      const image = new Float32Array(2 * 3 * imageLength(view));
      clipRenderer(dataset, view, 'pair')([0, 1, 2], 5, 0, image);
      return image;
    });
    const part = (image: Float32Array | undefined, clip: number): Float32Array =>
      image!.subarray(clip * 32 * 32, (clip + 1) * 32 * 32);
    expect(part(images[0], 1)).toEqual(part(images[1], 1));
    expect(part(images[0], 0)).not.toEqual(part(images[1], 0));
  });
});

describe('the augmentation none', () => {
  const dataset = withFields([{ frames: 2, ...FRAME, field: CLIP.field }]);
  const rendered = (view: Partial<ViewInput>, augment: AugmentConfig, epoch: number): Float32Array => {
    const image = new Float32Array(48 * 48);
    frameRenderer(dataset, { ...frameViewOf({ size: 48 }), ...(view as object), augment })(
      [{ clip: 0, frame: 1 }],
      1,
      epoch,
      image,
    );
    return image;
  };

  it('is the view of evaluation, the same every time', () => {
    const whole = new Float32Array(48 * 48);
    fillWholeView(dataset.readFrame(dataset.clips[0]!, 1), FRAME, frameViewOf({ size: 48 }), whole, 0);
    for (const epoch of [0, 1, 2])
      for (const [i, value] of rendered({}, AUGMENT_PRESETS.none, epoch).entries())
        expect(value).toBeCloseTo(whole[i]!, 5);
  });

  it('shows the middle square where proportions are kept', () => {
    const frame = dataset.readFrame(dataset.clips[0]!, 1);
    const square = Uint8Array.from(
      { length: 140 * 140 },
      (_, i) => frame[Math.floor(i / 140) * 160 + 10 + (i % 140)]!,
    );
    const middle = new Float32Array(48 * 48);
    fillWholeView(square, { width: 140, height: 140 }, frameViewOf({ size: 48 }), middle, 0);
    const seen = rendered({ resize: 'shorter-side' }, AUGMENT_PRESETS.none, 0);
    // The grid is 54.86 pixels wide and is cut to 54: the square may lie half a pixel of it aside.
    let difference = 0;
    for (const [i, value] of seen.entries()) difference += Math.abs(value - middle[i]!) / seen.length;
    expect(difference).toBeLessThan(0.35);
    expect(rendered({ resize: 'shorter-side' }, AUGMENT_PRESETS.none, 1)).toEqual(seen);
  });
});
