/** The table of a study as text. */
import { textTable } from '../base/text-table.ts';
import { interval, pValue, roundPercent, score, signed } from '../report/numbers.ts';
import type { Cell, Reading, Row, Summary } from './summary.ts';

/** What a column is called. */
export function readingName({ reader, labelRate }: Omit<Reading, 'target'>): string {
  if (reader === 'finetune') return `fine-tuned, ${roundPercent(labelRate)} of labels`;
  return reader === 'knn' ? 'kNN' : 'linear probe';
}

/** The endpoint in words. */
export function endpointName({ study: { endpoint, controls } }: Summary): string {
  const { reader, labelRates, targets } = endpoint;
  const how =
    reader === 'finetune'
      ? `fine-tuned at ${labelRates.map(roundPercent).join(' and ')} of the labels (mean)`
      : readingName({ reader, labelRate: 1 });
  return `balanced accuracy, ${how}, difference to ${controls[0]!} pooled over ${targets.join(' and ')}`;
}

/** Everything of the page that is a number, as text. */
export function studyTable(summary: Summary): string {
  const { study, rows, readings, targets, jobs, refused, made } = summary;
  const lines = [
    `${study.title === '' ? study.name : study.title}: ${jobs.done} of ${jobs.total} jobs done, ${jobs.failed.length} failed`,
    `Endpoint: ${endpointName(summary)}. Seeds of pretraining: ${study.seeds.join(', ')}.`,
    '',
    ...study.controls.flatMap((control) => [
      `Endpoint, difference to ${control} (95 % interval over seeds and patients), p, p after Holm`,
      ...textTable([
        ['', 'seeds', 'pooled', 'interval', 'p', 'Holm', ...study.endpoint.targets],
        ...rows.flatMap((row) => comparedLine(row, control)),
      ]),
      '',
    ]),
    ...readings.flatMap((reading) => [
      `${reading.target}, ${readingName(reading)}: balanced accuracy (95 % interval), AUROC`,
      ...textTable([
        ['', 'seeds', 'balanced accuracy', 'interval', 'AUROC'],
        ...rows.flatMap((row) => cellLine(row, reading)),
      ]),
      '',
    ]),
    'Cost of a pretraining, and how well features tell the source of a clip (chance is low: lower is better)',
    ...textTable([
      ['', 'steps', 'pairs/s', 'minutes', 'processor hours', 'source told'],
      ...rows.map(({ variant, cost, shortcut }) => [
        variant.name,
        cost === null ? '–' : String(Math.round(cost.steps)),
        cost === null ? '–' : cost.pairsPerSecond.toFixed(1),
        cost === null ? '–' : cost.minutes.toFixed(1),
        cost === null ? '–' : cost.processorHours.toFixed(2),
        score(shortcut),
      ]),
    ]),
    '',
    'Targets: what would be found with a probability of 80 % (difference to the first control, by the endpoint)',
    ...textTable([
      ['', 'clips', 'groups', 'chance', 'detectable'],
      ...targets.map(({ name, clips, groups, chance, detectable }) => [
        name,
        String(clips),
        String(groups),
        score(chance),
        score(detectable),
      ]),
    ]),
    '',
    ...jobs.failed.map(({ job, error }) => `failed: ${job}: ${error.code}: ${error.message}`),
    ...refused.map(({ job, reason }) => `not done: ${job}: ${reason}`),
    `${made.processorHours.toFixed(2)} processor hours; program at ${made.revisions.join(', ')}; ${made.processors.join('; ')}`,
    'Research use only, not a medical device.',
  ];
  return `${lines.join('\n')}\n`;
}

function comparedLine({ variant, compared }: Row, control: string): string[][] {
  const found = compared.find((one) => one.control === control);
  if (found === undefined) return [];
  const { difference, seeds, holm } = found;
  return [
    [
      variant.name,
      String(seeds.length),
      signed(difference.pooled.value),
      interval(difference.pooled.interval),
      pValue(difference.p),
      pValue(holm),
      ...difference.targets.map((target) => `${signed(target.value)} (${interval(target.interval)})`),
    ],
  ];
}

/** The cell of a row in a column. */
export function cellIn({ cells }: Row, { target, reader, labelRate }: Reading): Cell | undefined {
  return cells.find(
    (cell) => cell.target === target && cell.reader === reader && cell.labelRate === labelRate,
  );
}

function cellLine(row: Row, reading: Reading): string[][] {
  const cell = cellIn(row, reading);
  if (cell === undefined) return [];
  return [
    [
      row.variant.name,
      String(cell.seeds.length),
      score(cell.score.value),
      interval(cell.score.interval),
      score(cell.auroc),
    ],
  ];
}
