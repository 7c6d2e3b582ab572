/**
 * Which pictures of a folder are the frames of one clip, by their names alone. One number of a name counts the frames;
 * everything else of it says of which clip. Opens no file.
 *
 * In names that differ in numbers only, the frame number is, in this order: the last number after a word for a frame
 * (`frame`, `rgb`); of the numbers that stand after no word for a patient or a video, the one that counts in steps of
 * one most often; where several do, the last. Names that differ in words too need the word `frame`.
 */
import { groupBy } from '../../base/collect.ts';
import { compareNatural, extensionOf, stemOf } from '../common/paths.ts';

/** The frames of one clip, in order. */
export interface FrameSequence {
  /** What the names share: they without the frame number and the word before it. */
  readonly name: string;
  readonly files: readonly string[];
}

export type NameReading =
  | { readonly kind: 'sequences'; readonly sequences: readonly FrameSequence[] }
  /** `reason`: why names that count something do not count frames; null where they count nothing. */
  | { readonly kind: 'separate'; readonly reason: string | null };

const FRAME_WORDS = new Set('frame frames frm fr f rgb flow slice'.split(' '));
const PERSON_WORDS = new Set(
  'patient patients pat pt subject subj sub person proband case infant pid mrn'.split(' '),
);
const OWNER_WORDS = new Set([
  ...PERSON_WORDS,
  ...'p s id volunteer vol child video videos vid v clip clips scan study exam visit day series ser'.split(
    ' ',
  ),
  ...'session sess loop cine movie mov site sequence seq record recording rec file'.split(' '),
]);

/** A date with a time is one number; other numbers are runs of digits. */
const NUMBER = /((?:19|20)\d{2}[-_.]?\d{2}[-_.]?\d{2}[T_ -]+\d{2}[-_.:h]?\d{2}[-_.:m]?\d{2}(?!\d)|\d+)/;

/** Where a name has words beside numbers that differ, only this is taken for a frame number. */
const SAID_FRAME = /(?<![\p{L}])(?:frames?|frm|fr)[^\p{L}\d]*(\d+)/giu;

/** Steps of a frame number up to here are those of a video that was thinned out. */
const DENSE = 30;

interface Name {
  readonly file: string;
  /** Texts and numbers in turn, beginning and ending with a text. */
  readonly parts: readonly string[];
}

/** Reads the names (no paths) of all pictures in a folder. Files of a sequence come in the order of their numbers. */
export function readFrameNames(files: readonly string[]): NameReading {
  if (files.length < 2) return { kind: 'separate', reason: null };
  const names = files.map((file): Name => ({ file, parts: stemOf(file).split(NUMBER) }));
  const shapes = new Set(names.map(shapeOf));
  return shapes.size === 1 ? byNumbers(names) : byFrameWord(files);
}

function shapeOf({ file, parts }: Name): string {
  const texts = parts.filter((_, i) => i % 2 === 0);
  return `${texts.join('#')}.${extensionOf(file)}`.toLowerCase();
}

function byNumbers(names: readonly Name[]): NameReading {
  const [first] = names;
  const varying = first!.parts.flatMap((_, i) =>
    i % 2 === 1 && names.some(({ parts }) => parts[i] !== first!.parts[i]) ? [i] : [],
  );
  const words = new Map(varying.map((i) => [i, splitAtWord(first!.parts[i - 1]!).word]));
  const isAfter = (i: number, list: ReadonlySet<string>): boolean => list.has(words.get(i)!);
  const readings = (places: readonly number[]) =>
    places.flatMap((place) => {
      const parts = partedBy(names, place, varying, (i) => isAfter(i, OWNER_WORDS));
      return parts === null ? [] : [{ place, ...parts, steps: stepsIn(parts.sequences, place) }];
    });
  const framed = varying.filter((i) => isAfter(i, FRAME_WORDS)).slice(-1);
  const owners = varying.length === 1 ? PERSON_WORDS : OWNER_WORDS;
  const free = varying.filter((i) => !isAfter(i, owners));
  const [best] =
    framed.length > 0
      ? readings(framed)
      : readings(free)
          .filter(({ steps }) => areRegular(steps))
          .map((one) => ({ ...one, ones: one.steps.filter((step) => step === 1).length / one.steps.length }))
          .map((one) => ({ ...one, padded: names.some(({ parts }) => parts[one.place]!.startsWith('00')) }))
          .sort((a, b) => b.ones - a.ones || Number(b.padded) - Number(a.padded) || b.place - a.place);
  if (best === undefined) {
    const people = varying.map((i) => words.get(i)!).filter((word) => PERSON_WORDS.has(word));
    const reason =
      people.length > 0
        ? `by their names each is of another ${people[0]}`
        : 'the numbers in their names do not count on as those of frames do';
    return { kind: 'separate', reason };
  }
  const dropped = [best.place, ...best.along];
  const stems = best.sequences.map((sequence) => clipName(sequence[0]!, dropped));
  return named(best.sequences, stems, ({ parts }) =>
    parts.map((part, i) => (dropped.includes(i) ? '#' : part)).join(''),
  );
}

/**
 * The names parted by all varying numbers but the one at `place`, in its order; null where that leaves mostly single
 * pictures or one number twice. A number that rises with the frames, such as their time (`along`), does not part them.
 */
