/**
 * What a page says beside its scores: mistakes, model card, environment, and what was not recorded. Whole sentences and
 * tables, with numbers computed from the run's own files.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { evaluationSchema, type Score } from '../../src/evaluation/scores/evaluation-result.ts';
import { readPredictions } from '../../src/evaluation/scores/predictions.ts';
import { type PartialFinetuneConfig, resolveFinetune } from '../../src/finetune/config.ts';
import { CLASSES, fixtureDataset, fixtureFinetune, fixturePretrain } from './fixture.ts';
import { factsOf, said, tableOf, tables, words } from './page.ts';
import { runsAndPages } from './pages.ts';

const { at, page, changed } = runsAndPages();
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

beforeAll(async () => {
  await fixtureDataset(at('data'));
  await fixtureFinetune(at('tuned'), at('data'), { skill: 0.3 });
  fixturePretrain(at('pretrained'), at('data'));
});

describe('the worst mistakes', () => {
  /** Clips that the mean of seeds and frames is wrong about, surest first, from the file of predictions. */
  function mistakes(run: string) {
    const { clips, cells } = readPredictions(at(run));
    const rows = cells.filter(({ labelRate }) => labelRate === 1).flatMap((cell) => cell.rows);
    const columns = (frames: readonly (readonly number[])[]): number[] =>
      CLASSES.map((_, c) => mean(frames.map((frame) => frame[c]!)));
    const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values));
    return clips
      .map(({ id, group, label }, clip) => {
        const seeds = rows.filter((row) => row.clip === clip);
        const bySeed = seeds.map(({ probabilities }) => columns(probabilities));
        const all = columns(bySeed);
        const answer = largest(all);
        const frames = seeds.flatMap(({ frames: numbers, probabilities }) =>
          numbers.map((number, i) => [probabilities[i]![answer]!, number] as const),
        );
        const [, frame] = frames.reduce((best, one) => (one[0] > best[0] ? one : best));
        const wrong = bySeed.filter((seed) => largest(seed) !== label).length;
        return { id, group, truth: label!, answer, sure: all[answer]!, truly: all[label!]!, wrong, frame };
      })
      .filter(({ truth, answer }) => truth !== answer)
      .sort((a, b) => b.sure - b.truly - (a.sure - a.truly));
  }

  test('are told surest first, those that fit as pictures with what was said of them', async () => {
    const found = mistakes('tuned');
    expect(found.length).toBeGreaterThan(5);
    const text = await page('tuned', { datasets: [at('data')], mistakes: 3 });
    expect(said(text)).toContain(
      `By the mean of all seeds and frames the model was wrong about ${found.length} clips; the surest mistakes come first.`,
    );
    expect(tableOf(text, 'Clips the model was wrong about')).toEqual([
      ['Clip', 'Group', 'True class', 'Said', 'with', 'True class given', 'Seeds wrong', 'Frame'],
      ...found.map(({ id, group, truth, answer, sure, truly, wrong, frame }) => [
        ...[id, group, CLASSES[truth], CLASSES[answer], percent(sure), percent(truly)],
        ...[`${wrong} of 3`, String(frame)],
      ]),
    ]);
    const pictures = [
      ...text.matchAll(/<img[^>]*alt="Frame ([^"]*)"[^]*?<figcaption>([^]*?)<\/figcaption>/g),
    ];
    expect(pictures.map(([, alt, caption]) => [alt, said(caption!)])).toEqual(
      found
        .slice(0, 3)
        .map(({ id, truth, answer, sure, wrong, frame }) => [
          `${frame} of clip ${id}, which is ${CLASSES[truth]!} and was taken for ${CLASSES[answer]!}`,
          `${CLASSES[answer]!}, not ${CLASSES[truth]!} said with ${percent(sure)}, ${wrong} of 3 seeds wrong. Frame ${frame} of ${id}.`,
        ]),
    );
  });

  test('are listed up to thirty, and none is said to be none', async () => {
    await fixtureFinetune(at('hopeless'), at('data'), { skill: -6, labelRates: [1], seeds: 1 });
    const hopeless = await page('hopeless');
    expect(mistakes('hopeless')).toHaveLength(36);
    expect(tableOf(hopeless, 'Clips the model was wrong about')).toHaveLength(31);
    expect(words(hopeless)).toContain('6 more are in predictions.json.');
    await fixtureFinetune(at('perfect'), at('data'), { skill: 9, labelRates: [1], seeds: 1 });
    const perfect = await page('perfect');
    expect(words(perfect)).toContain('By the mean of all seeds the model was wrong about no clip.');
    expect(tables(perfect, 'Clips the model was wrong about')).toEqual([]);
    expect(words(await page('tuned'))).not.toContain('more are in predictions.json');
  });
});

