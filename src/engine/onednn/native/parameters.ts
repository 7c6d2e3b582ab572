/** Parameters in native memory: the kernels and the host read and write the same bytes. */
import type { ParameterArrays } from '../../core/parameters.ts';
import { parameterSpecs, statisticSpecs, type Network } from '../../core/network.ts';
import { floatView, type Address } from '../../native/memory.ts';
import { Scope } from '../../native/scope.ts';

export interface NativeParameters extends ParameterArrays, Disposable {
  readonly valuesAddress: Address;
  readonly gradientsAddress: Address;
  readonly statisticsAddress: Address;
  offsetOf(parameter: string): number;
  statisticOffsetOf(statistic: string): number;
}

export function createNativeParameters(network: Network): NativeParameters {
  const specs = parameterSpecs(network);
  const statistics = statisticSpecs(network);
  const scope = new Scope();
  const vector = (length: number): { address: Address; data: Float32Array } => {
    const { address } = scope.zeros(4 * Math.max(1, length));
    return { address, data: floatView(address, length) };
  };
  const total = (items: readonly { readonly length: number }[]): number =>
    items.reduce((sum, { length }) => sum + length, 0);
  const values = vector(total(specs));
  const gradients = vector(total(specs));
  const running = vector(total(statistics));
  const offsets = new Map<string, number>(
    [...specs, ...statistics].map(({ name, offset }) => [name, offset]),
  );
  const offsetOf = (name: string): number => {
    const offset = offsets.get(name);
    if (offset === undefined) throw new RangeError(`no parameter called "${name}"`);
    return offset;
  };
  return {
    specs,
    statisticSpecs: statistics,
    values: values.data,
    gradients: gradients.data,
    statistics: running.data,
    valuesAddress: values.address,
    gradientsAddress: gradients.address,
    statisticsAddress: running.address,
    offsetOf,
    statisticOffsetOf: offsetOf,
    [Symbol.dispose]: () => {
      scope[Symbol.dispose]();
    },
  };
}
