/**
 * What batch norms do beside the library's kernels where several processes share their statistics: local moments become those
 * of all, and a gradient that took them as constants gets the terms of the statistics. The host adds vectors of one number a channel;
 * maps are read and written by kernels alone.
 */
import { averages, shareMoments } from '../../core/shared-norms.ts';
import type { NormRanks } from '../../core/backend.ts';
import { Prop } from '../native/constants.ts';
import type { Descriptor } from '../native/context.ts';
import { viewOf, type Tensor } from '../native/recorder.ts';
import { plain, type Compilation, type NodeOf } from './common.ts';
import { recordSum } from './pointwise.ts';

type BatchNorm = NodeOf<'batchNorm'>;

/** An equal consecutive part of the batch, as a norm sees it. */
export interface NormPart {
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly slice: (tensor: Tensor) => Tensor;
}

/** Fills the moments of each part with those of all processes. What is in `output` then is to be overwritten. */
export function recordSharedMoments(
  c: Compilation,
  { name, epsilon }: BatchNorm,
  ranks: NormRanks,
  {
    part,
    parts,
    source,
    output,
    scaleShift,
  }: {
    readonly part: Descriptor;
    readonly parts: readonly NormPart[];
    readonly source: Tensor;
    readonly output: Tensor;
    readonly scaleShift: Tensor;
  },
): void {
  const { recorder } = c;
  const local = recorder.primitive(`${name} moments`, 'normForward', [
    Prop.forwardTraining,
    part.address,
    epsilon,
    { frozen: false, relu: false },
  ]);
  for (const { mean, variance, slice } of parts)
    recorder.kernel(name, 'moments', local, {
      source: slice(source),
      destination: slice(output),
      ...{ scaleShift, mean, variance },
    });
  const moments = parts.map(({ mean, variance }) => ({ mean: viewOf(mean), variance: viewOf(variance) }));
  recorder.host(name, 'moments of all', () => {
    shareMoments(ranks, moments);
  });
}

/**
 * Adds to the gradient of each part what reaches its source by the statistics: with n numbers behind them, over all
 * processes, −γ/σ · (x̂·Σgᵢx̂ᵢ/n + Σgᵢ/n), which is a norm of the source. `sums` are this process's gradients of
 * scale and shift, [Σgᵢx̂ᵢ, Σgᵢ] a channel, of each part; `count` the numbers behind them here.
 */
export function recordSharedGradient(
  c: Compilation,
  { name, epsilon }: BatchNorm,
  ranks: NormRanks,
  {
    part,
    parts,
    source,
    gradient,
    sums,
    count,
  }: {
    readonly part: Descriptor;
    readonly parts: readonly NormPart[];
    readonly source: Tensor;
    readonly gradient: Tensor;
    readonly sums: readonly Float32Array[];
    readonly count: number;
  },
): void {
  const { recorder } = c;
  const [, channels = 0] = part.dimensions;
  const scale = viewOf(recorder.fixed(plain(c, [channels]), c.valueAddress(`${name}.weight`)));
  const factors = parts.map(() => recorder.own(plain(c, [2, channels])));
  const views = parts.map(({ variance }, index) => [viewOf(factors[index]!), viewOf(variance)] as const);
  recorder.host(name, 'sums of all', () => {
    averages(ranks, sums).forEach((average, index) => {
      const [target, variance] = views[index]!;
      for (let i = 0; i < channels; i++) {
        const factor = -scale[i]! / Math.sqrt(variance[i]! + epsilon) / count;
        target[i] = factor * average[i]!;
        target[channels + i] = factor * average[channels + i]!;
      }
    });
  });
  // A scaled and shifted norm of the source: the library's kernels for norms know all layouts, those for products do not.
  const through = recorder.primitive(`${name} gradient through statistics`, 'normForward', [
    Prop.forwardInference,
    part.address,
    epsilon,
    { frozen: true, relu: false },
  ]);
  parts.forEach(({ mean, variance, slice }, index) => {
    const destination = recorder.planned(part);
    recorder.kernel(name, 'gradient through statistics', through, {
      ...{ source: slice(source), destination, mean, variance },
      scaleShift: factors[index]!,
    });
    recordSum(c, name, { gradient: slice(gradient), mayOverwrite: true }, destination);
  });
}
