import { describe, expect, test } from 'vitest';
import { patientPositives } from '../../src/methods/patient-positives.ts';
import { simclr } from '../../src/methods/simclr.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
import { viewSchema } from '../../src/views/config.ts';
import { batchOf, GIVEN, layersOf, rowsOf } from './support.ts';

const SIZES = { projection: { hidden: 6, dim: 5 }, temperature: 0.3 };
const open = patientPositives.open({ ...SIZES, partners: 0.25 }, GIVEN);
/** Clips of three patients; the second view of the first and of the last shows another clip. */
const GROUPS = Int32Array.of(3, 8, 3, 5);
const FIRST = { ...rowsOf(4, 1, 7, 2), groups: GROUPS };
const SECOND = { ...rowsOf(7, 1, 7, 9), groups: GROUPS };

describe('patient positives', () => {
  test.each([true, false])('are NT-Xent between the groups of the clips (training: %s)', (training) => {
    const { batch, outputs, gradients } = batchOf(open, [FIRST, SECOND], 0, training);
    const losses = open.losses(batch);
    const embeddings = outputs.get(OUTPUTS.projection)!;
    const gradient = new Float32Array(embeddings.length);
    const { accuracy, ...expected } = ntXent(embeddings, 4, 5, 0.3, gradient, { groups: GROUPS });
    // Clips 0 and 2 have four negatives, the two others six.
    expect(losses).toEqual({ ...expected, pairAccuracy: accuracy, partnered: 0.5, negatives: 5 });
    if (!training) return;
    expect([...gradients.get(OUTPUTS.projection)!]).toEqual([...gradient]);
    expect(gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('are SimCLR where no patient is there twice', () => {
    const clips = rowsOf(4, 1, 7);
    const { partnered, negatives, ...rest } = open.losses(batchOf(open, [clips, clips]).batch);
    const other = simclr.open(SIZES, GIVEN);
    expect(rest).toEqual(other.losses(batchOf(other, [clips, clips]).batch));
    expect([partnered, negatives]).toEqual([0, 4]);
  });

  test('say that a view is of its own clip, mixed or not', () => {
    const said = (enabled: boolean): string =>
      patientPositives.describe(
        { partners: 0.3 },
        {
          ...{ labelsRead: false, view: viewSchema.parse({ spg: { enabled } }) },
          cite: ({ key }) => `[${key}]`,
        },
      );
    expect(said(false)).toContain('with probability 0.3 from another clip of the same group');
    expect(said(false)).toMatch(/A view was one frame of its clip, augmented by itself\.$/);
    expect(said(true)).toContain('mixed from three frames');
  });

  test('ask for second views of partners, read no label, and keep no state', () => {
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair', partners: 0.25 }]);
    expect(patientPositives.options.parse({})).toMatchObject({ partners: 0.5 });
    expect(patientPositives.readsLabels({})).toBe(false);
    expect(open.state).toBeUndefined();
    expect(patientPositives.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([6, 'relu', 5]);
  });
});
