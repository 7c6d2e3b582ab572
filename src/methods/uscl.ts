/**
 * USCL (Chen et al., MICCAI 2021, doi 10.1007/978-3-030-87237-3_60): L = L_con + λ·L_sup. One clip is one semantic
 * cluster: NT-Xent pulls the two views of a clip together and pushes views of other clips away; cross-entropy over
 * the labelled clips keeps clips of one class from being pushed too far.
 */
import type { Plan } from '../engine/core/backend.ts';
import type { Network } from '../engine/core/network.ts';
import { OUTPUTS, type ProjectionHead, withHeads } from '../models/heads.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { ntXent } from '../objectives/nt-xent.ts';
import type { Losses, Method, PairLabels } from './method.ts';

export interface UsclOptions {
  readonly projection: ProjectionHead;
  /** Number of classes, or null to train without labels (no classifier at all). */
  readonly classes: number | null;
  readonly classifierInput: 'representation' | 'projection';
  /** τ of NT-Xent. */
  readonly temperature: number;
  /** λ, the weight of the cross-entropy. */
  readonly supervisedWeight: number;
  readonly supervisedReduction: 'mean' | 'sum-of-views';
}

/** The method with these options. A batch without labels has a supervised loss of 0, never NaN. */
export function uscl(options: UsclOptions): Method {
  const { projection, classes, temperature, supervisedWeight } = options;
  const classifier = classes === null ? null : { classes, input: options.classifierInput };

  /** `gradient` gives buffers for gradients: the plan's in training, of no interest in validation. */
  const evaluate = (
    plan: Pick<Plan, 'output'>,
    batch: PairLabels,
    gradient: (output: string, length: number) => Float32Array,
  ): Losses => {
    const { pairs, labels } = batch;
    const z = plan.output(OUTPUTS.projection);
    const dz = gradient(OUTPUTS.projection, z.length);
    const con = ntXent(z, pairs, projection.dim, temperature, dz);
    const parts = {
      contrastive: con.loss,
      alignment: con.alignment,
      uniformity: con.uniformity,
      accuracy: con.accuracy,
    };
    if (classes === null) return { ...parts, loss: con.loss, supervised: 0, labelled: 0, correct: 0 };

    const o = plan.output(OUTPUTS.logits);
    const dO = gradient(OUTPUTS.logits, o.length);
    const sup = crossEntropy(o, labels, classes, dO, { reduction: options.supervisedReduction });
    for (let i = 0; i < dO.length; i++) dO[i]! *= supervisedWeight;
    const loss = con.loss + supervisedWeight * sup.loss;
    return { ...parts, loss, supervised: sup.loss, labelled: sup.labelled, correct: sup.correct };
  };

  return {
    name: 'uscl',
    readsLabels: classes !== null,
    network: (trunk: Network) => withHeads(trunk, { projection, classifier }),
    lossAndGradients(plan, batch) {
      // Nothing but the heads reads the representation.
      plan.outputGradient(OUTPUTS.features).fill(0);
      return evaluate(plan, batch, (name) => plan.outputGradient(name));
    },
    losses: (plan, batch) => evaluate(plan, batch, (_, length) => new Float32Array(length)),
  };
}
