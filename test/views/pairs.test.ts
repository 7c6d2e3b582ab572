import { describe, expect, it } from 'vitest';
import { imageLength } from '../../src/views/config.ts';
import type { FrameSource } from '../../src/views/image.ts';
import { fillPairImages, pairRenderer } from '../../src/views/pairs.ts';
import { drawPair } from '../../src/views/sampling.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { memoryDataset, PLAIN, viewOf, type ViewInput } from './helpers.ts';
import { slowPair } from './slow.ts';

function render(
  dataset: FrameSource,
  clips: readonly number[],
  input: ViewInput,
  seed = 5,
  epoch = 2,
): Float32Array {
  const view = viewOf(input);
  const target = new Float32Array(2 * clips.length * imageLength(view)).fill(NaN);
  fillPairImages(dataset, clips, view, seed, epoch, target);
  return target;
}

const CLIPS = [
  { frames: 5 },
  { frames: 3, width: 40, height: 15 },
  { frames: 2, width: 9, height: 30 },
  { frames: 1 },
  { frames: 12, width: 64, height: 70 },
];

describe('partners', () => {
  it.each<[string, NonNullable<ViewInput['spg']>]>([
    ['unmixed', { enabled: false }],
    ['mixed first', { order: 'mix-then-augment', coefficients: 'independent', anchor: 'middle' }],
    ['augmented first', {}],
  ])('give view 1 their pictures, with what is drawn for the clip (%s)', (_, spg) => {
    const dataset = memoryDataset(CLIPS);
    const view = viewOf({ spg, augment: { blur: { probability: 0.5 } } });
    const length = imageLength(view);
    const clips = [0, 4, 1, 2];
    const partners = [4, 4, 0, 3];
    const target = new Float32Array(8 * length).fill(NaN);
    pairRenderer(dataset, view)(clips, 5, 2, target, partners);
    for (const [i, index] of clips.entries()) {
      const partner = dataset.clips[partners[i]!]!;
      // A clip of the same name with the partner's pictures.
      const instead: FrameSource = {
        ...dataset,
        clips: [{ ...partner, id: dataset.clips[index]!.id }],
        readFrame: (_clip, frame, into) => dataset.readFrame(partner, frame, into),
      };
      const [own, other] = [new Float32Array(2 * length), new Float32Array(2 * length)];
      fillPairImages(dataset, [index], view, 5, 2, own);
      fillPairImages(instead, [0], view, 5, 2, other);
      expect(target.subarray(i * length, (i + 1) * length)).toEqual(own.subarray(0, length));
      expect(target.subarray((4 + i) * length, (5 + i) * length)).toEqual(other.subarray(length));
      if (partners[i] !== index) expect(other.subarray(length)).not.toEqual(own.subarray(length));
    }
  });

  it('that are not there are refused', () => {
    const target = new Float32Array(2 * imageLength(viewOf()));
    expect(() => {
      pairRenderer(memoryDataset(CLIPS), viewOf())([0], 1, 1, target, [9]);
    }).toThrow('There is no clip 9');
  });
});

describe('the fast path equals the plain one', () => {
  const spgs: readonly NonNullable<ViewInput['spg']>[] = [
    {},
    { coefficients: 'independent', anchor: 'middle' },
    { order: 'mix-then-augment' },
    { order: 'mix-then-augment', coefficients: 'independent', beta: [2, 2] },
    { enabled: false },
  ];
  const layouts = [
    [1, 1],
    [1, 3],
    [3, 1],
    [3, 3],
  ] as const;
  for (const spg of spgs)
    for (const [stored, channels] of layouts)
      it(`${JSON.stringify(spg)}, ${stored} stored and ${channels} wanted channels`, () => {
        const dataset = memoryDataset(CLIPS, stored);
        // 17² is no multiple of four: the remainder of the word loops counts too.
        for (const [size, resize] of [
          [16, 'square'],
          [17, 'shorter-side'],
        ] as const) {
          const input: ViewInput = {
            size,
            channels,
            resize,
            spg,
            augment: { cropScale: [0.3, 1] },
            normalise: channels === 3 ? { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] } : {},
          };
          const clips = [4, 0, 1, 2, 3];
          const images = render(dataset, clips, input);
          const view = viewOf(input);
          const length = imageLength(view);
          for (const [i, clip] of clips.entries())
            for (const [v, expected] of slowPair(dataset, clip, view, 5, 2).entries()) {
              const actual = images.subarray(
                (v * clips.length + i) * length,
                (v * clips.length + i + 1) * length,
              );
              let worst = 0;
              for (let k = 0; k < length; k++) worst = Math.max(worst, Math.abs(actual[k]! - expected[k]!));
              expect(worst).toBeLessThan(1e-4);
            }
        }
      });
});

