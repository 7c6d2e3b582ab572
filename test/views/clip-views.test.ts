import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { cropsAndFlips, wholeFrame } from '../../src/views/augment-levels.ts';
import {
  clipLength,
  clipRenderer,
  type FrameView,
  framesWanted,
  timesShown,
  viewCount,
} from '../../src/views/clip-views.ts';
import { imageLength } from '../../src/views/config.ts';
import { drawFrames, drawPair } from '../../src/views/sampling.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { clipOf, memoryDataset, viewOf } from './helpers.ts';

const view = viewOf();
const WHOLE = wholeFrame(view.augment);
const LENGTH = imageLength(view);

describe('frames for views of single frames', () => {
  const draws = (frames: number, wanted: number, windowSeconds: number | null = null, count = 4000) =>
    Array.from({ length: count }, (_, epoch) =>
      drawFrames(clipOf('clip', { frames, fps: 10 }), wanted, windowSeconds, 1, epoch),
    );

  it('are different ones, each as often as any other', () => {
    const uses = new Map<string, number>();
    for (const drawn of draws(4, 2)) {
      expect(new Set(drawn).size).toBe(2);
      uses.set(drawn.join(), (uses.get(drawn.join()) ?? 0) + 1);
    }
    // All 12 ordered pairs, 333 times each on average (sd 18).
    expect(uses.size).toBe(12);
    for (const count of uses.values()) expect(Math.abs(count - 4000 / 12)).toBeLessThan(90);
  });

  it('come from one window wherever it lies, and from the whole clip without one', () => {
    const starts = new Set<number>();
    // Half a second at 10 frames a second reaches over 6 frames.
    for (const drawn of draws(20, 6, 0.5)) {
      const low = Math.min(...drawn);
      expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: 6 }, (_, i) => low + i));
      starts.add(low);
    }
    expect([...starts].sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, i) => i));
    for (const windowSeconds of [null, 0.5]) {
      const single = draws(20, 1, windowSeconds).flat();
      expect(new Set(single)).toEqual(new Set(Array.from({ length: 20 }, (_, i) => i)));
    }
  });

  it('come again where the clip has fewer than are wanted', () => {
    for (const drawn of draws(2, 5, null, 50)) {
      expect(drawn).toHaveLength(5);
      expect(drawn.slice(2)).toEqual([drawn[0], drawn[1], drawn[0]]);
    }
  });

  it('are those of their address: seed, epoch and clip', () => {
    const at = (seed: number, epoch: number, id: string) =>
      drawFrames(clipOf(id, { frames: 1000 }), 1, null, seed, epoch)[0];
    expect(at(1, 2, 'a')).toBe(at(1, 2, 'a'));
    expect(new Set([at(1, 2, 'a'), at(2, 2, 'a'), at(1, 3, 'a'), at(1, 2, 'b')]).size).toBe(4);
  });
});

