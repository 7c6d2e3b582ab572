/**
 * Mixup (Zhang et al., ICLR 2018, "mixup: Beyond Empirical Risk Minimization"): an image and its target become a convex
 * mixture with those of another row of the batch,
 *
 *     x̃_i = w_i·x_i + (1 − w_i)·x_p(i),   w_i ~ Beta(α, α)
 *
 * Each row has a weight of its own, as the formula says; the authors' code draws one a batch. The partners make one
 * cycle through the batch, so every row is partner once and none is its own (in a batch of one there is no other).
 */
import { randomAt } from '../base/random.ts';

/** How the rows of a batch are mixed. */
export interface Mixing {
  /** [N], the row each row is mixed with. */
  readonly partner: Int32Array;
  /** [N], the share in 0…1 that a row keeps of itself; 1 − weight is its partner's. */
  readonly weight: Float32Array;
}

/** The mixing of batch `index` of `epoch` with Beta(alpha, alpha), alpha > 0: a function of its arguments alone. */
export function drawMixing(rows: number, alpha: number, seed: number, epoch: number, index: number): Mixing {
  const order = randomAt(seed, 'mixup-partners', epoch, index).shuffled([...Array(rows).keys()]);
  const partner = new Int32Array(rows);
  for (let i = 0; i < rows; i++) partner[order[i]!] = order[(i + 1) % rows]!;
  const random = randomAt(seed, 'mixup-weights', epoch, index);
  return { partner, weight: Float32Array.from(partner, () => random.beta(alpha, alpha)) };
}

/** Mixes images [N, length] in place. The mixing's partners must form one cycle, as `drawMixing` makes them. */
export function mixImages(images: Float32Array, length: number, { partner, weight }: Mixing): void {
  // Along the cycle a partner is still unmixed when it is needed, but for the row where the walk began.
  const first = images.slice(0, length);
  for (let row = 0; ;) {
    const next = partner[row]!;
    const other = next === 0 ? first : images.subarray(next * length, (next + 1) * length);
    const own = weight[row]!;
    const start = row * length;
    for (let i = 0; i < length; i++) images[start + i] = own * images[start + i]! + (1 - own) * other[i]!;
    if (next === 0) return;
    row = next;
  }
}
