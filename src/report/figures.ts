/** The pictures of scores: confusion, ROC, reliability, label efficiency. Each says how it is read. */
import type { Evaluation, LevelEvaluation, OverallScore } from '../evaluation/scores/evaluation-result.ts';
import { confusionChart } from '../charts/confusion.ts';
import { legendList } from '../charts/legend.ts';
import { type Line, lineChart, lineLegend } from '../charts/line.ts';
import { type Axis, shareAxis } from '../charts/plot.ts';
import { reliabilityChart } from '../charts/reliability.ts';
import { figure, figures } from './elements.ts';
import { mean } from '../base/collect.ts';
import { type Html, html, name, type Part } from '../charts/markup.ts';
import { count, interval, listed, percent, plain, roundPercent, score } from './numbers.ts';
import type { ScoredSubject } from './subject.ts';
import { chanceOf, leading } from './scores.ts';

/** The section's content: all at clip level, by mean probability, of the highest label rate. */
export function scoreFigures(subject: ScoredSubject): Part {
  const { evaluation } = subject;
  const rate = leading(evaluation);
  const seeds = rate.seeds.length;
  return html`<p class="note">
      Clips by mean
      probability${rate.labelRate < 1 && `, ${roundPercent(rate.labelRate)} of the training labels`}.${evaluation.optimistic && ' Legacy protocol: optimistic.'}
    </p>
    ${figures([
      confusionFigure(evaluation.classes, rate.clipMean, seeds),
      rocFigure(evaluation.classes, rate.clipMean, rate.seeds),
      reliabilityFigure(rate.clipMean, seeds),
      labelFigure(subject),
    ])}`;
}

function confusionFigure(classes: readonly string[], { confusion }: LevelEvaluation, seeds: number): Html {
  const hits = classes.map((one, c) => {
    const row = confusion[c]!;
    const total = row.reduce((sum, value) => sum + value, 0);
    return total === 0 ? `no clip of ${one}` : `${percent(row[c]! / total, 0)} of ${one}`;
  });
  return figure({
    title: 'Confusion matrix',
    caption: `Rows are true classes, columns what the model said${seeds > 1 ? `; counts are means of ${count(seeds)} seeds` : ''}. Shade: share of the row.`,
    plot: confusionChart({
      label: `Confusion matrix. Named right: ${listed(hits)}.`,
      classes,
      counts: confusion,
    }),
    table: {
      label: 'Confusion matrix in numbers',
      head: ['True class', ...classes.map((one) => html`said ${name(one)}`)],
      rows: confusion.map((row, r) => [name(classes[r]!), ...row.map((value) => plain(value))]),
    },
  });
}

/** More curves than this hide each other. */
const MOST_CURVES = 6;
/** Places on the curve that the table lists. */
const RATES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5];

function rocFigure(
  classes: readonly string[],
  { roc, perClass }: LevelEvaluation,
  seeds: readonly number[],
): Html | null {
  const drawn = classes.flatMap((one, c) => {
    const curves = roc[c]!.flatMap((curve) => (curve === null ? [] : [curve]));
    return curves.length === 0 ? [] : [{ one, c, curves, area: perClass[c]!.auroc }];
  });
  if (drawn.length === 0) return null;
  const shown = drawn.slice(0, MOST_CURVES);
  const lines = shown.flatMap(({ one, curves, area }, style): Line[] => [
    ...(curves.length > 1 ? curves.map((points) => ({ name: one, style, points, faint: true })) : []),
    { name: `${one}, AUROC ${score(area.mean, 2)}`, style, points: meanCurve(curves) },
  ]);
  return figure({
    title: 'ROC, each class against all others',
    caption: `${seeds.length > 1 ? 'Thin: single seeds; thick: their mean. ' : ''}Dashed: chance.${drawn.length > shown.length ? ` The first ${MOST_CURVES} classes; the table has all.` : ''}`,
    plot: lineChart({
      label: `ROC curves. ${shown.map(({ one, area }) => `${one}: area ${score(area.mean, 2)}`).join('; ')}.`,
      x: shareAxis('false positive rate'),
      y: shareAxis('true positive rate'),
      height: 300,
      diagonal: true,
      lines,
    }),
    legend: legendList(lineLegend(lines, ['chance'])),
    table: {
      label: 'True positive rate at some false positive rates',
      head: ['Class', 'AUROC', 'Interval', ...RATES.map((at) => `at ${roundPercent(at)}`)],
      rows: drawn.map(({ one, curves, area }) => [
        name(one),
        score(area.mean),
        interval(area.interval),
        ...RATES.map((at) => score(mean(curves.map((curve) => heightAt(curve, at))))),
      ]),
    },
  });
}

type Curve = readonly (readonly [number, number])[];

