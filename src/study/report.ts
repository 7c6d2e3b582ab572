/** The page of a study: one HTML file like the reports of runs, made of the kept results alone. */
import { type ForestRow, forestChart } from '../charts/forest.ts';
import { legendList } from '../charts/legend.ts';
import { type Line, lineChart, lineLegend } from '../charts/line.ts';
import { type Html, html, name, type Part } from '../charts/markup.ts';
import { roundAxis } from '../charts/plot.ts';
import { facts, figure, figures, notice, type Section, table } from '../report/elements.ts';
import { rateAxis } from '../report/figures.ts';
import { counted, interval, listed, pValue, roundPercent, score, signed } from '../report/numbers.ts';
import { sectionsPage } from '../report/page.ts';
import { packageVersion } from '../runs/environment.ts';
import type { OpenData } from './data.ts';
import type { Compared, Reading, Row, Summary } from './summary.ts';
import { dataSection, recipesSection } from './report-sources.ts';
import { cellIn, endpointName, readingName } from './table.ts';

/** The whole file. */
export function studyPage(summary: Summary, data: OpenData): string {
  const { study } = summary;
  const title = study.title === '' ? `Study ${study.name}` : study.title;
  return sectionsPage({
    title,
    under: html`${counted(summary.rows.length, 'recipe')}, ${counted(study.seeds.length, 'seed')} of
    pretraining, ${counted(summary.targets.length, 'target')}; ${summary.jobs.done} of ${summary.jobs.total}
    jobs done`,
    sections: [
      { id: 'summary', title: 'In short', body: html`<div class="lead">${inShort(summary)}</div>` },
      { id: 'endpoint', title: 'The endpoint', body: endpointSection(summary) },
      { id: 'scores', title: 'All scores', body: scoresSection(summary) },
      ...efficiencySection(summary),
      { id: 'cost', title: 'Cost and shortcut', body: costSection(summary) },
      { id: 'recipes', title: 'Recipes', body: recipesSection(summary) },
      { id: 'data', title: 'Data and their terms', body: dataSection(summary, data) },
      { id: 'training', title: 'Training', body: curvesSection(summary) },
      { id: 'failed', title: 'Failed and left out', body: failedSection(summary) },
      { id: 'protocol', title: 'Protocol', body: protocolSection(summary) },
    ],
    version: packageVersion(),
    end: html`Written by uscl ${packageVersion()} from the kept results alone; the same results give the same
    bytes. It holds no picture and no name of a clip or a patient.`,
  });
}

function mainOf({ compared }: Row, control: string): Compared | undefined {
  return compared.find((one) => one.control === control);
}

/** What may be said, in sentences. */
function inShort(summary: Summary): Part {
  const { study, rows, jobs } = summary;
  const [control] = study.controls;
  const open = jobs.total - jobs.done - jobs.failed.length;
  const compared = rows.flatMap((row) => {
    const found = mainOf(row, control!);
    return found === undefined ? [] : [{ row, found }];
  });
  const best = compared.toSorted(
    (a, b) => b.found.difference.pooled.value - a.found.difference.pooled.value,
  )[0];
  const shown = compared.filter(({ found }) => found.holm < 0.05 && found.difference.pooled.value > 0);
  return html`${open > 0 && notice('warn', `${counted(open, 'job')} of ${jobs.total} not done yet: everything below may change.`)}
  ${jobs.failed.length > 0 && notice('warn', html`${counted(jobs.failed.length, 'job')} failed; <a href="#failed">which and why</a>.`)}
  ${
    best === undefined
      ? html`<p>No recipe can be compared with ${control} yet.</p>`
      : html`<p>${sentence(best.row.variant.name, best.found, control!, summary)}</p>
          <p>
            ${
              shown.length === 0
                ? `Of ${counted(compared.length, 'recipe')} none is shown to be better than ${control!} after correction for their number.`
                : `Shown to be better than ${control!} after correction for their number: ${listed(shown.map(({ row }) => row.variant.name))}.`
            }
          </p>`
  }
  ${study.seeds.length === 1 && notice('plain', 'With one seed of pretraining the intervals say nothing of another pretraining: this ranks recipes, it proves none.')}`;
}

function sentence(recipe: string, { difference, holm }: Compared, control: string, summary: Summary): string {
  const { pooled } = difference;
  const ends = interval(pooled.interval);
  return `Best by the endpoint is ${recipe}: ${signed(pooled.value)} (95 % interval ${ends}; p after Holm ${pValue(holm)}) against ${control}. The endpoint is ${endpointName(summary)}.`;
}

