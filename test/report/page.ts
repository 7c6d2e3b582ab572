/** A page taken apart: its words, and its tables by their labels. */

/** The words of a page or a part of it, as a reader sees them. */
export function words(text: string): string {
  return text
    .replaceAll(/<style>[^]*?<\/style>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** As words, without the space that a tag leaves before a stop. */
export function said(text: string): string {
  return words(text).replaceAll(/ ([,.;])/g, '$1');
}

/** Head and rows of every table with this label, cells as words. */
export function tables(page: string, label: string): readonly (readonly (readonly string[])[])[] {
  return page.split('<div class="scroll"').flatMap((part) => {
    if (/aria-label="([^"]*)"/.exec(part)?.[1] !== label) return [];
    const table = part.slice(0, part.indexOf('</table>'));
    const rows = [...table.matchAll(/<tr>([^]*?)<\/tr>/g)].map(([, row = '']) => row);
    return [
      rows.map((row) =>
        [...row.matchAll(/<t[hd][^>]*>([^]*?)<\/t[hd]>/g)].map(([, cell = '']) => words(cell)),
      ),
    ];
  });
}

/** The only table with this label. */
export function tableOf(page: string, label: string): readonly (readonly string[])[] {
  const found = tables(page, label);
  if (found.length !== 1) throw new Error(`${found.length} tables are called ${label}.`);
  return found[0]!;
}

/** Names and values of a list of facts. */
export function factsOf(page: string): ReadonlyMap<string, string> {
  return new Map(
    [...page.matchAll(/<dt>([^]*?)<\/dt>\s*<dd>([^]*?)<\/dd>/g)].map(([, name = '', value = '']) => [
      words(name),
      words(value),
    ]),
  );
}
