/**
 * Names of clips and groups that may name a patient: hospitals write names, birth dates and numbers of patients into
 * names of files and folders, and clips are called after these. A guess by form, made so that the names of public sets
 * and of counters are left in peace; what it does not find may identify all the same.
 */

export type IdentifyingKind = 'name' | 'date' | 'number';

/** Texts of one kind that may identify somebody. */
export interface Identifying {
  readonly kind: IdentifyingKind;
  /** Distinct texts with it. */
  readonly count: number;
  /** The first of them. For the screen only. */
  readonly examples: readonly string[];
}

const EXAMPLES = 3;

/** Common given names of several languages that are no words of anatomy, devices or files. */
const GIVEN_NAMES: ReadonlySet<string> = new Set(
  (
    'adam ahmed ahmet alejandro aleksandra alessandro alexander alexandra ali alice amir amina ana andrea andreas andrei ' +
    'andrew angela anja anke anna anne annette anton antonio astrid ayse barbara beate bernd birgit brigitte camille ' +
    'carlos carmen caroline catherine charlotte christian christina christine christoph claudia clara daniel daniela ' +
    'david deborah dieter dirk dmitri dominik dorothea eduardo elena elisabeth elizabeth elke emily emma erik ernst ' +
    'esther eva fabian fatima fatma felix fernando florian francesca francesco frank franz frederic friedrich gabriele ' +
    'georg george gerhard gertrud giulia giuseppe guillaume gustav hanna hannah hans harald heather heike heinrich heinz ' +
    'helena helga helmut henrik herbert hildegard holger horst hussein ibrahim ingrid irina irene isabel isabella ivan jakob ' +
    'james jan jana javier jean jennifer jessica joachim joan johann johanna johannes john jonas jorge jose joseph juan ' +
    'juergen julia juliane julien jutta karin karl katarina katharina kathrin katja kenneth kevin klaus kristina kurt ' +
    'laura lea lena leonie linda lisa lorenzo louis luca lucia ludwig luis lukas magdalena manfred manuel manuela marco ' +
    'margaret margarete maria marie mario marta martha martin martina mary matthias mehmet melanie michael michel miguel ' +
    'mohamed mohammad mohammed monika moritz mustafa nadine nancy natalia nicolas nicole niklas nikolai olga oliver olivia ' +
    'omar otto pablo patricia patrick paul paula pedro peter petra philipp pierre rachel rainer ralf raul rebecca renate ' +
    'ricardo richard robert roberto rodrigo rolf ruth sabine samuel sandra sara sarah sebastian sergei sergio silke silvia ' +
    'simone sofia sonja sophia sophie stefan stefanie stephan steven susan susanne svetlana sven sylvia tatjana teresa ' +
    'theresa thomas thorsten tobias torsten ulrich ulrike ursula ute uwe valentina vanessa vera veronika viktor ' +
    'vincent vladimir walter werner wilhelm william wolfgang yusuf yvonne zeynep'
  ).split(' '),
);

const TITLES: ReadonlySet<string> = new Set('herr frau mr mrs ms dr prof mme monsieur madame'.split(' '));

/** What of a text looks as if it named a patient; a text may be of several kinds. */
export function identifyingKinds(text: string): ReadonlySet<IdentifyingKind> {
  const kinds = new Set<IdentifyingKind>();
  for (const part of text.normalize('NFC').split('/')) {
    // Made by this program or by others to say nothing: digests and UUIDs.
    const plain = part.replaceAll(
      /(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])|(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{16,}(?![0-9a-z])/gi,
      ' ',
    );
    if (hasName(plain)) kinds.add('name');
    const { rest, dates } = withoutDates(plain);
    if (dates > 0) kinds.add('date');
    if (hasNumber(rest)) kinds.add('number');
  }
  return kinds;
}

/** How many of the texts look as if they named a patient, by kind, with examples; none where none do. */
export function identifying(texts: Iterable<string>): readonly Identifying[] {
  const found = new Map<IdentifyingKind, string[]>();
  for (const text of new Set(texts))
    for (const kind of identifyingKinds(text)) found.set(kind, [...(found.get(kind) ?? []), text]);
  return (['name', 'date', 'number'] as const).flatMap((kind) => {
    const all = found.get(kind) ?? [];
    return all.length === 0 ? [] : [{ kind, count: all.length, examples: all.slice(0, EXAMPLES) }];
  });
}

