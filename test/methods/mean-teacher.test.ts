import { describe, expect, test } from 'vitest';
import { meanTeacher } from '../../src/methods/mean-teacher.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { initialise } from '../../src/models/initialise.ts';
import { consistencyLoss } from '../../src/objectives/consistency.ts';
import { crossEntropy } from '../../src/objectives/cross-entropy.ts';
import { openTested } from '../backend.ts';
import { batchOf, GIVEN, labelledRows, layersOf, rowsOf } from './support.ts';

const CLASSES = GIVEN.classes;
const CLIPS = rowsOf(5, 6, 7, 8);
const KNOWN = labelledRows(2, 0);
const open = meanTeacher.open(
  { consistencyWeight: 3, rampUp: 0.5, momentum: 0.75, unlabelledRatio: 2 },
  GIVEN,
);

describe('Mean Teacher', () => {
  test.each([
    [0, 3 * Math.exp(-5)],
    [0.25, 3 * Math.exp(-5 / 4)],
    [0.5, 3],
  ])('is both its losses, at %d of the run the consistency with weight %d', (progress, weight) => {
    const made = batchOf(open, [CLIPS, CLIPS, KNOWN], 4);
    const losses = open.losses({ ...made.batch, progress });
    const logits = made.outputs.get(OUTPUTS.logits)!;
    const [student, own] = [logits.subarray(0, 4 * CLASSES), logits.subarray(4 * CLASSES)];
    const teacher = made.targets.get(OUTPUTS.logits)!;
    expect([own.length, teacher.length]).toEqual([2 * CLASSES, 4 * CLASSES]);
    const [toStudent, toOwn] = [new Float32Array(student.length), new Float32Array(own.length)];
    const both = consistencyLoss(student, teacher, CLASSES, toStudent, null);
    const known = crossEntropy(own, KNOWN.labels, CLASSES, toOwn, { reduction: 'mean' });
    expect(losses.loss).toBeCloseTo(known.loss + weight * both.loss, 12);
    expect(losses['weight']).toBeCloseTo(weight, 12);
    expect(losses).toMatchObject({
      supervised: known.loss,
      consistency: both.loss,
      labelled: 2,
      correct: known.correct,
      agreeing: both.agreeing / 4,
      confidence: both.confidence,
    });
    const expected = [...toStudent.map((value) => weight * value), ...toOwn];
    made.gradients.get(OUTPUTS.logits)!.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
    expect(made.gradients.get(OUTPUTS.features)!.every((value) => value === 0)).toBe(true);
  });

  test('of held-out clips knows no label, and counts their consistency in full', () => {
    const { batch } = batchOf(open, [CLIPS, CLIPS], 5, false);
    const losses = open.losses(batch);
    expect(losses).toMatchObject({ supervised: 0, labelled: 0, correct: 0, weight: 3 });
    expect(losses.loss).toBeCloseTo(3 * losses['consistency']!, 12);
  });

  test('lets the teacher follow after an update, its momentum’s share of itself', () => {
    using backend = openTested();
    using online = backend.createParameters(open.online.network);
    using teacher = backend.createParameters(open.target!.network);
    initialise(online, 1);
    initialise(teacher, 2);
    const from = online.values.read();
    const expected = teacher.values.read().map((value, i) => 0.75 * value + 0.25 * from[i]!);
    open.afterUpdate!(online, teacher, 0.5);
    teacher.values.read().forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
  });

  test('shows one view to the student, the other to the teacher, and labelled clips to the student alone', () => {
    expect(open.streams).toEqual([
      { clips: 'training', count: 4, views: 'pair' },
      { clips: 'labelled', count: 2, views: [{ frame: 0, augment: GIVEN.view.augment }] },
    ]);
    expect(open.online.views).toEqual([0, 2]);
    expect(open.target).toMatchObject({ views: [1], network: { outputs: [OUTPUTS.logits] } });
    expect(meanTeacher.presets.default).toEqual({ view: { spg: { enabled: false } } });
    expect(layersOf(open)).toEqual([CLASSES]);
    expect(meanTeacher.needsLabels).toBe(true);
    expect(meanTeacher.chooses).toBeNull();
  });
});