describe('sample pair generation', () => {
  const dataset = memoryDataset([{ frames: 6 }]);

  function whole(frame: number): Float32Array {
    const view = viewOf();
    const target = new Float32Array(imageLength(view));
    const clip = dataset.clips[0]!;
    fillWholeView(dataset.readFrame(clip, frame), clip, view, target, 0);
    return target;
  }

  /** Beta with such shapes is a point, 0 or 1, to single precision. */
  const AT_ZERO = [0.001, 1000] as const;
  const AT_ONE = [1000, 0.001] as const;

  for (const order of ['augment-then-mix', 'mix-then-augment'] as const) {
    it(`${order}: ξ = 0 makes both views the anchor, ξ = 1 makes them x1 and x3`, () => {
      for (const [beta, at] of [
        [AT_ZERO, 0],
        [AT_ONE, 1],
      ] as const) {
        const view = viewOf({ augment: PLAIN, spg: { order, beta } });
        const draw = drawPair(dataset.clips[0]!, view.spg, 5, 2);
        expect(draw.weight0).toBeCloseTo(at, 3);
        const images = render(dataset, [0], { augment: PLAIN, spg: { order, beta } });
        const expected = at === 0 ? [draw.anchor!, draw.anchor!] : [draw.frame0, draw.frame1];
        for (const [v, frame] of expected.entries())
          for (const [i, value] of whole(frame).entries())
            expect(Math.abs(images[256 * v + i]! - value)).toBeLessThan(0.02);
      }
    });
  }

  it('augments the anchor once: as ξ → 0 both views become one image, augmented or not', () => {
    const images = render(dataset, [0], { spg: { beta: AT_ZERO } });
    for (let i = 0; i < 256; i++) expect(Math.abs(images[i]! - images[256 + i]!)).toBeLessThan(0.02);
    // Mixed first, the two views get crops and jitter of their own.
    const apart = render(dataset, [0], { spg: { beta: AT_ZERO, order: 'mix-then-augment' } });
    let largest = 0;
    for (let i = 0; i < 256; i++) largest = Math.max(largest, Math.abs(apart[i]! - apart[256 + i]!));
    expect(largest).toBeGreaterThan(0.5);
  });

  it('mixes in the proportion drawn', () => {
    const input: ViewInput = { augment: PLAIN, spg: { coefficients: 'independent', beta: [2, 2] } };
    const draw = drawPair(dataset.clips[0]!, viewOf(input).spg, 5, 2);
    const images = render(dataset, [0], input);
    const [x1, x2, x3] = [whole(draw.frame0), whole(draw.anchor!), whole(draw.frame1)];
    for (let i = 0; i < 256; i++) {
      expect(images[i]).toBeCloseTo(draw.weight0 * x1[i]! + (1 - draw.weight0) * x2[i]!, 4);
      expect(images[256 + i]).toBeCloseTo(draw.weight1 * x3[i]! + (1 - draw.weight1) * x2[i]!, 4);
    }
  });

  it('makes two different views of a still', () => {
    const still = memoryDataset([{ frames: 1 }]);
    const images = render(still, [0], {});
    expect(images.subarray(0, 256)).not.toEqual(images.subarray(256));
    const plain = render(still, [0], { augment: PLAIN });
    expect(plain.subarray(0, 256)).toEqual(plain.subarray(256));
  });

  it('shows the two frames of a clip of two, unmixed', () => {
    const two = memoryDataset([{ frames: 2 }]);
    const draw = drawPair(two.clips[0]!, viewOf().spg, 5, 2);
    const images = render(two, [0], { augment: PLAIN });
    const view = viewOf();
    const clip = two.clips[0]!;
    const expected = new Float32Array(512);
    fillWholeView(two.readFrame(clip, draw.frame0), clip, view, expected, 0);
    fillWholeView(two.readFrame(clip, draw.frame1), clip, view, expected, 256);
    expect(images).toEqual(expected);
  });
});

