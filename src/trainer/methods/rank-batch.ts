/**
 * A step of several ranks. Each of them runs its own rows of every view forward, has the outputs of all, computes the same loss of
 * the whole batch, and keeps the gradients of its own rows; then gradients are summed. A rank alone has all rows, and nothing is
 * sent or copied.
 */
import type { Vector } from '../../engine/core/backend.ts';
import type { Ranks } from '../../engine/ranks/communicator.ts';
import type { NetworkUse, ViewRows } from '../../methods/method.ts';
import type { Outputs } from './outputs.ts';
import { total, totalRows } from './passes.ts';
import { ofAllRanks, ownOfAll, viewsOfRank } from './rank-rows.ts';

/** A batch of all ranks, as one of them sees it. Ranks ask for the same things in the same order. */
export class RankBatch {
  /** The rank's rows of each view. */
  readonly own: readonly ViewRows[];
  readonly #ranks: Ranks;

  /** `views` are those of the whole batch. */
  constructor(ranks: Ranks, views: readonly ViewRows[]) {
    this.#ranks = ranks;
    this.own = viewsOfRank(views, ranks);
  }

  /** Outputs of all ranks, of which `read` gives the rank's own rows, as a network sees them. */
  ofAll(use: Pick<NetworkUse, 'views'>, read: Outputs): Outputs {
    if (this.#ranks.size === 1) return read;
    return remembered((name) => {
      const mine = read(name);
      return ofAllRanks(this.#ranks, mine, this.#lengths(use, mine));
    });
  }

  /** Where a loss writes the gradients of outputs, of which `read` gives the array of the rank's own rows. */
  gradients(use: Pick<NetworkUse, 'views'>, read: Outputs): BatchGradients {
    const { size } = this.#ranks;
    const written = new Map<string, Float32Array>();
    const make = (name: string): Float32Array =>
      size === 1 ? read(name) : new Float32Array(size * read(name).length);
    return {
      written,
      ofAll: remembered(make, written),
      own: (name) => {
        const all = written.get(name)!;
        if (size === 1) return all;
        const mine = read(name);
        ownOfAll(this.#ranks, all, mine, this.#lengths(use, mine));
        return mine;
      },
    };
  }

  /**
   * Lets `change` write into the images of all ranks, and copies the rank's own back. `images` are those of its rows, view by
   * view; `sizes` the sides of the images of each view.
   */
  changeImages(images: Float32Array, sizes: readonly number[], change: (all: Float32Array) => void): void {
    const areas = this.own.map(({ clips }, view) => clips.length * sizes[view]! ** 2);
    const lengths = areas.map((area) => (area / total(areas)) * images.length);
    const all = ofAllRanks(this.#ranks, images, lengths);
    change(all);
    ownOfAll(this.#ranks, all, images, lengths);
  }

  /** Numbers of each view that a network sees, in an array of all its rows. */
  #lengths(use: Pick<NetworkUse, 'views'>, rows: Float32Array): readonly number[] {
    const dim = rows.length / totalRows(use, this.own);
    return use.views.map((view) => this.own[view]!.clips.length * dim);
  }
}

/** Gradients of outputs, written by a loss of the whole batch. */
export interface BatchGradients {
  /** Of all ranks, to be filled. */
  readonly ofAll: Outputs;
  /** Those that were asked for. */
  readonly written: ReadonlyMap<string, Float32Array>;
  /** The array of the rank's own rows, with its part of what was written. */
  readonly own: Outputs;
}

/**
 * After the backward passes of a step: the gradient becomes the sum over ranks, which is that of the loss, and running statistics of
 * a rank's own rows become their mean.
 */
export function sumStep(ranks: Ranks, gradients: Vector, statistics: readonly Vector[]): void {
  const { size } = ranks;
  if (size === 1) return;
  ranks.sum(gradients);
  for (const own of statistics) {
    ranks.sum(own);
    using numbers = own.unordered();
    numbers.write(numbers.read().map((sum) => sum / size));
  }
}

/** Makes each array once. */
function remembered(make: Outputs, known = new Map<string, Float32Array>()): Outputs {
  return (name) => {
    const found = known.get(name) ?? make(name);
    known.set(name, found);
    return found;
  };
}
