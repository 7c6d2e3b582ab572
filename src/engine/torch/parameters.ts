/** Weights of one network on the device: values, gradients and running statistics, each a flat vector. */
import { Resources } from '../../base/resources.ts';
import type { Parameters } from '../core/backend.ts';
import { parameterSpecs, statisticSpecs, type Network } from '../core/network.ts';
import { sharedStretches } from '../core/parameters.ts';
import { layoutOf } from './layout.ts';
import type { Runtime } from './native/runtime.ts';
import { torchVector, TorchVector } from './vector.ts';

/** Zeroed. */
export function createTorchParameters(runtime: Runtime, network: Network): Parameters {
  const specs = parameterSpecs(network);
  const statistics = statisticSpecs(network);
  using opening = new Resources();
  const lengthOf = (parts: readonly { readonly length: number }[]): number =>
    parts.reduce((sum, { length }) => sum + length, 0);
  const layout = layoutOf(specs);
  const weights = (): TorchVector => opening.use(TorchVector.make(runtime, lengthOf(specs), layout));
  const values = weights();
  const parameters = {
    ...{ specs, statisticSpecs: statistics, values },
    gradients: weights(),
    statistics: opening.use(TorchVector.make(runtime, lengthOf(statistics))),
  };
  const owned = opening.move();
  return {
    ...parameters,
    // θ + (1 − keep)·(θ_source − θ), as PyTorch's moving averages have it.
    follow: (source, keep) => {
      using weight = runtime.empty([], 'f32');
      runtime.fill(weight, 1 - keep);
      for (const { from, to, sourceFrom } of sharedStretches({ specs }, source)) {
        using target = values.part(from, to - from);
        using other = torchVector(source.values).part(sourceFrom, to - from);
        runtime.change('lerpInPlace', target, other, weight);
      }
    },
    [Symbol.dispose]: () => {
      owned[Symbol.dispose]();
    },
  };
}