describe('a renderer of frame views', () => {
  const dataset = memoryDataset([{ frames: 6 }, { frames: 9, width: 24, height: 30 }, { frames: 1 }]);
  const rendered = (views: Parameters<typeof clipRenderer>[2], clips: readonly number[], epoch = 3) => {
    const target = new Float32Array(viewCount(views) * clips.length * LENGTH).fill(NaN);
    clipRenderer(dataset, view, views)(clips, 5, epoch, target);
    return (number: number, clip: number): number[] => {
      const from = (number * clips.length + clip) * LENGTH;
      return [...target.subarray(from, from + LENGTH)];
    };
  };

  it('shows the drawn frames, view 0 of all clips, then view 1', () => {
    const clips = [1, 0];
    const image = rendered(
      [
        { frame: 1, augment: WHOLE },
        { frame: 0, augment: WHOLE },
      ],
      clips,
    );
    clips.forEach((index, i) => {
      const clip = dataset.clips[index]!;
      const frames = drawFrames(clip, 2, null, 5, 3);
      [1, 0].forEach((frame, number) => {
        const expected = new Float32Array(LENGTH);
        fillWholeView(dataset.readFrame(clip, frames[frame]!), clip, view, expected, 0);
        image(number, i).forEach((value, at) => {
          // Nothing is augmented, but what is drawn goes another way through the code: to a rounding of a grey level.
          expect(value).toBeCloseTo(expected[at]!, 1);
        });
      });
    });
  });

  it('shows the same frame in views of one number, each augmented by its own address', () => {
    const twice = { frame: 0, augment: WHOLE };
    const same = rendered([twice, twice], [1]);
    expect(same(0, 0)).toEqual(same(1, 0));
    const cropped = { frame: 0, augment: cropsAndFlips({ ...view.augment, cropScale: [0.3, 0.5] }) };
    const apart = rendered([cropped, cropped], [1]);
    expect(apart(0, 0)).not.toEqual(apart(1, 0));
  });

  it('wants as many frames as its highest number, and a still gives its one', () => {
    const views = [
      { frame: 2, augment: WHOLE },
      { frame: 0, augment: WHOLE },
    ];
    expect([framesWanted(views), framesWanted('pair'), viewCount(views), viewCount('pair')]).toEqual([
      3, 1, 2, 2,
    ]);
    const image = rendered(views, [2]);
    expect(image(0, 0)).toEqual(image(1, 0));
  });

  it('shows partners in all views but the first, with what is drawn for the clip', () => {
    const views = [0, 1, 0].map((frame) => ({ frame, augment: view.augment }));
    const target = new Float32Array(3 * 2 * LENGTH).fill(NaN);
    clipRenderer(dataset, view, views)([0, 1], 5, 3, target, [1, 1]);
    const at = (number: number, clip: number, of = target, clips = 2): number[] => [
      ...of.subarray((number * clips + clip) * LENGTH, (number * clips + clip + 1) * LENGTH),
    ];
    const [own, partner] = dataset.clips;
    // A clip of the same name with the partner's pictures.
    const instead = { ...partner!, id: own!.id };
    const swapped = {
      ...dataset,
      clips: [instead],
      readFrame: (_: unknown, frame: number, into?: Uint8Array) => dataset.readFrame(partner!, frame, into),
    };
    const expected = new Float32Array(3 * LENGTH);
    clipRenderer(swapped, view, views)([0], 5, 3, expected);
    const plain = rendered(views, [0, 1]);
    expect(at(0, 0)).toEqual(plain(0, 0));
    for (const number of [1, 2]) {
      expect(at(number, 0)).toEqual(at(number, 0, expected, 1));
      expect(at(number, 0)).not.toEqual(plain(number, 0));
    }
    for (const number of [0, 1, 2]) expect(at(number, 1)).toEqual(plain(number, 1));
  });

  it('refuses a target of another length', () => {
    const render = clipRenderer(dataset, view, [{ frame: 0, augment: WHOLE }]);
    expect(() => {
      render([0, 1], 1, 1, new Float32Array(LENGTH));
    }).toThrow('2 clips');
  });
});

describe('beside an independent computation (test/golden/view_frames_golden.py)', () => {
  const address = { seed: z.int(), epoch: z.int(), clip: z.string() };
  const golden = z
    .object({
      shown: z.array(z.int()),
      frames: z.int(),
      flip: z.number(),
      draws: z.array(
        z.object({
          ...{ frames: z.int(), windowSeconds: z.number().nullable(), wanted: z.int() },
          ...{ ...address, drawn: z.array(z.int()) },
        }),
      ),
      images: z.array(
        z.object({ ...address, views: z.array(z.object({ frame: z.int(), mirrored: z.boolean() })) }),
      ),
    })
    .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../golden/data/view-frames.json'), 'utf8')));

  it('the same frames are drawn, of clips and of windows, fewer and more than there are', () => {
    for (const { frames, windowSeconds, wanted, seed, epoch, clip, drawn } of golden.draws) {
      const found = drawFrames(clipOf(clip, { frames, fps: 10 }), wanted, windowSeconds, seed, epoch);
      expect(found, `${wanted} of ${frames}, window ${windowSeconds ?? 'none'}, ${clip}`).toEqual(drawn);
    }
  });

  it('the same views show the same frames, mirrored or not', () => {
    const { frames, flip } = golden;
    const nine = memoryDataset([{ frames }, { frames }]);
    const render = clipRenderer(
      nine,
      view,
      golden.shown.map((frame) => ({ frame, augment: { ...WHOLE, flip } })),
    );
    for (const { seed, epoch, clip: id, views } of golden.images) {
      const index = nine.clips.findIndex((clip) => clip.id === id);
      const target = new Float32Array(views.length * LENGTH);
      render([index], seed, epoch, target);
      for (const [number, { frame, mirrored }] of views.entries()) {
        const whole = new Float32Array(LENGTH);
        fillWholeView(nine.readFrame(nine.clips[index]!, frame), nine.clips[index]!, view, whole, 0);
        const mirror = (at: number): number => at - 2 * (at % view.size) + view.size - 1;
        const errors = whole.map((_, at) =>
          Math.abs(target[number * LENGTH + at]! - whole[mirrored ? mirror(at) : at]!),
        );
        // To a rounding of a grey level.
        expect(Math.max(...errors), `${id}, seed ${seed}, epoch ${epoch}, view ${number}`).toBeLessThan(0.05);
      }
    }
  });
});

