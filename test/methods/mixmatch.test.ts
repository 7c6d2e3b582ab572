import { describe, expect, test } from 'vitest';
import { randomAt } from '../../src/base/random.ts';
import type { MethodBatch } from '../../src/methods/method.ts';
import { mixmatch } from '../../src/methods/mixmatch.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { initialise } from '../../src/models/initialise.ts';
import { cropsAndFlips } from '../../src/views/augment-levels.ts';
import { drawMixing } from '../../src/views/mixup.ts';
import { openTested } from '../backend.ts';
import { batchOf, GIVEN, labelledRows, layersOf, rowsOf } from './support.ts';

const CLASSES = GIVEN.classes;
const LENGTH = 5;
const CLIPS = rowsOf(5, 6, 7, 8);
const KNOWN = labelledRows(2, 0);
const VIEWS = [CLIPS, CLIPS, KNOWN];
const ROWS = 10;
const OPTIONS = {
  ...{ temperature: 0.5, mixing: 0.75, unlabelledWeight: 6, rampUp: 0.5, momentum: 0.75 },
  unlabelledRatio: 2,
};
const open = mixmatch.open(OPTIONS, GIVEN);

const softmax = (scores: readonly number[]): readonly number[] => {
  const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
  return scores.map((score) => Math.exp(score) / sum);
};
const rowOf = (all: Float32Array, row: number): readonly number[] => [
  ...all.subarray(row * CLASSES, (row + 1) * CLASSES),
];

/** A look at a batch: what it says, images as they come, and as they are after it. */
function looked(number: number) {
  const random = randomAt(7, 'look', number);
  const logits = Float32Array.from({ length: 8 * CLASSES }, () => random.normal());
  const before = Float32Array.from({ length: ROWS * LENGTH }, () => random.normal());
  const images = before.slice();
  open.look!.change({ views: VIEWS, number, output: () => logits, images });
  return { logits, before, images };
}

/** What each image is held against, by the formulas. */
function targetsOf(logits: Float32Array, number: number) {
  const guess = (clip: number): readonly number[] => {
    const [a, b] = [softmax(rowOf(logits, clip)), softmax(rowOf(logits, clip + 4))];
    const squares = a.map((share, c) => ((share + b[c]!) / 2) ** 2);
    return squares.map((square) => square / squares.reduce((sum, one) => sum + one, 0));
  };
  const guesses = [0, 1, 2, 3].map(guess);
  const known = [2, 0].map((label) => [0, 1, 2].map((c) => (c === label ? 1 : 0)));
  const own = [...guesses, ...guesses, ...known];
  const { partner, weight } = drawMixing(ROWS, 0.75, GIVEN.seed, 0, number);
  const shares = [...weight].map((share) => Math.max(share, 1 - share));
  const mixed = own.map((row, i) =>
    row.map((share, c) => shares[i]! * share + (1 - shares[i]!) * own[partner[i]!]![c]!),
  );
  return { guesses, mixed, partner, shares };
}

describe('a look of MixMatch', () => {
  test('mixes every image with another one of the batch, keeping the greater share', () => {
    const { logits, before, images } = looked(3);
    const { partner, shares } = targetsOf(logits, 3);
    for (let row = 0; row < ROWS; row++) {
      expect(shares[row]!).toBeGreaterThanOrEqual(0.5);
      for (let i = 0; i < LENGTH; i++)
        expect(images[row * LENGTH + i]!).toBeCloseTo(
          shares[row]! * before[row * LENGTH + i]! + (1 - shares[row]!) * before[partner[row]! * LENGTH + i]!,
          5,
        );
    }
  });

  test('mixes otherwise in every batch, and the same in the same', () => {
    expect(looked(4).images).toEqual(looked(4).images);
    const shares = new Set([3, 4, 5].map((number) => targetsOf(looked(number).logits, number).shares[0]));
    expect(shares.size).toBe(3);
  });
});

