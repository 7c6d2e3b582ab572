/**
 * The supervised contrastive loss (Khosla et al., NeurIPS 2020, eq. 2, L_out): every view must find all views of its class
 * among all other views of the batch. A clip without a label is a class of its own, so its only positive is its other view.
 * With unit rows u, N pairs, P(i) the views ≠ i of the class of i:
 *
 *     ℓ_i = −1/|P(i)| Σ_{p ∈ P(i)} log [ exp(u_i·u_p / τ) / Σ_{k ≠ i} exp(u_i·u_k / τ) ],   L = 1/(2N) Σ_i ℓ_i
 *     ∂L/∂(u_i·u_k / τ) = (softmax over k ≠ i − 1[k ∈ P(i)] / |P(i)|) / 2N
 *
 * Without labels, or with no class twice, it is NT-Xent (`nt-xent.ts`) to the bit. With all similarities equal L =
 * log(2N − 1) whatever the labels; with all views of one class its minimum is the same. The factor τ / 0.07 of the authors'
 * code is left out. Accumulated in float64. Rows with no direction, non-finite rows: see `cosine.ts`.
 */
import { objectiveError, UNLABELLED } from './arguments.ts';
import { type ContrastedRow, contrastPairs, type PairSpread, softmaxTerm } from './pair-contrast.ts';

/** Loss, and how well views find each other and their class. */
export interface SupervisedContrastiveResult extends PairSpread {
  readonly loss: number;
  /** Mean of |P(i)| over all views: 1 where no class is there twice. */
  readonly positives: number;
  /** Views with a label. */
  readonly labelled: number;
  /** Those of them whose most similar view of another clip has their label; a tie with one that has not is a miss. */
  readonly sameClass: number;
}

/**
 * @param embeddings z, [2·pairs, dim]: view 0 of all clips, then view 1 in the same order; not normalised.
 * @param labels [pairs], class indices or `UNLABELLED`; one label serves both views of its clip.
 * @param temperature τ > 0; the authors: 0.07 or 0.1.
 * @param gradient [2·pairs, dim], overwritten with ∂L/∂z.
 * @throws UsclError `OBJECTIVE_INVALID` for sizes that do not fit, a label below −1 or a temperature that is not positive.
 */
export function supervisedContrastive(
  embeddings: Float32Array,
  labels: Int32Array,
  dim: number,
  temperature: number,
  gradient: Float32Array,
): SupervisedContrastiveResult {
  const pairs = labels.length;
  const wrong = labels.findIndex((label) => label < UNLABELLED);
  if (wrong !== -1)
    throw objectiveError(
      `labels[${wrong}]`,
      `is ${labels[wrong]!}, which is no class`,
      `Labels count from 0; ${UNLABELLED} means none.`,
    );
  const positivesOf = classmates(labels);
  const seen = { positives: 0, labelled: 0, sameClass: 0 };
  const found = contrastPairs(
    { embeddings, pairs, dim, temperature, gradient },
    'the authors use 0.07 or 0.1',
    (given) => {
      const positives = positivesOf(given);
      seen.positives += positives.length;
      if (labels[given.row % pairs] !== UNLABELLED) {
        seen.labelled++;
        if (besideItsClass(given, positives)) seen.sameClass++;
      }
      return softmaxTerm(given, positives);
    },
  );
  return { ...found, ...seen, positives: seen.positives / (2 * pairs) };
}

/** P(i) of a row. */
function classmates(labels: Int32Array): (given: ContrastedRow) => readonly number[] {
  const views = new Map<number, number[]>();
  for (const offset of [0, labels.length])
    for (const [clip, label] of labels.entries())
      if (label !== UNLABELLED) views.set(label, [...(views.get(label) ?? []), clip + offset]);
  return ({ row, partner }) => {
    const label = labels[row % labels.length]!;
    return label === UNLABELLED ? [partner] : views.get(label)!.filter((other) => other !== row);
  };
}

/** Whether a view of another clip of its class is more similar to a row than every view of other classes. */
function besideItsClass(
  { row, rows, partner, cosines }: ContrastedRow,
  positives: readonly number[],
): boolean {
  const ofClass = new Set(positives);
  let own = -Infinity;
  let other = -Infinity;
  for (let k = 0; k < rows; k++) {
    if (k === row || k === partner) continue;
    if (ofClass.has(k)) own = Math.max(own, cosines[k]!);
    else other = Math.max(other, cosines[k]!);
  }
  return own > other;
}