function partedBy(
  names: readonly Name[],
  place: number,
  varying: readonly number[],
  isOwner: (place: number) => boolean,
): { readonly sequences: readonly (readonly Name[])[]; readonly along: readonly number[] } | null {
  const numberAt = ({ parts }: Name, i: number): string => parts[i]!.replaceAll(/\D/g, '');
  const sorted = [...names].sort((a, b) => compareNatural(numberAt(a, place), numberAt(b, place)));
  const rises = (i: number, keys: readonly number[]): boolean =>
    groupsOf(sorted, ({ parts }) => keys.map((key) => (key === i ? '' : parts[key])).join('/')).every(
      (group) =>
        group.every(
          (name, k) => k === 0 || compareNatural(numberAt(group[k - 1]!, i), numberAt(name, i)) < 0,
        ),
    );
  const along: number[] = [];
  for (;;) {
    const keys = varying.filter((i) => i !== place && !along.includes(i));
    const sequences = groupsOf(sorted, ({ parts }) => keys.map((i) => parts[i]).join('/'));
    if (!areMostlySingle(sequences)) {
      const isTwice = (name: Name, k: number, sequence: readonly Name[]): boolean =>
        k > 0 && BigInt(numberAt(name, place)) === BigInt(numberAt(sequence[k - 1]!, place));
      return sequences.some((sequence) => sequence.some(isTwice)) ? null : { sequences, along };
    }
    const next = keys.find((i) => !isOwner(i) && rises(i, keys));
    if (next === undefined) return null;
    along.push(next);
  }
}

/** Steps of the number at `place` from picture to picture within the sequences. */
function stepsIn(sequences: readonly (readonly Name[])[], place: number): readonly number[] {
  const valueOf = ({ parts }: Name): number => {
    const digits = parts[place]!.replaceAll(/\D/g, '');
    if (parts[place] === digits && digits.length !== 14) return Number(digits);
    // A date with a time, in seconds.
    const [year, month, day, hour, minute, second] = (digits.match(/^\d{4}|\d{2}/g) ?? []).map(Number);
    return Date.UTC(year!, month! - 1, day, hour, minute, second) / 1000;
  };
  return sequences.flatMap((sequence) =>
    sequence.slice(1).map((name, i) => valueOf(name) - valueOf(sequence[i]!)),
  );
}

/** Whether a number counts on: mostly in small steps, or in many steps of about one size. */
function areRegular(steps: readonly number[]): boolean {
  const sorted = [...steps].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? Infinity;
  if (median <= DENSE) return true;
  const near = steps.filter((step) => step >= median / 1.5 && step <= median * 1.5);
  return steps.length >= 3 && near.length >= (2 / 3) * steps.length;
}

/** Names whose words differ, where each says which frame it is. */
function byFrameWord(files: readonly string[]): NameReading {
  const separate: NameReading = { kind: 'separate', reason: null };
  const names: Name[] = [];
  for (const file of files) {
    const stem = stemOf(file);
    const said = [...stem.matchAll(SAID_FRAME)].at(-1);
    if (said === undefined) return separate;
    const number = said[1]!;
    const at = said.index + said[0].length - number.length;
    names.push({ file, parts: [stem.slice(0, at), number, stem.slice(at + number.length)] });
  }
  const rest = ({ file, parts }: Name): string => `${parts[0]}#${parts[2]}.${extensionOf(file)}`;
  const sequences = groupsOf(names, rest).map((sequence) =>
    [...sequence].sort((a, b) => compareNatural(a.parts[1]!, b.parts[1]!)),
  );
  if (areMostlySingle(sequences)) return separate;
  return named(
    sequences,
    sequences.map((sequence) => clipName(sequence[0]!, [1])),
    rest,
  );
}

function groupsOf(names: readonly Name[], keyOf: (name: Name) => string): readonly (readonly Name[])[] {
  return [...groupBy(names, keyOf).values()];
}

/** Whether at least half of the pictures would be clips of one frame. */
function areMostlySingle(sequences: readonly (readonly Name[])[]): boolean {
  const single = sequences.filter((sequence) => sequence.length === 1).length;
  return 2 * single >= sequences.reduce((sum, sequence) => sum + sequence.length, 0);
}

/** Names of clips are their files' without frame numbers where these are unique, otherwise with `#` in their place. */
function named(
  sequences: readonly (readonly Name[])[],
  short: readonly string[],
  long: (name: Name) => string,
): NameReading {
  const isUnique =
    !short.includes('') && new Set(short.map((name) => name.toLowerCase())).size === short.length;
  const clips = sequences.map((sequence, i) => ({
    name: isUnique ? short[i]! : long(sequence[0]!),
    files: sequence.map(({ file }) => file),
  }));
  return { kind: 'sequences', sequences: clips.sort((a, b) => compareNatural(a.name, b.name)) };
}

/** A stem without the numbers at `dropped` and the words for a frame before them. */
function clipName({ parts }: Name, dropped: readonly number[]): string {
  const cut = parts.map((part, i) => {
    if (dropped.includes(i)) return '\0';
    const { text, word } = splitAtWord(part);
    return dropped.includes(i + 1) && FRAME_WORDS.has(word) ? text : part;
  });
  const marked = cut.join('').replaceAll(/[\s_.([-]*\0[\s_.)\]-]*/g, '\0');
  return marked.replaceAll(/^\0+|\0+$/g, '').replaceAll(/\0+/g, '_');
}

/** The last word of a text, in lower case, and what stands before it; `CovPatient` ends with the word `patient`. */
function splitAtWord(text: string): { readonly text: string; readonly word: string } {
  const found = /(\p{Lu}?\p{Ll}+|\p{Lu}+|\p{L}+)[^\p{L}]*$/u.exec(text);
  return found === null
    ? { text, word: '' }
    : { text: text.slice(0, found.index), word: found[1]!.toLowerCase() };
}
