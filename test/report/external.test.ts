/** The page of what `uscl evaluate --out` left: a finished model on a dataset that it had not seen. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Evaluation } from '../../src/evaluation/scores/evaluation-result.ts';
import { interval, score } from '../../src/report/numbers.ts';
import { writeReport } from '../../src/report/report.ts';
import { evaluateRun, writeResultFolder } from '../../src/evaluate/evaluate.ts';
import { writeModel } from '../finetune/finetuned.ts';
import { CLASSES, fixtureDataset, scratchFolder } from './fixture.ts';

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

test('shows the frames of its worst mistakes', () => {
  expect(text.match(/<img[^>]*src="data:image/g) ?? []).toHaveLength(12);
});