function endpointSection(summary: Summary): Part {
  const { study } = summary;
  return html`<p>
      ${capital(endpointName(summary))}. Intervals hold the luck of the patients that were
      tested${study.seeds.length > 1 && ' and that of the pretraining'}; recipes are drawn alike, on the same
      folds. p is corrected after Holm over the recipes compared with one control.
    </p>
    ${figures(study.controls.map((control) => forest(summary, control)))}`;
}

function forest(summary: Summary, control: string): Html | null {
  const { rows, study } = summary;
  const found = rows.flatMap((row) => {
    const compared = mainOf(row, control);
    return compared === undefined ? [] : [{ row, compared }];
  });
  if (found.length === 0) return null;
  const bars = found.map(({ row, compared: { difference } }): ForestRow => ({
    name: row.variant.name,
    estimate: difference.pooled.value,
    interval: difference.pooled.interval,
  }));
  const spoken = bars.map((bar) => `${bar.name}: ${signed(bar.estimate)}, ${interval(bar.interval)}`);
  return figure({
    title: `Difference to ${control}`,
    caption: 'Filled marks: intervals that leave out zero.',
    plot: forestChart({
      label: `Difference to ${control}. ${spoken.join('; ')}.`,
      rows: bars,
      xTitle: `balanced accuracy, recipe − ${control}`,
    }),
    table: {
      label: `Differences to ${control}`,
      head: ['Recipe', 'Seeds', 'Pooled', 'Interval', 'p', 'p after Holm', ...study.endpoint.targets],
      rows: found.map(({ row, compared: { seeds, difference, holm } }) => [
        name(row.variant.name),
        String(seeds.length),
        signed(difference.pooled.value),
        interval(difference.pooled.interval),
        pValue(difference.p),
        pValue(holm),
        ...difference.targets.map((target) => `${signed(target.value)} (${interval(target.interval)})`),
      ]),
    },
  });
}

function scoresSection({ rows, readings, targets }: Summary): Part {
  return targets.map(({ name: target, clips, groups, chance, detectable, classes }) => {
    const own = readings.filter((reading) => reading.target === target);
    return html`<h3>${target}</h3>
      <p class="note">
        ${counted(clips, 'clip')} of ${counted(groups, 'group')}; ${listed(classes)}. A constant answer has
        ${score(chance)}.
        ${detectable !== null && `A difference of ${score(detectable)} would be found with a probability of 80 %.`}
      </p>
      ${table({
        label: `Balanced accuracy on ${target}`,
        head: ['Recipe', ...own.map((reading) => capital(readingName(reading)))],
        rows: rows.map((row) => [name(row.variant.name), ...own.map((reading) => scoreCell(row, reading))]),
      })}`;
  });
}

function scoreCell(row: Row, reading: Reading): Part {
  const cell = cellIn(row, reading);
  if (cell === undefined) return '–';
  return html`${score(cell.score.value)}<br /><span class="soft">${interval(cell.score.interval)}</span>`;
}

/** Lines of fine-tuning over label rates, a figure for each target. */
function efficiencySection({ rows, study, targets }: Summary): readonly Section[] {
  const rates = study.protocols.finetune?.labelRates ?? [];
  if (rates.length < 2) return [];
  const drawn = targets.map(({ name: target }) => {
    const lines = rows.flatMap((row, style): readonly Line[] => {
      const cells = rates.flatMap(
        (labelRate) => cellIn(row, { target, reader: 'finetune', labelRate }) ?? [],
      );
      if (cells.length === 0) return [];
      return [
        {
          ...{ name: row.variant.name, style, marked: true },
          points: cells.map((cell) => [cell.labelRate, cell.score.value]),
        },
      ];
    });
    if (lines.length === 0) return null;
    const spoken = lines.map(
      (line) =>
        `${line.name}: ${line.points.map(([at, value]) => `${score(value)} at ${roundPercent(at)}`).join(', ')}`,
    );
    const values = lines.flatMap((line) => line.points.map(([, value]) => value));
    return figure({
      title: target,
      plot: lineChart({
        label: `Label efficiency on ${target}. ${spoken.join('; ')}.`,
        x: rateAxis(rates),
        y: roundAxis('balanced accuracy', values, 5),
        lines,
      }),
      legend: legendList(lineLegend(lines)),
      table: {
        label: `Label efficiency on ${target}`,
        head: ['Recipe', ...rates.map(roundPercent)],
        rows: lines.map((line) => [
          name(line.name),
          ...rates.map((rate) => score(line.points.find(([at]) => at === rate)?.[1] ?? null)),
        ]),
      },
    });
  });
  return [
    {
      id: 'efficiency',
      title: 'Label efficiency',
      body: html`<p>Balanced accuracy after fine-tuning against the share of training labels.</p>
        ${figures(drawn)}`,
    },
  ];
}