/** "3 look like names, 12 like dates": counts without any example. */
export function countsOf(found: readonly Identifying[]): string {
  return found.map(({ kind, count }, i) => `${count} ${i === 0 ? 'look ' : ''}like ${kind}s`).join(', ');
}

/** A name as DICOM, a list of patients or a person writes it. */
function hasName(text: string): boolean {
  if (/\p{L}{2,}\^\p{L}+/u.test(text)) return true;
  if (/^\s*\p{Lu}[\p{L}'-]+,\s*\p{Lu}\p{L}+/u.test(text)) return true;
  const stem = text.replace(/\.[A-Za-z]\w{1,4}$/, '');
  const words = stem.split(/[^\p{L}']+/u).filter((word) => word !== '');
  const long = words.filter((word) => word.length > 1).map((word) => word.toLowerCase());
  // A whole name is little more than a given name, a family name and numbers.
  if (long.length >= 2 && long.length <= 4 && long.some((word) => GIVEN_NAMES.has(word))) return true;
  if (long.length >= 2 && TITLES.has(long[0]!)) return true;
  const { rest, dates } = withoutDates(stem);
  // Two words in capitals beside a date of birth.
  const left = rest.split(/[^\p{L}]+/u).filter((word) => word.length > 1);
  return (
    dates > 0 && left.length === 2 && left.every((word) => /^\p{Lu}{3,}$/u.test(word)) && hasBirthYear(stem)
  );
}

function hasBirthYear(text: string): boolean {
  return /(?<!\d)(19\d{2}(?=\D?\d{2}\D?\d{2}(?!\d))|\d{2}\D?\d{2}\D?19\d{2}(?!\d))/.test(text);
}

const DATES: readonly RegExp[] = [
  /(?<!\d)(?<year>(?:19|20)\d{2})([-_. ]?)(?<month>\d{2})\2(?<day>\d{2})(?!\d)/g,
  // With a time behind it.
  /(?<!\d)(?<year>(?:19|20)\d{2})(?<month>\d{2})(?<day>\d{2})(?=(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?!\d))/g,
  /(?<!\d)(?<day>\d{2})([-_. ]?)(?<month>\d{2})\2(?<year>(?:19|20)\d{2})(?!\d)/g,
  /(?<!\d)(?<day>\d{1,2})\.(?<month>\d{1,2})\.(?<year>(?:19|20)\d{2})(?!\d)/g,
];

/** A text without the calendar dates in it, and how many there were. */
function withoutDates(text: string): { readonly rest: string; readonly dates: number } {
  let [rest, dates] = [text, 0];
  for (const pattern of DATES) {
    for (const { 0: all, groups } of text.matchAll(pattern)) {
      const [year, month, day] = [groups!['year'], groups!['month'], groups!['day']].map(Number);
      const date = new Date(Date.UTC(year!, month! - 1, day));
      if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) continue;
      if (rest.includes(all)) dates++;
      rest = rest.replace(all, ' ');
    }
  }
  return { rest, dates };
}

/** A number of a patient: 7 to 10 digits that are no counter, one that says so, or one of a social insurance. */
function hasNumber(text: string): boolean {
  if (/(?<![a-z])(?:mrn|pid|pat(?:ient)?[-_ ]?(?:id|nr|no))[-_ #:]*\d{4,}/i.test(text)) return true;
  if (/(?<![a-z])(?:patient|pat)[-_ ]?\d{6,}/i.test(text)) return true;
  if (/(?<!\d)(?:\d{6}[-+]\d{4}|\d{3}-\d{2}-\d{4}|\d{3}[- ]\d{3}[- ]\d{4})(?!\d)/.test(text)) return true;
  return [...text.matchAll(/(?<![\p{L}\d])\p{L}{0,3}(\d{7,10})(?![\p{L}\d])/gu)].some(
    ([, digits]) => digits!.replace(/^0+/, '').length >= 6,
  );
}
