/**
 * The reference backend: plain TypeScript, every platform, no native code. It is the oracle of the tests and the
 * fallback where no oneDNN is found; a hundred times slower, and its users are told so.
 */
import type { AdamStep, Backend, Parameters, PlanOptions, SgdStep, Vector } from '../core/backend.ts';
import { hostArrays, hostData, HostVector } from '../core/host-vector.ts';
import { sharedStretches } from '../core/parameters.ts';
import { parameterSpecs, statisticSpecs, type Network } from '../core/network.ts';
import { compileReference } from './plan.ts';
import { adamUpdate, followUpdate, sgdUpdate, sumOfSquares } from './updates.ts';

export function openReference(profile: boolean): Backend {
  const dispose = (): void => undefined;
  return {
    describe: () => ({
      name: 'reference',
      library: 'plain TypeScript',
      device: 'cpu',
      instructionSet: 'none',
      threads: 1,
      precisions: ['f32'],
    }),
    createParameters(network: Network): Parameters {
      const specs = parameterSpecs(network);
      const statistics = statisticSpecs(network);
      const length = specs.reduce((sum, spec) => sum + spec.length, 0);
      const values = new Float32Array(length);
      return {
        specs,
        statisticSpecs: statistics,
        values: new HostVector(values),
        gradients: new HostVector(new Float32Array(length)),
        statistics: new HostVector(new Float32Array(statistics.reduce((sum, spec) => sum + spec.length, 0))),
        follow: (source, keep) => {
          followUpdate(values, hostData(source.values), keep, sharedStretches({ specs }, source));
        },
        [Symbol.dispose]: dispose,
      };
    },
    compile: (network: Network, parameters: Parameters, options: PlanOptions) =>
      compileReference(network, hostArrays(parameters), options, profile),
    allocate: (like): Vector =>
      new HostVector(new Float32Array(typeof like === 'number' ? like : like.length)),
    sumOfSquares: (vector, ranges) => sumOfSquares(hostData(vector), ranges),
    adam: (step: AdamStep) => {
      adamUpdate(step);
    },
    sgd: (step: SgdStep) => {
      sgdUpdate(step);
    },
    synchronize: () => undefined,
    [Symbol.dispose]: dispose,
  };
}
