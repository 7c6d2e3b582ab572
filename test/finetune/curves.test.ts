/** The curves of a fine-tuning: every fold, and the mean of those still training. */
import { expect, test } from 'vitest';
import { type EpochEntry, finetunePanels } from '../../src/finetune/epoch-log.ts';

let step = 0;
/** Epochs of a fold, by what they lose on the inner split; null: it was not finite. */
function epochs(fold: number | null, losses: readonly (number | null)[]): EpochEntry[] {
  return losses.map((innerLoss, epoch) => ({
    ...{ kind: 'epoch', labelRate: 1, seed: 0, fold, epoch, step: ++step, time: 0, chosenOn: 'inner' },
    ...{ trainLoss: 2 * (innerLoss ?? 4), trainAccuracy: 0.5, innerLoss, innerAccuracy: 0.5 },
    ...{ innerBalancedAccuracy: 0.5, best: false, learningRate: 0.1, gradientNorm: 1, steps: 2, images: 8 },
    ...{ trainSeconds: 1, scoreSeconds: 1, imagesPerSecond: 8, memory: 1 },
  }));
}

test('a mean is over the folds that reached an epoch with a finite loss, epoch after epoch', () => {
  const log = [
    ...epochs(0, [null, 0.5]),
    ...epochs(1, [0.9, 0.7, 0.6, 0.2]),
    ...epochs(2, [0.7, 0.3, 0.4]),
    ...epochs(null, [9, 9, 9, 9, 9]),
  ];
  const [loss] = finetunePanels(log, 1);
  const means = loss!.lines.filter(({ faint }) => faint !== true);
  expect(means.map(({ name }) => name)).toEqual(['training', 'inner split']);
  const expected = [
    [1, (0.9 + 0.7) / 2],
    [2, (0.5 + 0.7 + 0.3) / 3],
    [3, (0.6 + 0.4) / 2],
    [4, 0.2],
  ];
  const { points } = means[1]!;
  expect(points.map(([x]) => x)).toEqual(expected.map(([x]) => x));
  points.forEach(([, y], i) => {
    expect(y).toBeCloseTo(expected[i]![1]!, 12);
  });
  expect(means[0]!.points[0]![1]).toBeCloseTo((2 * 4 + 2 * 0.9 + 2 * 0.7) / 3, 12);
});
