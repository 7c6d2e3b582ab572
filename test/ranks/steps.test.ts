/**
 * Several processes compute what one does that normalises as many parts of each view on their own; with norms over all of them, what
 * one does by itself.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ALONE } from '../../src/engine/ranks/communicator.ts';
import { scratchFolder, TINY, TINY_ONEDNN, tinyDataset } from '../pretrain/support.ts';
import { launched, launchers } from './launchers.ts';
import { compute, type Computed, type Job } from './steps.ts';

const scratch = scratchFolder();
const common = ['batch.size=8', 'batch.lastBatch=drop', 'optimizer.kind=sgd'];
const tiny = [...TINY.filter((setting) => !setting.startsWith('batch.')), ...common];
const synchronised = 'model.norms=synchronised';
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  'USCL, two batches a step': [...tiny, 'training.accumulate=2'],
  'USCL on oneDNN': [...TINY_ONEDNN, ...common, 'batch.size=16', 'view.size=64'],
  'norms of all: USCL, two batches a step': [...tiny, 'training.accumulate=2', synchronised],
  'norms of all: MoCo, with a following network and a queue': [
    ...tiny,
    ...['method.name=moco', 'method.queue=24', 'model.normPerView=false', synchronised],
  ],
  'norms of all: SimCLR on oneDNN, small crops': [
    ...[...TINY_ONEDNN.filter((setting) => !setting.startsWith('batch.')), ...common],
    ...['method.name=simclr', 'view.size=32', 'view.spg={enabled: false}'],
    ...['method.smallCrops={count: 2, size: 16}', synchronised],
  ],
  'MoCo, with a following network and a queue': [...tiny, 'method.name=moco', 'method.queue=24'],
  'MixMatch, which looks at a batch and mixes its images': [
    ...tiny.filter((setting) => !setting.startsWith('method.projection')),
    ...['method.name=mixmatch', 'view.spg={enabled: false}'],
  ],
  'SimCLR with small crops, which runs once for each size': [
    ...tiny,
    ...[
      'method.name=simclr',
      'view.size=32',
      'view.spg={enabled: false}',
      'method.smallCrops={count: 2, size: 16}',
    ],
  ],
};
const dataset = join(scratch, 'dataset');

beforeAll(async () => {
  await tinyDataset(dataset, { size: 32, clips: 24 });
});

/** Largest difference beside the largest number. */
function difference(found: readonly number[], wanted: readonly number[]): number {
  expect(found.length).toBe(wanted.length);
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (
    found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0) /
    Math.max(largest, Number.MIN_VALUE)
  );
}

test('there is a launcher, or these tests are skipped', ({ skip }) => {
  skip(launchers.length === 0, 'no mpirun: install mpich');
  expect(launchers.length).toBeGreaterThan(0);
});

describe.each(launchers)('$name', (launcher) => {
  const isFirst = launcher === launchers[0];
  // What an MPI library carries is the same whatever the method.
  const settings = Object.entries(SETTINGS).slice(0, isFirst ? undefined : 3);
  const job: Job = { dataset, settings: settings.map(([, set]) => set), steps: 2 };

  test.each(isFirst ? [2, 4] : [2])(
    '%i processes have the losses and gradients of one, to f32 rounding',
    { timeout: 120_000 },
    async (size) => {
      const file = join(scratch, 'job.json');
      writeFileSync(file, JSON.stringify(job));
      const main = join(import.meta.dirname, 'steps-main.ts');
      const { code, stdout, stderr } = await launched(launcher, size, ['--import', 'tsx', main, file]);
      expect(code, stderr).toBe(0);
      const lines = stdout.trim().split('\n');
      expect(lines.length).toBe(job.settings.length);
      for (const [i, [name, set]] of settings.entries()) {
        const found = JSON.parse(lines[i]!) as Computed & { readonly size: number };
        expect(found.size).toBe(size);
        const isShared = set.includes(synchronised);
        const wanted = await compute(job, set, ALONE, isShared ? 1 : size);
        const compared = [
          ['losses', found.losses.flat(), wanted.losses.flat()],
          ['gradients', found.gradients, wanted.gradients],
          ['weights', found.values, wanted.values],
          // Parts that one process normalises move its statistics one after the other; those of ranks are averaged.
          ...(isShared ? [['running statistics', found.statistics, wanted.statistics] as const] : []),
          ...Object.entries(wanted.kept).map(([key, kept]) => [key, found.kept[key]!, kept] as const),
        ] as const;
        for (const [what, is, should] of compared)
          expect(difference(is, should), `${name}: ${what}`).toBeLessThan(what === 'gradients' ? 1e-4 : 1e-5);
      }
    },
  );

  test('norms that see whole views compute something else: what is compared above can differ', async () => {
    const [, set] = settings[0]!;
    const [parted, whole] = [await compute(job, set, ALONE, 2), await compute(job, set, ALONE)];
    expect(difference(parted.losses.flat(), whole.losses.flat())).toBeGreaterThan(1e-3);
  });
});
