/**
 * SGD with momentum, Adam and AdamW (PyTorch's definitions) over groups of parameters, as state plus an `update`
 * that runs on the backend. The state is vectors that a checkpoint can hold.
 */
import { Resources } from '../../base/resources.ts';
import type { Backend, Parameters, Ranges, Vector } from './backend.ts';

/** The update rule and its constants, as PyTorch calls them. */
export type OptimizerConfig =
  | {
      readonly kind: 'adam' | 'adamw';
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
    }
  | { readonly kind: 'sgd'; readonly momentum: number; readonly nesterov: boolean };

/** Parameters that share a learning-rate factor and a weight decay. */
export interface ParameterGroup {
  readonly parameters: readonly string[];
  /** Multiplies the learning rate of the step. */
  readonly learningRateFactor: number;
  readonly weightDecay: number;
}

/** An update rule with its state. Owns native memory: dispose of it. */
export interface Optimizer extends Disposable {
  /** Updates done so far. */
  steps: number;
  /** Moment vectors in the layout of `Parameters.values`, for checkpoints. */
  readonly state: ReadonlyMap<string, Vector>;
  /** One update from `Parameters.gradients`, each first multiplied by `gradientScale` (default 1). */
  update(learningRate: number, gradientScale?: number): void;
}

/** An optimizer for the parameters of `groups`; those in no group stay as they are. */
export function createOptimizer(
  backend: Backend,
  parameters: Parameters,
  config: OptimizerConfig,
  groups: readonly ParameterGroup[],
): Optimizer {
  const resolved = groups.map((group) => ({ ...group, ranges: rangesOf(parameters, group.parameters) }));
  const { values, gradients } = parameters;
  using opening = new Resources();
  const allocate = (): Vector => opening.use(backend.allocate(values));

  const finish = (
    state: ReadonlyMap<string, Vector>,
    apply: (optimizer: Optimizer, rate: number, scale: number) => void,
  ): Optimizer => {
    const vectors = opening.move();
    const optimizer: Optimizer = {
      steps: 0,
      state,
      update(learningRate, gradientScale = 1) {
        optimizer.steps += 1;
        apply(optimizer, learningRate, gradientScale);
      },
      [Symbol.dispose]() {
        vectors[Symbol.dispose]();
      },
    };
    return optimizer;
  };
  if (config.kind === 'sgd') {
    const momentumBuffer = allocate();
    return finish(new Map([['momentum', momentumBuffer]]), (optimizer, rate, gradientScale) => {
      for (const { ranges, weightDecay, learningRateFactor } of resolved)
        backend.sgd({
          values,
          gradients,
          momentumBuffer,
          ranges,
          learningRate: rate * learningRateFactor,
          momentum: config.momentum,
          nesterov: config.nesterov,
          weightDecay,
          step: optimizer.steps,
          gradientScale,
        });
    });
  }
  const first = allocate();
  const second = allocate();
  const state = new Map([
    ['first', first],
    ['second', second],
  ]);
  return finish(state, (optimizer, rate, gradientScale) => {
    for (const { ranges, weightDecay, learningRateFactor } of resolved)
      backend.adam({
        values,
        gradients,
        first,
        second,
        ranges,
        learningRate: rate * learningRateFactor,
        beta1: config.beta1,
        beta2: config.beta2,
        epsilon: config.epsilon,
        weightDecay,
        decay: config.kind === 'adam' ? 'coupled' : 'decoupled',
        step: optimizer.steps,
        gradientScale,
      });
  });
}

/** Element ranges of the named parameters, neighbours merged. */
export function rangesOf(parameters: Parameters, names: readonly string[]): Ranges {
  const wanted = new Set(names);
  const ranges: [number, number][] = [];
  for (const { name, offset, length } of parameters.specs) {
    if (!wanted.has(name)) continue;
    const last = ranges.at(-1);
    if (last?.[1] === offset) last[1] = offset + length;
    else ranges.push([offset, offset + length]);
  }
  return ranges;
}
