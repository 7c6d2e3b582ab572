import { describe, expect, it } from 'vitest';
import { openBackend } from '../../src/engine/open.ts';
import { everyNode, fillNormal, fillParameters, openReLUs } from './helpers.ts';

/** Σ output·coefficient of a smooth network: the derivative is well defined almost everywhere. */
describe('the reference backend', () => {
  it('agrees with finite differences for every kind of parameter', () => {
    const network = everyNode(2, 33);
    using backend = openBackend({ kind: 'reference' });
    using parameters = backend.createParameters(network);
    fillParameters(parameters, 3);
    openReLUs(parameters);
    using plan = backend.compile(network, parameters, {
      batch: 4,
      mode: 'train',
      precision: 'f32',
      normGroups: 2,
    });
    fillNormal(plan.input, 3, 'input');
    const coefficients = new Map(network.outputs.map((name) => [name, plan.outputGradient(name).slice()]));
    for (const [name, c] of coefficients) fillNormal(c, 4, name);
    const loss = (): number => {
      plan.forward();
      let sum = 0;
      for (const [name, c] of coefficients) plan.output(name).forEach((value, i) => (sum += value * c[i]!));
      return sum;
    };
    loss();
    for (const [name, c] of coefficients) plan.outputGradient(name).set(c);
    plan.backward();
    const analytic = parameters.gradients.read();
    for (const { name, offset, length } of parameters.specs) {
      // A direction through the whole tensor: one number that every entry takes part in.
      const direction = new Float32Array(length);
      fillNormal(direction, 5, name);
      const norm = Math.hypot(...direction);
      const step = 2e-3;
      const before = parameters.values.read(new Float32Array(length), offset);
      const at = (sign: number): number => {
        const moved = before.map((value, i) => value + (sign * step * direction[i]!) / norm);
        parameters.values.write(moved, offset);
        return loss();
      };
      const numeric = (at(1) - at(-1)) / (2 * step);
      parameters.values.write(before, offset);
      let expected = 0;
      let size = 0;
      for (let i = 0; i < length; i++) {
        expected += (analytic[offset + i]! * direction[i]!) / norm;
        size += analytic[offset + i]! ** 2;
      }
      expect(Math.abs(numeric - expected), name).toBeLessThan(0.03 * Math.sqrt(size) + 3e-2);
    }
  });
});
