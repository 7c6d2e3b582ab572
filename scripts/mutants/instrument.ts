/**
 * All drawn mutants of a file in one text: each place asks a switch whether its mutant is on, so that one copy of the
 * tree serves every mutant and one run of the tests says which of them reaches which. Lines stay where they are.
 */
import type { Site } from './sites.ts';

export interface Numbered extends Site {
  readonly id: number;
}

/** The text with its mutants behind `switchModule`'s `mutant(id)`. */
export function instrumented(text: string, mutants: readonly Numbered[], switchModule: string): string {
  const changed = render(text, 0, text.length, mutants);
  return `import { mutant as __mutant } from ${JSON.stringify(switchModule)};${changed}`;
}

/** The part of the text from `from` to `to` with the mutants that lie in it. */
function render(text: string, from: number, to: number, mutants: readonly Numbered[]): string {
  let result = '';
  let at = from;
  for (const outer of outermost(mutants)) {
    const [first] = outer;
    if (first === undefined) continue;
    const { start, end } = first;
    const inside = mutants.filter((one) => one.start >= start && one.end <= end && !outer.includes(one));
    result += text.slice(at, start) + outer.reduce(wrapped, render(text, start, end, inside));
    at = end;
  }
  return result + text.slice(at, to);
}

function wrapped(original: string, { id, form, after }: Numbered): string {
  switch (form) {
    case 'expression':
      return `(__mutant(${id}) ? (${after}) : (${original}))`;
    case 'statement':
      // In braces of its own: an else that follows belongs to the if before.
      return `{ if (!__mutant(${id})) {${original}} }`;
    case 'entry':
      return `if (__mutant(${id})) ${after} ${original}`;
  }
}

/** Mutants that lie in no other, those of one place together, in order of place. */
function outermost(mutants: readonly Numbered[]): readonly (readonly Numbered[])[] {
  const sorted = [...mutants].sort((a, b) => a.start - b.start || b.end - a.end);
  const groups: Numbered[][] = [];
  let reach = -1;
  for (const one of sorted) {
    const last = groups.at(-1);
    if (last?.[0]?.start === one.start && last[0].end === one.end) last.push(one);
    else if (one.start >= reach) {
      groups.push([one]);
      reach = one.end;
    }
  }
  // What stands before a statement must not hide in what may be left out with it.
  return groups.map((group) => group.sort((a, b) => Number(a.form === 'entry') - Number(b.form === 'entry')));
}

/**
 * The switch: off without `MUTANT`. With `MUTANTS_REACHED` it notes in that file which mutants were asked for, past the
 * file system that a test puts in the place of the real one.
 */
export const SWITCH = `const { appendFileSync } = process.getBuiltinModule('node:fs');
const active = Number(process.env['MUTANT'] ?? -1);
const seen = new Set<number>();
export function mutant(id: number): boolean {
  const reached = process.env['MUTANTS_REACHED'];
  if (reached !== undefined && !seen.has(id)) {
    seen.add(id);
    appendFileSync(reached, id + '\\n');
  }
  return id === active;
}
`;
