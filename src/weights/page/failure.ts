/** What goes wrong on the page, as a sentence for a person and the way out. */

export class PageFailure extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.name = 'PageFailure';
    this.remedy = remedy;
  }
}

/** Message and way out of anything that was thrown. */
export function failureOf(thrown: unknown): PageFailure {
  if (thrown instanceof PageFailure) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new PageFailure(
    `Something went wrong: ${message}.`,
    'Load the page again. If it stays, try another browser.',
  );
}
