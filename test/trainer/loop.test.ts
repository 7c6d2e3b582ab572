/** The loop of every training: which steps it makes, when an epoch ends, what it saves and what it says of trouble. */
import { describe, expect, test } from 'vitest';
import { UsclError } from '../../src/base/errors.ts';
import { resolveConfig } from '../../src/runs/config.ts';
import { learningRateAt, train, type Training } from '../../src/trainer/loop.ts';
import { errorOf } from '../pretrain/support.ts';

const config = resolveConfig({ set: ['schedule.unit=step', 'schedule.warmup=none'] });
const course = { epochs: 3, steps: 7, stepsPerEpoch: 3 };

/** A training that writes down what it is asked for. */
function recorded(changes: Partial<Training> = {}): {
  readonly training: Training;
  readonly asked: string[];
} {
  const asked: string[] = [];
  const training: Training = {
    ...{ batchSchedule: course, config },
    step({ step, epoch }, rate) {
      expect(rate).toBe(learningRateAt({ step, epoch }, course, config));
      asked.push(`step ${step} of epoch ${epoch}`);
      return Promise.resolve();
    },
    failed: (_, { step }) => ({ where: `at ${step}`, remedy: 'Rest.' }),
    endEpoch(epoch, step) {
      asked.push(`end of ${epoch} after ${step}`);
      return Promise.resolve('not saved');
    },
    isSaveDue: () => false,
    save(step, epoch) {
      asked.push(`save ${step} in ${epoch}`);
    },
    ...changes,
  };
  return { training, asked };
}

describe('a training of seven steps, three an epoch', () => {
  const whole = [
    ...['step 0 of epoch 0', 'step 1 of epoch 0', 'step 2 of epoch 0', 'end of 0 after 3'],
    ...['step 3 of epoch 1', 'step 4 of epoch 1', 'step 5 of epoch 1', 'end of 1 after 6'],
    ...['step 6 of epoch 2', 'end of 2 after 7'],
  ];

  test('is gone to its end, each step once and at its rate', async () => {
    const { training, asked } = recorded();
    expect(await train(training, 0, undefined)).toEqual({ step: 7, stopped: false });
    expect(asked).toEqual(whole);
  });

  test('is gone on with at the step that comes next, and not at all when it is done', async () => {
    const later = recorded();
    expect(await train(later.training, 5, undefined)).toEqual({ step: 7, stopped: false });
    expect(later.asked).toEqual(whole.slice(6));
    const done = recorded();
    expect(await train(done.training, 7, undefined)).toEqual({ step: 7, stopped: false });
    expect(done.asked).toEqual([]);
  });

  test('ends early when the end of an epoch says that it is enough', async () => {
    const { training } = recorded({ endEpoch: (epoch) => Promise.resolve(epoch === 1 ? 'enough' : 'saved') });
    expect(await train(training, 0, undefined)).toEqual({ step: 6, stopped: false });
  });

  test('is saved where that is due, unless the end of an epoch has just done so', async () => {
    const often = recorded({ isSaveDue: () => true, endEpoch: () => Promise.resolve('saved') });
    await train(often.training, 0, undefined);
    expect(often.asked.filter((one) => one.startsWith('save'))).toEqual([
      ...['save 1 in 0', 'save 2 in 0', 'save 4 in 1', 'save 5 in 1'],
    ]);
  });

  test('stops between steps at a signal and leaves a save, but not after its last step', async () => {
    const stoppedAfter = async (last: number) => {
      const controller = new AbortController();
      const { training, asked } = recorded({
        step({ step }) {
          if (step + 1 === last) controller.abort();
          return Promise.resolve();
        },
      });
      return { end: await train(training, 0, controller.signal), asked };
    };
    expect(await stoppedAfter(2)).toEqual({ end: { step: 2, stopped: true }, asked: ['save 2 in 0'] });
    expect((await stoppedAfter(7)).end).toEqual({ step: 7, stopped: false });
  });
});

test('only a step that left the range of numbers is told in the words of the training', async () => {
  const thrown = (kind: 'numeric' | 'data') =>
    new UsclError({ kind, code: 'BROKEN', message: 'It broke.', remedy: 'Mend it.' });
  const ends = async (kind: 'numeric' | 'data') => {
    const { training } = recorded({ step: () => Promise.reject(thrown(kind)) });
    return await errorOf(() => train(training, 4, undefined));
  };
  const told = { code: 'BROKEN', message: 'It broke.', where: 'at 4', remedy: 'Rest.' };
  expect(await ends('numeric')).toMatchObject(told);
  expect((await ends('data')).remedy).toBe('Mend it.');
});
