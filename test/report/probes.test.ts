/** What a page says of probes of a pretraining: every number beside random weights, and what may be thought of it. */
import { beforeAll, expect, test } from 'vitest';
import { compareProbes, probe } from '../../src/evaluation/probes/probe.ts';
import { keepProbe, type RunProbe } from '../../src/probe/probe-run.ts';
import { makeData } from '../evaluation/support.ts';
import { fixtureDataset, fixturePretrain } from './fixture.ts';
import { said, tableOf, words } from './page.ts';
import { runsAndPages } from './pages.ts';

const { at, page, changed } = runsAndPages();
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

let kept: RunProbe;
beforeAll(async () => {
  await fixtureDataset(at('data'));
  fixturePretrain(at('pretrained'), at('data'));
  const shape = { groups: 18, clipsPerGroup: 2, frames: 2, dim: 8, classes: 3 };
  const of = (signal: number) =>
    probe({ ...makeData({ seed: 1, ...shape, signal }), seeds: 2, folds: 3, k: 3, resamples: 100 });
  const [pretrained, one, two] = [await of(3), await of(0.5), await of(1)];
  kept = {
    ...{ format: 'uscl-run-probe', version: 1, split: null, joined: [], leaks: [], overlap: null },
    weights: { path: 'best.safetensors', step: 50, epoch: 4 },
    dataset: { folder: 'elsewhere', name: 'lungs', hash: '0123456789' },
    pretrained,
    random: [
      { seed: 0, result: one },
      { seed: 1, result: two },
    ],
    differences: [compareProbes(pretrained, one), compareProbes(pretrained, two)],
  };
});

async function probed(change: Partial<RunProbe>): Promise<string> {
  const run = changed('pretrained', {});
  keepProbe(at(run), { ...kept, ...change });
  return await page(run);
}

test('stand beside random weights, each with its paired interval', async () => {
  const text = await probed({});
  expect(said(text)).toContain(
    'On lungs A classifier on the frozen features of 36 clips of 18 groups, tested on groups it was not fitted on (2 foldings into 3 folds). ' +
      'Balanced accuracy by chance is 0.333. It is not known whether pretraining has seen these clips.',
  );
  const sign = (value: number): string =>
    value < 0 ? `−${Math.abs(value).toFixed(3)}` : value > 0 ? `+${value.toFixed(3)}` : '0.000';
  const bare = (value: number): string => value.toFixed(3).replace('-', '−');
  for (const [reader, label, title] of [
    ['linear', 'linear probe', 'Linear probe'],
    ['knn', 'kNN', 'kNN'],
  ] as const) {
    const networks = [kept.pretrained, ...kept.random.map(({ result }) => result)].map(
      (one) => one[reader].clip,
    );
    const gains = kept.differences.map((one) => one[reader].clip.balancedAccuracy);
    expect(tableOf(text, `${label} in numbers`)).toEqual([
      ['Weights', 'Balanced accuracy', 'Accuracy', 'Macro-F1', 'Difference', 'Interval'],
      ...networks.map(({ balancedAccuracy, accuracy, macroF1 }, i) => [
        i === 0 ? 'pretrained' : `random ${i}`,
        balancedAccuracy.mean.toFixed(3),
        `${(100 * accuracy.mean).toFixed(1)} %`,
        macroF1.mean.toFixed(3),
        ...(i === 0
          ? ['', '']
          : [
              sign(gains[i - 1]!.mean),
              gains[i - 1]!.interval.map(bare).join(
                gains[i - 1]!.interval.some((end) => end < 0) ? ' to ' : '–',
              ),
            ]),
      ]),
    ]);
    const [own, ...others] = networks.map(({ balancedAccuracy }) => balancedAccuracy.mean);
    expect(said(text)).toContain(
      `${title}: pretrained minus random weights Balanced accuracy over clips: ${own!.toFixed(3)}, on random weights ${mean(others).toFixed(3)}. ` +
        'Each row is one random network on the same folds, with the paired 95 % interval over groups.',
    );
  }
});

test('say what pretraining had seen, which split was used, and leaks that were allowed', async () => {
  const none = said(await probed({ overlap: { seen: 0, labelsSeen: 0 }, split: 'main' }));
  expect(none).toContain(
    '(the split main). Balanced accuracy by chance is 0.333. Pretraining has seen none of these clips.',
  );
  const some = await probed({ overlap: { seen: 9, labelsSeen: 4 }, leaks: ['labels of 4 clips'] });
  expect(said(some)).toContain('Pretraining has seen 9 of these clips and the labels of 4.');
  expect(some).toMatch(/<p class="notice warn">Leak allowed: labels of 4 clips<\/p>/);
  expect(said(await probed({ random: [], differences: [] }))).toContain(
    `Balanced accuracy over clips: ${kept.pretrained.linear.clip.balancedAccuracy.mean.toFixed(3)}. Each row`,
  );
  expect(words(await page('pretrained'))).toContain('The features have not been probed yet.');
});
