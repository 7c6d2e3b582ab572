/** Which classes a fine-tuning tells apart: renamed, brought together, left out; and what is refused by name. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/dataset/reader.ts';
import { readPredictions } from '../../src/evaluation/scores/predictions.ts';
import { readClassMap } from '../../src/curation/class-map.ts';
import { resolveFinetune } from '../../src/finetune/config.ts';
import { resultConfig } from '../../src/finetune/resume.ts';
import { classMapOf, selectClasses } from '../../src/finetune/class-selection.ts';
import { errorOf, scratchFolder, tinyDataset } from '../pretrain/support.ts';
import { tune } from './support.ts';

const scratch = scratchFolder();

function datasetOf(labels: readonly (string | null)[], classes: readonly string[]): Dataset {
  const clips = labels.map((label, i) => ({ id: `clip${i}`, group: `group${i}`, label }));
  return { folder: 'made-up', manifest: { classes }, clips } as unknown as Dataset;
}

const dataset = datasetOf(
  ['covid', 'regular', 'pneumonia', null, 'unclear', 'covid'],
  ['covid', 'pneumonia', 'regular', 'unclear', 'viral'],
);
const task = (set: readonly string[]) => selectClasses(dataset, resolveFinetune({ set }));

describe('the classes', () => {
  test('are those of the dataset that have clips, where nothing is said', () => {
    expect(task([])).toEqual({
      classes: ['covid', 'pneumonia', 'regular', 'unclear'],
      emptyClasses: ['viral'],
      labels: Int32Array.of(0, 2, 1, -1, 3, 0),
      leftOut: 0,
    });
  });

  test('are brought together and left out by classMap', () => {
    const found = task(['classMap={covid: sick, pneumonia: sick, viral: sick, unclear: null}']);
    expect(found).toEqual({
      classes: ['sick', 'regular'],
      emptyClasses: [],
      labels: Int32Array.of(0, 1, 0, -1, -1, 0),
      leftOut: 1,
    });
  });

  test('are those that are named, in that order, after classMap', () => {
    const found = task(['classMap={covid: sick}', 'classes=[regular, sick]']);
    expect(found.classes).toEqual(['regular', 'sick']);
    expect([...found.labels]).toEqual([1, 0, -1, -1, -1, 1]);
    expect(found.leftOut).toBe(2);
  });

  test.each([
    [['classMap={covit: sick}'], 'MAP_UNKNOWN_CLASS'],
    [['classes=[covid, healthy]'], 'CLASS_UNKNOWN'],
    [['classMap={covid: sick}', 'classes=[covid, regular]'], 'CLASS_UNKNOWN'],
  ])('that do not exist are refused: %j', async (set, code) => {
    const error = await errorOf(() => task(set));
    expect(error.code).toBe(code);
    expect(error.remedy).toContain('"regular"');
  });

  test('a class called drop leaves no doubt about what drop means', async () => {
    const odd = datasetOf(['drop', 'a', 'b'], ['a', 'b', 'drop']);
    const settings = resolveFinetune({ set: ['classMap={a: null}'] });
    expect((await errorOf(() => selectClasses(odd, settings))).code).toBe('MAP_INVALID');
  });
});

describe('a file of classes', () => {
  const mapOf = (text: string): Record<string, string | null> => {
    const path = join(scratch, 'classes.yaml');
    writeFileSync(path, text);
    return classMapOf(readClassMap(path));
  };

  test('is read as evaluate reads it; merge brings classes together', () => {
    expect(mapOf('classes:\n  covid: sick\n  unclear: drop\n')).toEqual({ covid: 'sick', unclear: null });
    expect(mapOf('merge:\n  sick: [covid, pneumonia]\n')).toEqual({ covid: 'sick', pneumonia: 'sick' });
    expect(mapOf('classes:\n  viral: pneumonia\nmerge:\n  sick: [covid, pneumonia]\n')).toEqual({
      ...{ viral: 'sick', covid: 'sick', pneumonia: 'sick' },
    });
  });

  test.each([
    'classes: {covid: ill}\nmerge: {sick: [covid, pneumonia]}\n',
    'merge: {sick: [covid, pneumonia], ill: [covid, regular]}\n',
    'merge: {sick: [covid, covid]}\n',
    '{}\n',
  ])('that says nothing or one thing twice is refused: %j', async (text) => {
    expect((await errorOf(() => mapOf(text))).code).toBe('MAP_INVALID');
  });
});

test('runs that have no say in classes keep the hash that their folds were saved under', () => {
  const plain = resultConfig(resolveFinetune({}));
  expect(plain).not.toHaveProperty('classMap');
  expect(plain).not.toHaveProperty('classes');
  expect(resultConfig(resolveFinetune({ set: ['classes=[a, b]'] }))).toHaveProperty('classes', ['a', 'b']);
});

describe('a run', () => {
  const data = join(scratch, 'data');
  beforeAll(async () => {
    mkdirSync(scratch, { recursive: true });
    await tinyDataset(data, { clips: 12 });
  });

  test('tells apart what the map says, keeps the map, and remembers whose labels it read', async () => {
    const out = join(scratch, 'run');
    const set = ['classMap={a: stripes along, b: stripes across}', 'training.epochs=1', 'finalModel=false'];
    const { summary, notes } = await tune('random', data, out, set);
    expect(summary.evaluation?.classes).toEqual(['stripes along', 'stripes across']);
    expect(readPredictions(out).clips.map(({ label }) => label)).toEqual([
      0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
    ]);
    expect(notes.join()).not.toContain('left out');
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as { classMap: unknown };
    expect(config.classMap).toEqual({ a: 'stripes along', b: 'stripes across' });
  });
});
