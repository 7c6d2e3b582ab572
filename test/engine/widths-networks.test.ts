import { describe, expect, it } from 'vitest';
import type { BackendKind, Precision } from '../../src/engine/core/backend.ts';
import { fillNormal, fillParameters, norm, oddNetwork, relativeError, runOn } from './helpers.ts';
import { FAST, openKind } from './kinds.ts';

const WIDTHS = Array.from({ length: 40 }, (_, index) => index + 1);

describe.each(FAST)('%s: a whole network at every width from 1 to 40', (fast) => {
  it('has the gradient of the reference', () => {
    const rows: string[] = [];
    for (const width of WIDTHS) {
      const network = oddNetwork(width);
      const options = { batch: 3, precision: 'f32' as Precision };
      const truth = runOn('reference', network, options);
      const found = runOn(fast, network, options);
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
    process.stdout.write(
      `gradient norms\nwidth    reference ${fast.padStart(12)} error\n${rows.join('\n')}\n`,
    );
  });

  it.each([1, 3, 8, 12, 20, 24])('has it with frozen norms and a frozen stem (width %i)', (width) => {
    const options = {
      batch: 3,
      precision: 'f32' as Precision,
      frozenNorms: () => true,
      trainable: (name: string) => !name.startsWith('stem'),
    };
    const truth = runOn('reference', oddNetwork(width), options);
    const found = runOn(fast, oddNetwork(width), options);
    for (const [name, gradient] of truth.gradients)
      expect(relativeError(gradient, found.gradients.get(name)!), name).toBeLessThan(2e-3);
  });

  it.each([
    ['f32', 'plain', 2e-5],
    ['f32', 'folded', 2e-5],
    ['f32', 'winograd', 2e-5],
    ['bf16', 'plain', 2e-2],
    ['bf16', 'folded', 2e-2],
  ] as const)('infers what the reference infers (%s, %s), one image or three', (precision, form, limit) => {
    const options = { precision, fold: form !== 'plain', winograd: form === 'winograd' };
    for (const width of WIDTHS)
      for (const batch of width % 3 === 0 ? [1, 3] : [1]) {
        const network = oddNetwork(width);
        const run = (kind: BackendKind): Float32Array => {
          using backend = openKind(kind, 2);
          using parameters = backend.createParameters(network);
          fillParameters(parameters, 5);
          using plan = backend.compile(network, parameters, { batch, mode: 'infer', ...options });
          fillNormal(plan.input, 6, 'images');
          plan.forward();
          return plan.output('head').slice();
        };
        expect(relativeError(run('reference'), run(fast)), `width ${width}`).toBeLessThan(limit);
      }
  });
});
