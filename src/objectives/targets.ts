/**
 * From labels to what a classifier is trained towards: distributions over classes (label smoothing, mixup) and weights
 * of classes and rows.
 */
import { objectiveError, requireLabels, UNLABELLED } from './arguments.ts';

/** How rows were mixed with others of their batch (mixup). */
export interface RowMixing {
  /** [N], the row each row is mixed with. */
  readonly partner: ArrayLike<number>;
  /** [N], the share in 0…1 that a row keeps of itself. */
  readonly weight: ArrayLike<number>;
}

/** What targets are made of. */
export interface TargetOptions {
  /**
   * ε in 0…1 of label smoothing (Szegedy et al., CVPR 2016): a label becomes 1 − ε + ε/C, every other class ε/C, as
   * PyTorch's `label_smoothing`. Default 0.
   */
  readonly smoothing?: number;
  /** Targets are mixed as the images were; smoothing comes first. Default null. */
  readonly mixing?: RowMixing | null;
}

/**
 * Targets [N, classes] of labelled rows.
 * @param labels [N], class indices.
 * @throws UsclError `OBJECTIVE_INVALID` for a label that is no class (a row without a label has no target), a smoothing
 *   outside 0…1, or a mixing that does not fit the rows.
 */
export function softTargets(
  labels: Int32Array,
  classes: number,
  { smoothing = 0, mixing = null }: TargetOptions = {},
): Float32Array {
  requireLabels(labels, classes, false);
  if (!(smoothing >= 0 && smoothing <= 1))
    throw objectiveError('smoothing', `is ${smoothing}`, 'Give a share from 0 to 1; 0.1 is usual.');
  if (mixing !== null) requireMixing(mixing, labels.length);
  const targets = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => {
    const own = mixing?.weight[row] ?? 1;
    const other = labels[mixing?.partner[row] ?? row]!;
    const even = smoothing / classes;
    for (let c = 0; c < classes; c++) {
      const share = (c === label ? own : 0) + (c === other ? 1 - own : 0);
      targets[row * classes + c] = even + (1 - smoothing) * share;
    }
  });
  return targets;
}

/** `none`: all 1. `balanced`: inverse to how often a class occurs. Or one weight a class. */
export type ClassWeighting = 'none' | 'balanced' | readonly number[];

/**
 * One weight a class [classes]. `balanced` is scikit-learn's n / (k · n_c), where k counts the classes that occur among
 * the n labelled rows; the mean over rows is 1. A class that does not occur has weight 0 then.
 * @param labels class indices; rows that are `UNLABELLED` do not count.
 * @throws UsclError `OBJECTIVE_INVALID` for weights that are not one finite number ≥ 0 a class, with one above 0; for a
 *   label that is no class; for `balanced` without a label.
 */
export function classWeights(labels: Int32Array, classes: number, weighting: ClassWeighting): Float64Array {
  const labelled = labels.filter((label) => label !== UNLABELLED);
  if (weighting === 'none') return new Float64Array(classes).fill(1);
  if (weighting !== 'balanced') return givenWeights(weighting, classes);
  requireLabels(labelled, classes, false);
  const counts = new Float64Array(classes);
  for (const label of labelled) counts[label]!++;
  const occurring = counts.filter((count) => count > 0).length;
  return counts.map((count) => (count === 0 ? 0 : labelled.length / (occurring * count)));
}

/**
 * The weight of each row [N] for `softCrossEntropy`: its class's, or of a mixed row the mean of both classes' weights
 * in the proportion of the mixture.
 * @throws UsclError `OBJECTIVE_INVALID` for a label that is no class or a mixing that does not fit the rows.
 */
export function rowWeights(
  labels: Int32Array,
  weights: Float64Array,
  mixing: RowMixing | null = null,
): Float64Array {
  requireLabels(labels, weights.length, false);
  if (mixing !== null) requireMixing(mixing, labels.length);
  return Float64Array.from(labels, (label, row) => {
    const own = mixing?.weight[row] ?? 1;
    const other = labels[mixing?.partner[row] ?? row]!;
    return own * weights[label]! + (1 - own) * weights[other]!;
  });
}

function givenWeights(weights: readonly number[], classes: number): Float64Array {
  if (weights.length !== classes)
    throw objectiveError(
      'class weights',
      `are ${weights.length} for ${classes} classes`,
      'Give one weight a class, in the order of the classes.',
    );
  const wrong = weights.findIndex((weight) => !(weight >= 0 && weight < Infinity));
  if (wrong !== -1)
    throw objectiveError(
      `class weight ${wrong}`,
      `is ${weights[wrong]!}`,
      'Weights are finite and not negative.',
    );
  if (weights.every((weight) => weight === 0))
    throw objectiveError('class weights', 'are all 0', 'Give at least one class a weight above 0.');
  return Float64Array.from(weights);
}

function requireMixing({ partner, weight }: RowMixing, rows: number): void {
  if (partner.length !== rows || weight.length !== rows)
    throw objectiveError(
      'mixing',
      `has ${partner.length} partners and ${weight.length} weights for ${rows} rows`,
      'Pass the mixing of the same batch.',
    );
  for (let row = 0; row < rows; row++) {
    const other = partner[row]!;
    const own = weight[row]!;
    if (Number.isInteger(other) && other >= 0 && other < rows && own >= 0 && own <= 1) continue;
    throw objectiveError(
      `mixing of row ${row}`,
      `is ${own} with row ${other}`,
      'A partner is a row of the batch, a weight is from 0 to 1.',
    );
  }
}
