import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Dataset } from '../../src/dataset/reader.ts';
import type { ClipRecord } from '../../src/dataset/types.ts';
import { type FinetuneConfig, resolveFinetune } from '../../src/finetune/config.ts';
import { foldRunClips, type FoldPlan, planFolds } from '../../src/finetune/fold-plan.ts';
import { errorOf, scratchFolder } from '../pretrain/support.ts';

/** A dataset of records alone: clip i has a label and a group. */
function datasetOf(
  labels: readonly (string | null)[],
  groupOf: (clip: number) => string,
  classes: readonly string[] = ['a', 'b'],
): Dataset {
  const clips = labels.map((label, i) => ({
    ...{ id: `clip${i}`, group: groupOf(i), label, source: `clip${i}`, sourceSha256: null, hashes: [] },
  }));
  return {
    folder: join('made', 'up'),
    manifest: { classes },
    clips: clips as unknown as readonly ClipRecord[],
  } as unknown as Dataset;
}

const config = (set: readonly string[] = []): FinetuneConfig => resolveFinetune({ set });
const alternating = (clips: number): string[] =>
  Array.from({ length: clips }, (_, i) => (i % 2 === 0 ? 'a' : 'b'));
const pairs = (clip: number): string => `group${Math.floor(clip / 2)}`;

const shared = <T>(one: ReadonlySet<T>, other: ReadonlySet<T>): number =>
  [...one].filter((item) => other.has(item)).length;

function everyFoldRun(plan: FoldPlan, dataset: Dataset, settings: FinetuneConfig) {
  return plan.foldings.flatMap(({ seed }) =>
    settings.labelRates.flatMap((labelRate) =>
      Array.from({ length: plan.folds }, (_, fold) => {
        const key = { labelRate, seed, fold };
        return { key, ...foldRunClips(plan, dataset, settings, key) };
      }),
    ),
  );
}

describe('honest folds', () => {
  const dataset = datasetOf(alternating(60), pairs);
  const settings = config(['labelRates=[0.1, 0.3, 1]']);
  const plan = planFolds(dataset, settings);
  const foldRuns = everyFoldRun(plan, dataset, settings);

  test('never share a group between training, inner split and test', () => {
    for (const { training, inner, test: tested } of foldRuns) {
      const groups = [training, inner, tested].map((clips) => new Set(clips.map((clip) => pairs(clip))));
      expect(shared(groups[0]!, groups[2]!) + shared(groups[1]!, groups[2]!)).toBe(0);
      expect(shared(groups[0]!, groups[1]!)).toBe(0);
    }
  });

  test('hold out about the fraction asked for, with every class on both sides', () => {
    for (const { key, training, inner } of foldRuns.filter((foldRun) => foldRun.key.labelRate === 1)) {
      expect(inner.length / (inner.length + training.length), JSON.stringify(key)).toBeCloseTo(0.2, 1);
      for (const side of [training, inner])
        expect(new Set(side.map((clip) => plan.labels[clip])).size).toBe(2);
    }
  });

  test('take label subsets that are nested, have every class, and count the inner split in', () => {
    for (const { key, training, inner } of foldRuns) {
      const used = new Set([...training, ...inner]);
      const free =
        60 -
        foldRuns.find((foldRun) => foldRun.key.fold === key.fold && foldRun.key.seed === key.seed)!.test
          .length;
      expect(Math.abs(used.size - key.labelRate * free)).toBeLessThanOrEqual(1);
      expect(new Set(training.map((clip) => plan.labels[clip])).size).toBe(2);
      const larger = foldRuns.filter(
        (foldRun) =>
          foldRun.key.seed === key.seed &&
          foldRun.key.fold === key.fold &&
          foldRun.key.labelRate >= key.labelRate,
      );
      for (const foldRun of larger)
        expect(shared(used, new Set([...foldRun.training, ...foldRun.inner]))).toBe(used.size);
    }
  });

  test('differ from seed to seed and are the same for the same seed, whatever the order of clips', () => {
    const [one, two] = plan.foldings;
    expect([...one!.fold]).not.toEqual([...two!.fold]);
    const order = [...dataset.clips.keys()].reverse();
    const clips = order.map((i) => dataset.clips[i]!);
    const turned = { folder: dataset.folder, manifest: dataset.manifest, clips } as unknown as Dataset;
    const again = planFolds(turned, settings);
    expect([...again.foldings[0]!.fold].reverse()).toEqual([...one!.fold]);
  });

  test('use every labelled clip for the final model', () => {
    const {
      training,
      inner,
      test: tested,
    } = foldRunClips(plan, dataset, settings, { labelRate: 1, seed: 0, fold: null });
    expect([...training, ...inner].sort((a, b) => a - b)).toEqual([...dataset.clips.keys()]);
    expect(tested).toEqual([]);
  });

  test('hold nothing out where a class has one labelled group only: a class is never missing from training', () => {
    const few = config(['labelRates=[0.01]']);
    const { training, inner } = foldRunClips(planFolds(dataset, few), dataset, few, {
      labelRate: 0.01,
      seed: 0,
      fold: 0,
    });
    expect(inner).toEqual([]);
    expect(training).toHaveLength(2);
  });
});

