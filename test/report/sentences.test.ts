/** Every sentence about a run is computed from that run: each is tested where it holds and where it does not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeReport } from '../../src/report/report.ts';
import {
  fixtureDataset,
  fixtureFinetune,
  type FixturePretrain,
  fixturePretrain,
  type FixtureRun,
  scratchFolder,
} from './fixture.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
let runs = 0;

beforeAll(async () => {
  await fixtureDataset(at('data'));
});

async function wordsOf(run: string): Promise<string> {
  await writeReport([run], `${run}.html`);
  return readFileSync(`${run}.html`, 'utf8')
    .replaceAll(/<style>[^]*?<\/style>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/\s+/g, ' ');
}

const pretrained = (options: FixturePretrain): Promise<string> =>
  wordsOf(fixturePretrain(at(`run-${++runs}`), at('data'), options));
const tuned = async (options: FixtureRun): Promise<string> =>
  wordsOf(await fixtureFinetune(at(`run-${++runs}`), at('data'), { labelRates: [1], ...options }));

describe('what chose the checkpoint of a pretraining', () => {
  test.each<[string, FixturePretrain, string]>([
    [
      'held-out clips that were scored',
      {},
      '8 clips of 36, in whole groups, were held out and scored after each epoch. The best checkpoint is that of the lowest held-out loss.',
    ],
    [
      'nothing, without held-out clips',
      { held: false },
      'No clip was held out. No score chose a checkpoint: the weights are those of the last step.',
    ],
    [
      'kNN on a watched dataset',
      { set: ['evaluation.dataset=elsewhere'], knn: true },
      'that of the highest kNN balanced accuracy on a labelled dataset that was watched, which is therefore no test.',
    ],
    [
      'nothing, where the watched dataset was never scored',
      { set: ['evaluation.dataset=elsewhere'] },
      'No epoch was scored on the labelled dataset that was to choose the checkpoint.',
    ],
    [
      'clips of a named split, of which nobody says whole groups',
      { set: ['data.split=main'] },
      '8 clips of 36 were held out and scored after each epoch.',
    ],
    [
      'clips that replace may bring into training',
      { set: ['data.rate=0.5', 'data.rateMode=replace'] },
      'Held-out clips could take the place of clips outside the data rate and enter training',
    ],
  ])('%s', async (_, options, sentence) => {
    const text = await pretrained(options);
    expect(text.split(sentence).length - 1).toBe(2);
    expect(text).not.toContain('chose the checkpoint.');
  });
});

describe('labels of a pretraining', () => {
  test.each<[string, FixturePretrain, boolean]>([
    ['λ > 0 and labels', { set: ['method.supervisedWeight=0.3'], labelled: true }, true],
    ['λ > 0 on clips without labels', { set: ['method.supervisedWeight=0.3'] }, false],
    ['λ = 0', { set: ['method.supervisedWeight=0'] }, false],
    ['no label allowed', { set: ['method.supervisedWeight=0.3', 'data.labelRate=0'] }, false],
  ])('%s', async (_, options, read) => {
    const text = await pretrained(options);
    expect(text.includes('plus 0.3 times the cross-entropy')).toBe(read);
    expect(text.includes('with labels in the loss')).toBe(read);
    expect(text.includes('labels of 28 were read')).toBe(read);
    expect(text.includes('without any label')).toBe(!read);
    expect(text.includes('No label entered the loss')).toBe(!read);
  });
});

test('a pretraining that has not come to its end is said to stand where it does', async () => {
  expect(await pretrained({ complete: false })).toContain(
    'for 50 steps, at which the run stands: it has not come to its end',
  );
  expect(await pretrained({})).not.toContain('not come to its end');
});

test('the optimizer is named as it was set', async () => {
  const sgd = 'optimizer.kind=sgd';
  expect(await pretrained({ set: [sgd] })).toContain('by SGD with momentum of 0.9 with a peak');
  expect(await pretrained({ set: [sgd, 'optimizer.momentum=0'] })).toContain('by SGD without momentum');
  expect(await pretrained({ set: [sgd, 'optimizer.nesterov=true'] })).toContain('Nesterov momentum of 0.9');
  expect(await pretrained({})).toContain('by Adam with a peak');
});

test('a pretraining promises no file that it has not', async () => {
  const text = await pretrained({});
  expect(text).not.toContain('predictions.json holds');
  expect(text).not.toContain('reliability diagram');
  expect(await tuned({})).toContain('predictions.json holds every probability');
});

describe('where weights came from', () => {
  const own = '36 clips of phantom (labels of 36 were read)';
  test.each<[string, FixtureRun, string, boolean]>([
    ['random', {}, 'trained from random weights.', false],
    ['a pretraining', { given: 'runs/blues' }, `came from blues: pretrained by USCL [2] on ${own}.`, true],
    [
      'a fine-tuning from random weights',
      { given: 'runs/tuned', before: ['finetuning'] },
      `came from tuned: fine-tuned as a classifier on ${own}.`,
      false,
    ],
    [
      'a fine-tuning of a pretraining',
      { given: 'runs/tuned', before: ['finetuning', 'uscl'] },
      `came from tuned: fine-tuned as a classifier on ${own} and pretrained by USCL`,
      true,
    ],
    [
      'a fine-tuning of weights from outside',
      { given: 'runs/tuned', before: ['finetuning', 'unknown'] },
      `fine-tuned as a classifier on ${own} and before that brought from outside (phantom), trained on what is not known to this program.`,
      false,
    ],
    [
      'outside',
      { given: 'imagenet.safetensors', before: null },
      'Its initial weights were brought from outside (imagenet.safetensors, SHA-256 aaaaaaaaaaaaaaaa…); what they were trained on is not known',
      false,
    ],
  ])('%s', async (_, options, sentence, cites) => {
    const text = await tuned(options);
    expect(text).toContain(sentence);
    expect(text.includes('Video Contrastive Representation Learning')).toBe(cites);
    expect(text.includes('One pretraining is one draw')).toBe(options.given !== undefined);
  });
});

describe('what chose the epoch of a fine-tuning', () => {
  test.each<[string, FixtureRun, string]>([
    [
      'an inner split',
      {},
      'The epoch was chosen on an inner split, 20 % of the training clips in whole groups; the test',
    ],
    [
      'nothing in some trainings',
      { blind: 2 },
      'in whole groups; 2 of 9 trainings had too few labelled groups to hold any out and took the last epoch; the test',
    ],
    [
      'nothing at all',
      { blind: 9 },
      'chosen on nothing: no training could hold clips out, and each took its last epoch; the test',
    ],
    ['clips of a split', { set: ['split=main'] }, 'chosen on clips held out of the training part; the test'],
  ])('%s', async (_, options, sentence) => {
    expect(await tuned(options)).toContain(sentence);
  });
});

test('seeds are said to differ in folds only where folds are drawn, and one seed repeats nothing', async () => {
  const folds =
    'repeated with 3 seeds that differ in folds, initial classifier and all random draws (9 models';
  expect(await tuned({})).toContain(`3-fold cross-validation of whole groups, ${folds}`);
  expect(await tuned({ set: ['split=main'] })).toContain(
    'tests by the stored split “main”, repeated with 3 seeds that differ in initial classifier and all random draws, on the same split (9',
  );
  const one = await tuned({ seeds: 1 });
  expect(one).toMatch(/% of 36 clips \(95 % interval [\d.]+ to [\d.]+ %; one seed\)\. Balanced accuracy/);
  expect(one).toContain('3-fold cross-validation of whole groups, with one seed (3 models');
  expect(one).not.toContain('averaged over seeds');
  expect(await tuned({})).toContain('pooled and scored together, and scores averaged over seeds.');
});

test('the loss is told with all that was added to it', async () => {
  const loss =
    'The loss was softmax cross-entropy, clips weighted inversely to how common their class was in training';
  expect(await tuned({})).toContain(`${loss}. In an epoch`);
  expect(await tuned({ set: ['labelSmoothing=0.1'] })).toContain(
    `${loss}, with label smoothing of 0.1. In an epoch`,
  );
  expect(await tuned({ set: ['labelSmoothing=0.05', 'mixup=0.4'] })).toMatch(
    /in training, with label smoothing of 0\.05, with mixup \(α = 0\.4\) \[\d\]\. In an epoch/,
  );
});

test('parameters that learn faster or slower are named, those that do not are not', async () => {
  const rates = (factors: Readonly<Record<string, number>>): Promise<string> =>
    tuned({ set: [`layerRates=${JSON.stringify(factors)}`] });
  expect(await rates({ 'classifier.*': 10, 'backbone.layer4.*': 2, 'backbone.conv1.*': 1 })).toContain(
    'with a learning rate of 0.0003 (times 10 for classifier.* and 2 for backbone.layer4.*) and weight decay',
  );
  expect(await rates({ 'classifier.*': 1 })).toContain('with a learning rate of 0.0003 and weight decay');
});

describe('clips without a label', () => {
  test.each([
    [0, 'in 3 classes: normal (12 clips), b-lines (12 clips) and consolidation (12 clips). The classifier'],
    [1, 'consolidation (12 clips). 1 further clip had no label and was not scored.'],
    [3, 'consolidation (12 clips). 3 further clips had no label and were not scored.'],
  ])('%d', async (unlabelled, sentence) => {
    const data = at(`unlabelled-${unlabelled}`);
    await fixtureDataset(data, { unlabelled });
    const run = await fixtureFinetune(at(`run-${++runs}`), data, { labelRates: [1] });
    const text = await wordsOf(run);
    expect(text).toContain(`Scored were ${36 - unlabelled} labelled clips of`);
    expect(text).toContain(sentence);
  });
});

describe('what the training before had met of the tested clips', () => {
  const given = 'runs/blues';
  test.each<[string, FixtureRun, string, string | null]>([
    ['nobody knows', { given }, 'What the weights were trained on before is not known', null],
    [
      'none',
      { given, overlap: { seen: 0, labelsSeen: 0 } },
      'None of the tested clips was met in the training before.',
      null,
    ],
    [
      'one',
      { given, overlap: { seen: 1, labelsSeen: 0 } },
      '1 tested clip of 36 was met in the training before, without their labels.',
      '1 tested clip without labels',
    ],
    [
      'some',
      { given, overlap: { seen: 5, labelsSeen: 0 } },
      '5 tested clips of 36 were met in the training before, without their labels.',
      '5 tested clips without labels',
    ],
    [
      'some with their labels',
      { given, overlap: { seen: 5, labelsSeen: 2 }, leaks: ['labels of 2 tested clips were read'] },
      'Leaks were found and allowed. labels of 2 tested clips were read.',
      '5 tested clips',
    ],
  ])('%s', async (_, options, sentence, limit) => {
    const text = await tuned(options);
    expect(text).toContain(sentence);
    if (limit === null) expect(text).not.toContain('The training before had seen');
    else
      expect(text).toContain(
        `The training before had seen ${limit}: nothing is shown about clips that no training has met.`,
      );
  });
});

test('kNN of a pretraining is told as it ended', async () => {
  const watched = await pretrained({ set: ['evaluation.dataset=elsewhere'], knn: true });
  expect(watched).toContain(' kNN balanced accuracy on the watched dataset ended at 0.750.');
  expect(await pretrained({})).not.toContain('kNN balanced accuracy on the watched dataset ended');
});

test('epochs are a number or a bound', async () => {
  expect(await tuned({ set: ['earlyStopping=null'] })).toContain('images for 6 epochs.');
  expect(await tuned({})).toContain('images for at most 6 epochs, stopped after 10 epochs without');
});

test('batch norms of a frozen network are not said to have moved', async () => {
  expect(await tuned({ set: ['layers=head'] })).toContain('batch norms kept their stored statistics');
  expect(await tuned({})).toContain('batch norms of trained layers used and updated batch statistics');
});

test('clips of leaking groups are not called held out', async () => {
  expect(await tuned({})).toContain('On clips of groups that were held out of fine-tuning,');
  expect(await tuned({ leaks: ['a leak'] })).not.toContain('held out of fine-tuning');
});

describe('against a constant answer', () => {
  test('only classes that were tested count', async () => {
    const text = await tuned({ unseen: ['effusion'] });
    expect(text).toContain('any constant answer has a balanced accuracy of 0.333.');
    expect(text).toContain('any constant answer a balanced accuracy of 0.333.');
    expect(text).toContain('No tested clip was effusion, which the model can answer.');
    expect(await tuned({})).not.toContain('No tested clip was');
  });
});
