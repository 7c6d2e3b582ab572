import { describe, expect, it } from 'vitest';
import { batchSchema, viewSchema } from '../../src/views/config.ts';

/** Paths of the issues that a value has. */
function complaints(schema: typeof viewSchema | typeof batchSchema, value: unknown): string[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  return result.error.issues.map((issue) =>
    [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys : [])].join('.'),
  );
}

describe('view configuration', () => {
  it('defaults to the augmentations that the published code has switched on', () => {
    const view = viewSchema.parse({});
    expect(view).toMatchObject({
      size: 224,
      resize: 'square',
      spg: {
        enabled: true,
        order: 'augment-then-mix',
        coefficients: 'shared',
        beta: [0.5, 0.5],
        anchor: 'random',
      },
      augment: { cropScale: [0.8, 1], cropRatio: [0.8, 1.25], flip: 0.5 },
      normalise: { mean: 0.5, std: 0.25 },
    });
    expect(view.augment).toMatchObject({ brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 });
    const operations = Object.values(view.augment).filter(
      (value): value is { probability: number } => typeof value === 'object' && 'probability' in value,
    );
    expect(operations).toHaveLength(15);
    for (const operation of operations) expect(operation.probability).toBe(0);
  });

  it.each([
    [{ sise: 3 }, 'sise'],
    [{ size: 15.5 }, 'size'],
    [{ channels: 2 }, 'channels'],
    [{ spg: { order: 'mix' } }, 'spg.order'],
    [{ spg: { beta: [0, 1] } }, 'spg.beta.0'],
    [{ spg: { windowSeconds: 0 } }, 'spg.windowSeconds'],
    [{ spg: { anker: 'middle' } }, 'spg.anker'],
    [{ augment: { cropScale: [0.9, 0.5] } }, 'augment.cropScale'],
    [{ augment: { cropScale: [0, 1] } }, 'augment.cropScale.0'],
    [{ augment: { cropRatio: [1] } }, 'augment.cropRatio'],
    [{ augment: { flip: 1.1 } }, 'augment.flip'],
    [{ augment: { brightness: -1 } }, 'augment.brightness'],
    [{ augment: { hue: 0.6 } }, 'augment.hue'],
    [{ augment: { blur: { probability: 2 } } }, 'augment.blur.probability'],
    [{ augment: { cutout: { holes: 0 } } }, 'augment.cutout.holes'],
    [{ augment: { sharpen: { degree: 6 } } }, 'augment.sharpen.degree'],
    [{ augment: { sharpen: { degree: -2 } } }, 'augment.sharpen.degree'],
    [{ augment: { preset: 'us' } }, 'augment.preset'],
    [{ augment: { probe: { degrees: [20, 10] } } }, 'augment.probe.degrees'],
    [{ augment: { probe: { degrees: [0, 151] } } }, 'augment.probe.degrees.1'],
    [{ augment: { speckle: { strength: [0, 1.1] } } }, 'augment.speckle.strength.1'],
    [{ augment: { speckle: { grain: [0.9, 2] } } }, 'augment.speckle.grain.0'],
    [{ augment: { speckle: { grain: [2, 8.1] } } }, 'augment.speckle.grain.1'],
    [{ augment: { gain: { decibels: [-61, 0] } } }, 'augment.gain.decibels.0'],
    [{ augment: { gain: { factor: [0, 4.1] } } }, 'augment.gain.factor.1'],
    [{ augment: { gamma: { exponent: [0, 1] } } }, 'augment.gamma.exponent.0'],
    [{ augment: { clahe: { limit: [0.9, 3] } } }, 'augment.clahe.limit.0'],
    [{ augment: { fieldEdge: { margin: [0, 0.6] } } }, 'augment.fieldEdge.margin.1'],
    [{ normalise: { std: 0 } }, 'normalise.std'],
    [{ normalise: { mean: [1, 2, 3] } }, 'normalise.mean'],
  ])('refuses %j at its key', (value, key) => {
    expect(complaints(viewSchema, value)).toEqual([key]);
  });

  it.each([-1, 0, 5])('takes %i as a degree of sharpening', (degree) => {
    expect(viewSchema.parse({ augment: { sharpen: { degree } } }).augment.sharpen.degree).toBe(degree);
  });

  it('takes a mean and a deviation a channel for three channels', () => {
    const normalise = { mean: [0.1, 0.2, 0.3], std: [1, 2, 3] };
    expect(viewSchema.parse({ channels: 3, normalise }).normalise).toEqual(normalise);
  });
});

describe('batch configuration', () => {
  it.each([
    [{ size: 1 }, 'size'],
    [{ size: 2.5 }, 'size'],
    [{ lastBatch: 'pad' }, 'lastBatch'],
    [{ distinctGroups: 1 }, 'distinctGroups'],
    [{ pairs: 32 }, 'pairs'],
  ])('refuses %j at its key', (value, key) => {
    expect(complaints(batchSchema, value)).toEqual([key]);
  });
});