/** Mean true positive rate over seeds at each false positive rate that one of them has. */
function meanCurve(curves: readonly Curve[]): Curve {
  if (curves.length === 1) return curves[0]!;
  const places = [...new Set(curves.flatMap((curve) => curve.map(([x]) => x)))].sort((a, b) => a - b);
  return [
    [0, 0] as const,
    ...places.map((x) => [x, mean(curves.map((curve) => heightAt(curve, x)))] as const),
  ];
}

/** The upper end of the curve at x, straight between points. */
function heightAt(curve: Curve, x: number): number {
  const after = curve.findIndex(([at]) => at > x);
  const [x0, y0] = curve.at(after === -1 ? -1 : after - 1)!;
  if (after === -1 || x0 === x) return y0;
  const [x1, y1] = curve[after]!;
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}

function reliabilityFigure({ reliability, scores }: LevelEvaluation, seeds: number): Html {
  const filled = reliability.filter(({ count: held }) => held > 0);
  return figure({
    title: 'Reliability',
    caption: `How often the model was right at the confidence it stated${seeds > 1 ? ', all seeds together' : ''}. Below the dashed line it is surer than it should be. Grey: where the answers are.`,
    plot: reliabilityChart(
      `Reliability diagram. Expected calibration error ${score(scores.ece.mean)}. ${filled
        .map(
          ({ confidence, accuracy }) => `At confidence ${score(confidence, 2)}, ${score(accuracy, 2)} right`,
        )
        .join('; ')}.`,
      reliability,
    ),
    table: {
      label: 'Reliability in numbers',
      head: ['Confidence', 'Answers', 'Mean confidence', 'Share right'],
      rows: filled.map(({ low, high, count: held, confidence, accuracy }) => [
        interval([low, high], 2),
        count(held),
        score(confidence),
        score(accuracy),
      ]),
    },
  });
}

const EFFICIENCY = ['balancedAccuracy', 'auroc'] as const;
const EFFICIENCY_NAMES = { balancedAccuracy: 'balanced accuracy', auroc: 'AUROC, mean of classes' } as const;

function labelFigure({ evaluation }: ScoredSubject): Html | null {
  const { labelRates, settings } = evaluation;
  if (labelRates.length < 2) return null;
  const lines = EFFICIENCY.map((key, style) => efficiencyLine(EFFICIENCY_NAMES[key], style, evaluation, key));
  return figure({
    title: 'Label efficiency',
    caption: `Scores against the share of training labels used; bands are ${roundPercent(settings.confidence)} intervals over groups.`,
    plot: lineChart({
      label: efficiencySpoken(lines),
      x: rateAxis(labelRates.map(({ labelRate }) => labelRate)),
      y: shareAxis('score'),
      height: 300,
      lines,
      levels: [chanceOf(leading(evaluation))],
    }),
    legend: legendList(lineLegend(lines, ['balanced accuracy of a constant answer'])),
    table: {
      label: 'Label efficiency in numbers',
      head: ['Training labels', ...EFFICIENCY.flatMap((key) => [EFFICIENCY_NAMES[key], 'Interval'])],
      rows: labelRates.map(({ labelRate, clipMean }) => [
        roundPercent(labelRate),
        ...EFFICIENCY.flatMap((key) => [
          score(clipMean.scores[key].mean),
          interval(clipMean.scores[key].interval),
        ]),
      ]),
    },
  });
}

/** A score of clips against the share of training labels, its intervals as a band. */
export function efficiencyLine(
  of: string,
  style: number,
  { labelRates }: Evaluation,
  key: OverallScore,
): Line {
  const known = labelRates.flatMap(({ labelRate, clipMean }) => {
    const { mean: value, interval: ends } = clipMean.scores[key];
    return value === null ? [] : [{ labelRate, value, ends: ends ?? ([value, value] as const) }];
  });
  return {
    ...{ name: of, style, marked: true },
    points: known.map(({ labelRate, value }) => [labelRate, value]),
    band: known.map(({ labelRate, ends }) => [labelRate, ends[0], ends[1]]),
  };
}

/** What lines of label efficiency show, in words. */
export function efficiencySpoken(lines: readonly Line[]): string {
  const spoken = lines.map(({ name: of, points }) => {
    const values = points.map(([at, value]) => `${score(value, 2)} at ${roundPercent(at)}`);
    return `${of}: ${values.join(', ')}`;
  });
  return `Label efficiency. ${spoken.join('; ')}.`;
}

/** Label rates on a scale of equal factors, each labelled. */
export function rateAxis(rates: readonly number[]): Axis {
  const [low, high] = [Math.min(...rates), Math.max(...rates)];
  return {
    title: 'share of training labels',
    range: [low / 1.15, high * 1.15],
    ticks: [...rates],
    label: (rate) => roundPercent(rate).replace(' ', '\u2009'),
    log: true,
  };
}