test('legacy folds part the clips of a group and hold nothing out', () => {
  const dataset = datasetOf(alternating(60), (clip) => `group${Math.floor(clip / 10)}`);
  const settings = config(['protocol=legacy']);
  const plan = planFolds(dataset, settings);
  expect(plan.foldings).toHaveLength(1);
  const foldRuns = everyFoldRun(plan, dataset, settings);
  expect(foldRuns.every(({ inner }) => inner.length === 0)).toBe(true);
  const parted = foldRuns.some(({ training, test: tested }) => {
    const groups = new Set(training.map((clip) => dataset.clips[clip]!.group));
    return tested.some((clip) => groups.has(dataset.clips[clip]!.group));
  });
  expect(parted).toBe(true);
});

describe('planning folds', () => {
  const planOf = (dataset: Dataset, set: readonly string[] = []) =>
    errorOf(() => planFolds(dataset, config(set)));

  test('refuses a class with fewer groups than folds', async () => {
    const labels = [...alternating(40), 'c', 'c', 'c'];
    const error = await planOf(datasetOf(labels, (clip) => `group${clip}`, ['a', 'b', 'c']));
    expect(error).toMatchObject({ code: 'FOLDS_TOO_FEW_GROUPS', kind: 'data' });
    expect(error.message).toContain("'c' occurs in 3 groups");
    expect(error.remedy).toContain('3 folds');
  });

  test('refuses one group that holds a whole class', async () => {
    const error = await planOf(
      datasetOf(alternating(40), (clip) => (clip % 2 === 0 ? 'same' : `group${clip}`)),
    );
    expect(error).toMatchObject({ code: 'FOLDS_TOO_FEW_GROUPS' });
    expect(error.message).toContain('1 group');
  });

  test('refuses a fold without a clip', async () => {
    // Two groups hold nearly everything, and the smallest number of groups a class has is that of the folds.
    const groups = ['big', 'big', 'big', 'big', 'big', 'big', 'big', 'big', 'other', 'other'];
    const error = await planOf(
      datasetOf(alternating(10), (clip) => groups[clip]!),
      ['folds=3'],
    );
    expect(['FOLDS_TOO_FEW_GROUPS', 'FOLD_EMPTY']).toContain(error.code);
    expect(error.remedy).toMatch(/fold/);
  });

  test('refuses labels of one class, no labels, and labels that are no class', async () => {
    expect((await planOf(datasetOf(['a', 'a', 'a'], String))).message).toContain("one class only, 'a'");
    expect((await planOf(datasetOf([null, null], String))).message).toContain('no labelled clip');
    expect(await planOf(datasetOf(['a', 'b', 'x'], String))).toMatchObject({ code: 'LABEL_UNKNOWN' });
  });

  test('refuses class weights that are not one a class', async () => {
    const error = await planOf(datasetOf(alternating(40), String), ['classWeights=[1, 2, 3]']);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', where: 'key classWeights' });
    expect(error.message).toContain('a, b');
  });
});

