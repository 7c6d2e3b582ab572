import { describe, expect, it } from 'vitest';
import { frameViewSchema, imageLength, type FrameViewConfig } from '../../src/views/config.ts';
import { frameRenderer, type FrameRow } from '../../src/views/frames.ts';
import type { FrameSource } from '../../src/views/image.ts';
import { fillWholeView } from '../../src/views/whole.ts';
import { frameViewOf, memoryDataset, type FrameViewInput } from './helpers.ts';
import { slowFrame } from './slow.ts';

const CLIPS = [
  { frames: 5 },
  { frames: 3, width: 40, height: 15 },
  { frames: 1, width: 9, height: 30 },
  { frames: 12, width: 64, height: 70 },
];
const ROWS: readonly FrameRow[] = [
  { clip: 3, frame: 11 },
  { clip: 0, frame: 0 },
  { clip: 0, frame: 4 },
  { clip: 2, frame: 0 },
  { clip: 1, frame: 1 },
];
const JITTER: FrameViewInput['augment'] = {
  cropScale: [0.3, 1],
  brightness: 0.5,
  contrast: 0.5,
  saturation: 0.5,
  hue: 0.1,
};

function render(
  dataset: FrameSource,
  rows: readonly FrameRow[],
  view: FrameViewConfig,
  seed = 5,
  epoch = 2,
): Float32Array {
  const target = new Float32Array(rows.length * imageLength(view)).fill(NaN);
  frameRenderer(dataset, view)(rows, seed, epoch, target);
  return target;
}

describe('augmented frames', () => {
  for (const [stored, channels] of [
    [1, 1],
    [1, 3],
    [3, 1],
    [3, 3],
  ] as const)
    it(`equal those made the plain way, ${stored} stored and ${channels} wanted channels`, () => {
      const dataset = memoryDataset(CLIPS, stored);
      for (const [size, resize] of [
        [16, 'square'],
        [17, 'shorter-side'],
      ] as const) {
        const view = frameViewOf({ size, channels, resize, augment: JITTER });
        if (view.augment === null) throw new Error('The test augments.');
        const images = render(dataset, ROWS, view);
        const length = imageLength(view);
        for (const [i, row] of ROWS.entries()) {
          const expected = slowFrame(dataset, row, { ...view, augment: view.augment }, 5, 2);
          let worst = 0;
          for (let k = 0; k < length; k++)
            worst = Math.max(worst, Math.abs(images[i * length + k]! - expected[k]!));
          expect(worst).toBeLessThan(1e-4);
        }
      }
    });

  const dataset = memoryDataset(CLIPS);

  it('do not depend on the batch, its order, or what a renderer rendered before', () => {
    const view = frameViewOf({ augment: JITTER });
    const renderRows = frameRenderer(dataset, view);
    const together = new Float32Array(5 * 256);
    renderRows([...ROWS].reverse(), 5, 2, together);
    renderRows(ROWS, 5, 2, together);
    for (const [i, row] of ROWS.entries())
      expect(together.subarray(256 * i, 256 * (i + 1))).toEqual(render(dataset, [row], view));
  });

  it('differ between epochs, seeds and frames, with the same picture below', () => {
    const still = memoryDataset([{ frames: 2 }], 1, (_clip, _frame, { width, height }) =>
      Uint8Array.from({ length: width * height }, (_, i) => (i * 7) % 256),
    );
    const view = frameViewOf({ augment: JITTER });
    const row = { clip: 0, frame: 0 };
    const image = render(still, [row], view);
    expect(render(still, [row], view, 5, 3)).not.toEqual(image);
    expect(render(still, [row], view, 6, 2)).not.toEqual(image);
    expect(render(still, [{ clip: 0, frame: 1 }], view)).not.toEqual(image);
    expect(render(still, [row], view)).toEqual(image);
  });
});

describe('frames without augmentation', () => {
  it.each([1, 3] as const)('are the views of evaluation, to the bit (%i channels)', (channels) => {
    const dataset = memoryDataset(CLIPS, channels);
    const view = frameViewOf({ channels, augment: null });
    const length = imageLength(view);
    const images = render(dataset, ROWS, view);
    for (const [i, { clip, frame }] of ROWS.entries()) {
      const record = dataset.clips[clip]!;
      const expected = new Float32Array(length);
      fillWholeView(dataset.readFrame(record, frame), record, view, expected, 0);
      expect(images.subarray(i * length, (i + 1) * length)).toEqual(expected);
    }
    expect(render(dataset, ROWS, view, 9, 9)).toEqual(images);
  });
});

describe('what cannot be rendered', () => {
  const dataset = memoryDataset(CLIPS);

  it('is refused: a clip that is not there, a target of another size', () => {
    const view = frameViewOf();
    expect(() => render(dataset, [{ clip: 4, frame: 0 }], view)).toThrow('There is no clip 4');
    expect(() => {
      frameRenderer(dataset, view)([{ clip: 0, frame: 0 }], 1, 1, new Float32Array(255));
    }).toThrow('must have 256 elements');
  });
});

describe('the view configuration of frames', () => {
  it('defaults to crop and flip alone, as the published fine-tuning code', () => {
    const view = frameViewSchema.parse({});
    expect(view.augment).toMatchObject({
      ...{ cropScale: [0.8, 1], cropRatio: [0.8, 1.25], flip: 0.5 },
      ...{ brightness: 0, contrast: 0, saturation: 0, hue: 0 },
    });
    // Naming one operation switches on no other.
    expect(frameViewSchema.parse({ augment: { flip: 0 } }).augment).toMatchObject({ flip: 0, brightness: 0 });
  });

  it.each([
    [{ spg: {} }, /spg/],
    [{ augment: { flip: 2 } }, /flip/],
    [{ normalise: { mean: [0.1, 0.2, 0.3] } }, /channels = 3/],
  ])('refuses %j', (input, message) => {
    expect(String(frameViewSchema.safeParse(input).error)).toMatch(message);
  });
});
