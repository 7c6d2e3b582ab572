import { describe, expect, it } from 'vitest';
import type { Precision } from '../../src/engine/backend.ts';
import { openBackend } from '../../src/engine/open.ts';
import { everyNode, fillNormal, fillParameters, norm, relativeError, runOn } from './helpers.ts';
import { layerErrors } from './layers.ts';

/*
 * oneDNN works on 16 channels at a time (8 with AVX2) and pads what does not fill them. These tests hold every width
 * from 1 to 40, odd maps, one and three channels in, heads of any width.
 */
const WIDTHS = Array.from({ length: 40 }, (_, index) => index + 1);
/** One and three channels in, odd and unequal sides, a head as wide as anything. */
const odd = (width: number): ReturnType<typeof everyNode> =>
  everyNode(width % 2 === 0 ? 1 : 3, 33, width, width, 27);

describe('every layer at every width from 1 to 40', () => {
  it.each([
    ['f32', 1e-5, 2e-4],
    ['bf16', 1e-2, 1e-2],
  ] as const)('makes of what it is given what exact arithmetic makes (%s)', (precision, value, gradient) => {
    using backend = openBackend({ kind: 'onednn', threads: 2 });
    for (const width of WIDTHS)
      for (const normGroups of width % 4 === 0 ? [1, 2] : [1]) {
        const errors = layerErrors(backend, odd(width), { batch: 2, precision, normGroups });
        const label = `width ${width}: ${errors.worst}`;
        expect(errors.values, label).toBeLessThan(value);
        expect(errors.passed, label).toBeLessThan(gradient);
        // The scale of a filter before a norm changes nothing: with a weight or two, little but rounding is left.
        expect(errors.parameters, label).toBeLessThan(width < 3 ? 10 * gradient : gradient);
      }
  });
});

describe('a whole network at every width from 1 to 40', () => {
  it('has the gradient of the reference', () => {
    const rows: string[] = [];
    for (const width of WIDTHS) {
      const network = odd(width);
      const options = { batch: 3, precision: 'f32' as Precision };
      const truth = runOn('reference', network, options);
      const found = runOn('onednn', network, options);
      const flat = (gradients: ReadonlyMap<string, Float32Array>): Float32Array =>
        Float32Array.from([...gradients.values()].flatMap((gradient) => [...gradient]));
      const [exact, ours] = [flat(truth.gradients), flat(found.gradients)];
      const error = relativeError(exact, ours);
      rows.push(
        `${String(width).padStart(5)} ${norm(exact).toFixed(4).padStart(12)} ${norm(ours).toFixed(4).padStart(12)} ${error.toExponential(1)}`,
      );
      expect(error, `width ${width}`).toBeLessThan(2e-3);
      for (const [name, value] of truth.outputs)
        expect(relativeError(value, found.outputs.get(name)!), `width ${width} ${name}`).toBeLessThan(1e-4);
    }
    console.log(`gradient norms\nwidth    reference       onednn error\n${rows.join('\n')}`);
  });

  it.each([
    ['f32', false, 2e-5],
    ['f32', true, 2e-5],
    ['bf16', false, 2e-2],
    ['bf16', true, 2e-2],
  ] as const)(
    'infers what the reference infers (%s, folded %s), one image or three',
    (precision, fold, limit) => {
      for (const width of WIDTHS)
        for (const batch of width % 3 === 0 ? [1, 3] : [1]) {
          const network = odd(width);
          const run = (kind: 'onednn' | 'reference'): Float32Array => {
            using backend = openBackend(kind === 'onednn' ? { kind, threads: 2 } : { kind });
            using parameters = backend.createParameters(network);
            fillParameters(parameters, 5);
            using plan = backend.compile(network, parameters, { batch, mode: 'infer', precision, fold });
            fillNormal(plan.input, 6, 'images');
            plan.forward();
            return plan.output('head').slice();
          };
          expect(relativeError(run('reference'), run('onednn')), `width ${width}`).toBeLessThan(limit);
        }
    },
  );
});
