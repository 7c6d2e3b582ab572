import { describe, expect, test } from 'vitest';
import type { RunFacts } from '../../src/methods/method.ts';
import { supcon } from '../../src/methods/supcon.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { supervisedContrastive } from '../../src/objectives/supervised-contrastive.ts';
import { viewSchema } from '../../src/views/config.ts';
import { batchOf, GIVEN, labelledRows, layersOf, rowsOf } from './support.ts';

const open = supcon.open({ projection: { hidden: 6, dim: 5 }, temperature: 0.3 }, GIVEN);
const labelled = labelledRows(2, -1, 2);

describe('SupCon', () => {
  test('is the supervised contrastive loss of the projection', () => {
    const { batch, outputs, gradients } = batchOf(open, [labelled, labelled]);
    const losses = open.losses(batch);
    const embeddings = outputs.get(OUTPUTS.projection)!;
    const gradient = new Float32Array(embeddings.length);
    const { accuracy, ...expected } = supervisedContrastive(embeddings, labelled.labels, 5, 0.3, gradient);
    expect(losses).toEqual({ ...expected, pairAccuracy: accuracy });
    expect(losses).toMatchObject({ labelled: 4 });
    expect(losses['positives']).toBeCloseTo((4 * 3 + 2) / 6, 12);
    expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...gradient]);
    expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('of held-out clips, whose labels are not known, is NT-Xent', () => {
    const clips = rowsOf(0, 1, 2);
    const { batch, outputs } = batchOf(open, [clips, clips], 0, false);
    const embeddings = outputs.get(OUTPUTS.projection)!;
    const { loss } = ntXent(embeddings, 3, 5, 0.3, new Float32Array(embeddings.length));
    expect(open.losses(batch)).toMatchObject({ loss, positives: 1, labelled: 0, sameClass: 0 });
    expect(open.state).toBeUndefined();
  });

  test('reads labels, needs none, and sees unmixed pairs through a head of two layers', () => {
    expect(supcon.readsLabels({})).toBe(true);
    expect(supcon.needsLabels).toBeUndefined();
    expect(supcon.chooses).toBeNull();
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair' }]);
    expect(supcon.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([6, 'relu', 5]);
  });

  test('says whether labels were read', () => {
    const facts = (labelsRead: boolean): RunFacts => ({
      labelsRead,
      view: viewSchema.parse({ spg: { enabled: false } }),
      cite: ({ key }) => `[${key}]`,
    });
    expect(supcon.describe({}, facts(true))).toContain('clips of one class are positives');
    expect(supcon.describe({}, facts(false))).toContain('no label was read, which makes it SimCLR [ntxent]');
  });
});
