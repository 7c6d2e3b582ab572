/**
 * The page: one HTML file that needs nothing but itself. No script, no font, no address is loaded; a policy in its head
 * forbids it. Sections in the order in which a reviewer asks.
 */
import { countsOf, type Identifying } from '../dataset/identifying.ts';
import type { Manifest } from '../dataset/types.ts';
import { section, type Section } from './elements.ts';
import { type Html, html, name, type Part, trusted } from '../charts/markup.ts';
import { counted, listed, moment } from './numbers.ts';
import type { Pictures } from './pictures.ts';
import { comparisonSection, comparisonSummary, type Paired } from './comparison.ts';
import { curvesSection } from './curves.ts';
import { dataSection } from './data.ts';
import { explanationSection } from './explanation.ts';
import { scoreFigures } from './figures.ts';
import { methodsSection } from './methods.ts';
import { type Mistake, mistakesSection } from './mistakes.ts';
import { configurationSection, environmentSection, modelCard } from './model-card.ts';
import { probesSection } from './probes.ts';
import { resultsSection } from './scores.ts';
import { summaryOf } from './summary.ts';
import { styleSheet } from './style.ts';
import { isScored, type Subject } from './subject.ts';

/** A run with what was gathered for it. */
export interface Chapter {
  readonly subject: Subject;
  /** Of the dataset, where it was given. */
  readonly manifest: Manifest | null;
  readonly mistakes: readonly Mistake[];
  readonly pictures: Pictures;
}

export interface Page {
  readonly title: string;
  readonly chapters: readonly Chapter[];
  /** Every scored run but the first, against the first. */
  readonly pairs: readonly Paired[];
  /** Names that may identify patients; the page tells their counts and none of them. */
  readonly identifying: readonly Identifying[];
  /** Version of the program that wrote the page. */
  readonly version: string;
}

/** In the head of every page that this program wrote. */
export const GENERATOR = 'uscl report';

/** A warning for whoever is going to pass the page on. */
function warningOf({ identifying }: Page): Part {
  if (identifying.length === 0) return '';
  return html`<p class="badge" role="note">
    Names of clips, groups or classes in these runs may identify patients: ${countsOf(identifying)} of
    patients. Look before you pass this page on.
  </p>`;
}

/** The whole file. */
export function reportPage(page: Page): string {
  const { title, chapters, version } = page;
  return sectionsPage({
    ...{ title, version },
    under: under(page),
    warning: warningOf(page),
    sections: chapters.length > 1 ? chaptersOf(page) : sectionsOf(chapters[0]!, ''),
    end: html`${pictureCount(page)} Written by uscl ${version} from the files of the runs alone; the same runs
    give the same bytes.`,
  });
}

/** A page of sections with a list of them. */
export interface SectionsPage {
  readonly title: string;
  /** A line under the title. */
  readonly under: Part;
  readonly warning?: Part;
  readonly sections: readonly Entry[];
  /** What the page was made from. */
  readonly end: Part;
  /** Version of the program that wrote the page. */
  readonly version: string;
}

