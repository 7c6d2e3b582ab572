/**
 * Batch norms over the batches of several processes: the moments and the sums of all of them from those of each. Every process
 * adds the same numbers in the same order, so that all have the same bits.
 */
import type { NormRanks } from './backend.ts';

/** Mean and (biased) variance of each channel of one part of a batch. */
export interface Moments {
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/**
 * Makes the moments of this process's parts those of all processes, in place. With equally many numbers behind each,
 * mean = avg(meanᵣ) and variance = avg(varianceᵣ + (meanᵣ − mean)²), which cancels nothing (Chan, Golub and LeVeque, 1983).
 */
export function shareMoments(ranks: NormRanks, parts: readonly Moments[]): void {
  const all = gathered(
    ranks,
    parts.flatMap(({ mean, variance }) => [mean, variance]),
  );
  parts.forEach(({ mean, variance }, part) => {
    const [means, variances] = [all[2 * part]!, all[2 * part + 1]!];
    for (let c = 0; c < mean.length; c++) {
      const centre = average(means, c);
      let spread = 0;
      for (let rank = 0; rank < ranks.size; rank++)
        spread += variances[rank]![c]! + (means[rank]![c]! - centre) ** 2;
      mean[c] = centre;
      variance[c] = spread / ranks.size;
    }
  });
}

/** The means over all processes of arrays that each of them has, in new arrays. */
export function averages(ranks: NormRanks, own: readonly Float32Array[]): readonly Float32Array[] {
  return gathered(ranks, own).map((ofRanks) => ofRanks[0]!.map((_, i) => average(ofRanks, i)));
}

function average(ofRanks: readonly Float32Array[], i: number): number {
  let sum = 0;
  for (const one of ofRanks) sum += one[i]!;
  return sum / ofRanks.length;
}

/** Each array of all processes, in the order of ranks, by one call. */
function gathered(ranks: NormRanks, own: readonly Float32Array[]): readonly (readonly Float32Array[])[] {
  const length = own.reduce((sum, array) => sum + array.length, 0);
  const joint = new Float32Array(length);
  let at = 0;
  const starts = own.map((array) => {
    const start = at;
    joint.set(array, start);
    at += array.length;
    return start;
  });
  const all = ranks.gather(joint);
  return own.map((array, index) =>
    Array.from({ length: ranks.size }, (_, rank) => {
      const from = rank * length + starts[index]!;
      return all.subarray(from, from + array.length);
    }),
  );
}
