/** Runs side by side: their scores, and what paired tests say about the differences. */
import type { Comparison, RateComparison } from '../evaluation/comparisons/comparison-result.ts';
import { LOWER_IS_BETTER, OVERALL_SCORES } from '../evaluation/scores/evaluation-result.ts';
import { methodOf } from '../runs/config.ts';
import { measured } from '../runs/log.ts';
import { forestChart } from '../charts/forest.ts';
import { legendList } from '../charts/legend.ts';
import { lineChart, lineLegend } from '../charts/line.ts';
import { shareAxis } from '../charts/plot.ts';
import { figure, figures, notice, table } from './elements.ts';
import { type Html, html, name, type Part } from '../charts/markup.ts';
import { count, counted, interval, listed, plain, pValue, roundPercent, score, signed } from './numbers.ts';
import { inWords } from './facts.ts';
import { isScored, type ScoredSubject, type Subject } from './subject.ts';
import { efficiencyLine, efficiencySpoken, rateAxis } from './figures.ts';
import { leading, nameOf, scoreCell, SHORT_NAMES, SPOKEN_NAMES } from './scores.ts';

/** A run against the first one: what was found, or why the two cannot be compared. */
export interface Paired {
  readonly name: string;
  readonly against: string;
  readonly outcome: Comparison | { readonly refused: string };
}

/** For the top of the page: what the paired tests say, in a sentence for each pair. */
export function comparisonSummary(pairs: readonly Paired[]): Part {
  return pairs.map(({ name: one, against, outcome }) =>
    'refused' in outcome
      ? html`<p>${name(one)} was not compared with ${name(against)}: ${outcome.refused}</p> `
      : html`<p>${verdict(outcome.labelRates.at(-1)!, one, against)}</p> `,
  );
}

/** The section's content. */
export function comparisonSection(subjects: readonly Subject[], pairs: readonly Paired[]): Part {
  const scored = subjects.filter(isScored);
  const others = subjects.filter((subject) => !isScored(subject));
  return html`${scored.length > 0 && scoreTable(scored)} ${efficiency(scored)} ${pairs.map(pairPart)}
  ${pairs.some(({ outcome }) => !('refused' in outcome)) && html`<p class="note">Every run is compared with ${name(pairs[0]!.against)}. Many scores are looked at and nothing is corrected for that: of intervals at 95 %, about one in twenty leaves out zero by luck alone. Decide beforehand which score at which label rate counts.</p>`}
  ${others.length > 0 && pretrainTable(others)}`;
}

function scoreTable(subjects: readonly ScoredSubject[]): Html {
  return html`<h3>Scores, clips by mean probability</h3>
    ${table({
      label: 'Scores of all runs',
      head: ['Score', ...subjects.map((subject) => name(subject.name))],
      rows: [
        [
          'Protocol',
          ...subjects.map(({ evaluation }) =>
            evaluation.optimistic ? html`<strong>legacy, optimistic</strong>` : evaluation.protocol,
          ),
        ],
        [
          'Clips and groups',
          ...subjects.map(
            ({ evaluation }) => `${count(leading(evaluation).clips)} of ${count(leading(evaluation).groups)}`,
          ),
        ],
        ['Seeds', ...subjects.map(({ evaluation }) => count(leading(evaluation).seeds.length))],
        ['Training labels', ...subjects.map(({ evaluation }) => roundPercent(leading(evaluation).labelRate))],
        ...OVERALL_SCORES.map((key) => [
          nameOf(key),
          ...subjects.map(({ evaluation }) => scoreCell(leading(evaluation).clipMean.scores[key])),
        ]),
      ],
    })}
    <p class="note">
      Intervals of single runs overlap even where a paired difference is clear: read the differences below,
      not the overlap.
    </p>`;
}

/** Runs on one picture at most. */
const MOST_LINES = 6;

function efficiency(subjects: readonly ScoredSubject[]): Html | null {
  const several = subjects.filter(({ evaluation }) => evaluation.labelRates.length > 1).slice(0, MOST_LINES);
  if (several.length < 2) return null;
  const lines = several.map((subject, style) =>
    efficiencyLine(subject.name, style, subject.evaluation, 'balancedAccuracy'),
  );
  const rates = [...new Set(lines.flatMap(({ points }) => points.map(([rate]) => rate)))].sort(
    (a, b) => a - b,
  );
  return figures([
    figure({
      title: 'Label efficiency',
      caption:
        'Balanced accuracy of clips against the share of training labels; bands are intervals over groups of each run by itself.',
      plot: lineChart({
        label: efficiencySpoken(lines),
        x: rateAxis(rates),
        y: shareAxis('balanced accuracy'),
        height: 300,
        lines,
      }),
      legend: legendList(lineLegend(lines)),
      table: {
        label: 'Label efficiency in numbers',
        head: ['Training labels', ...lines.map((line) => name(line.name))],
        rows: rates.map((rate) => [
          roundPercent(rate),
          ...lines.map(({ points }) => score(points.find(([at]) => at === rate)?.[1] ?? null)),
        ]),
      },
    }),
  ]);
}

function pairPart({ name: one, against, outcome }: Paired): Html {
  const heading = html`<h3>${name(one)} against ${name(against)}</h3>`;
  if ('refused' in outcome)
    return html`${heading} ${notice('warn', html`<strong>Not compared.</strong> ${outcome.refused}`)}`;
  return html`${heading}
  ${
    outcome.notes.length > 0 &&
    html`<ul>
      ${outcome.notes.map((note) => html`<li>${note}</li>`)}
    </ul>`
  }
  ${[...outcome.labelRates].reverse().map((rate) => ratePart(rate, outcome))}`;
}

