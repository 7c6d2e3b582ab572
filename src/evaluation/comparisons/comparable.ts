/**
 * Whether two runs can be compared, and on what: the same classes, in whatever order; the same clips, with the same
 * labels and groups; a label rate both have; the same protocol. What differs is refused with the way out, not mended
 * in silence.
 */
import { dataError, type UsclError } from '../../base/errors.ts';
import type { Predictions } from '../scores/predictions.ts';
import { labelRatesOf, testedClips } from '../scores/scored-rate.ts';

export interface ComparableOptions {
  /** Compare on the clips both have tested, though each may have tested others too. Default false: refuse. */
  readonly commonClips?: boolean;
  /** Compare runs of different protocols, of which one may be optimistic. Default false: refuse. */
  readonly mixedProtocols?: boolean;
}

/** The clips of one label rate that both have tested: numbers in a's and in b's `clips`, in order of id. */
export interface ComparableRate {
  readonly labelRate: number;
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** Clips only one of the two has tested. */
  readonly leftOut: { readonly a: number; readonly b: number };
}

/**
 * Finds what two runs share.
 * @returns b with its classes in the order of a's, and the shared clips of every shared label rate.
 * @throws UsclError `RUNS_DIFFER` when they cannot be compared.
 */
export function comparable(
  a: Predictions,
  b: Predictions,
  options: ComparableOptions = {},
): { readonly b: Predictions; readonly rates: readonly ComparableRate[] } {
  if (a.protocol !== b.protocol && options.mixedProtocols !== true) {
    throw differ(
      'protocol',
      `The first run followed the protocol '${a.protocol}', the second '${b.protocol}'.`,
      'Run both with the same protocol, or say --mixed-protocols and mind that legacy scores are too good.',
    );
  }
  const aligned = withClasses(b, a.classes);
  requireSameClips(a, aligned);
  const [ratesA, ratesB] = [labelRatesOf(a), labelRatesOf(aligned)];
  const shared = ratesA.filter((rate) => ratesB.includes(rate));
  if (shared.length === 0) {
    throw differ(
      'label rates',
      `The first run has the label rates ${ratesA.join(', ')}, the second ${ratesB.join(', ')}: none in common.`,
      'Fine-tune both with the same --label-rate.',
    );
  }
  return { b: aligned, rates: shared.map((labelRate) => sharedClips(a, aligned, labelRate, options)) };
}

/** The same predictions with classes in another order. */
function withClasses(predictions: Predictions, classes: readonly string[]): Predictions {
  const from = classes.map((name) => predictions.classes.indexOf(name));
  if (from.includes(-1) || classes.length !== predictions.classes.length) {
    const list = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ');
    throw differ(
      'classes',
      `The first run tells apart ${list(classes)}; the second ${list(predictions.classes)}.`,
      'Compare runs on the same classes; `uscl evaluate --map` maps those of another dataset.',
    );
  }
  if (from.every((place, c) => place === c)) return predictions;
  return {
    ...predictions,
    classes: [...classes],
    clips: predictions.clips.map((clip) => ({
      ...clip,
      label: clip.label === null ? null : from.indexOf(clip.label),
    })),
    cells: predictions.cells.map((cell) => ({
      ...cell,
      rows: cell.rows.map((row) => ({
        ...row,
        probabilities: row.probabilities.map((frame) => from.map((place) => frame[place]!)),
      })),
    })),
  };
}

/** A clip both know must mean the same to both. */
function requireSameClips(a: Predictions, b: Predictions): void {
  const ofA = new Map(a.clips.map((clip) => [clip.id, clip]));
  for (const clip of b.clips) {
    const other = ofA.get(clip.id);
    if (other === undefined) continue;
    const name = (label: number | null): string => (label === null ? 'no label' : `'${a.classes[label]!}'`);
    if (clip.label !== other.label) {
      throw differ(
        `clip ${clip.id}`,
        `The first run has it as ${name(other.label)}, the second as ${name(clip.label)}.`,
        'Compare runs on one dataset with the same labels: run again the one with the older labels.',
      );
    }
    if (clip.group !== other.group) {
      throw differ(
        `clip ${clip.id}`,
        `The first run has it in group '${other.group}', the second in '${clip.group}'.`,
        'Compare runs on one dataset with the same groups: run again the one with the older groups.',
      );
    }
  }
}

function sharedClips(
  a: Predictions,
  b: Predictions,
  labelRate: number,
  { commonClips = false }: ComparableOptions,
): ComparableRate {
  const testedA = testedClips(a, labelRate);
  const ofB = new Map(testedClips(b, labelRate).map((clip) => [b.clips[clip]!.id, clip]));
  const shared = testedA.filter((clip) => ofB.has(a.clips[clip]!.id));
  const leftOut = { a: testedA.length - shared.length, b: ofB.size - shared.length };
  const where = `label rate ${labelRate}`;
  if (shared.length === 0) {
    throw differ(
      where,
      `No labelled clip was tested by both: the first run tested ${testedA.length}, the second ${ofB.size}.`,
      'Compare runs on the same dataset.',
    );
  }
  if (leftOut.a + leftOut.b > 0 && !commonClips) {
    throw differ(
      where,
      `The first run tested ${leftOut.a} labelled clips that the second did not, the second ${leftOut.b} that the first did not; they share ${shared.length}.`,
      'Run both on the same dataset, or say --common-clips to compare on the clips they share.',
    );
  }
  return { labelRate, a: shared, b: shared.map((clip) => ofB.get(a.clips[clip]!.id)!), leftOut };
}

function differ(where: string, message: string, remedy: string): UsclError {
  return dataError('RUNS_DIFFER', message, remedy, { where });
}
