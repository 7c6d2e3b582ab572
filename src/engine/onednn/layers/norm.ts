/**
 * Batch norm of maps and vectors, in training (a part of the batch at a time) and with running statistics. Where several processes
 * share their statistics, these are given to the kernels as the running ones are.
 */
import { DataType, Prop, Query } from '../native/constants.ts';
import type { Descriptor } from '../native/context.ts';
import { viewOf, type Tensor } from '../native/recorder.ts';
import { plain, type Compilation, type NodeOf, type Recorded } from './common.ts';
import { recordSharedGradient, recordSharedMoments } from './shared-norm.ts';

export function recordBatchNorm(c: Compilation, node: NodeOf<'batchNorm'>, source: Tensor): Recorded {
  const { recorder } = c;
  const whole = asMap(c, source.descriptor);
  const [, channels = 0, height = 1, width = 1] = whole.dimensions;
  const frozen = c.frozenNorm(node.name);
  const groups = frozen ? 1 : c.normGroups;
  const part = groupDescriptor(c, whole, groups);
  const ranks = frozen ? undefined : c.normRanks;
  const flags = { frozen: frozen || ranks !== undefined, relu: node.relu };
  const count = (c.batch / groups) * height * width;
  // A frozen norm that no gradient passes leaves nothing behind.
  const kept = c.training && (!frozen || c.needsGradient(node.name));
  const forward = recorder.primitive(`${node.name} forward`, 'normForward', [
    kept ? Prop.forwardTraining : Prop.forwardInference,
    part.address,
    node.epsilon,
    flags,
  ]);
  // Weight and bias of a batch norm lie back to back in the flat parameters: a [2, C] tensor as it is.
  const scaleShift = recorder.fixed(plain(c, [2, channels]), c.valueAddress(`${node.name}.weight`));
  const output = recorder.planned(source.descriptor);
  const runningMean = recorder.fixed(plain(c, [channels]), c.statisticAddress(`${node.name}.running_mean`));
  const runningVariance = recorder.fixed(
    plain(c, [channels]),
    c.statisticAddress(`${node.name}.running_var`),
  );
  const workspaceLayout = forward.layout(Query.workspace, [], DataType.f32);
  const parts = Array.from({ length: groups }, (_, group) => ({
    mean: frozen ? runningMean : recorder.own(plain(c, [channels])),
    variance: frozen ? runningVariance : recorder.own(plain(c, [channels])),
    workspace: workspaceLayout === undefined ? undefined : recorder.planned(workspaceLayout),
    slice: (tensor: Tensor): Tensor => ({
      descriptor: part,
      storage: tensor.storage,
      offset: tensor.offset + group * part.bytes,
    }),
  }));
  if (ranks !== undefined) recordSharedMoments(c, node, ranks, { part, parts, source, output, scaleShift });
  for (const { mean, variance, workspace, slice } of parts)
    recorder.kernel(node.name, 'forward', forward, {
      source: slice(source),
      destination: slice(output),
      scaleShift,
      mean,
      variance,
      workspace,
    });
  if (!kept) return { output };
  if (!frozen)
    recordRunningStatistics(c, node, parts, runningMean, runningVariance, count * (ranks?.size ?? 1));
  return {
    output,
    backward: ({ gradient, mayOverwrite }, [needed]) => {
      const primitive = recorder.primitive(
        `${node.name} backward`,
        'normBackward',
        [Prop.backward, part.address, part.address, node.epsilon, flags],
        { hint: forward },
      );
      const sourceGradient = mayOverwrite ? gradient : recorder.planned(source.descriptor);
      const gradients = parts.map(({ mean, variance, workspace, slice }) => {
        const scaleShiftGradient = recorder.own(plain(c, [2, channels]));
        recorder.kernel(node.name, 'backward', primitive, {
          source: slice(source),
          mean,
          variance,
          destinationGradient: slice(gradient),
          scaleShiftAgain: scaleShift,
          sourceGradient: slice(sourceGradient),
          scaleShiftGradient,
          workspace,
        });
        return viewOf(scaleShiftGradient);
      });
      recordNormGradient(c, node.name, channels, gradients);
      if (ranks !== undefined && needed === true)
        recordSharedGradient(c, node, ranks, {
          ...{ part, parts, source, gradient: sourceGradient },
          ...{ sums: gradients, count },
        });
      return [sourceGradient];
    },
  };
}

/** r ← (1 − momentum)·r + momentum·batch for every part in turn, with the unbiased variance. */
function recordRunningStatistics(
  c: Compilation,
  node: NodeOf<'batchNorm'>,
  parts: readonly { readonly mean: Tensor; readonly variance: Tensor }[],
  runningMean: Tensor,
  runningVariance: Tensor,
  count: number,
): void {
  const running = { mean: viewOf(runningMean), variance: viewOf(runningVariance) };
  const moments = parts.map(({ mean, variance }) => ({ mean: viewOf(mean), variance: viewOf(variance) }));
  c.recorder.host(node.name, 'running statistics', () => {
    for (const { mean, variance } of moments) {
      const unbias = count / Math.max(1, count - 1);
      for (let i = 0; i < mean.length; i++) {
        running.mean[i] = (1 - node.momentum) * running.mean[i]! + node.momentum * mean[i]!;
        running.variance[i] =
          (1 - node.momentum) * running.variance[i]! + node.momentum * variance[i]! * unbias;
      }
    }
  });
}

/** Sums the groups' gradients of scale and shift into the trainable ones of the two. */
function recordNormGradient(
  c: Compilation,
  node: string,
  channels: number,
  gradients: readonly Float32Array[],
): void {
  (['weight', 'bias'] as const).forEach((suffix, row) => {
    const name = `${node}.${suffix}`;
    if (!c.trainable(name)) return;
    const target = viewOf(c.recorder.fixed(plain(c, [channels]), c.gradientAddress(name)));
    c.recorder.host(node, `${suffix} gradient`, () => {
      for (let i = 0; i < channels; i++) {
        let sum = 0;
        for (const gradient of gradients) sum += gradient[row * channels + i]!;
        target[i] = sum;
      }
    });
  });
}

/**
 * A vector as the map of one pixel that its numbers are. It is called channels-last: oneDNN has vector kernels for
 * that layout, and nothing in it is padded; called plain, the same numbers take up to sixty times as long.
 */
function asMap(c: Compilation, source: Descriptor): Descriptor {
  const { dimensions, type } = source;
  if (dimensions.length !== 2) return source;
  return c.recorder.context.descriptor(c.recorder.scope, [...dimensions, 1, 1], type, 'acdb');
}

/** The layout of one of `groups` equal consecutive parts of the batch. */
function groupDescriptor(c: Compilation, whole: Descriptor, groups: number): Descriptor {
  if (groups === 1) return whole;
  const dimensions = [c.batch / groups, ...whole.dimensions.slice(1)];
  return c.recorder.context.part(c.recorder.scope, whole, dimensions);
}