function ratePart(rate: RateComparison, { settings, a, b, labelRates }: Comparison): Html {
  const { scores } = rate.clipMean;
  const drawn = OVERALL_SCORES.flatMap((key) => {
    const { mean, interval: ends } = scores[key];
    return mean === null || ends === null ? [] : [{ key, mean, ends }];
  });
  return html`${labelRates.length > 1 && html`<h4>With ${roundPercent(rate.labelRate)} of the training labels</h4>`}
    <p>${verdict(rate, a.name, b.name)}</p>
    ${figures([
      drawn.length === 0
        ? null
        : figure({
            title: `Paired differences, ${a.name} − ${b.name}`,
            caption: `Bars are ${roundPercent(settings.confidence)} intervals of the difference on the same draws of groups. Filled squares: the interval leaves out zero. For ECE and Brier, left is better.`,
            plot: forestChart({
              label: `Paired differences. ${drawn.map(({ key, mean, ends }) => `${SHORT_NAMES[key]} ${signed(mean)}, interval ${interval(ends)}`).join('; ')}.`,
              rows: drawn.map(({ key, mean, ends }) => ({
                name: SHORT_NAMES[key],
                estimate: mean,
                interval: ends,
              })),
              xTitle: 'difference of scores',
            }),
            table: {
              label: 'Paired differences in numbers',
              head: ['Score', a.name, b.name, 'Difference', 'Interval', 'p', 'Seeds’ differences'],
              rows: OVERALL_SCORES.map((key) => {
                const one = scores[key];
                return [
                  nameOf(key),
                  score(one.a),
                  score(one.b),
                  signed(one.mean),
                  interval(one.interval),
                  pValue(one.p),
                  one.perSeed === null ? '' : one.perSeed.map((value) => signed(value)).join(', '),
                ];
              }),
            },
          }),
    ])}
    ${table({
      label: 'McNemar’s test',
      head: [
        'McNemar, clips by mean probability',
        'Both right',
        `Only ${a.name}`,
        `Only ${b.name}`,
        'Neither',
        'Exact p',
        'p by groups',
      ],
      rows: [
        ...rate.mcnemar.clipMean.perSeed.map((test) => mcnemarRow(`seed ${plain(test.seed)}`, test)),
        mcnemarRow('majority of seeds', rate.mcnemar.clipMean.majority),
      ],
    })}
    <p class="note">
      McNemar’s test takes clips for independent; where patients have several, the p-value by groups is the
      one to read. ${counted(rate.clips, 'clip')} of ${counted(rate.groups, 'group')} that both runs
      tested${rate.leftOut.a + rate.leftOut.b > 0 && `; left out: ${listed([`${count(rate.leftOut.a)} of ${a.name}`, `${count(rate.leftOut.b)} of ${b.name}`])}`}.
    </p>`;
}

type Test = RateComparison['mcnemar']['clipMean']['majority'];

function mcnemarRow(what: string, test: Test): readonly Part[] {
  return [
    what,
    count(test.both),
    count(test.onlyA),
    count(test.onlyB),
    count(test.neither),
    pValue(test.exact),
    pValue(test.byGroup.p),
  ];
}

/** One sentence: which differences have intervals that leave out zero. */
function verdict(rate: RateComparison, a: string, b: string): Html {
  const { scores } = rate.clipMean;
  const clear = (sign: 1 | -1): readonly string[] =>
    OVERALL_SCORES.flatMap((key) => {
      const ends = scores[key].interval;
      if (ends === null) return [];
      const direction = ends[0] > 0 ? 1 : ends[1] < 0 ? -1 : 0;
      const better = LOWER_IS_BETTER.has(key) ? -direction : direction;
      return better === sign ? [SPOKEN_NAMES[key]] : [];
    });
  const [up, down] = [clear(1), clear(-1)];
  const { mean, interval: ends, p } = scores.balancedAccuracy;
  const main = html`Balanced accuracy of ${name(a)} differs from that of ${name(b)} by
    <strong>${signed(mean)}</strong> (${interval(ends)}, p
    ${pValue(p).startsWith('<') ? '' : '= '}${pValue(p)}).`;
  if (up.length + down.length === 0)
    return html`${main}
      <strong>No interval leaves out zero: these clips do not tell the two runs apart.</strong>`;
  return html`${main}${up.length > 0 && html` ${name(a)} is better in ${listed(up)}.`}${down.length > 0 && html` ${name(b)} is better in ${listed(down)}.`}
  For all other scores the interval holds zero.`;
}

function pretrainTable(subjects: readonly Subject[]): Html {
  const runs = subjects.flatMap((subject) => (subject.kind === 'pretraining' ? [subject] : []));
  const measures = new Set(
    runs.flatMap(({ config }) =>
      methodOf(config).measurements.flatMap(({ name, heldOut }) => (heldOut === true ? [name] : [])),
    ),
  );
  return html`<h3>Pretraining runs</h3>
    ${table({
      label: 'Pretraining runs side by side',
      head: [
        ...['Run', 'Method', 'Steps', 'Training loss', 'Held-out loss'],
        ...[...measures].map((name) => capital(inWords(name))),
        'Effective rank',
      ],
      rows: runs.map((subject) => {
        const step = subject.log.filter((entry) => entry.kind === 'step').at(-1);
        const held = subject.log.filter((entry) => entry.kind === 'validation').at(-1);
        return [
          name(subject.name),
          methodOf(subject.config).title,
          step === undefined ? '–' : count(step.step),
          score(step?.loss ?? null),
          score(held?.loss ?? null),
          ...[...measures].map((measure) => score(held === undefined ? null : measured(held, measure))),
          plain(held?.effectiveRank ?? null),
        ];
      }),
    })}
    <p class="note">
      Losses of different methods, temperatures, batches or views cannot be set against each other.
    </p>`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
