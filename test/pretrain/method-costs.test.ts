/** What a step of each method is said to cost: how many images go where, and shares that can be. Times are not asserted. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { allMethods } from '../../src/methods/registry.ts';
import { type MethodCost, methodCosts } from '../../src/pretrain/method-costs.ts';
import { PLAIN, settingsOf } from '../backend.ts';
import { scratchFolder, tinyDataset } from './support.ts';

const scratch = scratchFolder();
const BATCH = 4;
let costs: readonly MethodCost[];
const told: (readonly [number, number, string | undefined])[] = [];

beforeAll(async () => {
  const datasets = [join(scratch, 'one'), join(scratch, 'two')];
  for (const folder of datasets) await tinyDataset(folder, { clips: 8 });
  const dataset = join(scratch, 'clips');
  await mergeDatasets({ datasets, prefixes: ['one', 'two'], out: dataset });
  costs = await methodCosts(allMethods(), {
    dataset,
    set: [
      ...settingsOf(PLAIN),
      ...['precision=f32', 'view.size=16', 'model.width=2', `batch.size=${BATCH}`, 'loader.workers=0'],
    ],
    turns: 1,
    onProgress: (done, total, note) => told.push([done, total, note]),
  });
});

test('every method is there, and progress names the one that is timed', () => {
  const names = allMethods().map(({ name }) => name);
  expect(costs.map(({ method }) => method)).toEqual(names);
  expect(told.map(([, , note]) => note)).toEqual([...names, undefined]);
  expect(told.at(-1)!.slice(0, 2)).toEqual([names.length, names.length]);
});

test.each([
  // Two views of every clip, forward and backward.
  ['simclr', 2 * BATCH, 0],
  ['uscl', 2 * BATCH, 0],
  ['supervised', 2 * BATCH, 0],
  // Both views through both networks.
  ['byol', 2 * BATCH, 2 * BATCH],
  // The query through one, the key through the other.
  ['moco', BATCH, BATCH],
])('%s trains %i images of a batch and looks at %i', (name, trained, looked) => {
  const cost = costs.find(({ method }) => method === name)!;
  expect([cost.trained, cost.looked]).toEqual([trained, looked]);
  expect(cost.passes).toBeCloseTo((trained + looked / 3) / BATCH, 12);
});

test('times are positive, and shares are shares', () => {
  for (const { seconds, predicted, lossShare, updateShare } of costs) {
    expect(seconds).toBeGreaterThan(0);
    expect(predicted).toBeGreaterThan(0);
    for (const share of [lossShare, updateShare]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThan(1);
    }
  }
});
