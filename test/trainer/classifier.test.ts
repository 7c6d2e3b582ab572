/** A fine-tuned model asked for probabilities: of how many images, taken from where, refused when they are not all there. */
import { afterAll, describe, expect, test } from 'vitest';
import { OUTPUTS } from '../../src/models/heads.ts';
import { openModel } from '../../src/trainer/classifier.ts';
import { openTested } from '../backend.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { scratchFolder } from '../pretrain/support.ts';

const path = writeModel(scratchFolder(), { view: { size: 16, channels: 1 } });
const LENGTH = 16 * 16;

describe('probabilities', () => {
  const backend = openTested();
  const model = openModel(path, backend, { batch: 3, precision: 'f32' });
  afterAll(() => {
    model[Symbol.dispose]();
    backend[Symbol.dispose]();
  });
  const images = Float32Array.from({ length: 2 * LENGTH }, (_, i) => Math.sin(i * (1 + i / 300)));

  test('of images that are given are those of the same images in the input, by the softmax of the scores', () => {
    model.input.fill(7);
    const given = [...model.predict(2, images)];
    // Each alone: one image says nothing of the other.
    const alone = [0, 1].flatMap((i) => {
      using plan = backend.compile(model.network, model.parameters, {
        ...{ batch: 1, mode: 'infer', precision: 'f32' },
      });
      plan.input.set(images.subarray(i * LENGTH, (i + 1) * LENGTH));
      plan.forward();
      const powers = [...plan.output(OUTPUTS.logits)].map(Math.exp);
      return powers.map((power) => power / powers.reduce((sum, one) => sum + one, 0));
    });
    expect(given).toHaveLength(6);
    given.forEach((value, i) => {
      expect(value).toBeCloseTo(alone[i]!, 5);
    });
    expect(Math.abs(given[0]! - given[3]!)).toBeGreaterThan(1e-3);
  });

  test.each([
    ['more than a batch', 4, 4],
    ['fewer than none', -1, 1],
    ['one number short', 2, 2 - 1 / LENGTH],
  ])('of images that do not fit are refused: %s', (_, asked, there) => {
    expect(() => model.predict(asked, new Float32Array(there * LENGTH))).toThrow(RangeError);
  });
});
