/** The comparison of two runs as lines of text for people. */
import { RESEARCH_USE } from '../../base/research-use.ts';
import { textTable } from '../../base/text-table.ts';
import type { ClipTest, Comparison, Difference, RateComparison } from './comparison-result.ts';
import {
  LOWER_IS_BETTER,
  OVERALL_SCORES,
  type Level,
  type OverallScore,
} from '../scores/evaluation-result.ts';

const SCORE_TEXT: Readonly<Record<OverallScore, string>> = {
  accuracy: 'accuracy',
  balancedAccuracy: 'balanced accuracy',
  macroF1: 'macro-F1',
  kappa: "Cohen's kappa",
  auroc: 'AUROC, one against rest',
  averagePrecision: 'average precision',
  ece: 'calibration error',
  brier: 'Brier score',
};

const LEVEL_TEXT: Readonly<Record<Level, string>> = {
  frame: 'by frame',
  clipMean: 'by clip, mean of its frames',
  clipVote: 'by clip, vote of its frames',
};

/** Levels in the order of the table, with the scores shown; everything else is in the JSON. */
const SHOWN: readonly (readonly [Level, readonly OverallScore[]])[] = [
  ['clipMean', OVERALL_SCORES],
  ['clipVote', ['accuracy', 'balancedAccuracy', 'macroF1']],
  ['frame', ['accuracy', 'balancedAccuracy', 'macroF1', 'auroc']],
];

/** All label rates: scores of both, differences with intervals, McNemar's test, and what must be known to read them. */
export function comparisonTable(comparison: Comparison): string {
  const { a, b, settings, labelRates, notes } = comparison;
  const side = (one: Comparison['a']): string =>
    `${one.name} (${one.protocol}${one.optimistic ? ', optimistic' : ''})`;
  const tested = labelRates.flatMap((rate) =>
    SHOWN.flatMap(([level, names]) => names.map((name) => rate[level].scores[name].interval)),
  );
  const compared = tested.filter((interval) => interval !== null).length;
  return [
    `A: ${side(a)}`,
    `B: ${side(b)}`,
    ...labelRates.flatMap((rate) => rateLines(rate, settings.confidence)),
    '',
    ...(compared === 0
      ? []
      : [
          `* the ${Math.round(100 * settings.confidence)} % interval of the difference leaves out zero (${settings.resamples} resamples of groups).`,
          `  Of ${compared} such intervals about ${Math.max(1, Math.round(compared * (1 - settings.confidence)))} would do so by chance alone if the runs were alike.`,
        ]),
    ...notes.map((note) => `note: ${note}`),
    RESEARCH_USE,
  ].join('\n');
}

function rateLines(rate: RateComparison, confidence: number): string[] {
  const { seeds, clips, groups } = rate;
  const seedText =
    seeds.a.length === seeds.b.length
      ? `${seeds.a.length} ${seeds.a.length === 1 ? 'seed' : 'seeds'}`
      : `${seeds.a.length} and ${seeds.b.length} seeds`;
  const header = ['', 'A', 'B', 'A − B', '', `${Math.round(100 * confidence)} % interval`, 'p'];
  const rows = SHOWN.flatMap(([level, names]) => [
    [LEVEL_TEXT[level]],
    ...names.map((name) => [
      `  ${SCORE_TEXT[name]}${LOWER_IS_BETTER.has(name) ? ' (less is better)' : ''}`,
      ...cells(rate[level].scores[name]),
    ]),
  ]);
  return [
    '',
    `label rate ${rate.labelRate}: ${clips} clips of ${groups} groups, ${seedText}`,
    ...textTable([header, ...rows]),
    ...noteLines(rate),
    ...clipTestLines(rate.mcnemar.clipMean),
  ];
}

function cells({ a, b, mean, interval, p }: Difference): string[] {
  const leavesOutZero = interval !== null && (interval[0] > 0 || interval[1] < 0);
  return [
    a === null ? '–' : a.toFixed(3),
    b === null ? '–' : b.toFixed(3),
    mean === null ? '–' : signed(mean),
    leavesOutZero ? '*' : '',
    interval === null ? '–' : `${signed(interval[0])} to ${signed(interval[1])}`,
    p === null ? '–' : probability(p),
  ];
}

/** What is missing in the table, said once. */
function noteLines(rate: RateComparison): string[] {
  const found = new Set<string>();
  for (const [level, names] of SHOWN) {
    for (const name of names) {
      const { note } = rate[level].scores[name];
      if (note !== null) found.add(`  ${SCORE_TEXT[name]}, ${LEVEL_TEXT[level]}: ${note}`);
    }
  }
  return [...found];
}

function clipTestLines({ perSeed, majority }: ClipTest): string[] {
  const line = (name: string, test: ClipTest['majority']): string =>
    `  ${name}: only A right ${test.onlyA}, only B right ${test.onlyB}; exact p ${probability(test.exact)}, ` +
    `continuity-corrected χ² ${test.corrected.statistic.toFixed(2)} p ${probability(test.corrected.p)}, ` +
    `by groups p ${probability(test.byGroup.p)}`;
  return [
    'McNemar on clips (mean of frames); exact and corrected take clips for independent, by groups does not',
    ...perSeed.map(({ seed, ...test }) => line(`seed ${seed}`, test)),
    ...(perSeed.length === 1 ? [] : [line('majority of seeds', majority)]),
  ];
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
}

/** 0.0499 → `0.050`, 0.0001 → `< 0.001`. */
function probability(p: number): string {
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}
