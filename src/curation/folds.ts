/**
 * Cross-validation folds that never split a group (a patient), as even in class counts as a greedy assignment
 * gets them: groups in order of how uneven their class counts are, each to the fold where it leaves the class
 * shares of the folds closest to equal. This is the rule of scikit-learn's `StratifiedGroupKFold`; the order of
 * equally uneven groups is drawn from the seed. Folds depend on group names, labels and the seed, not on the
 * order of the clips.
 */
import { dataError, usageError, type UsclError } from '../base/errors.ts';
import { randomAt } from '../base/random.ts';
import type { ClipRecord, LabelledClip } from '../dataset/types.ts';

/**
 * The fold (0 … folds − 1) of each clip; −1 for clips without a label.
 * @throws UsclError `FOLDS_COUNT` for a number of folds that is not an integer ≥ 2, `FOLDS_ONE_CLASS` with fewer
 *   than two classes, `FOLDS_TOO_FEW_GROUPS` when a class occurs in fewer groups than there are folds.
 */
export function groupedFolds(clips: readonly LabelledClip[], folds: number, seed: number): Int32Array {
  if (!Number.isInteger(folds) || folds < 2)
    throw usageError(
      'FOLDS_COUNT',
      `Cross-validation needs a whole number of folds, at least 2, not ${folds}.`,
      'Ask for 5 folds, or for as many as the smallest class has groups.',
    );
  const labels = [...new Set(clips.flatMap((clip) => clip.label ?? []))].sort();
  const groups = [...new Set(clips.filter((clip) => clip.label !== null).map((clip) => clip.group))].sort();
  const groupOf = clips.map(({ group }) => group);
  const counts = countLabels(clips, groupOf, groups, labels);
  requireGroups(counts, groups, labels, folds);

  const order = randomAt(seed, 'folds', folds).shuffled(groups.map((_, i) => i));
  const assigned = assignGroups(
    order.map((i) => counts[i]!),
    folds,
  );
  const foldOfGroup = new Map(order.map((group, i) => [groups[group]!, assigned[i]!]));
  return Int32Array.from(clips, (clip) => (clip.label === null ? -1 : (foldOfGroup.get(clip.group) ?? -1)));
}

/**
 * The greedy assignment on class counts [group][class]: fold of each group. Among groups of equal unevenness the
 * earlier goes first; among equally good folds the one with fewer clips, then the earlier, wins. Folds are to be
 * equal, or in the proportion of `weights`.
 */
export function assignGroups(
  counts: readonly Float64Array[],
  folds: number,
  weights: readonly number[] = new Array<number>(folds).fill(1),
): Int32Array {
  const classes = counts[0]?.length ?? 0;
  const totals = new Float64Array(classes);
  for (const group of counts) for (let c = 0; c < classes; c++) totals[c]! += group[c]!;
  const unevenness = counts.map((group) => deviation(group));
  const order = counts.map((_, i) => i).sort((a, b) => unevenness[b]! - unevenness[a]! || a - b);

  const held = Array.from({ length: folds }, () => new Float64Array(classes));
  const result = new Int32Array(counts.length);
  const shares = new Float64Array(folds);
  for (const index of order) {
    const group = counts[index]!;
    let best = 0;
    let bestSpread = Infinity;
    let bestSize = Infinity;
    for (let fold = 0; fold < folds; fold++) {
      let spread = 0;
      let size = 0;
      for (let c = 0; c < classes; c++) {
        for (let other = 0; other < folds; other++) {
          const mine = held[other]![c]! + (other === fold ? group[c]! : 0);
          shares[other] = mine / totals[c]! / weights[other]!;
        }
        spread += deviation(shares);
        size += (held[fold]![c]! + group[c]!) / weights[fold]!;
      }
      spread /= classes;
      const close = Math.abs(spread - bestSpread) <= CLOSE_ABSOLUTE + CLOSE_RELATIVE * bestSpread;
      if (spread < bestSpread || (close && size < bestSize)) {
        best = fold;
        bestSpread = spread;
        bestSize = size;
      }
    }
    for (let c = 0; c < classes; c++) held[best]![c]! += group[c]!;
    result[index] = best;
  }
  return result;
}

/** Spreads as close as this count as equal, and the fold's size decides (the tolerances of `numpy.isclose`). */
const CLOSE_RELATIVE = 1e-5;
const CLOSE_ABSOLUTE = 1e-8;

function deviation(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let square = 0;
  for (const value of values) square += (value - mean) * (value - mean);
  return Math.sqrt(square / values.length);
}

/** Clips by group and label, [group][label]; clip i is of `groupOf[i]`, and labels that are not listed do not count. */
export function countLabels(
  clips: readonly Pick<ClipRecord, 'label'>[],
  groupOf: readonly string[],
  groups: readonly string[],
  labels: readonly (string | null)[],
): Float64Array[] {
  const groupAt = new Map(groups.map((name, i) => [name, i]));
  const labelAt = new Map(labels.map((name, i) => [name, i]));
  const counts = groups.map(() => new Float64Array(labels.length));
  for (const [i, { label }] of clips.entries()) {
    const at = labelAt.get(label);
    if (at !== undefined) counts[groupAt.get(groupOf[i]!)!]![at]! += 1;
  }
  return counts;
}

function requireGroups(
  counts: readonly Float64Array[],
  groups: readonly string[],
  labels: readonly string[],
  folds: number,
): void {
  if (labels.length < 2) {
    const found = labels.length === 0 ? 'no labelled clip' : `only the class '${labels[0]}'`;
    throw dataError(
      'FOLDS_ONE_CLASS',
      `Cross-validation needs at least two classes, and there is ${found}.`,
      'Label clips of a second class.',
    );
  }
  if (groups.length === 1)
    throw tooFewGroups(
      `All labelled clips belong to the one group '${groups[0]}', so no clip can be tested on another group.`,
      'Give each patient its own group; clips of one patient cannot test each other.',
    );
  const groupsWith = labels.map((_, c) => counts.filter((group) => group[c]! > 0).length);
  const fewest = Math.min(...groupsWith);
  if (fewest >= folds) return;
  const rare = labels[groupsWith.indexOf(fewest)]!;
  throw tooFewGroups(
    `The class '${rare}' occurs in ${fewest} ${fewest === 1 ? 'group' : 'groups'}, fewer than the ${folds} folds asked for.`,
    fewest >= 2
      ? `Use ${fewest} folds (--folds ${fewest}; of finetune --set folds=${fewest}), or label clips of more groups of that class.`
      : 'Tested on its only group, nothing could have learnt it: label clips of more groups of that class, or leave it out ' +
          '(finetune: --classes with the others, or --map to bring it together with one; elsewhere by ingesting without its labels).',
  );
}

function tooFewGroups(message: string, remedy: string): UsclError {
  return dataError('FOLDS_TOO_FEW_GROUPS', message, remedy);
}