describe('the model card', () => {
  test('of a fine-tuning has its shape, its clips and its results', async () => {
    const facts = factsOf(await page('tuned'));
    const { balancedAccuracy, auroc } = evaluationSchema
      .parse(JSON.parse(readFileSync(at('tuned/metrics.json'), 'utf8')))
      .labelRates.at(-1)!.clipMean.scores;
    const withEnds = ({ mean: value, interval }: Score): string =>
      `${value!.toFixed(3)} (95 % interval ${interval!.map((end) => end.toFixed(3)).join('–')})`;
    expect(facts.get('Model')).toBe(
      'resnet18, width 64, 32 px, one channel; start: random weights; trained: the last residual block and the new classifier',
    );
    expect(facts.get('Purpose')).toMatch(/^Research on telling apart normal , b-lines , consolidation in/);
    expect(facts.get('Trained on')).toBe('phantom , 36 clips');
    expect(facts.get('Measured on')).toBe('36 clips of 18 groups, protocol honest');
    expect(facts.get('Results at clip level')).toBe(
      `balanced accuracy ${withEnds(balancedAccuracy)} and mean AUROC ${withEnds(auroc)}`,
    );
    expect(facts.get('Known limits')).toMatch(/^Other devices, depths, .* diagram shows\.$/);
  });

  test('of a pretraining claims nothing', async () => {
    const facts = factsOf(await page('pretrained'));
    expect(facts.get('Model')).toBe('Backbone: resnet18, width 64, 224 px, one channel');
    expect(facts.get('Purpose')).toBe(
      'Features of ultrasound frames, to be fine-tuned or probed in research.',
    );
    expect(facts.get('Trained on')).toBe('phantom , 28 clips');
    expect([facts.get('Measured on'), facts.get('Results at clip level')]).toEqual([
      'nothing yet',
      'none: pretraining has no task',
    ]);
    expect(facts.get('Known limits')).toMatch(/^Other devices, depths, .* were not tested\.$/);
  });

  test('stands beside the machine that the run was computed on', async () => {
    const text = await page('tuned');
    const facts = factsOf(text);
    expect(
      ['uscl', 'Revision', 'Kernels', 'Node.js', 'System', 'Processor', 'Memory'].map((name) =>
        facts.get(name),
      ),
    ).toEqual([
      ...['0.1.0', '0123456789abcdef0123456789abcdef01234567'],
      ...['oneDNN 2.6.3 (onednn), 2 threads, avx512', 'v20.20.2', 'linux 6.1', 'A Processor × 2', '8.0 GiB'],
    ]);
    expect(words(text)).toContain(
      'Computed with uscl 0.1.0 (revision 0123456789ab), oneDNN 2.6.3, Node.js 20.20.2, on 2 processors (A Processor).',
    );
    const dirty = changed('tuned', {
      'environment.json': (json) => json.replace('abcdef01234567"', 'abcdef01234567+"'),
    });
    expect(words(await page(dirty))).toContain('(revision 0123456789ab, with local changes), oneDNN');
    const packed = changed('tuned', {
      'environment.json': (json) => json.replace(/"revision":"\w+"/, '"revision":null'),
    });
    const unversioned = await page(packed);
    expect(words(unversioned)).toContain('Computed with uscl 0.1.0, oneDNN');
    expect(factsOf(unversioned).get('Revision')).toBe('not from a checkout');
  });
});

