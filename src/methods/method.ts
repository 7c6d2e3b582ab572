/**
 * A way to pretrain: which heads sit on a trunk, and which objectives turn a batch of pairs into a loss and the
 * gradients of the network's outputs. Steps, validation and the log know a method by this interface. They do take for
 * granted that it compares two views of a clip: the terms of `Losses` are logged by name, and held-out clips are scored
 * by the contrastive one. Which method a configuration asks for is decided in `pretrain/pair-network.ts`.
 */
import type { Plan } from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';

/** What is known of the clips of a batch. */
export interface PairLabels {
  /** N, the number of clips. */
  readonly pairs: number;
  /** [N] class indices; −1 where there is no label. */
  readonly labels: Int32Array;
}

/** The loss of one batch and what describes it. */
export interface Losses {
  /** What is minimised: contrastive + λ · supervised. */
  readonly loss: number;
  readonly contrastive: number;
  /** Before λ; 0 for a batch without labels. */
  readonly supervised: number;
  /** Mean squared distance of the normalised embeddings of a pair (Wang & Isola 2020); lower is closer. */
  readonly alignment: number;
  /** Log of the mean Gaussian potential of all embeddings (Wang & Isola 2020); lower is more spread. */
  readonly uniformity: number;
  /** Share of views whose nearest other view is their partner. */
  readonly accuracy: number;
  /** Views with a label, and those of them that the classifier got right. */
  readonly labelled: number;
  readonly correct: number;
}

export interface Method {
  readonly name: string;
  /** Whether labels can change the loss. */
  readonly readsLabels: boolean;
  /** The network to train: `trunk` with this method's heads. */
  network(trunk: Network): Network;
  /**
   * Reads the plan's outputs after `forward`, writes every output gradient for `backward`. Rows 0 … N−1 are view 0 of
   * the N clips, N … 2N−1 view 1.
   */
  lossAndGradients(plan: Pick<Plan, 'output' | 'outputGradient'>, batch: PairLabels): Losses;
  /** The losses alone, for a plan that cannot run backward (validation). */
  losses(plan: Pick<Plan, 'output'>, batch: PairLabels): Losses;
}
