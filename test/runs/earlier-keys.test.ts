/** Configurations that were written before: every key in the place that it has now, and nothing added. */
import { expect, test } from 'vitest';
import { CONFIG_VERSION, upgraded } from '../../src/runs/earlier-keys.ts';

test('a pretraining of form 1 has its method, its options and its batch where they are now', () => {
  const saved = {
    ...{ seed: 3, method: 'uscl', batch: { pairs: 8, distinctGroups: true } },
    objective: { temperature: 0.5, supervisedReduction: 'mean' },
    model: { width: 2, projection: { hidden: 8, dim: 4 }, classifierInput: 'projection' },
  };
  expect(upgraded(saved)).toStrictEqual({
    seed: 3,
    batch: { distinctGroups: true, size: 8 },
    model: { width: 2 },
    method: {
      ...{ name: 'uscl', temperature: 0.5, supervisedReduction: 'mean', classifierInput: 'projection' },
      projection: { hidden: 8, dim: 4 },
    },
  });
});

test('a fine-tuning of form 1 has its batch and its epochs where they are now', () => {
  const saved = { task: 'finetune', batch: 4, epochs: 3, clipNorm: null };
  const now = { task: 'finetune', batch: { size: 4 }, training: { epochs: 3, clipNorm: null } };
  expect(upgraded(saved)).toStrictEqual(now);
});

test('what an old configuration does not say stays unsaid', () => {
  expect(upgraded({ seed: 3 })).toStrictEqual({ seed: 3 });
  expect(upgraded({ task: 'finetune', epochs: 2 })).toStrictEqual({
    ...{ task: 'finetune', training: { epochs: 2 } },
  });
});

test('one of the form that is written now is left as it is, without its version', () => {
  const tree = { method: { name: 'uscl' }, batch: 4 };
  expect(upgraded({ version: CONFIG_VERSION, ...tree })).toStrictEqual(tree);
  expect(upgraded('no group')).toBe('no group');
});
