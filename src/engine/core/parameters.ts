/** Finding parameters and statistics by name in a flat parameter set that may hold more than is needed. */
import { UsclError } from '../../base/errors.ts';
import type { Parameters } from './backend.ts';
import { parameterSpecs, statisticSpecs, type Network } from './network.ts';

/** The flat vectors of a set of parameters as arrays of the host: their memory itself, or copies. */
export interface ParameterArrays extends Pick<Parameters, 'specs' | 'statisticSpecs'> {
  readonly values: Float32Array;
  readonly gradients: Float32Array;
  readonly statistics: Float32Array;
}

/** Parts of the flat vectors by name: views. */
export interface BoundParameters {
  value(name: string): Float32Array;
  gradient(name: string): Float32Array;
  statistic(name: string): Float32Array;
}

/** Throws `PARAMETERS_MISMATCH` when the set lacks a parameter of the network or holds it in another shape. */
export function bindParameters(network: Network, parameters: ParameterArrays): BoundParameters {
  const specs = new Map(parameters.specs.map((spec) => [spec.name, spec]));
  const statistics = new Map(parameters.statisticSpecs.map((spec) => [spec.name, spec]));
  for (const { name, shape } of parameterSpecs(network)) {
    const found = specs.get(name)?.shape;
    if (found?.join() !== shape.join()) throw mismatch(name, shape, found);
  }
  for (const { name, length } of statisticSpecs(network)) {
    const found = statistics.get(name);
    if (found?.length !== length) throw mismatch(name, [length], found && [found.length]);
  }
  const slice = (data: Float32Array, name: string): Float32Array => {
    const spec = specs.get(name);
    if (spec === undefined) throw new RangeError(`no parameter called "${name}"`);
    return data.subarray(spec.offset, spec.offset + spec.length);
  };
  return {
    value: (name) => slice(parameters.values, name),
    gradient: (name) => slice(parameters.gradients, name),
    statistic: (name) => {
      const spec = statistics.get(name);
      if (spec === undefined) throw new RangeError(`no statistic called "${name}"`);
      return parameters.statistics.subarray(spec.offset, spec.offset + spec.length);
    },
  };
}

/** Parameters that lie one after the other in two sets. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  /** Where `from` lies in the other set. */
  readonly sourceFrom: number;
}

/**
 * All parameters of a set with their places in another one, as few stretches. Error: `RangeError` for one that the other set
 * lacks or has in another size.
 */
export function sharedStretches(
  target: Pick<Parameters, 'specs'>,
  source: Pick<Parameters, 'specs'>,
): readonly Stretch[] {
  const places = new Map(source.specs.map((spec) => [spec.name, spec]));
  const stretches: Stretch[] = [];
  for (const { name, offset, length } of target.specs) {
    const place = places.get(name);
    if (place?.length !== length)
      throw new RangeError(
        `The target follows "${name}" of ${length} numbers, which the online network lacks.`,
      );
    const last = stretches.at(-1);
    const isNext = last?.to === offset && last.sourceFrom + (last.to - last.from) === place.offset;
    if (isNext) stretches[stretches.length - 1] = { ...last, to: offset + length };
    else stretches.push({ from: offset, to: offset + length, sourceFrom: place.offset });
  }
  return stretches;
}

function mismatch(name: string, wanted: readonly number[], found: readonly number[] | undefined): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'PARAMETERS_MISMATCH',
    message:
      found === undefined
        ? `The weights have no "${name}".`
        : `"${name}" has shape [${found.join(', ')}] but the network needs [${wanted.join(', ')}].`,
    where: name,
    remedy: 'Use weights of the same architecture, or change the network to match them.',
  });
}
