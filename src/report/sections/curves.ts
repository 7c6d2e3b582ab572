/** How training went: loss and what goes with it, over steps of a pretraining or epochs of a fine-tuning. */
import type { EpochEntry } from '../../training/finetune/epoch-log.ts';
import type { StepEntry } from '../../training/log.ts';
import { type Line, lineChart, lineLegend } from '../charts/line.ts';
import { roundAxis, tightAxis } from '../charts/plot.ts';
import { groupBy } from '../collect.ts';
import { figure, figures } from '../elements.ts';
import { type Html, html, type Part } from '../html.ts';
import { count, plain, score } from '../numbers.ts';
import type { FinetuneSubject, PretrainSubject } from '../subject.ts';

type Points = readonly (readonly [number, number])[];

/** Rows of a table that a person would read. */
const MOST_ROWS = 40;
/** Points of a line; more could not be told apart. */
const MOST_POINTS = 400;

/** Curves of a pretraining run. */
export function pretrainCurves({ log }: PretrainSubject): Part {
  const steps = log.filter((entry) => entry.kind === 'step');
  const held = log.filter((entry) => entry.kind === 'validation');
  const knn = log.filter((entry) => entry.kind === 'knn');
  if (steps.length === 0) return html`<p>The run has not logged a step yet.</p>`;
  const training = (name: string, style: number, value: (entry: StepEntry) => number): Line[] => {
    const raw = steps.map((entry) => [entry.step, value(entry)] as const);
    return [
      { name, style, points: thinned(raw), faint: true },
      { name, style, points: thinned(smoothed(raw)) },
    ];
  };
  const scored = <T extends { readonly step: number }>(
    name: string,
    style: number,
    entries: readonly T[],
    value: (entry: T) => number,
  ): Line => ({
    name,
    style,
    points: thinned(entries.map((entry) => [entry.step, value(entry)] as const)),
  });
  return figures([
    curve(
      'Loss',
      'loss',
      'step',
      [...training('training', 0, (e) => e.loss), scored('held out', 1, held, (e) => e.loss)],
      'Thin: every step; thick: running mean.',
    ),
    curve(
      'Pairs that find each other',
      'share of views',
      'step',
      [...training('training', 0, (e) => e.pairAccuracy), scored('held out', 1, held, (e) => e.pairAccuracy)],
      'Share of views whose nearest other view is their partner.',
    ),
    curve(
      'Alignment and uniformity',
      'value',
      'step',
      [...training('alignment', 0, (e) => e.alignment), ...training('uniformity', 2, (e) => e.uniformity)],
      'Of training embeddings (Wang & Isola 2020): alignment near 0 and low uniformity are best; uniformity near 0 is a collapse.',
    ),
    held.length === 0
      ? null
      : curve(
          'Effective rank of held-out features',
          'rank',
          'step',
          [scored('rank', 1, held, (e) => e.effectiveRank)],
          'Near 1 is a collapse. Falling rank with good pairs is a shortcut being learnt.',
          [0],
        ),
    knn.length === 0
      ? null
      : curve(
          'kNN on the watched dataset',
          'balanced accuracy',
          'step',
          [scored('balanced accuracy', 2, knn, (e) => e.balancedAccuracy)],
          'Selects the best checkpoint, so no test.',
          [0, 1],
        ),
  ]);
}

