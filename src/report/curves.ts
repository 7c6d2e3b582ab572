/** How training went: the panels of a pretraining or a fine-tuning as figures with their numbers. */
import { lineLegend } from '../charts/line.ts';
import { legendList } from '../charts/legend.ts';
import { type Html, html, type Part } from '../charts/markup.ts';
import { type CurvePanel, drawPanel, pretrainPanels, thinned } from '../runs/curves.ts';
import { methodOf } from '../runs/config.ts';
import { finetunePanels } from '../finetune/epoch-log.ts';
import { unlabelledMethod } from '../finetune/method-learner.ts';
import { groupBy } from '../base/collect.ts';
import { figure, figures } from './elements.ts';
import { count, plain } from './numbers.ts';
import type { FinetuneSubject, PretrainSubject, Subject } from './subject.ts';

/** Rows of a table that a person would read. */
const MOST_ROWS = 40;

/** The section's content; null for an evaluation, which trains nothing. */
export function curvesSection(subject: Subject): Part {
  if (subject.kind === 'evaluation') return null;
  return subject.kind === 'pretraining' ? pretrainCurves(subject) : finetuneCurves(subject);
}

function pretrainCurves({ log, config }: PretrainSubject): Part {
  const panels = pretrainPanels(log, methodOf(config).charts);
  if (panels.length === 0) return html`<p>The run has not logged a step yet.</p>`;
  return figures(panels.map(panelFigure));
}

/** At the highest label rate. */
function finetuneCurves({ log, config }: FinetuneSubject): Part {
  const rate = Math.max(...config.labelRates);
  const entries = log.filter((entry) => entry.labelRate === rate && entry.fold !== null);
  if (entries.length === 0) return html`<p>The run has kept no log of its epochs.</p>`;
  const trainings = [...groupBy(entries, ({ seed, fold }) => `${seed} ${fold ?? ''}`).values()];
  const chosen = entries.filter(({ best }) => best);
  const last = trainings.map((own) => own.filter(({ best }) => best).at(-1)?.epoch ?? 0);
  return html`${figures(finetunePanels(log, rate, unlabelledMethod(config)?.charts).map(panelFigure))}
  ${chosen.length > 0 && html`<p class="note">${count(trainings.length)} trainings. Chosen epoch: ${span(last)} of at most ${mostOf(config.training)}.</p>`}`;
}

function panelFigure(panel: CurvePanel): Html {
  const { title, xTitle, caption, lines } = panel;
  const named = lines.filter(({ faint }) => faint !== true);
  const xs = [...new Set(named.flatMap((line) => line.points.map(([x]) => x)))].sort((a, b) => a - b);
  return figure({
    title,
    caption,
    plot: drawPanel(panel),
    legend: legendList(lineLegend(lines)),
    table: {
      label: `${title} in numbers`,
      head: [xTitle, ...named.map(({ name }) => name)],
      rows: thinned(xs, MOST_ROWS).map((x) => [
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

/** The length of a training that nothing ends early. */
function mostOf({ epochs, steps }: FinetuneSubject['config']['training']): string {
  return steps === null ? count(epochs) : `as many as make ${count(steps)} steps`;
}
