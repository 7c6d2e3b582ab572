/** The page of what `uscl evaluate --out` left: a finished model on a dataset that it had not seen. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Evaluation } from '../../src/evaluation/scores/evaluation-result.ts';
import { interval, score } from '../../src/report/numbers.ts';
import { writeReport } from '../../src/report/report.ts';
import { evaluateRun, writeResultFolder } from '../../src/evaluate/evaluate.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { changedRun, CLASSES, fixtureDataset, scratchFolder } from './fixture.ts';
import { said } from './page.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch, name);
let evaluation: Evaluation;
let text = '';
let words = '';

beforeAll(async () => {
  await fixtureDataset(at('data'), { name: 'elsewhere' });
  mkdirSync(at('model'));
  const model = writeModel(at('model'), { classes: [...CLASSES], view: { size: 16 }, sharpness: 2 });
  const options = { backend: 'reference', precision: 'f32', resamples: 200 } as const;
  const { result, predictions } = await evaluateRun(model, at('data'), options);
  evaluation = result.evaluation;
  writeResultFolder(at('result'), result, predictions, false);
  await writeReport([at('result')], at('page.html'), { datasets: [at('data')] });
  text = readFileSync(at('page.html'), 'utf8');
  words = text.replaceAll(/<style>[^]*?<\/style>|<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');
});

test('has the scores of the evaluation and tells of no training', () => {
  const { balancedAccuracy, auroc } = evaluation.labelRates[0]!.clipMean.scores;
  expect(words).toContain(score(balancedAccuracy.mean));
  expect(words).toContain(interval(balancedAccuracy.interval));
  expect(words).toContain(interval(auroc.interval));
  expect(words).toContain('A finished model judged these clips; nothing was trained or chosen on them here.');
  expect(text).not.toContain('<h2>Training</h2>');
});

test('says that the answers of one model were scored together', () => {
  expect(words).toContain(
    'given the class with the largest mean probability over its frames; all predictions were scored together. Intervals are',
  );
});

test('does not claim that the dataset was unseen where nobody knows', () => {
  expect(words).toContain('Put to this dataset as a finished model,');
  expect(words).not.toContain('it was not trained on,');
  expect(words).toContain('Leaks: known in part.');
});

test('names classes that counted as others or were left out, and how many frames were looked at', async () => {
  expect(words).toContain(
    'A finished model was applied to these clips without any further training or selection; all frames of each clip were looked at. A clip was given',
  );
  expect(words).toContain('One model was put to the test: nothing is shown about the luck of its training.');
  await fixtureDataset(at('others'), { classes: ['healthy', 'b-lines', 'unclear'] });
  writeFileSync(at('map.yaml'), 'classes: {healthy: normal, b-lines: b-lines, unclear: drop}');
  const options = { backend: 'reference', precision: 'f32', resamples: 200, frames: 2 } as const;
  const { result, predictions } = await evaluateRun(at('model/model.safetensors'), at('others'), {
    ...{ ...options, map: at('map.yaml') },
  });
  writeResultFolder(at('mapped'), result, predictions, false);
  await writeReport([at('mapped')], at('mapped.html'));
  expect(said(readFileSync(at('mapped.html'), 'utf8'))).toContain(
    'selection; 2 frames of each clip were looked at. Of the dataset’s classes healthy counted as normal and unclear was left out. A clip was given',
  );
});

test.each([
  [0, 0, 'On a dataset it was not trained on, the model named', 'Leak audit: no leak found.'],
  [4, 0, 'On a dataset whose labels it was not trained on, the model named', 'Leak audit: no leak found.'],
])(
  'of %i clips met before, %i with their labels, says what it may',
  async (seen, labelsSeen, opening, leaks) => {
    const name = `met-${seen}`;
    changedRun(at('result'), at(name), {
      'evaluation.json': (json) =>
        JSON.stringify({ ...(JSON.parse(json) as object), overlap: { seen, labelsSeen } }),
    });
    await writeReport([at(name)], at(`${name}.html`));
    const page = said(readFileSync(at(`${name}.html`), 'utf8'));
    expect(page).toContain(opening);
    expect(page).toContain(leaks);
    expect(page).toContain(
      seen === 0
        ? 'None of the tested clips was met in the training before.'
        : '4 tested clips of 36 were met in the training before, without their labels.',
    );
  },
);

test('shows the frames of its worst mistakes', () => {
  expect(text.match(/<img[^>]*src="data:image/g) ?? []).toHaveLength(12);
});
