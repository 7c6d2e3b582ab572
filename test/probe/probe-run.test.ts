import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/reader.ts';
import { type NamedSplit, writeSplit } from '../../src/curation/splits.ts';
import { mergeDatasets } from '../../src/curation/merge.ts';
import { readRunConfig } from '../../src/runs/run-folder.ts';
import {
  keepProbe,
  probeAlone,
  probeRun,
  type ProbeRunOptions,
  readProbes,
} from '../../src/probe/probe-run.ts';
import { probeTable } from '../../src/probe/probe-table.ts';
import { errorOf, scratchFolder, tinyDataset, tinyRun } from '../pretrain/support.ts';

const scratch = scratchFolder();
const dataset = join(scratch, 'dataset');
const run = join(scratch, 'run');
const QUICK: ProbeRunOptions = {
  backend: 'reference',
  folds: 2,
  seeds: 2,
  k: 3,
  framesPerClip: 2,
  randomInits: 1,
  // These runs train on what they are tested on: there are few clips, and it is not the scores that matter.
  allowLeaks: true,
};

beforeAll(async () => {
  await tinyDataset(dataset);
  await tinyRun(dataset, run);
});

describe('a probe of a run', () => {
  test('pairs it with the network it started from: no training, no difference', async () => {
    const untrained = join(scratch, 'untrained');
    await tinyRun(dataset, untrained, [
      'optimizer.learningRate=1e-30',
      'optimizer.kind=sgd',
      'training.epochs=1',
      // Running statistics move however small the rate is.
      'model.normMomentum=1e-30',
    ]);
    const { pretrained, random, differences } = await probeRun(untrained, dataset, QUICK);
    expect(pretrained.linear.clipProbabilities).toEqual(random[0]?.result.linear.clipProbabilities);
    expect(differences[0]?.linear.clip.accuracy.mean).toBe(0);
  });

  test('is the same every time and differs from the random network’s after training', async () => {
    const [a, b] = [await probeRun(run, dataset, QUICK), await probeRun(run, dataset, QUICK)];
    expect(a).toEqual(b);
    expect(a.pretrained.linear.clipProbabilities).not.toEqual(a.random[0]?.result.linear.clipProbabilities);
  });

  test('alone says of the weights, and of random ones, what it says of them beside each other', async () => {
    const { pretrained, random } = await probeRun(run, dataset, QUICK);
    expect(await probeAlone(run, dataset, QUICK)).toEqual(pretrained);
    expect(await probeAlone(readRunConfig(run), dataset, QUICK)).toEqual(random[0]!.result);
    const { allowLeaks: _allowed, ...strict } = QUICK;
    expect((await errorOf(() => probeAlone(run, dataset, strict))).code).toBe('LEAK');
  });

  test('alone may tell apart the datasets that were merged', async () => {
    const other = await tinyDataset(join(scratch, 'second-source'), { clips: 6, labelOf: () => 'b' });
    const merged = join(scratch, 'merged');
    await mergeDatasets({ datasets: [dataset, other], prefixes: ['x', 'y'], out: merged });
    const { clips, classes } = await probeAlone(run, merged, { ...QUICK, labels: 'sources' });
    expect(classes).toEqual(['x', 'y']);
    expect(clips.map(({ id, label }) => `${id.slice(0, 1)}${label}`)).toEqual(
      Array.from({ length: 16 }, (_, clip) => (clip < 10 ? 'x0' : 'y1')),
    );
    const error = await errorOf(() => probeAlone(run, dataset, { ...QUICK, labels: 'sources' }));
    expect([error.code, error.remedy]).toEqual(['PROBE_SOURCES', 'Give a dataset that uscl merge wrote.']);
  });

  test('has a table of each reader at each level, beside the mean of the random networks', async () => {
    const probe = await probeRun(run, dataset, { ...QUICK, randomInits: 2 });
    const { pretrained, random, differences } = probe;
    const text = probeTable(probe);
    const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
    const sign = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
    const rows = text.split('\n').map((line) => line.trim().split(/ {2,}/));
    for (const reader of ['linear', 'knn'] as const)
      for (const level of ['clip', 'frame'] as const) {
        const own = pretrained[reader][level];
        const of = (name: 'balancedAccuracy' | 'accuracy' | 'macroF1'): string =>
          mean(random.map(({ result }) => result[reader][level][name].mean)).toFixed(3);
        expect(rows).toContainEqual([
          `${reader === 'knn' ? 'kNN' : 'linear'}, ${level}`,
          `${own.balancedAccuracy.mean.toFixed(3)} ±${own.balancedAccuracy.sd!.toFixed(3)} (${own.accuracy.mean.toFixed(3)}, ${own.macroF1.mean.toFixed(3)})`,
          `${of('balancedAccuracy')} (${of('accuracy')}, ${of('macroF1')})`,
          sign(mean(differences.map((one) => one[reader][level].balancedAccuracy.mean))),
        ]);
      }
    expect(text).toMatch(/^10 labelled clips of 5 groups, a 5, b 5\n/);
    expect(text).toContain('mean over 2 foldings of 2; chance is 0.500\n');
    expect(text).toContain('gain with its 95 % interval over groups\n');
    differences.forEach(({ linear }, i) => {
      const { mean: gain, interval } = linear.clip.balancedAccuracy;
      expect(text).toContain(
        `  against random init ${random[i]!.seed}: ${sign(gain)} (${sign(interval[0])} to ${sign(interval[1])})\n`,
      );
    });
  });

  test('tells its progress: features in frames to 70 %, then the folds of each network to the whole', async () => {
    const told: [number, number, string][] = [];
    await probeRun(run, dataset, {
      ...QUICK,
      onProgress: (done, total, note = '') => told.push([done, total, note]),
    });
    expect(told.every(([, total]) => total === 100)).toBe(true);
    const shares = told.map(([done]) => done);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    const of = (note: RegExp): (readonly [number, string])[] =>
      told.flatMap(([done, , said]) => (note.test(said) ? [[done, said] as const] : []));
    // 10 clips of 2 frames each.
    const features = of(/^features of \d+ of 20 frames$/);
    for (const [done, said] of features)
      expect(done).toBe(Math.round((70 * Number(said.split(' ')[2])) / 20));
    expect(features.at(-1)).toEqual([70, 'features of 20 of 20 frames']);
    expect(of(/^pretrained: folds$/).at(-1)).toEqual([85, 'pretrained: folds']);
    expect(of(/^random init \d+: folds$/).at(-1)?.[0]).toBe(100);
    expect(features.length + of(/: folds$/).length).toBe(told.length);
  });

  test('of one backbone alone tells its progress too: features to 70 %, then its folds to the whole', async () => {
    const told: string[] = [];
    await probeAlone(run, dataset, {
      ...QUICK,
      onProgress: (done, total, note = '') => told.push(`${done}/${total} ${note}`),
    });
    const features = told.filter((line) => line.includes('features'));
    expect(features.at(-1)).toBe('70/100 features of 20 of 20 frames');
    expect(told.at(-1)).toBe('100/100 folds');
    expect(told.slice(features.length).every((line) => /^\d+\/100 folds$/.test(line))).toBe(true);
  });

  test('says in its table how clips were tested, and of groups that share pictures the first five', async () => {
    const probe = await probeRun(run, dataset, QUICK);
    const sets = ['a b', 'c d', 'e f', 'g h', 'i j k l m', 'n o'].map((names) => names.split(' '));
    const note =
      'note: groups that share pictures were kept on one side (perhaps one patient; see uscl audit): a + b; c + d; e + f; g + h; i + j + k + l + …';
    const line = (joined: readonly (readonly string[])[]): string | undefined =>
      probeTable({ ...probe, joined })
        .split('\n')
        .find((one) => one.startsWith('note: groups'));
    expect(line([])).toBeUndefined();
    expect(line(sets.slice(0, 5))).toBe(note);
    expect(line(sets)).toBe(`${note}; …`);
    const split = (folds: number): string =>
      probeTable({
        ...{ ...probe, split: 'main' },
        pretrained: { ...probe.pretrained, settings: { ...probe.pretrained.settings, folds } },
      });
    expect(split(1)).toContain('(accuracy, macro-F1), test of the split main; chance is 0.500\n');
    expect(split(3)).toContain('(accuracy, macro-F1), the 3 folds of the split main; chance is 0.500\n');
  });

  test('is kept in the folder of its run by dataset, one for each, and read again in the order of their names', async () => {
    const probe = await probeRun(run, dataset, QUICK);
    const keeper = join(scratch, 'keeper');
    mkdirSync(keeper);
    expect(readProbes(keeper)).toEqual([]);
    const named = (name: string, hash: string) => ({ ...probe, dataset: { ...probe.dataset, name, hash } });
    const path = keepProbe(keeper, named('lungs of/A', 'fedcba9876543210'));
    expect(path).toBe(join(keeper, 'probes', 'lungs-of-A-fedcba98.json'));
    keepProbe(keeper, named('hearts', '0123456789abcdef'));
    keepProbe(keeper, { ...named('hearts', '0123456789abcdef'), split: 'main' });
    for (const other of ['notes.txt', '.half.json']) writeFileSync(join(keeper, 'probes', other), '{');
    expect(readdirSync(join(keeper, 'probes'))).toHaveLength(4);
    expect(readProbes(keeper).map((one) => [one.dataset.name, one.split])).toEqual([
      ['hearts', 'main'],
      ['lungs of/A', null],
    ]);
    expect(readProbes(keeper)[1]).toEqual(named('lungs of/A', 'fedcba9876543210'));
    writeFileSync(path, '{"half":');
    expect(await errorOf(() => readProbes(keeper))).toMatchObject({ code: 'RUN_DAMAGED', where: path });
  });

  test('of no random network has a dash for it, and says what pretraining has seen and of what labels', async () => {
    const probe = await probeRun(run, dataset, QUICK);
    const bare = probeTable({ ...probe, random: [], differences: [] });
    const rows = bare.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(rows.find(([name]) => name === 'linear, clip')?.slice(2)).toEqual(['–', '–']);
    expect(bare).not.toContain('gain with its');
    const seen = (
      overlap: { readonly seen: number; readonly labelsSeen: number } | null,
    ): string | undefined =>
      probeTable({ ...probe, overlap })
        .split('\n')
        .find((line) => line.startsWith('note: pretraining has seen'));
    expect([seen(null), seen({ seen: 0, labelsSeen: 0 })]).toEqual([undefined, undefined]);
    expect(seen({ seen: 3, labelsSeen: 0 })).toBe(
      'note: pretraining has seen 3 of these 10 clips and none of their labels.',
    );
    expect(seen({ seen: 3, labelsSeen: 1 })).toBe(
      'note: pretraining has seen 3 of these 10 clips and the labels of 1: these scores are no test of generalisation.',
    );
  });

  test('says which of the clips pretraining has seen, and whose labels', async () => {
    const same = await probeRun(run, dataset, QUICK);
    expect(same.overlap).toEqual({ seen: 8, labelsSeen: 8 });
    expect(probeTable(same)).toContain('no test of generalisation');

    const unlabelled = join(scratch, 'unlabelled');
    await tinyRun(dataset, unlabelled, ['method.supervisedWeight=0', 'training.epochs=1']);
    expect((await probeRun(unlabelled, dataset, QUICK)).overlap).toEqual({ seen: 8, labelsSeen: 0 });

    // Another dataset that holds the same pictures, under other names and without digests of their files.
    const other = await tinyDataset(join(scratch, 'other'), { clips: 12 });
    expect((await probeRun(run, other, QUICK)).overlap).toEqual({ seen: 8, labelsSeen: 8 });
  });

  test('refuses to call it a test when labels of tested clips were given to pretraining', async () => {
    const strict = { ...QUICK, allowLeaks: false };
    expect(await errorOf(() => probeRun(run, dataset, strict))).toMatchObject({ kind: 'data', code: 'LEAK' });
    expect((await probeRun(run, dataset, QUICK)).leaks).toEqual([
      expect.stringContaining('labels of 8 of the tested clips'),
    ]);
    const unlabelled = join(scratch, 'unlabelled');
    const { leaks, overlap } = await probeRun(unlabelled, dataset, strict);
    expect([leaks, overlap?.seen]).toEqual([[], 8]);
  });

  const swapLast = (
    part: NamedSplit['parts'][number],
    index: number,
    parts: NamedSplit['parts'],
  ): NamedSplit['parts'][number] => ({
    name: part.name,
    clips: [...part.clips.slice(0, -2), ...parts[1 - index]!.clips.slice(-2)],
  });

  test('uses a split of the dataset: tests on its test only, refuses one that leaks', async () => {
    const folder = await tinyDataset(join(scratch, 'split'), { clips: 12 });
    using opened = openDataset(folder);
    const ids = opened.clips.map(({ id }) => id);
    const split: NamedSplit = {
      format: 'uscl-split',
      version: 1,
      name: 'main',
      kind: 'parts',
      seed: 0,
      distance: 6,
      joined: [],
      parts: [
        { name: 'train', clips: ids.slice(0, 8) },
        { name: 'test', clips: ids.slice(8) },
      ],
    };
    writeSplit(folder, split);
    const unlabelled = join(scratch, 'unlabelled');
    const {
      pretrained,
      random,
      split: used,
      differences,
    } = await probeRun(unlabelled, folder, {
      ...QUICK,
      split: 'main',
    });
    expect(used).toBe('main');
    expect(pretrained.clips.map(({ id }) => id)).toEqual(ids.slice(8));
    expect(pretrained.settings).toMatchObject({ folds: 1, seeds: 1 });
    expect(pretrained.linear.clipPredictions[0]).toHaveLength(4);
    expect([random.length, differences.length]).toEqual([1, 1]);

    // Pretrained with labels, but not on the test part: a fair test that nothing has to be allowed for.
    const kept = join(scratch, 'kept-out');
    const settings = ['data.split=main', 'training.epochs=2'];
    await tinyRun(folder, kept, settings);
    const fair = await probeRun(kept, folder, { ...QUICK, split: 'main', allowLeaks: false });
    expect(fair.overlap).toEqual({ seen: 0, labelsSeen: 0 });
    // With another split under the same name the run would go on with other clips.
    writeSplit(folder, { ...split, parts: [split.parts[0]!, split.parts[1]!].map(swapLast) }, true);
    expect(await errorOf(() => tinyRun(folder, kept, settings, { resume: true }))).toMatchObject({
      code: 'RESUME_CHANGED',
      message: expect.stringContaining('clip') as string,
    });
    writeSplit(folder, split, true);

    // Of the tested clips alone it is told how many pretraining saw; a part that takes no part may share their groups.
    writeSplit(folder, {
      ...{ ...split, name: 'first' },
      parts: [
        { name: 'test', clips: ids.slice(0, 3) },
        { name: 'validation', clips: ids.slice(3, 4) },
        { name: 'train', clips: ids.slice(4) },
      ],
    });
    const first = await probeRun(unlabelled, folder, { ...QUICK, split: 'first', allowLeaks: false });
    const record = JSON.parse(readFileSync(join(unlabelled, 'dataset.json'), 'utf8')) as {
      clips: { id: string; role: string }[];
    };
    const trained = record.clips.filter(({ role }) => role === 'training').map(({ id }) => id);
    const seen = ids.slice(0, 3).filter((id) => trained.includes(id)).length;
    expect(seen).toBeGreaterThan(0);
    expect([first.leaks, first.overlap]).toEqual([[], { seen, labelsSeen: 0 }]);
    expect(first.pretrained.clips.map(({ id }) => id)).toEqual(ids.slice(0, 3));

    writeSplit(folder, {
      ...split,
      name: 'cut',
      parts: [
        { name: 'train', clips: ids.slice(0, 7) },
        { name: 'test', clips: ids.slice(7) },
      ],
    });
    const cut = { ...QUICK, split: 'cut', allowLeaks: false };
    const refused = await errorOf(() => probeRun(unlabelled, folder, cut));
    expect(refused).toMatchObject({ kind: 'data', code: 'LEAK' });
    expect(String(refused)).toContain('same group');
    const allowed = await probeRun(unlabelled, folder, { ...cut, allowLeaks: true });
    expect(probeTable(allowed)).toContain('leak allowed');
    expect(await errorOf(() => probeRun(unlabelled, folder, { ...QUICK, split: 'none' }))).toMatchObject({
      code: 'SPLIT_MISSING',
    });
  });

  test('never parts copies of one clip that stand under two groups', async () => {
    const folder = join(scratch, 'copies');
    await tinyDataset(folder, { clips: 12, copies: [[0, 11]] });
    const { joined, pretrained } = await probeRun(join(scratch, 'unlabelled'), folder, QUICK);
    expect(joined).toEqual([['group0', 'group5']]);
    for (const fold of pretrained.folds) expect(fold[0]).toBe(fold[11]);
  });

  test('does not know what weights without their run have seen', async () => {
    const copy = join(scratch, 'copy');
    await tinyRun(dataset, copy, ['training.epochs=1']);
    rmSync(join(copy, 'dataset.json'));
    expect((await probeRun(copy, dataset, QUICK)).overlap).toBeNull();
  });

  test('stops when told to, and refuses what it cannot do', async () => {
    const stopped = probeRun(run, dataset, { ...QUICK, signal: AbortSignal.abort(new Error('enough')) });
    await expect(stopped).rejects.toThrow('enough');
    expect(await errorOf(() => probeRun(run, dataset, { ...QUICK, folds: 50 }))).toMatchObject({
      kind: 'data',
    });
    const bare = await tinyDataset(join(scratch, 'bare'), { labelled: false });
    expect(await errorOf(() => probeRun(run, bare, QUICK))).toMatchObject({ kind: 'data' });
  });
});
