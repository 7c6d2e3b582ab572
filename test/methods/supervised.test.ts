import { describe, expect, test } from 'vitest';
import type { RunFacts } from '../../src/methods/method.ts';
import { supervised } from '../../src/methods/supervised.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { viewSchema } from '../../src/views/config.ts';
import { failure } from '../failures.ts';
import { batchOf, GIVEN, labelledRows, layersOf, rowsOf } from './support.ts';

/** Columns 0 to 2 of the first source, 3 and 4 of the third. */
const SOURCES = [
  { name: 'lung', classes: [0, 1, 2] },
  { name: 'liver', classes: [1] },
  { name: 'breast', classes: [0, 2] },
];
const open = supervised.open({}, { ...GIVEN, sources: SOURCES });
const CLIPS = { ...labelledRows(2, 1, 0, -1, 0), sources: Int32Array.of(0, 1, 2, 0, 2) };

/** Mean over both views of the three clips with a label that a head knows: clip, first column, columns, own column. */
const TAUGHT = [
  [0, 0, 3, 2],
  [2, 3, 2, 0],
  [4, 3, 2, 0],
] as const;

function slowly(logits: Float32Array): { loss: number; accuracy: number; balancedAccuracy: number } {
  const answers = new Map<string, number[]>();
  let loss = 0;
  for (const view of [0, 1])
    for (const [clip, from, width, own] of TAUGHT) {
      const start = (view * 5 + clip) * 5 + from;
      const scores = [...logits.subarray(start, start + width)];
      const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
      loss -= Math.log(Math.exp(scores[own]!) / total) / 6;
      const key = `${from} ${own}`;
      const right = scores.indexOf(Math.max(...scores)) === own ? 1 : 0;
      answers.set(key, [...(answers.get(key) ?? []), right]);
    }
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    loss,
    accuracy: mean([...answers.values()].flat()),
    balancedAccuracy: mean([...answers.values()].map(mean)),
  };
}

describe('supervised learning', () => {
  test.each([0, 1, 2, 3])(
    'is the mean cross-entropy of labelled views, each by the head of its source (draw %d)',
    (seed) => {
      const made = batchOf(open, [CLIPS, CLIPS], seed);
      const losses = open.losses(made.batch);
      const expected = slowly(made.outputs.get(OUTPUTS.logits)!);
      expect(losses.loss).toBeCloseTo(expected.loss, 6);
      expect(losses['labelled']).toBe(6);
      expect(losses['correct']).toBeCloseTo(6 * expected.accuracy, 12);
      expect(losses['accuracy']).toBeCloseTo(expected.accuracy, 12);
      expect(losses['balancedAccuracy']).toBeCloseTo(expected.balancedAccuracy, 12);
    },
  );

  test('has the gradient that finite differences see', () => {
    const made = batchOf(open, [CLIPS, CLIPS], 5);
    open.losses(made.batch);
    const logits = made.outputs.get(OUTPUTS.logits)!;
    const gradient = made.gradients.get(OUTPUTS.logits)!.slice();
    for (let i = 0; i < logits.length; i++) {
      const held = logits[i]!;
      const at = (by: number): number => {
        logits[i] = held + by;
        const { loss } = slowly(logits);
        logits[i] = held;
        return loss;
      };
      expect(gradient[i]!).toBeCloseTo((at(1 / 128) - at(-1 / 128)) / (2 / 128), 4);
    }
    expect(made.gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('of a batch without labels is 0 with no gradient, never NaN', () => {
    const none = rowsOf(1, 2, 3);
    const made = batchOf(open, [none, none]);
    expect(open.losses(made.batch)).toEqual({
      ...{ loss: 0, labelled: 0, correct: 0, accuracy: 0, balancedAccuracy: 0 },
    });
    expect(made.gradients.get(OUTPUTS.logits)!.every((value) => value === 0)).toBe(true);
  });

  test('scores the held-out labels that a head knows', () => {
    const asked = SOURCES.flatMap((_, source) =>
      [0, 1, 2].filter((label) => open.scoresLabel!(label, source)).map((label) => [source, label]),
    );
    expect(asked).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [2, 0],
      [2, 2],
    ]);
    expect(supervised.chooses).toEqual({ by: 'balancedAccuracy', better: 'higher' });
    const made = batchOf(open, [CLIPS, CLIPS], 1, false);
    const expected = slowly(made.outputs.get(OUTPUTS.logits)!);
    expect(open.losses(made.batch)['balancedAccuracy']).toBeCloseTo(expected.balancedAccuracy, 12);
  });

  test('sees unmixed pairs through one linear layer as wide as all heads', () => {
    expect(open.streams).toEqual([{ clips: 'training', count: 4, views: 'pair' }]);
    expect(supervised.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([5]);
    const shared = supervised.open({ heads: 'shared' }, { ...GIVEN, sources: SOURCES });
    expect(layersOf(shared)).toEqual([GIVEN.classes]);
    expect(supervised.needsLabels).toBe(true);
  });

  test('is refused where no source has two classes', () => {
    const sources = SOURCES.map(({ name }) => ({ name, classes: [1] }));
    expect(failure(() => supervised.open({}, { ...GIVEN, sources }))).toMatchObject({
      code: 'METHOD_LABELS',
    });
  });

  test('says whether there is one head or several', () => {
    const facts: RunFacts = {
      ...{ labelsRead: true, view: viewSchema.parse({ spg: { enabled: false } }) },
      cite: ({ key }) => `[${key}]`,
    };
    expect(supervised.describe({}, facts)).toContain('a head of its own for each dataset');
    expect(supervised.describe({ heads: 'shared' }, facts)).toContain('one for all clips');
  });
});