describe('MixMatch', () => {
  const losses = (made: { readonly batch: MethodBatch }, progress: number) =>
    open.losses({ ...made.batch, progress });

  test.each([
    [0, 0],
    [0.125, 1.5],
    [0.5, 6],
    [0.9, 6],
  ])('at %d of the run has the squared difference with weight %d', (progress, weight) => {
    const { logits } = looked(2);
    const { mixed, guesses } = targetsOf(logits, 2);
    const made = batchOf(open, VIEWS, 4);
    const found = losses(made, progress);
    const scores = made.outputs.get(OUTPUTS.logits)!;
    let supervised = 0;
    let unsupervised = 0;
    for (const [row, target] of mixed.entries()) {
      const p = softmax(rowOf(scores, row));
      target.forEach((share, c) => {
        if (row < 8) unsupervised += (p[c]! - share) ** 2 / CLASSES / 8;
        else supervised -= (share * Math.log(p[c]!)) / 2;
      });
    }
    expect(found['supervised']).toBeCloseTo(supervised, 5);
    expect(found['unsupervised']).toBeCloseTo(unsupervised, 6);
    expect(found['weight']).toBeCloseTo(weight, 12);
    expect(found.loss).toBeCloseTo(supervised + weight * unsupervised, 5);
    expect(found['labelled']).toBe(2);
    const surest = guesses.map((shares) => Math.max(...shares));
    expect(found['confidence']).toBeCloseTo(
      surest.reduce((sum, share) => sum + share / 4, 0),
      6,
    );
    const answers = [8, 9].map((row) => rowOf(scores, row)).map((row) => row.indexOf(Math.max(...row)));
    const right = [answers[0] === 2, answers[1] === 0].filter(Boolean).length;
    expect(found['correct']).toBe(right);
    expect(found['balancedAccuracy']).toBe(right / 2);
  });

  test('has the gradient that finite differences see', () => {
    looked(6);
    const made = batchOf(open, VIEWS, 8);
    losses(made, 0.25);
    const scores = made.outputs.get(OUTPUTS.logits)!;
    const gradient = made.gradients.get(OUTPUTS.logits)!.slice();
    for (let i = 0; i < scores.length; i++) {
      const held = scores[i]!;
      const at = (by: number): number => {
        scores[i] = held + by;
        const { loss } = losses(made, 0.25);
        scores[i] = held;
        return loss;
      };
      expect(gradient[i]!).toBeCloseTo((at(1 / 128) - at(-1 / 128)) / (2 / 128), 4);
    }
    expect(made.gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('of a look that saw no numbers has a loss that is none', () => {
    const logits = new Float32Array(8 * CLASSES).fill(NaN);
    open.look!.change({ views: VIEWS, number: 0, output: () => logits, images: new Float32Array(ROWS) });
    expect(losses(batchOf(open, VIEWS), 0).loss).toBeNaN();
    looked(0);
  });

  test('of held-out clips is what the moving average answers to their labels', () => {
    const rows = labelledRows(2, 1, 1);
    const made = batchOf(open, [rows, rows], 9, false);
    const found = open.losses(made.batch);
    const answers = made.targets.get(OUTPUTS.logits)!;
    expect(answers).toHaveLength(3 * CLASSES);
    const shares = [0, 1, 2].map((row) => softmax(rowOf(answers, row)));
    const loss = -[2, 1, 1].reduce((sum, label, row) => sum + Math.log(shares[row]![label]!) / 3, 0);
    expect(found.loss).toBeCloseTo(loss, 6);
    expect(found['supervised']).toBe(found.loss);
    const surest = shares.reduce((sum, row) => sum + Math.max(...row) / 3, 0);
    expect(found['confidence']).toBeCloseTo(surest, 6);
    const right = shares.map((row, i) => row.indexOf(Math.max(...row)) === [2, 1, 1][i]);
    expect(found['balancedAccuracy']).toBeCloseTo(
      (Number(right[0]) + (Number(right[1]) + Number(right[2])) / 2) / 2,
      12,
    );
  });

  test('lets a moving average follow, with the running statistics of the network, and leaves its weights', () => {
    using backend = openTested();
    using online = backend.createParameters(open.online.network);
    using average = backend.createParameters(open.target!.network);
    initialise(online, 1);
    initialise(average, 2);
    online.statistics.write(Float32Array.from({ length: online.statistics.length }, (_, i) => i));
    const from = online.values.read();
    const expected = average.values.read().map((value, i) => 0.75 * value + 0.25 * from[i]!);
    open.afterUpdate!(online, average, 0.5);
    average.values.read().forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
    expect(average.statistics.read()).toEqual(online.statistics.read());
    expect(open.leaves).toBe('target');
  });

  test('shows two weak views of one frame of every clip, and one of labelled clips', () => {
    const weak = { frame: 0, augment: cropsAndFlips(GIVEN.view.augment) };
    expect(open.streams).toEqual([
      { clips: 'training', count: 4, views: [weak, weak] },
      { clips: 'labelled', count: 2, views: [weak] },
    ]);
    expect(open.online.views).toEqual([0, 1, 2]);
    expect(open.look!.views).toEqual([0, 1]);
    expect(open.scoresLabel!(1, 0)).toBe(true);
    expect(mixmatch.options.parse({})).toMatchObject({ unlabelledRatio: 1, unlabelledWeight: 75 });
    expect(layersOf(open)).toEqual([CLASSES]);
    expect(mixmatch.needsLabels).toBe(true);
  });
});
