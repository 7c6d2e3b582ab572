/** Text in columns for people who read a terminal. */

/** Letters of a line. */
export const LINE = 100;

/** Lines of a table of two columns, the first as wide as its longest key, at least 10; rows without a text are left out, texts of `whole` rows are never broken. */
export function table(
  rows: readonly (readonly [string, string | null])[],
  whole: readonly string[] = [],
): string[] {
  const column = Math.max(10, ...rows.map(([key]) => key.length + 2));
  return rows.flatMap(([key, text]) => {
    if (text === null) return [];
    const lines = whole.includes(key) ? [text] : wrapped(text, LINE - column);
    return lines.map((line, i) => `${(i === 0 ? key : '').padEnd(column)}${line}`);
  });
}

/** Words in lines of at most `width` letters; longer words stand alone. */
export function wrapped(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
