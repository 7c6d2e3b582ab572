/** Tables for the terminal: every number of a line beside the result it is made of. */
import { describe, expect, test } from 'vitest';
import { comparePredictions } from '../../src/evaluation/comparisons/compare-predictions.ts';
import { comparisonTable } from '../../src/evaluation/comparisons/comparison-table.ts';
import { evaluatePredictions } from '../../src/evaluation/scores/evaluate-predictions.ts';
import { type Level, OVERALL_SCORES, type Score } from '../../src/evaluation/scores/evaluation-result.ts';
import { table } from '../../src/cli/columns.ts';
import type { ExternalEvaluation } from '../../src/evaluate/evaluate.ts';
import { evaluationText } from '../../src/evaluate/table.ts';
import { finetuneTable } from '../../src/finetune/table.ts';
import { makePredictions } from '../evaluation/made-predictions.ts';

const quick = { resamples: 60 };
const three = (value: number | null): string => (value === null ? '–' : value.toFixed(3));
const sign = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
/** Lines of a table with columns two spaces apart, cells without empty ones. */
const cellsOf = (text: string): string[][] =>
  text.split('\n').map((line) => line.split(/ {2,}/).filter((cell) => cell !== ''));
const below = (text: string, start: string): string[][] => {
  const cells = cellsOf(text);
  const from = cells.findIndex(([first]) => first?.startsWith(start) === true);
  expect(from, start).not.toBe(-1);
  return cells.slice(from);
};

test('of keys and texts: two columns, wide enough for every key, lines of at most 100 letters', () => {
  const words = Array.from({ length: 40 }, () => 'word').join(' ');
  const short = table([
    ['what', words],
    ['none', null],
    ['cite', 'a paper'],
  ]);
  expect(short[0]).toMatch(/^what {6}word/);
  expect(short.at(-1)).toBe('cite      a paper');
  const long = table([
    ['what', words],
    ['barlow-twins', 'a method'],
  ]);
  expect(long.at(-1)).toBe('barlow-twins  a method');
  expect(long[1]).toMatch(/^ {14}word/);
  for (const line of [...short, ...long]) expect(line.length).toBeLessThanOrEqual(100);
});

describe('of a fine-tuning', () => {
  const evaluation = evaluatePredictions(makePredictions({ labelRates: [0.5, 1] }), quick);
  const text = finetuneTable(evaluation);
  const range = ({ mean, interval }: Score): string =>
    `${three(mean)}${interval === null ? '' : ` (${three(interval[0])}–${three(interval[1])})`}`;

  test('has the scores of every label rate at every level', () => {
    for (const rate of evaluation.labelRates) {
      const [, head, ...rows] = below(text, `label rate ${rate.labelRate}:`);
      expect(head).toEqual(['accuracy', 'balanced accuracy', 'macro-F1', 'AUROC']);
      const titles: [string, Level][] = [
        ['clip, mean probability', 'clipMean'],
        ['clip, majority vote', 'clipVote'],
        ['frame', 'frame'],
      ];
      expect(rows.slice(0, 3)).toEqual(
        titles.map(([title, level]) => [
          title,
          ...(['accuracy', 'balancedAccuracy', 'macroF1', 'auroc'] as const).map((name) =>
            range(rate[level].scores[name]),
          ),
        ]),
      );
    }
    const { perClass } = evaluation.labelRates[1]!.clipMean;
    expect(text).toContain(
      `recall of clips: ${perClass.map(({ name, recall }) => `${name} ${range(recall)}`).join(', ')}\n`,
    );
  });

  test('has the clips, and what a constant answer is worth', () => {
    // 30 clips of 10 groups, classes in turn from group to group: groups 0, 3, 6 and 9 are of the first.
    expect(text).toContain('30 labelled clips of 10 groups: class 0 12, class 1 9, class 2 9\n');
    expect(text).toContain(
      'mean over seeds, 95 % interval over groups; always the commonest class: accuracy 0.400, balanced 0.333\n',
    );
    expect(text).not.toContain('OPTIMISTIC');
  });

  test('names no label rate where there is one, and says first of all when it is optimistic', () => {
    const one = finetuneTable(evaluatePredictions({ ...makePredictions(), protocol: 'legacy' }, quick));
    expect(one).not.toContain('label rate');
    expect(one).toMatch(/^OPTIMISTIC: the epoch was chosen on the test clips themselves/);
    expect(one).toMatch(/\n {2}\(optimistic\) +accuracy/);
  });
});

