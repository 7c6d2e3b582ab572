/** The building blocks of the page: tables that scroll in their own box, figures with their numbers, boxes of words. */
import { type Html, html, type Part } from '../charts/markup.ts';

export interface Table {
  /** Read out before the table; not shown where a heading says the same. */
  readonly label: string;
  readonly head: readonly Part[];
  /** The first cell of a row is its name. */
  readonly rows: readonly (readonly Part[])[];
  /** Columns of words, from 0; all others but the first hold numbers. */
  readonly words?: readonly number[];
}

/** A table in a box that scrolls by itself, also with the keyboard. */
export function table({ label, head, rows, words = [] }: Table): Html {
  const kind = (column: number): Part =>
    column === 0 || words.includes(column) ? null : html` class="number"`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
    <table>
      <thead>
        <tr>
          ${head.map((cell, c) => html`<th scope="col" ${kind(c)}>${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, c) =>
                c === 0 ? html`<th scope="row">${cell}</th>` : html`<td${kind(c)}>${cell}</td>`,
              )}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

export interface Figure {
  readonly title: Part;
  /** How it is read, and what it does not say. */
  readonly caption?: Part;
  readonly plot: Html;
  readonly legend?: Html | null;
  /** The same in numbers. */
  readonly table: Table;
}

/** A picture with its words and, behind a click, its numbers. */
export function figure({ title, caption, plot, legend, table: numbers }: Figure): Html {
  return html`<figure>
    <figcaption><strong>${title}</strong>${caption !== undefined && html` ${caption}`}</figcaption>
    ${plot} ${legend}
    <details>
      <summary>The numbers</summary>
      ${table(numbers)}
    </details>
  </figure> `;
}

/** Figures side by side where there is room. */
export function figures(items: readonly (Html | null)[]): Html | null {
  const shown = items.filter((item) => item !== null);
  return shown.length === 0 ? null : html`<div class="figures">${shown}</div> `;
}

/** Name and value, one below the other. */
export function facts(pairs: readonly (readonly [Part, Part] | null)[]): Html {
  return html`<dl class="facts">
    ${pairs.map(
      (pair) =>
        pair !== null &&
        html`<div>
          <dt>${pair[0]}</dt>
          <dd>${pair[1]}</dd>
        </div> `,
    )}
  </dl> `;
}

/** A remark that must not be overlooked (`warn`), or one that reassures (`good`). */
export function notice(kind: 'warn' | 'good' | 'plain', text: Part): Html {
  return html`<p class="notice ${kind}">${text}</p> `;
}

/** A value after which less important words come in a quieter tone. */
export function quiet(text: Part): Html {
  return html`<span class="soft">${text}</span>`;
}

export interface Section {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  readonly body: Part;
}

/** A section with a heading of this level. */
export function section({ id, title, body }: Section, level: 2 | 3): Html {
  const heading = level === 2 ? html`<h2>${title}</h2>` : html`<h3>${title}</h3>`;
  return html`<section id="${id}">${heading} ${body}</section> `;
}
