import { describe, expect, it } from 'vitest';
import { withHeads } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import { execute, fillParameters, norm } from './helpers.ts';
import { layerErrors } from './layers.ts';
import { FAST, openKind } from './kinds.ts';

const SIZES = [
  [18, 8],
  [18, 12],
  [18, 20],
  [18, 24],
  [50, 6],
] as const;

describe.each(FAST.flatMap((kind) => SIZES.map((size) => [kind, ...size] as const)))(
  '%s: a ResNet-%i of width %i',
  (kind, depth, width) => {
    const network = withHeads(resnet(depth, { channels: 1, size: 48, width }), {
      projection: { hidden: 20, dim: 9 },
      classifier: null,
    });

    it.each(['f32', 'bf16'] as const)(
      'has the right values and gradients in every layer (%s)',
      (precision) => {
        using backend = openKind(kind, 2);
        const errors = layerErrors(backend, network, { batch: 2, precision });
        const [value, gradient] = precision === 'f32' ? [2e-5, 1e-3] : [1e-2, 2e-2];
        expect(errors.values, errors.worst).toBeLessThan(value);
        expect(errors.passed, errors.worst).toBeLessThan(gradient);
        expect(errors.parameters, errors.worst).toBeLessThan(gradient);
      },
    );

    it('agrees with finite differences', () => {
      using backend = openKind(kind, 2);
      using parameters = backend.createParameters(network);
      fillParameters(parameters, 2);
      using plan = backend.compile(network, parameters, { batch: 4, mode: 'train', precision: 'f32' });
      execute(plan, network, parameters, 4);
      const gradient = parameters.gradients.read();
      const length = norm(gradient);
      const coefficients = network.outputs.map((name) => [name, plan.outputGradient(name).slice()] as const);
      const start = parameters.values.read();
      const lossAt = (step: number): number => {
        parameters.values.write(start.map((value, i) => value + (step * gradient[i]!) / length));
        plan.forward();
        let loss = 0;
        for (const [name, c] of coefficients)
          plan.output(name).forEach((value, i) => (loss += value * c[i]!));
        return loss;
      };
      // Along the gradient the slope is its length.
      const step = depth === 18 ? 1e-4 : 2e-5;
      const slope = (lossAt(step) - lossAt(-step)) / (2 * step);
      expect(Math.abs(slope / length - 1)).toBeLessThan(0.03);
    });
  },
);
