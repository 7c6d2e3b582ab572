import { describe, expect, test } from 'vitest';
import { simclr } from '../../src/methods/simclr.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { viewSchema } from '../../src/views/config.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { failure } from '../failures.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';

const open = simclr.open({ projection: { hidden: 6, dim: 5 }, temperature: 0.3 }, GIVEN);
const CLIPS = rowsOf(4, 1, 7);

describe('SimCLR', () => {
  test.each([true, false])('is NT-Xent of the projection at its temperature (training: %s)', (training) => {
    const { batch, outputs, gradients } = batchOf(open, [CLIPS, CLIPS], 0, training);
    const losses = open.losses(batch);
    const embeddings = outputs.get(OUTPUTS.projection)!;
    const gradient = new Float32Array(embeddings.length);
    const { loss, alignment, uniformity, accuracy } = ntXent(embeddings, 3, 5, 0.3, gradient);
    expect(losses).toEqual({ loss, alignment, uniformity, pairAccuracy: accuracy });
    if (!training) return;
    expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...gradient]);
    expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('weighs pairs by the time between their frames where it is asked for', () => {
    const view = viewSchema.parse({ spg: { windowSeconds: 3 } });
    const options = { projection: { hidden: 6, dim: 5 }, temperature: 0.3, timeWeighting: true };
    const byTime = simclr.open(options, { ...GIVEN, view });
    const first = { ...CLIPS, times: Float64Array.of(2, 5, 1) };
    const second = { ...CLIPS, times: Float64Array.of(2, 3, 4) };
    const { batch, outputs, gradients } = batchOf(byTime, [first, second]);
    const { loss } = byTime.losses(batch);
    const embeddings = outputs.get(OUTPUTS.projection)!;
    const gradient = new Float32Array(embeddings.length);
    const expected = ntXent(embeddings, 3, 5, 0.3, gradient, { weights: [1, 2 / 4, 1 / 4] });
    expect(loss).toBeCloseTo(expected.loss, 12);
    expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...gradient]);
    const text = simclr.describe(options, { labelsRead: false, view, cite: ({ key }) => `[${key}]` });
    expect(text).toContain('weighed by the time between its frames [ivpp], at most 3 seconds');
    const error = failure(() => simclr.open(options, GIVEN));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', where: 'key view.spg.windowSeconds' });
  });

  test('has a preset with the interpolation of Meta-USCL', () => {
    const { view, method } = resolveConfig({ preset: 'meta-uscl', set: ['method.name=simclr'] });
    expect(view.spg).toMatchObject({ enabled: true, beta: [3, 5], coefficients: 'independent' });
    expect(view.spg.order).toBe('mix-then-augment');
    expect(method).toMatchObject({ name: 'simclr', temperature: 0.5 });
  });

  test('reads no label and keeps no state', () => {
    expect(simclr.readsLabels({})).toBe(false);
    expect(open.state).toBeUndefined();
    const labelled = { ...CLIPS, labels: Int32Array.of(0, 0, 1) };
    const losses = open.losses(batchOf(open, [labelled, labelled]).batch);
    expect(losses).toEqual(open.losses(batchOf(open, [CLIPS, CLIPS]).batch));
  });

  test('sees pairs of a clip, unmixed by default, through a head of two layers', () => {
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair' }]);
    expect(simclr.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([6, 'relu', 5]);
  });

  test.each([
    [false, 'two frames of the clip, each augmented by itself'],
    [true, 'mixed from three frames'],
  ])('says how views were made (mixing: %s)', (enabled, said) => {
    const facts = { labelsRead: false, view: viewSchema.parse({ spg: { enabled } }), cite: () => '[1]' };
    const text = simclr.describe({ temperature: 0.07 }, facts);
    expect(text).toMatch(/^by SimCLR \[1\]: .*temperature 0\.07.* no label was read\. /);
    expect(text).toContain(said);
  });
});