test('under the title stands what the run was and when it ended, of several their kinds', async () => {
  const ended = (seconds: number): string =>
    `ended ${new Date(1000 * seconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  // Two label rates, nine trainings of six epochs each; fifty steps.
  expect(said(await page('tuned'))).toContain(`Fine-tuning on phantom, ${ended(1_790_000_000 + 108)}`);
  expect(said(await page('pretrained'))).toContain(`Pretraining on phantom, ${ended(1_790_000_000 + 50)}`);
  expect(words(await page(['tuned', 'pretrained']))).toContain(
    '2 runs: tuned (fine-tuning) and pretrained (pretraining)',
  );
});

/** What a run of an earlier version wrote down of its data. */
const withoutTerms = (json: string): string =>
  JSON.stringify({ ...(JSON.parse(json) as object), terms: undefined });

test('the dataset stands with its fingerprint, licence and citation, whether it is at hand or not', async () => {
  const { hash } = JSON.parse(readFileSync(at('tuned/dataset.json'), 'utf8')) as { hash: string };
  const facts = (text: string) =>
    ['Fingerprint', 'Licence', 'To be cited as', 'Source'].map((name) => factsOf(text).get(name));
  const recorded = [hash.slice(0, 16), 'CC0', 'Nobody, 2026', undefined];
  for (const run of ['tuned', 'pretrained']) {
    expect(facts(await page(run))).toEqual(recorded);
    expect(facts(await page(run, { datasets: [at('data')] }))).toEqual(recorded);
    // A run of an earlier version recorded no terms: the dataset says them.
    const earlier = changed(run, { 'dataset.json': withoutTerms });
    expect(facts(await page(earlier))).toEqual([hash.slice(0, 16), undefined, undefined, undefined]);
    expect(facts(await page(earlier, { datasets: [at('data')] }))).toEqual(recorded);
  }
});

test('the model card names the terms of everything that the weights have learnt from', async () => {
  const terms = async (run: string): Promise<string | undefined> =>
    factsOf(await page(run))
      .get('Terms of its data')
      ?.replaceAll(' :', ':');
  const inherit = 'Weights inherit the terms of what they learnt from.';
  expect(await terms('pretrained')).toBe(`${inherit} phantom: CC0.`);
  expect(await terms(changed('pretrained', { 'dataset.json': withoutTerms }))).toBe(
    `${inherit} phantom: not recorded.`,
  );
  const begunWith = (source: object): string =>
    changed('tuned', {
      'source.json': (json) => JSON.stringify({ ...(JSON.parse(json) as object), ...source }),
    });
  const set = (licence: string | null, by: string, name = 'pool') => ({
    ...{ name, hash: 'a', by, clips: [] },
    terms: { licence, citation: null },
  });
  expect(await terms(begunWith({ kind: 'random', trainedOn: null }))).toBe(`${inherit} phantom: CC0.`);
  const chain = [set('lungs: CC BY 4.0; hearts: not stated', 'uscl'), set(null, 'finetuning', 'clinic')];
  expect(await terms(begunWith({ kind: 'weights', given: 'runs/a', trainedOn: chain }))).toBe(
    `${inherit} phantom: CC0. pool: lungs: CC BY 4.0; hearts: not stated. clinic: not stated.`,
  );
  // The clips of a pretraining may be those of the fine-tuning.
  const again = set('CC0', 'uscl', 'phantom');
  expect(await terms(begunWith({ kind: 'weights', given: 'runs/a', trainedOn: [again] }))).toBe(
    `${inherit} phantom: CC0.`,
  );
  expect(await terms(begunWith({ kind: 'weights', given: 'down/net.safetensors', trainedOn: null }))).toBe(
    `${inherit} phantom: CC0. net.safetensors: what they learnt from is not known.`,
  );
});

test('groups that share pictures are named, up to five sets of them', async () => {
  const joined = (sets: readonly (readonly string[])[]): Promise<string> =>
    page(
      changed('tuned', {
        'folds.json': (text) => JSON.stringify({ ...(JSON.parse(text) as object), joined: sets }),
      }),
    );
  const start = 'Groups that share pictures, perhaps one patient, were kept on one side:';
  const sets = ['a b', 'c d e', 'f g', 'h i', 'j k', 'l m', 'n o'].map((names) => names.split(' '));
  expect(words(await joined(sets.slice(0, 2)))).toContain(`${start} a + b and c + d + e.`);
  expect(words(await joined(sets.slice(0, 5)))).toContain(
    `${start} a + b, c + d + e, f + g, h + i and j + k.`,
  );
  expect(words(await joined(sets.slice(0, 6)))).toContain('h + i, j + k and 1 more such set.');
  expect(words(await joined(sets))).toContain('h + i, j + k and 2 more such sets.');
  expect(words(await page('tuned'))).not.toContain(start);
});

test('limits tell of few groups and few seeds, and the network is named with its width', async () => {
  const text = words(await page('tuned'));
  expect(text).toContain('Limits. Training and test clips come from one dataset;');
  expect(text).toContain('18 groups are few: intervals from so few are too short rather than too long.');
  expect(text).not.toContain('Fewer than three seeds');
  expect(text).toContain('The classifier was a ResNet-18 [1] with one linear layer');
  await fixtureFinetune(at('slim'), at('data'), {
    ...{ seeds: 2, labelRates: [1], set: ['model.width=32', 'view.augment=null'] },
  });
  const slim = words(await page('slim'));
  expect(slim).toContain('Fewer than three seeds say little about the luck of a training.');
  expect(slim).toContain(
    'The classifier was a ResNet-18 with 32 filters in its first stage (the published width is 64) [1] with one linear layer',
  );
  expect(slim).toContain('of each training clip were seen, resized to 32 × 32 pixels, without augmentation.');
  expect(text).toContain(
    'resized to 32 × 32 pixels, with random crops of 60 % to 100 % of the area, left–right flips (probability 0.5), brightness ± 0.3 and contrast ± 0.3; the configuration has the rest.',
  );
});

test('augmentation for ultrasound is told with its probabilities, and crops with what they are a share of', async () => {
  const told = async (augment: PartialFinetuneConfig['view']): Promise<string> => {
    const config = resolveFinetune({ overrides: { view: augment ?? {} } });
    const run = changed('tuned', {
      'config.json': (text) => {
        const saved = JSON.parse(text) as { view: object };
        return JSON.stringify({ ...saved, view: { ...saved.view, augment: config.view.augment } });
      },
    });
    return words(await page(run));
  };
  expect(await told({ augment: { preset: 'us' } })).toContain(
    'with random crops of 20 % to 100 % of the largest one in the ultrasound field, left–right flips (probability 0.5), brightness ± 0.1, contrast ± 0.1, ' +
      'gain along depth (probability 0.5), speckle (probability 0.333), gain and dynamic range (probability 0.5), gamma (probability 0.5) and ' +
      'a narrowed edge of the field (probability 0.5); the configuration has the rest.',
  );
  const partly = {
    ...{ insideField: { probability: 0.4 }, probe: { probability: 0.2 }, clahe: { probability: 0.1 } },
  };
  expect(await told({ augment: { ...partly, flip: 0, brightness: 0, contrast: 0 } })).toContain(
    'with random crops of 60 % to 100 % of the area or of the largest one in the ultrasound field (probability 0.4), ' +
      'a change of the probe’s shape (probability 0.2) and contrast-limited adaptive histogram equalisation (probability 0.1); the configuration has the rest.',
  );
});

test('of a fine-tuning the epochs that were chosen are told as people count them', async () => {
  expect(words(await page('tuned'))).toContain('9 trainings. Chosen epoch: 4 of at most 6.');
  const silent = words(await page(changed('tuned', { 'log.jsonl': null })));
  expect(silent).toContain('The run has kept no log of its epochs.');
  expect(silent).toContain(
    'The epoch was chosen on an inner split, 20 % of the training clips in whole groups; the test',
  );
});

test('what a run has not recorded is said not to be recorded', async () => {
  const tuned = await page(
    changed('tuned', { 'dataset.json': null, 'environment.json': null, 'source.json': null }),
  );
  const text = words(tuned);
  expect(factsOf(tuned).get('Dataset')).toBe('not recorded');
  expect([factsOf(tuned).get('Trained on'), factsOf(tuned).get('Start')]).toEqual([
    'not recorded',
    'not recorded',
  ]);
  expect(text).toContain('Where its weights came from was not recorded.');
  expect(text).toContain('What the run was computed on was not recorded.');
  expect(text).toContain('The run has not recorded what it was computed on.');
  expect(text).toContain(
    'Scored were 36 labelled clips of 18 groups (patients, or single clips where the patient is not known), in 3',
  );
  const pretrained = words(await page(changed('pretrained', { 'dataset.json': null })));
  expect(pretrained).toContain('Which clips were held out was not recorded.');
  expect(pretrained).toContain('Training used clips that were not recorded, in batches of');
  expect(pretrained).toContain('The run has not recorded which clips it went through.');
});

test('one held-out clip was held out, not were', async () => {
  await fixtureDataset(at('five'), { clips: 5 });
  fixturePretrain(at('small'), at('five'));
  expect(words(await page('small'))).toContain(
    '1 clip of 5, in whole groups, was held out and scored after each epoch.',
  );
});

test('a rank that falls below half is called the mark of a shortcut, one that does not is not', async () => {
  const ranks = (first: number, last: number): Promise<string> =>
    page(
      changed('pretrained', {
        'log.jsonl': (text) =>
          text
            .replaceAll(/("effectiveRank":)13\b/g, `$1${first}`)
            .replaceAll(/("effectiveRank":)17\b/g, `$1${last}`),
      }),
    );
  const shortcut = 'Falling rank while pairs find each other is the mark of a shortcut being learnt.';
  const fallen = words(await ranks(12, 5));
  expect(fallen).toContain('The effective rank of held-out features went from 12 to 5 .');
  expect(fallen).toContain(shortcut);
  expect(words(await ranks(12, 6))).not.toContain(shortcut);
  expect(words(await ranks(12, 1.9))).toContain('So low a rank is a collapse');
  expect(words(await ranks(12, 2))).not.toContain('So low a rank is a collapse');
});

test('the results say what is in a cell', async () => {
  expect(words(await page('tuned'))).toContain(
    'Each cell has the score (mean of 3 seeds) and below it the 95 % interval from 200 bootstrap draws of whole groups.',
  );
  await fixtureFinetune(at('one'), at('data'), { seeds: 1, labelRates: [1] });
  expect(words(await page('one'))).toContain('Each cell has the score and below it the 95 % interval');
});
