/**
 * HTML that is safe by construction: whatever is put into a template is escaped unless it is itself `Html`. Names of
 * clips, classes, datasets and files come from outside and may hold anything; none of them becomes markup, moves text
 * about, or hides.
 */

/** Markup made by `html` or vouched for by `trusted`. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** What a template takes; null, undefined and false leave nothing, lists are joined. */
export type Part = Html | string | number | null | undefined | false | readonly Part[];

/** Markup with everything between `${` and `}` escaped. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, i) => text + (i < parts.length ? render(parts[i]) : '')).join(''));
}

/** Text that is markup already: only for what this project wrote or encoded itself, never for names or paths. */
export function trusted(text: string): Html {
  return new Html(text);
}

/** Parts with something between them. */
export function joined(parts: readonly Part[], between: Part): readonly Part[] {
  return parts.flatMap((part, i) => (i === 0 ? [part] : [between, part]));
}

/** A name from outside, kept from changing the direction of the text around it. */
export function name(text: string): Html {
  return html`<bdi>${text}</bdi>`;
}

function render(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.toString();
  if (typeof part === 'number') return String(part);
  if (typeof part === 'string') return escapeXml(part);
  return part.map(render).join('');
}

/** Text as XML and HTML can hold it, in elements and in quoted attributes; control letters become visible escapes. */
export function escapeXml(text: string): string {
  return visible(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Control letters, those of direction included, as escapes; line feeds and tabs stay. */
function visible(text: string): string {
  return text.replaceAll(
    /(?![\n\t])[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]/gu,
    (letter) => {
      return `\\u{${letter.codePointAt(0)!.toString(16)}}`;
    },
  );
}