describe('times of views', () => {
  /** Frames that show their number, in clips of 10 and of 20 frames a second, a still, and one whose rate nobody knows. */
  const numbered = memoryDataset(
    [{ frames: 9 }, { frames: 30, fps: 20 }, { frames: 1, fps: null }, { frames: 4, fps: null }],
    1,
    (_, frame, { width, height }) => new Uint8Array(width * height).fill(8 * frame),
  );
  const { mean, std } = view.normalise as { readonly mean: number; readonly std: number };

  it.each([
    ['pairs', 'pair', { enabled: false }],
    ['pairs within a window', 'pair', { enabled: false, windowSeconds: 0.3 }],
    ['frame views', [1, 0, 2, 1].map((frame) => ({ frame, augment: WHOLE })), {}],
  ] as const)('are those of the frames that are shown, of partners too (%s)', (_, views, spg) => {
    const config = viewOf({ spg, augment: { ...WHOLE } });
    const render = clipRenderer(numbered, config, views);
    const count = viewCount(views);
    let apart = 0;
    for (let epoch = 0; epoch < 20; epoch++)
      for (const [clip, partner] of [
        [0, 0],
        [1, 1],
        [0, 1],
        [1, 2],
        [2, 0],
      ] as const) {
        const target = new Float32Array(count * LENGTH);
        render([clip], 5, epoch, target, [partner]);
        const [own, other] = [numbered.clips[clip]!, numbered.clips[partner]!];
        const times = timesShown(own, other, config, views, { seed: 5, epoch });
        expect(times).toHaveLength(count);
        for (const [number, time] of times.entries()) {
          const grey = 255 * (std * target[number * LENGTH]! + mean);
          const { fps } = number === 0 ? own : other;
          expect(time * (fps ?? 1)).toBeCloseTo(Math.round(grey / 8), 9);
        }
        if (times[0] !== times[1]) apart++;
      }
    expect(apart).toBeGreaterThan(50);
  });

  it('of mixed views are those of the frames beside the anchor', () => {
    const config = viewOf({ spg: { enabled: true } });
    const clip = numbered.clips[0]!;
    const { frame0, frame1 } = drawPair(clip, config.spg, 3, 2);
    const times = timesShown(clip, clip, config, 'pair', { seed: 3, epoch: 2 });
    expect(times).toEqual([frame0 / 10, frame1 / 10]);
  });

  it('of stills are 0, and of a clip without a rate none', () => {
    const at = { seed: 1, epoch: 0 };
    const [still, unknown] = [numbered.clips[2]!, numbered.clips[3]!];
    expect(timesShown(still, still, view, 'pair', at)).toEqual([0, 0]);
    expect(timesShown(unknown, unknown, view, 'pair', at)).toEqual([NaN, NaN]);
  });
});

describe('augmentations in part', () => {
  const all = viewOf({
    augment: {
      blur: { probability: 1 },
      rotation: { probability: 1 },
      affine: { probability: 1 },
      cutout: { probability: 1 },
      outPainting: { probability: 1 },
      nonLinearIntensity: { probability: 1 },
      sharpen: { probability: 1 },
    },
  }).augment;

  it('keep crops and flips alone, or nothing', () => {
    const { cropScale, cropRatio, flip } = all;
    for (const [augment, kept] of [
      [cropsAndFlips(all), { cropScale, cropRatio, flip }],
      [wholeFrame(all), { cropScale: [1, 1], cropRatio: [1, 1], flip: 0 }],
    ] as const) {
      expect(augment).toMatchObject({ ...kept, brightness: 0, contrast: 0, saturation: 0, hue: 0 });
      for (const part of [
        'blur',
        'rotation',
        'affine',
        'cutout',
        'outPainting',
        'nonLinearIntensity',
        'sharpen',
      ] as const)
        expect(augment[part].probability, part).toBe(0);
    }
  });
});

describe('views of several sizes', () => {
  const dataset = memoryDataset([{ frames: 6 }, { frames: 9, width: 24, height: 30 }]);
  const large: FrameView = { frame: 0, augment: view.augment };
  const small = {
    frame: 1,
    augment: { ...view.augment, cropScale: [0.1, 0.3] as [number, number] },
    size: 16,
  };

  it('are one after the other, each as a renderer of its size alone makes it', () => {
    const views = [large, small, large, { ...small, frame: 0 }];
    expect(clipLength(views, view)).toBe(2 * LENGTH + 2 * view.channels * 16 * 16);
    const clips = [1, 0, 1];
    const target = new Float32Array(clips.length * clipLength(views, view)).fill(NaN);
    clipRenderer(dataset, view, views)(clips, 5, 3, target);
    let from = 0;
    for (const [number, one] of views.entries()) {
      const size = one.size ?? view.size;
      // The same places of the list in one size: draws are addressed by them.
      const alike = views.map((other) => ({ ...other, size }));
      const length = clips.length * imageLength({ ...view, size });
      const expected = new Float32Array(views.length * length);
      clipRenderer(dataset, { ...view, size }, alike)(clips, 5, 3, expected);
      expect([...target.subarray(from, from + length)]).toEqual([
        ...expected.subarray(number * length, (number + 1) * length),
      ]);
      from += length;
    }
    expect(from).toBe(target.length);
  });
});
