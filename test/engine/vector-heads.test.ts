import { describe, expect, it } from 'vitest';
import { INPUT } from '../../src/engine/core/network.ts';
import type { Vector } from '../../src/engine/core/backend.ts';
import { drawnParameters, fillNormal, norm, part, relativeError } from './helpers.ts';
import { BATCHES, headNetwork, passedThrough, PRECISIONS, WIDTHS } from './vectors.ts';
import { KINDS, openKind } from './kinds.ts';

/*
 * A head as self-supervised methods have them (linear, norm with ReLU, linear, norm) beside the same head written out
 * in f64: its outputs, and its gradients by finite differences.
 */

/** The head's output in f64; with `statistics` its norms take those. Rows in parts of `size`. */
function headOutput(
  of: ReadonlyMap<string, Float64Array>,
  width: number,
  size: number,
  epsilon: number,
  statistics?: ReadonlyMap<string, Float64Array>,
): Float64Array {
  const get = (name: string): Float64Array => of.get(name)!;
  const linear = (x: Float64Array, name: string, inputs: number, features: number): Float64Array =>
    Float64Array.from({ length: (x.length / inputs) * features }, (_, at) => {
      const [row, f] = [Math.floor(at / features), at % features];
      let sum = get(`${name}.bias`)[f]!;
      for (let i = 0; i < inputs; i++) sum += get(`${name}.weight`)[f * inputs + i]! * x[row * inputs + i]!;
      return sum;
    });
  const normed = (x: Float64Array, name: string, features: number): Float64Array => {
    const result = x.slice();
    for (let first = 0; first < x.length; first += size * features)
      for (let f = 0; f < features; f++) {
        const at = Array.from({ length: size }, (_, row) => first + row * features + f);
        const mean =
          statistics?.get(`${name}.running_mean`)?.[f] ?? at.reduce((sum, i) => sum + x[i]!, 0) / size;
        const variance =
          statistics?.get(`${name}.running_var`)?.[f] ??
          at.reduce((sum, i) => sum + (x[i]! - mean) ** 2, 0) / size;
        const factor = get(`${name}.weight`)[f]! / Math.sqrt(variance + epsilon);
        for (const i of at) result[i] = (x[i]! - mean) * factor + get(`${name}.bias`)[f]!;
      }
    return result;
  };
  const hidden = normed(linear(get(INPUT), 'a', 5, width), 'aNorm', width).map((v) => Math.max(0, v));
  return normed(linear(hidden, 'b', width, 4), 'bNorm', 4);
}

describe.each(KINDS)('a head with norms equals finite differences in f64 (%s)', (kind) => {
  it.each([
    ['of the batch', false],
    ['frozen', true],
  ])('%s: every parameter and the input', (_, frozen) => {
    using backend = openKind(kind);
    for (const width of WIDTHS)
      for (const { batch, normGroups } of BATCHES)
        for (const precision of PRECISIONS) {
          // Large: a norm right before a norm of few features leaves the gradient to it.
          const epsilon = 0.1;
          const network = headNetwork(width, epsilon);
          using parameters = drawnParameters(backend, network);
          const statistics = new Map(
            parameters.statisticSpecs.map(({ name }) => [
              name,
              Float64Array.from(part(parameters, parameters.statistics, name)),
            ]),
          );
          const options = { batch, precision, normGroups, frozenNorms: () => frozen };
          using plan = passedThrough(backend, network, parameters, options, { seed: width });
          const label = `width ${width}, batch ${batch} in ${normGroups}, ${precision}`;

          const point = new Map([
            [INPUT, Float64Array.from(plan.input)],
            ...parameters.specs.map(
              ({ name }) => [name, Float64Array.from(part(parameters, parameters.values, name))] as const,
            ),
          ]);
          const outputOf = (at: ReadonlyMap<string, Float64Array>): Float64Array =>
            headOutput(at, width, batch / normGroups, epsilon, frozen ? statistics : undefined);
          const lossOf = (at: ReadonlyMap<string, Float64Array>): number =>
            outputOf(at).reduce((sum, value, i) => sum + value * plan.outputGradient('bNorm')[i]!, 0);
          expect(relativeError(Float32Array.from(outputOf(point)), plan.output('bNorm')), label).toBeLessThan(
            3e-6,
          );
          for (const [name, values] of point) {
            const gradient =
              name === INPUT ? plan.valueGradient(INPUT) : part(parameters, parameters.gradients, name);
            // A direction through the whole tensor: one number that every entry takes part in.
            const direction = new Float32Array(values.length);
            fillNormal(direction, 5, name);
            const step = 1e-6;
            const shifted = (sign: number): number =>
              lossOf(
                new Map(point).set(
                  name,
                  values.map((v, i) => v + sign * step * direction[i]!),
                ),
              );
            const numeric = (shifted(1) - shifted(-1)) / (2 * step);
            const expected = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0);
            // A bias that a norm takes out again has a gradient of rounding: it is held beside its node's weight.
            const node = name.split('.')[0]!;
            const scale =
              name === INPUT
                ? norm(gradient)
                : Math.hypot(
                    ...['weight', 'bias'].map((suffix) =>
                      norm(part(parameters, parameters.gradients, `${node}.${suffix}`)),
                    ),
                  );
            expect(Math.abs(numeric - expected), `${label} ${name}`).toBeLessThan(2e-5 * scale);
          }
        }
  });

  it.each([
    ['f32', false],
    ['f32', true],
    ['bf16', false],
    ['bf16', true],
  ] as const)('infers with running statistics (%s, folded %s)', (precision, fold) => {
    using backend = openKind(kind);
    for (const width of WIDTHS)
      for (const batch of [1, 2, 7]) {
        const network = headNetwork(width, 1e-5);
        using parameters = drawnParameters(backend, network);
        const before = parameters.statistics.read();
        const exact = (data: Vector) => (name: string) =>
          [name, Float64Array.from(part(parameters, data, name))] as const;
        using plan = backend.compile(network, parameters, { batch, precision, fold, mode: 'infer' });
        fillNormal(plan.input, width, 'vectors');
        const truth = headOutput(
          new Map([
            [INPUT, Float64Array.from(plan.input)],
            ...parameters.specs.map(({ name }) => name).map(exact(parameters.values)),
          ]),
          width,
          batch,
          1e-5,
          new Map(parameters.statisticSpecs.map(({ name }) => name).map(exact(parameters.statistics))),
        );
        plan.forward();
        expect(relativeError(Float32Array.from(truth), plan.output('bNorm')), `width ${width}`).toBeLessThan(
          1e-6,
        );
        expect(parameters.statistics.read()).toEqual(before);
      }
  });
});