describe('a split that somebody made', () => {
  const scratch = scratchFolder();
  let splits = 0;

  /** Settings with a split of these parts, clips by number. */
  const withSplit = (
    parts: Readonly<Record<string, readonly number[]>>,
    kind: 'parts' | 'folds' = 'parts',
  ): FinetuneConfig => {
    const path = join(scratch, `split${++splits}.json`);
    const named = Object.entries(parts).map(([name, clips]) => ({
      name,
      clips: clips.map((i) => `clip${i}`),
    }));
    const split = { format: 'uscl-split', version: 1, name: 'own', kind, seed: 0, distance: 0, joined: [] };
    writeFileSync(path, JSON.stringify({ ...split, parts: named }));
    return config([`split=${path}`]);
  };

  test('keeps its test part from every model and chooses epochs by its val part, in whatever order they stand', () => {
    const dataset = datasetOf(alternating(12), String);
    for (const settings of [
      withSplit({ test: [0, 1, 2, 3], val: [4, 5], train: [6, 7, 8, 9, 10, 11] }),
      withSplit({ val: [4, 5], train: [6, 7, 8, 9, 10, 11], test: [0, 1, 2, 3] }),
    ]) {
      const plan = planFolds(dataset, settings);
      const clipsOf = (fold: number | null) =>
        foldRunClips(plan, dataset, settings, { labelRate: 1, seed: 0, fold });
      const sides = { training: [6, 7, 8, 9, 10, 11], inner: [4, 5] };
      expect(clipsOf(0)).toEqual({ ...sides, test: [0, 1, 2, 3], unlabelled: [] });
      expect(clipsOf(null)).toEqual({ ...sides, test: [], unlabelled: [] });
    }
  });

  test('keeps clips without a label out of what is shown by their own part, and by their group', () => {
    // Clips 8 to 13 have no label: one in each part, one of no other clip's group, one of a tested group, one of a choosing one.
    const labels = [...alternating(8), null, null, null, null, null, null];
    const groupOf = (clip: number): string =>
      `group${
        new Map([
          [12, 0],
          [13, 2],
        ]).get(clip) ?? clip
      }`;
    const dataset = datasetOf(labels, groupOf);
    const settings = withSplit({
      test: [0, 1, 8],
      val: [2, 3, 9],
      train: [4, 5, 6, 7, 10, 11, 12, 13],
    });
    const plan = planFolds(dataset, settings);
    for (const fold of [0, null])
      expect(foldRunClips(plan, dataset, settings, { labelRate: 1, seed: 0, fold }).unlabelled).toEqual([
        10, 11,
      ]);
  });

  test('into folds shows a clip without a label in every fold but its own', () => {
    const dataset = datasetOf([...alternating(8), null, null], String);
    const settings = withSplit({ 'fold-1': [0, 1, 2, 3, 8], 'fold-2': [4, 5, 6, 7, 9] }, 'folds');
    const plan = planFolds(dataset, settings);
    const shown = (fold: number | null) =>
      foldRunClips(plan, dataset, settings, { labelRate: 1, seed: 0, fold }).unlabelled;
    expect([shown(0), shown(1), shown(null)]).toEqual([[9], [8], [8, 9]]);
  });

  test('leaks through groups of labelled clips alone: the others are on no side', () => {
    // Clips 8 and 9 have no label. The group of clip 4, tested, has one of them on each side.
    const labels = [...alternating(8), null, null];
    const groups = (shared: readonly number[]) => (clip: number) =>
      `group${shared.includes(clip) ? 4 : clip}`;
    const settings = withSplit({ train: [0, 1, 2, 3, 8], test: [4, 5, 6, 7, 9] });
    expect(planFolds(datasetOf(labels, groups([4, 8, 9])), settings).leaks).toEqual([]);
    const { leaks } = planFolds(datasetOf(labels, groups([4, 8, 9, 0])), settings);
    expect(leaks).toHaveLength(1);
    expect(leaks[0]).toContain('clip0 and clip4 are on different sides and have the same group');
  });

  test.each<[string, Readonly<Record<string, readonly number[]>>, 'parts' | 'folds', string]>([
    ['a test part', { train: [0, 2], test: [1, 3, 4, 5] }, 'parts', 'Without fold 1'],
    ['a fold', { one: [0, 2], two: [1, 3, 4, 5] }, 'folds', 'Without fold 2'],
  ])(
    'with every clip of a class in %s is refused: nothing is left to learn it from',
    async (_, parts, kind, said) => {
      const dataset = datasetOf(alternating(6), String);
      const error = await errorOf(() => planFolds(dataset, withSplit(parts, kind)));
      expect(error).toMatchObject({ code: 'SPLIT_UNEVEN', kind: 'data' });
      expect(error.message).toContain(`${said} (seed 0) no clip of the class 'b' is left`);
      expect(error.remedy).toContain('make the split again');
    },
  );
});