describe('what is rendered', () => {
  const dataset = memoryDataset(CLIPS);

  it('does not depend on the batch, its order, or what a renderer rendered before', () => {
    const view = viewOf();
    const renderPairs = pairRenderer(dataset, view);
    const together = new Float32Array(2 * 5 * 256);
    renderPairs([4, 3, 2, 1, 0], 5, 2, together);
    renderPairs([0, 1, 2, 3, 4], 5, 2, together);
    for (let clip = 0; clip < 5; clip++) {
      const alone = render(dataset, [clip], {});
      expect(together.subarray(256 * clip, 256 * (clip + 1))).toEqual(alone.subarray(0, 256));
      expect(together.subarray(256 * (5 + clip), 256 * (6 + clip))).toEqual(alone.subarray(256));
    }
  });

  it('differs between epochs and seeds', () => {
    const images = render(dataset, [0], {}, 5, 2);
    expect(render(dataset, [0], {}, 5, 3)).not.toEqual(images);
    expect(render(dataset, [0], {}, 6, 2)).not.toEqual(images);
  });

  it('changes with every operation that is switched on, and stays finite', () => {
    const probability = 1;
    const operations: NonNullable<ViewInput['augment']>[] = [
      { blur: { probability, sigma: [1, 2] } },
      { rotation: { probability } },
      { affine: { probability, translate: [0.3, 0.3] } },
      { cutout: { probability, side: 0.3 } },
      { outPainting: { probability } },
      { nonLinearIntensity: { probability } },
      { sharpen: { probability } },
    ];
    for (const channels of [1, 3] as const) {
      const coloured = memoryDataset(CLIPS, channels);
      const plain = render(coloured, [0, 4], { channels });
      for (const augment of operations) {
        const images = render(coloured, [0, 4], { channels, augment });
        expect(images.every(Number.isFinite)).toBe(true);
        expect(images).not.toEqual(plain);
      }
    }
  });

  it('mixes an image with neighbourhood operations and one without alike', () => {
    // With probability one half some of the three images of a pair are kept as tables and some as planes.
    const clips = Array.from({ length: 12 }, () => ({ frames: 4 }));
    const many = memoryDataset(clips);
    const all = clips.map((_, i) => i);
    const identity = { sharpen: { probability: 0.5, degree: 0 }, cutout: { probability: 0.5, side: 1e-9 } };
    const images = render(many, all, {
      augment: { ...identity, cutout: { probability: 0 }, blur: { probability: 0.5, sigma: [0.01, 0.01] } },
    });
    const plain = render(many, all, {});
    // A blur this narrow is no blur: only the way of computing differs.
    for (const [i, value] of plain.entries()) expect(Math.abs(images[i]! - value)).toBeLessThan(1e-5);
  });

  it('refuses a clip that is not there and a target of another size', () => {
    expect(() => render(dataset, [5], {})).toThrow('There is no clip 5');
    expect(() => {
      fillPairImages(dataset, [0], viewOf(), 1, 1, new Float32Array(511));
    }).toThrow('must have 512 elements');
  });
});