/** Curves of a fine-tuning run: the mean over folds and seeds at each epoch, single folds behind it. */
export function finetuneCurves({ log, config, evaluation }: FinetuneSubject): Part {
  const rate = Math.max(...config.labelRates);
  const entries = log.filter((entry) => entry.labelRate === rate && entry.fold !== null);
  if (entries.length === 0) return html`<p>The run has kept no log of its epochs.</p>`;
  const where = evaluation.optimistic ? 'test fold' : 'inner split';
  const runs = groupBy(entries, ({ seed, fold }) => `${seed} ${fold ?? ''}`);
  const lines = (name: string, style: number, value: (entry: EpochEntry) => number | null): Line[] => {
    const single = [...runs.values()].map((run) =>
      run.map((entry) => [entry.epoch + 1, value(entry) ?? NaN] as const),
    );
    const mean = meanByEpoch(single.flat());
    return mean.length === 0
      ? []
      : [
          ...single.map((points): Line => ({ name, style, points, faint: true })),
          { name, style, points: mean },
        ];
  };
  const chosen = entries.filter(({ best }) => best);
  const last = [...runs.values()].map((run) => run.filter(({ best }) => best).at(-1)?.epoch ?? 0);
  return html`${figures([
    curve(
      'Loss',
      'loss',
      'epoch',
      [...lines('training', 0, (e) => e.trainLoss), ...lines(where, 1, (e) => e.innerLoss)],
      'Thin: single folds; thick: mean of those still training.',
    ),
    curve(
      'What the epoch is chosen by',
      'score',
      'epoch',
      [
        ...lines('training accuracy', 0, (e) => e.trainAccuracy),
        ...lines(`balanced accuracy, ${where}`, 1, (e) => e.innerBalancedAccuracy),
      ],
      `Frames. ${evaluation.optimistic ? 'Chosen on the test fold: optimistic.' : 'Never the test fold.'}`,
      [0, 1],
    ),
    curve(
      'Learning rate',
      'rate',
      'epoch',
      lines('learning rate', 2, (e) => e.learningRate),
      '',
      [0],
    ),
  ])}
  ${chosen.length > 0 && html`<p class="note">${count(runs.size)} trainings. Chosen epoch: ${span(last)} of at most ${count(config.epochs)}.</p>`}`;
}

function curve(
  title: string,
  yTitle: string,
  xTitle: string,
  lines: readonly Line[],
  caption: string,
  hold: readonly number[] = [],
): Html | null {
  const points = lines.flatMap((line) => line.points).filter((point) => point.every(Number.isFinite));
  if (points.length === 0) return null;
  const named = lines.filter(({ faint, points: own }) => faint !== true && own.length > 0);
  const xs = [...new Set(named.flatMap((line) => line.points.map(([x]) => x)))].sort((a, b) => a - b);
  const rows = thinned(
    xs.map((x) => [x, 0] as const),
    MOST_ROWS,
  ).map(([x]) => x);
  return figure({
    title,
    caption,
    plot: lineChart({
      label: `${title} by ${xTitle}. ${named.map((line) => spoken(line)).join('; ')}.`,
      x: tightAxis(
        xTitle,
        points.map(([x]) => x),
        5,
      ),
      y: roundAxis(
        yTitle,
        points.map(([, y]) => y),
        4,
        hold,
      ),
      lines,
    }),
    legend: lineLegend(lines.filter(({ points: own }) => own.length > 0)),
    table: {
      label: `${title} in numbers`,
      head: [xTitle, ...named.map(({ name }) => name)],
      rows: rows.map((x) => [
        count(x),
        ...named.map((line) => {
          const found = line.points.find(([at]) => at === x);
          return found === undefined ? '' : plain(found[1]);
        }),
      ]),
    },
  });
}

/** Epochs as people count them. */
function span(epochs: readonly number[]): string {
  const [low, high] = [1 + Math.min(...epochs), 1 + Math.max(...epochs)];
  return low === high ? count(low) : `${count(low)} to ${count(high)}`;
}

function spoken({ name, points }: Line): string {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  const [first, last] = [finite[0], finite.at(-1)];
  return first === undefined || last === undefined
    ? name
    : `${name}: from ${score(first[1], 2)} to ${score(last[1], 2)}`;
}

function meanByEpoch(points: Points): Points {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  return [...groupBy(finite, ([x]) => x)]
    .sort(([a], [b]) => a - b)
    .map(([x, own]) => [x, own.reduce((sum, [, y]) => sum + y, 0) / own.length] as const);
}

/** Running mean over about a fiftieth of the run. */
function smoothed(points: Points): Points {
  const window = Math.max(1, Math.round(points.length / 50));
  let sum = 0;
  return points.map(([x, y], i) => {
    sum += y - (i >= window ? points[i - window]![1] : 0);
    return [x, sum / Math.min(i + 1, window)] as const;
  });
}

/** Evenly chosen points, first and last included. */
function thinned(points: Points, most = MOST_POINTS): Points {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]!);
}