describe('of an evaluation elsewhere', () => {
  const evaluation = evaluatePredictions(makePredictions({ seeds: [0] }), quick);
  const result: ExternalEvaluation = {
    ...{ format: 'uscl-external-evaluation', version: 1, frames: 'all' },
    model: {
      ...{ path: 'runs/tuned', sha256: 'a', epoch: 3, precision: 'f32' },
      classes: evaluation.classes,
    },
    dataset: { folder: 'data', name: 'elsewhere', hash: 'b' },
    mapping: { path: null, labels: {}, model: {}, unused: [] },
    clips: { scored: 30, unlabelled: 2, leftOut: 0 },
    overlap: { seen: 0, labelsSeen: 0 },
    leaks: [],
    evaluation,
  };
  const range = ({ mean, interval }: Score): string =>
    mean === null
      ? '–'
      : `${three(mean)}${interval === null ? '' : ` (${three(interval[0])} to ${three(interval[1])})`}`;
  const rate = evaluation.labelRates[0]!;

  test('has scores at every level, of every class, and the confusions', () => {
    const text = evaluationText(result);
    const [, ...scores] = below(text, 'clips, mean');
    expect(scores.slice(0, 7)).toEqual(
      (['accuracy', 'balancedAccuracy', 'macroF1', 'auroc', 'kappa', 'ece', 'brier'] as const).map(
        (name, i) => [
          ['accuracy', 'balanced accuracy', 'macro-F1', 'AUROC', 'kappa', 'ECE', 'Brier'][i]!,
          ...(['clipMean', 'clipVote', 'frame'] as const).map((level) => range(rate[level].scores[name])),
        ],
      ),
    );
    const [, , ...classes] = below(text, 'by class');
    expect(classes.slice(0, 3)).toEqual(
      rate.clipMean.perClass.map(({ name, support, precision, recall, f1, auroc }) => [
        ...[name, String(support)],
        ...[precision, recall, f1, auroc].map(range),
      ]),
    );
    const [, names, ...confusion] = below(text, 'confusion');
    expect(names).toEqual(['class 0', 'class 1', 'class 2']);
    expect(confusion.slice(0, 3)).toEqual(
      rate.clipMean.confusion.map((row, c) => [`class ${c}`, ...row.map(String)]),
    );
  });

  test('has what was not scored, only where there is such', () => {
    const lines = (clips: ExternalEvaluation['clips']): string =>
      evaluationText({ ...result, clips }).split('\n')[0]!;
    expect(lines(result.clips)).toBe(
      'runs/tuned on elsewhere: 30 clips of 10 groups; not scored: 2 unlabelled',
    );
    expect(lines({ scored: 30, unlabelled: 0, leftOut: 4 })).toBe(
      'runs/tuned on elsewhere: 30 clips of 10 groups; not scored: 4 left out by the file of classes',
    );
    expect(lines({ scored: 30, unlabelled: 0, leftOut: 0 })).toBe(
      'runs/tuned on elsewhere: 30 clips of 10 groups',
    );
    expect(evaluationText(result)).toContain(
      'scores with 95 % intervals over groups; balanced accuracy by chance is 0.333, accuracy of always the commonest class 0.400',
    );
  });
});

describe('of two runs', async () => {
  const [a, b] = [makePredictions({ skill: 2 }), makePredictions({ skill: 0, seed: 2 })];
  const comparison = await comparePredictions(a, b, { ...quick, names: ['one', 'two'] });
  const text = comparisonTable(comparison);
  const rate = comparison.labelRates[0]!;
  const p = (value: number | null): string =>
    value === null ? '–' : value < 0.001 ? '< 0.001' : value.toFixed(3);

  test('has both scores, their difference with its interval, and p, at every level', () => {
    expect(text).toContain('label rate 1: 30 clips of 10 groups, 2 seeds\n');
    const shown = [
      ['clipMean', 'by clip, mean of its frames', OVERALL_SCORES],
      ['clipVote', 'by clip, vote of its frames', ['accuracy', 'balancedAccuracy', 'macroF1']],
      ['frame', 'by frame', ['accuracy', 'balancedAccuracy', 'macroF1', 'auroc']],
    ] as const;
    for (const [level, title, names] of shown) {
      const rows = below(text, title).slice(1, 1 + names.length);
      expect(rows.map(([, ...cells]) => cells)).toEqual(
        names.map((name) => {
          const one = rate[level].scores[name];
          const [low, high] = one.interval!;
          return [
            three(one.a),
            three(one.b),
            sign(one.mean!),
            ...(low > 0 || high < 0 ? ['*'] : []),
            `${sign(low)} to ${sign(high)}`,
            p(one.p),
          ];
        }),
      );
    }
  });

  test('has the counts of McNemar’s test for each seed and for the majority', () => {
    const { perSeed, majority } = rate.mcnemar.clipMean;
    const line = (test: typeof majority): string =>
      `only A right ${test.onlyA}, only B right ${test.onlyB}; exact p ${p(test.exact)}, ` +
      `continuity-corrected χ² ${test.corrected.statistic.toFixed(2)} p ${p(test.corrected.p)}, by groups p ${p(test.byGroup.p)}`;
    for (const one of perSeed) expect(text).toContain(`  seed ${one.seed}: ${line(one)}\n`);
    expect(text).toContain(`  majority of seeds: ${line(majority)}\n`);
    expect(text).toContain('the 95 % interval of the difference leaves out zero (60 resamples of groups).');
    expect(text).toContain('Of 15 such intervals about 1 would do so by chance alone');
  });

  test('says seeds apart where the runs have different numbers of them', async () => {
    const uneven = await comparePredictions(a, makePredictions({ seeds: [0, 1, 2] }), quick);
    expect(comparisonTable(uneven)).toContain('30 clips of 10 groups, 2 and 3 seeds\n');
    const one = await comparePredictions(
      makePredictions({ seeds: [0] }),
      makePredictions({ seeds: [0], seed: 3 }),
      quick,
    );
    const said = comparisonTable(one);
    expect(said).toContain('30 clips of 10 groups, 1 seed\n');
    expect(said).not.toContain('majority of seeds');
  });
});