/** A whole file: head, title, list of sections, sections. */
export function sectionsPage(page: SectionsPage): string {
  const { title, version, sections: outline } = page;
  const body = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="generator" content="${GENERATOR} ${version}" />
        <meta name="robots" content="noindex" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        />
        <title>${title}</title>
        <style>
          ${trusted(styleSheet())}
        </style>
      </head>
      <body>
        <div class="page">
          <header>
            <h1>${title}</h1>
            <p class="under">${page.under}</p>
            <p class="badge">Research use only — not a medical device</p>
            ${page.warning}
          </header>
          <div class="columns">
            <nav aria-label="Contents">
              <ul>
                ${outline.map(
                  ({ id, title: entry, inner }) =>
                    html`<li>
                      <a href="#${id}">${entry}</a>${
                        inner !== undefined &&
                        html`<ul>
                          ${inner.map((one) => html`<li><a href="#${one.id}">${one.title}</a></li>`)}
                        </ul>`
                      }
                    </li> `,
                )}
              </ul>
            </nav>
            <main>
              ${outline.map((one) =>
                one.inner === undefined
                  ? section(one, 2)
                  : html`<section id="${one.id}" class="run">
                      <h2>${one.title}</h2>
                      ${one.inner.map((inner) => section(inner, 3))}
                    </section> `,
              )}
            </main>
          </div>
          <footer>
            <p>${page.end} Nothing is loaded from elsewhere and no script runs.</p>
            <p>Research use only — not a medical device.</p>
          </footer>
        </div>
      </body>
    </html> `;
  return body.toString();
}

interface Entry extends Section {
  readonly inner?: readonly Section[];
}

function chaptersOf({ chapters, pairs }: Page): readonly Entry[] {
  const subjects = chapters.map(({ subject }) => subject);
  return [
    {
      id: 'summary',
      title: 'In short',
      body: html`<div class="lead">
        ${comparisonSummary(pairs)}
        ${chapters.map(
          ({ subject }) =>
            html`<h3>${name(subject.name)}</h3>
              ${summaryOf(subject)}`,
        )}
      </div>`,
    },
    { id: 'comparison', title: 'Side by side', body: comparisonSection(subjects, pairs) },
    ...chapters.map((chapter, i): Entry => ({
      id: `run-${i + 1}`,
      title: chapter.subject.name,
      body: null,
      inner: sectionsOf(chapter, `run-${i + 1}-`).slice(1),
    })),
  ];
}

function sectionsOf(chapter: Chapter, prefix: string): readonly Section[] {
  const { subject, manifest, mistakes, pictures } = chapter;
  const entry = (id: string, title: string, body: Part): Section => ({ id: `${prefix}${id}`, title, body });
  const curves = curvesSection(subject);
  return [
    entry('summary', 'In short', html`<div class="lead">${summaryOf(subject)}</div>`),
    entry('data', 'Data and protocol', dataSection(subject, manifest)),
    ...(isScored(subject)
      ? [
          entry('results', 'Results', resultsSection(subject)),
          entry('figures', 'Figures', scoreFigures(subject)),
        ]
      : []),
    ...(subject.kind === 'pretraining'
      ? [entry('probes', 'What the features are worth', probesSection(subject.probes))]
      : []),
    ...(curves === null ? [] : [entry('training', 'Training', curves)]),
    entry('explanation', 'What the network sees', explanationSection(subject, pictures.cams)),
    ...(isScored(subject)
      ? [entry('mistakes', 'Worst mistakes', mistakesSection(subject, mistakes, pictures.frames))]
      : []),
    entry('methods', 'Methods text', methodsSection(subject)),
    entry('card', 'Model card', modelCard(subject)),
    entry('configuration', 'Configuration', configurationSection(subject)),
    entry('environment', 'Environment', environmentSection(subject)),
  ];
}

const KINDS = { pretraining: 'Pretraining', finetuning: 'Fine-tuning', evaluation: 'Evaluation' } as const;

function under({ chapters }: Page): Html {
  const [{ subject }] = chapters as [Chapter];
  if (chapters.length > 1)
    return html`${counted(chapters.length, 'run')}:
    ${listed(chapters.map(({ subject: one }) => `${one.name} (${KINDS[one.kind].toLowerCase()})`))}`;
  const end = lastMoment(subject);
  return html`${KINDS[subject.kind]}${subject.data !== null && html` on ${name(subject.data.name)}`}${end !== null && html`, ended ${moment(end)}`}`;
}

/** When a run logged its last entry, in seconds since 1970. */
function lastMoment(subject: Subject): number | null {
  const last = subject.kind === 'evaluation' ? undefined : subject.log.at(-1);
  return last !== undefined && 'time' in last ? last.time : null;
}

/** Pictures of clips in all. */
export function picturesIn(chapters: readonly Chapter[]): number {
  return chapters.reduce((sum, { pictures }) => sum + pictures.frames.size + pictures.cams.length, 0);
}

function pictureCount({ chapters }: Page): string {
  const pictures = picturesIn(chapters);
  return pictures === 0
    ? 'This page holds no picture of a patient.'
    : `This page holds ${counted(pictures, 'picture')} of clips: pass it on only where the dataset’s terms allow that.`;
}