test('classes without a labelled clip and clips without a label are left out, and counted', () => {
  const labels = [...alternating(40), null, null];
  const dataset = datasetOf(labels, (clip) => `group${clip}`, ['b', 'x', 'a']);
  const plan = planFolds(dataset, config());
  expect(plan.classes).toEqual(['b', 'a']);
  expect(plan.emptyClasses).toEqual(['x']);
  expect(plan.labels[0]).toBe(1);
  expect([...plan.labels.slice(40)]).toEqual([-1, -1]);
  expect([...plan.foldings[0]!.fold.slice(40)]).toEqual([-2, -2]);
  for (const fold of [0, null]) {
    const {
      training,
      inner,
      test: tested,
    } = foldRunClips(plan, dataset, config(), { labelRate: 1, seed: 0, fold });
    expect([...training, ...inner, ...tested].sort((a, b) => a - b)).toEqual([...alternating(40).keys()]);
  }
});

describe('clips that are shown without a label', () => {
  test.each([1, 0.3])(
    'are all but those that train, test, choose the epoch, and their groups (rate %d)',
    (rate) => {
      const labels = Array.from({ length: 36 }, (_, i) => (i % 3 === 2 ? null : i % 2 === 0 ? 'a' : 'b'));
      const dataset = datasetOf(labels, pairs);
      const settings = config(['folds=3', `labelRates=[${rate}]`, 'seeds=2']);
      const plan = planFolds(dataset, settings);
      for (const { training, inner, test: tested, unlabelled } of everyFoldRun(plan, dataset, settings)) {
        const barred = new Set([...inner, ...tested].map(pairs));
        const all = [...labels.keys()];
        expect(unlabelled).toEqual(
          all.filter((clip) => !training.includes(clip) && !barred.has(pairs(clip))),
        );
        expect(unlabelled.length).toBeGreaterThan(rate === 1 ? 1 : 8);
      }
    },
  );

  test('are none of a class that takes no part: its label is known', () => {
    const labels = Array.from({ length: 24 }, (_, i) => ['a', 'b', 'c'][i % 3]!);
    const dataset = datasetOf(labels, String, ['a', 'b', 'c']);
    const settings = config(['folds=2', 'classes=[a, b]', 'labelRates=[0.5]', 'seeds=1']);
    const plan = planFolds(dataset, settings);
    for (const { unlabelled } of everyFoldRun(plan, dataset, settings)) {
      expect(unlabelled.length).toBeGreaterThan(0);
      expect(unlabelled.map((clip) => labels[clip])).not.toContain('c');
    }
  });
});
