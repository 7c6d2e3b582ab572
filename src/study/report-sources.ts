/** Where the numbers of a study come from: its recipes, the weights and sets that they learnt from, and the terms of these. */
import { html, name, type Part } from '../charts/markup.ts';
import { notice, table } from '../report/elements.ts';
import { listed } from '../report/numbers.ts';
import type { OpenData, StudyData } from './data.ts';
import type { WeightsRecord } from './results.ts';
import { isFromFile, type Recipe } from './study-file.ts';
import type { Summary } from './summary.ts';

export function recipesSection({ rows, study }: Summary): Part {
  return html`<p>
      Every pretraining has these settings first: <code>${study.pretraining.set.join(' ')}</code>.
    </p>
    ${table({
      label: 'Recipes',
      words: [1, 2, 3, 4],
      head: ['Recipe', 'What it is', 'Method', 'Learns from', 'Own settings'],
      rows: rows.map(({ variant: { name: own, recipe, set }, weights }) => [
        name(own),
        recipe.about,
        methodOf(recipe, weights),
        set ?? '–',
        html`<code>${recipe.set.join(' ')}</code>`,
      ]),
    })}`;
}

/** How a recipe comes to its weights. */
function methodOf(recipe: Recipe, weights: WeightsRecord | null): string {
  const { method, preset, normalise } = recipe;
  const start = !isFromFile(recipe)
    ? 'random weights'
    : weights === null
      ? 'weights from a file that is not given'
      : `weights of ${weights.file}, SHA-256 ${weights.sha256.slice(0, 16)}…${normalise === undefined ? '' : `, normalised: ${normalise}`}`;
  if (method === undefined) return start;
  const own = `${method}${preset === undefined ? '' : `, preset ${preset}`}`;
  return isFromFile(recipe) ? `${own}, from ${start}` : own;
}

/** Terms of weights that came from files. */
function givenTerms({ rows }: Summary): Part {
  const given = rows.flatMap(({ variant, weights }) => (weights === null ? [] : [{ variant, weights }]));
  return (
    given.length > 0 &&
    table({
      label: 'Weights from files',
      words: [1, 2],
      head: ['Recipe', 'File', 'Learnt from'],
      rows: given.map(({ variant, weights }) => [
        name(variant.name),
        weights.file,
        weights.learntFrom === null
          ? 'not known to this program: clips of a target may be among it'
          : listed(weights.learntFrom),
      ]),
    })
  );
}

export function dataSection(summary: Summary, { sets, targets }: OpenData): Part {
  const { study } = summary;
  const row =
    (use: string) =>
    ([of, data]: readonly [string, StudyData]): readonly Part[] => [
      name(of),
      use,
      String(data.clips),
      String(data.groups),
      data.sources.length > 1 ? listed(data.sources) : '–',
      data.licence ?? 'not stated',
    ];
  const inPool = study.targets.filter(({ inPool: is }) => is).map(({ name: of }) => of);
  return html`<p>
      Weights inherit the terms of every set that they have learnt from: look at all of them before weights
      are passed on.
    </p>
    ${inPool.length > 0 && notice('warn', `Clips of ${listed(inPool)} are among those that were learnt from, so scores on them say nothing of new patients.`)}
    ${table({
      label: 'Data',
      words: [1, 4, 5],
      head: ['Set', 'Use', 'Clips', 'Groups', 'Merged from', 'Licence'],
      rows: [...[...sets].map(row('learnt from')), ...[...targets].map(row('judged on'))],
    })}
    ${givenTerms(summary)} ${citations([...sets.values(), ...targets.values()])}`;
}

function citations(all: readonly StudyData[]): Part {
  const texts = [...new Set(all.flatMap(({ citation }) => citation ?? []))];
  return (
    texts.length > 0 &&
    html`<h3>Citations</h3>
      <ul>
        ${texts.map((text) => html`<li>${text}</li>`)}
      </ul>`
  );
}
