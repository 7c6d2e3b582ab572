import { expect, test } from 'vitest';
import { type Losses, type Method, type MethodBatch, type OpenMethod } from '../../src/methods/method.ts';
import { allMethods, methodNamed } from '../../src/methods/registry.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { checkGradients } from '../../src/pretrain/gradient-check.ts';
import { failure } from '../failures.ts';

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
      measurements: [],
      open: (options, given) => ({
        ...simclr.open(options, given),
        // |x − x₀| summed: a kink at every number that was drawn.
        losses(batch) {
          const values = batch.output(OUTPUTS.projection);
          start ??= Float32Array.from(values);
          batch.gradient(OUTPUTS.projection).fill(slope);
          batch.gradient(OUTPUTS.features).fill(0);
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
  const answering = (loss: number): Method => changed((_gradient, losses) => ({ ...losses, loss }));
  for (const loss of [Number.NaN, Infinity])
    expect(() => checkGradients(answering(loss))).toThrow(
      `The method "simclr" answers a made-up batch with a loss of ${loss}.`,
    );
  expect(() => checkGradients(answering(undefined as unknown as number))).toThrow(
    'The method "simclr" gave no number "loss".',
  );
});

test('what a run would refuse is refused: a gradient that is never asked for, other measurements than those declared', () => {
  const simclr = methodNamed('simclr');
  const losing = (losses: (batch: MethodBatch, open: OpenMethod) => Losses): Method => ({
    ...simclr,
    open: (options, given) => {
      const open = simclr.open(options, given);
      return { ...open, losses: (batch) => losses(batch, open) };
    },
  });
  const forgotten = losing((batch, open) => {
    const own = new Float32Array(batch.output(OUTPUTS.features).length);
    return open.losses({
      ...batch,
      gradient: (name) => (name === OUTPUTS.features ? own : batch.gradient(name)),
    });
  });
  expect(failure(() => checkGradients(forgotten))).toMatchObject({
    code: 'METHOD_GRADIENT',
    message: `The method "simclr" gave no gradient for the output "${OUTPUTS.features}" of its network.`,
  });
  const more = losing((batch, open) => ({ ...open.losses(batch), extra: 1 }));
  expect(failure(() => checkGradients(more))).toMatchObject({ code: 'METHOD_RESULT' });
  const { name } = simclr.measurements[0]!;
  const fewer = losing((batch, open) => {
    const { [name]: _left, ...rest } = open.losses(batch);
    return rest as Losses;
  });
  expect(failure(() => checkGradients(fewer)).message).toContain(`no number "${name}"`);
});