function costSection({ rows }: Summary): Part {
  return html`<p>
      The shortcut meter is the balanced accuracy with which a linear probe tells the source of a clip from
      the features. What tells sources apart (machine, frame, overlay) is no finding, and what spends itself
      on that has less left for findings.
    </p>
    ${table({
      label: 'Cost of a pretraining, and the shortcut meter',
      head: ['Recipe', 'Steps', 'Pairs a second', 'Minutes', 'Processor hours', 'Shortcut meter'],
      rows: rows.map(({ variant, cost, shortcut }) => [
        name(variant.name),
        ...(cost === null
          ? ['–', '–', '–', '–']
          : [
              String(Math.round(cost.steps)),
              cost.pairsPerSecond.toFixed(1),
              cost.minutes.toFixed(1),
              cost.processorHours.toFixed(2),
            ]),
        score(shortcut),
      ]),
    })}`;
}

function curvesSection({ rows }: Summary): Part {
  const drawn = rows.map(({ variant, runs }): Html | null => {
    if (runs.length === 0) return null;
    const lines = runs.map(({ seed, loss }, style): Line => ({ name: `seed ${seed}`, style, points: loss }));
    const steps = runs.flatMap(({ loss }) => loss.map(([step]) => step));
    const values = runs.flatMap(({ loss }) => loss.map(([, value]) => value));
    return figure({
      title: variant.name,
      plot: lineChart({
        label: `Training loss of ${variant.name}, from ${score(values[0] ?? null)} to ${score(values.at(-1) ?? null)}.`,
        x: roundAxis('step', [0, ...steps], 4),
        y: roundAxis('training loss', values, 4),
        lines,
      }),
      legend: legendList(lineLegend(lines)),
      table: {
        label: `Training loss of ${variant.name}`,
        head: ['Seed', 'First', 'Last'],
        rows: runs.map(({ seed, loss }) => [
          String(seed),
          score(loss[0]?.[1] ?? null),
          score(loss.at(-1)?.[1] ?? null),
        ]),
      },
    });
  });
  return figures(drawn) ?? html`<p>Nothing has been pretrained yet.</p>`;
}

function failedSection({ jobs: { failed }, refused }: Summary): Part {
  if (failed.length + refused.length === 0) return html`<p>Nothing failed, and nothing was left out.</p>`;
  return html`${
    failed.length > 0 &&
    table({
      label: 'Failed jobs',
      words: [1, 2],
      head: ['Job', 'Error', 'Way out'],
      rows: failed.map(({ job, error }) => [name(job), `${error.code}: ${error.message}`, error.remedy]),
    })
  }
  ${
    refused.length > 0 &&
    table({
      label: 'Jobs that would be no test',
      words: [1],
      head: ['Job', 'Why it is not done'],
      rows: refused.map(({ job, reason }) => [name(job), reason]),
    })
  }`;
}

function protocolSection({ study, made }: Summary): Part {
  const { probe, finetune } = study.protocols;
  return facts([
    [
      'Registered plan',
      study.plan === null ? 'none' : html`${study.plan.path}, SHA-256 ${study.plan.sha256.slice(0, 16)}…`,
    ],
    ['Program', listed(made.revisions)],
    ['Computed on', made.processors.join('; ')],
    ['Processor time', `${made.processorHours.toFixed(2)} hours in all`],
    ['Seeds of pretraining', study.seeds.join(', ')],
    ['Weights judged', 'those after the last step; no score has chosen them'],
    probe === undefined
      ? null
      : [
          'Probes',
          `${probe.folds} folds of whole groups × ${probe.seeds} foldings, ${probe.framesPerClip} frames a clip`,
        ],
    finetune === undefined
      ? null
      : [
          'Fine-tuning',
          html`<code>${finetune.set.join(' ')}</code>; of
            ${listed(finetune.candidates.map(({ name: of }) => of))}, inner clips chose one for each fold`,
        ],
    ['Draws', `${study.resamples} of the bootstrap`],
  ]);
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
