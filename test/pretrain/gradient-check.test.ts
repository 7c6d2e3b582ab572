import { expect, test } from 'vitest';
import { type Losses, type Method, type MethodBatch, type OpenMethod } from '../../src/methods/method.ts';
import { allMethods, methodNamed } from '../../src/methods/registry.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { ntXent } from '../../src/objectives/nt-xent.ts';
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
});

test('a fault that no moved number meets is found by moving all of them, and its number is told', () => {
  const { moved } = ofProjection(changed((_gradient, losses) => losses));
  const [rows, dim, feature] = [12, 128, 77];
  expect(moved).toBeLessThan(dim);
  const flipped = ofProjection(
    changed((gradient, losses) => {
      for (let row = 0; row < rows; row++) gradient[row * dim + feature]! *= -1;
      return losses;
    }),
  );
  expect(flipped).toMatchObject({ verdict: 'wrong', worst: { feature } });
  expect(flipped.worst.given).toBeCloseTo(-flipped.worst.measured, 5);
  // One number of 1,536, the largest, so that it can be seen among the others.
  let place = -1;
  const one = ofProjection(
    changed((gradient, losses) => {
      if (place < 0)
        place = gradient.reduce(
          (most, value, k) => (Math.abs(value) > Math.abs(gradient[most]!) ? k : most),
          0,
        );
      gradient[place]! *= -1;
      return losses;
    }),
  );
  expect(one).toMatchObject({ verdict: 'wrong' });
  expect(one.worst.row * dim + one.worst.feature).toBe(place);
});

test('a gradient with a number that is not finite is refused, wherever it stands', () => {
  for (const [value, text] of [
    [Number.NaN, 'NaN'],
    [Infinity, 'Infinity'],
  ] as const) {
    const spoilt = changed((gradient, losses) => {
      gradient[700] = value;
      return losses;
    });
    expect(failure(() => checkGradients(spoilt))).toMatchObject({
      code: 'METHOD_GRADIENT',
      message: `The method "simclr" fills the gradient of "projection.2" with ${text} at row 5, feature 60.`,
    });
  }
  const all = changed((gradient, losses) => {
    gradient.fill(Number.NaN);
    return losses;
  });
  expect(failure(() => checkGradients(all)).message).toContain(
    'at row 0, feature 0, and 1535 more of its 1536',
  );
});

test('gradients that are 0 everywhere are refused: they were forgotten', () => {
  const forgotten = changed((gradient, losses) => {
    gradient.fill(0);
    return losses;
  });
  expect(failure(() => checkGradients(forgotten))).toMatchObject({
    code: 'METHOD_GRADIENT',
    message: 'The method "simclr" gives gradients that are 0 everywhere, so nothing would be learnt.',
    remedy: expect.stringContaining('projection.2, features') as string,
  });
});

test('a loss that is another one each time is told as such, not as a wrong gradient', () => {
  let calls = 0;
  const restless = changed((_gradient, losses) => ({ ...losses, loss: losses.loss + calls++ }));
  const error = failure(() => checkGradients(restless));
  expect(error).toMatchObject({
    code: 'METHOD_RESULT',
    remedy: expect.stringContaining('randomAt') as string,
  });
  expect(error.message).toMatch(/answers the same batch with a loss of [\d.]+, then of [\d.]+/);
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

/** SimCLR that does something with each batch first. */
function meeting(
  meet: (batch: MethodBatch) => void,
  change: (open: OpenMethod) => object = () => ({}),
): Method {
  const simclr = methodNamed('simclr');
  return {
    ...simclr,
    open: (options, given) => {
      const open = simclr.open(options, given);
      const losses = (batch: MethodBatch): Losses => {
        meet(batch);
        return open.losses(batch);
      };
      return { ...open, losses, ...change(open) };
    },
  };
}

test('short batches and held-out clips are given too', () => {
  const seen: [number, boolean][] = [];
  checkGradients(
    meeting(({ views, training }) => {
      seen.push([views[0]!.clips.length, training]);
    }),
  );
  const kinds = new Set(seen.map(([clips, training]) => `${clips} ${training}`));
  expect([...kinds]).toEqual(['6 true', '3 true', '3 false']);
  const throwing = (when: (batch: MethodBatch) => boolean): Method =>
    meeting((batch) => {
      if (when(batch)) throw new Error('not such a batch');
    });
  for (const when of [
    ({ training }: MethodBatch) => !training,
    ({ views }: MethodBatch) => views[0]!.clips.length < 6,
  ])
    expect(failure(() => checkGradients(throwing(when)))).toMatchObject({
      code: 'METHOD_FAILED',
      message: 'The method "simclr" failed in losses: not such a batch.',
    });
});

test('what open returns is checked as a run checks it', () => {
  const opening = (change: (open: OpenMethod) => object): Method => meeting(() => undefined, change);
  expect(
    failure(() => checkGradients(opening(({ online }) => ({ online: { ...online, views: [0, 2] } })))),
  ).toMatchObject({
    code: 'METHOD_VIEWS',
    message: 'The method "simclr" lets its online network see view 2, but its streams make 2 views.',
  });
  const uncounted = opening(({ streams }) => ({
    streams: streams.map(({ clips, views }) => ({ clips, views })),
  }));
  expect(failure(() => checkGradients(uncounted))).toMatchObject({ code: 'METHOD_INVALID' });
});

test('an output that is none of the network is named, with those that are', () => {
  const misnamed = (part: 'output' | 'gradient') =>
    failure(() =>
      checkGradients(
        meeting((batch) => {
          batch[part]('projection');
        }),
      ),
    );
  for (const part of ['output', 'gradient'] as const)
    expect(misnamed(part)).toMatchObject({
      code: 'METHOD_FAILED',
      message:
        'The method "simclr" failed in losses: The outputs of the online network are features, projection.2; there is no "projection".',
    });
});

test('what an objective refuses is the fault of the method that gave it', () => {
  const narrow = meeting((batch) => {
    ntXent(batch.output(OUTPUTS.projection), 6, 128, 0.1, new Float32Array(7));
  });
  const error = failure(() => checkGradients(narrow));
  expect(error).toMatchObject({ code: 'METHOD_FAILED', where: 'method simclr' });
  expect(error.message).toContain(
    'The method "simclr" failed in losses: The objective\'s gradient has 7 numbers',
  );
  expect(error.remedy).toMatch(/gradient-check\.test\.ts:\d+:\d+/);
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
