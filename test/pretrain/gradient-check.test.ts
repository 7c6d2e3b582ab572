import { expect, test } from 'vitest';
import { type Losses, type Method, type MethodBatch } from '../../src/methods/method.ts';
import { allMethods, methodNamed } from '../../src/methods/registry.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { checkGradients } from '../../src/pretrain/gradient-check.ts';

/** Outputs whose gradient a method stops: the end of SimSiam's projection head. */
const STOPPED: Readonly<Record<string, string>> = { simsiam: 'projection.7' };

test.each(allMethods().map(({ name }) => name))('gradients of %s are those of its loss', (name) => {
  const found = checkGradients(methodNamed(name));
  const verdicts = found
    .filter(({ output }) => output !== OUTPUTS.features)
    .map(({ output, verdict }) => [output, verdict]);
  expect(verdicts.length).toBeGreaterThan(0);
  for (const [output, verdict] of verdicts)
    expect(verdict, output).toBe(output === STOPPED[name] ? 'stopped' : 'right');
  // No method of this project pulls at features themselves.
  expect(found.find(({ output }) => output === OUTPUTS.features)).toMatchObject({
    verdict: 'unused',
    stopped: 0,
  });
});

/** SimCLR with something done to its gradient, which is of a projection of 128 features, or to its loss. */
function changed(change: (gradient: Float32Array, losses: Losses) => Losses): Method {
  const simclr = methodNamed('simclr');
  return {
    ...simclr,
    open: (options, given) => {
      const open = simclr.open(options, given);
      const losses = (batch: MethodBatch): Losses =>
        change(batch.gradient(OUTPUTS.projection), open.losses(batch));
      return { ...open, losses };
    },
  };
}

const ofProjection = (method: Method) =>
  checkGradients(method).find(({ output }) => output === OUTPUTS.projection)!;

test('a gradient of the wrong sign, size or place is wrong, and told by its number', () => {
  const turned = ofProjection(
    changed((gradient, losses) => {
      for (let i = 0; i < gradient.length; i++) gradient[i]! *= -1;
      return losses;
    }),
  );
  expect(turned.verdict).toBe('wrong');
  expect(turned.worst.given).toBeCloseTo(-turned.worst.measured, 6);
  const right = ofProjection(changed((_gradient, losses) => losses));
  expect(right).toMatchObject({ verdict: 'right', stopped: 0 });
  const grown = changed((gradient, losses) => {
    for (let i = 0; i < gradient.length; i++) gradient[i]! *= 1.03;
    return losses;
  });
  expect(ofProjection(grown).verdict).toBe('wrong');
  const shifted = changed((gradient, losses) => {
    gradient.copyWithin(1, 0);
    return losses;
  });
  expect(ofProjection(shifted).verdict).toBe('wrong');
  const spoilt = changed((gradient, losses) => {
    gradient.fill(Number.NaN);
    return losses;
  });
  expect(ofProjection(spoilt).verdict).toBe('wrong');
});

test('a gradient that is 0 where the loss changes is called stopped, with how much of it', () => {
  const half = ofProjection(
    changed((gradient, losses) => {
      gradient.fill(0, 0, gradient.length / 2);
      return losses;
    }),
  );
  expect(half.verdict).toBe('stopped');
  expect(half.stopped).toBeGreaterThan(10);
  expect(half.stopped).toBeLessThan(half.moved - 10);
});

test('a kink of the loss has every slope between its two sides', () => {
  const kinked = (slope: number): Method => {
    const simclr = methodNamed('simclr');
    return {
      ...simclr,
      open: (options, given) => ({
        ...simclr.open(options, given),
        // |x − x₀| summed: a kink at every number that was drawn.
        losses(batch) {
          const values = batch.output(OUTPUTS.projection);
          start ??= Float32Array.from(values);
          batch.gradient(OUTPUTS.projection).fill(slope);
          return { loss: values.reduce((sum, value, i) => sum + Math.abs(value - start![i]!), 0) };
        },
      }),
    };
  };
  let start: Float32Array | undefined;
  for (const slope of [-1, -0.5, 0.25, 1]) expect(ofProjection(kinked(slope)).verdict).toBe('right');
  expect(ofProjection(kinked(1.1)).verdict).toBe('wrong');
});

test('what a method throws is told as its own', () => {
  const throwing = changed(() => {
    throw new Error('not today');
  });
  expect(() => checkGradients(throwing)).toThrow('The method "simclr" failed in losses: not today.');
});

test('a loss that is no number is an error, not a stopped gradient', () => {
  for (const loss of [Number.NaN, Infinity, undefined as unknown as number])
    expect(() => checkGradients(changed(() => ({ loss })))).toThrow(
      `The method "simclr" answers a made-up batch with a loss of ${loss}.`,
    );
});
