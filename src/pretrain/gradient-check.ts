/**
 * Whether a method's gradients are those of its loss. Numbers of its networks' outputs are moved a little, and what the loss
 * does is compared with what the method says: some numbers each by itself, then all of an output together, in random directions,
 * which no single wrong number escapes. It takes a moment, whatever the method.
 */
import { type Random, randomAt } from '../base/random.ts';
import type { Method } from '../methods/method.ts';
import { methodError, requireFinite } from '../trainer/methods/method-faults.ts';
import { MethodTrial } from './method-trial.ts';

/** What was found of one output of the online network. */
export interface GradientCheck {
  readonly output: string;
  /**
   * `unused`: the loss does not depend on it, and its gradient is 0. `stopped`: some of the gradient is 0 where the loss
   * changes, which is right where a method stops gradients, and a fault where it does not.
   */
  readonly verdict: 'right' | 'unused' | 'stopped' | 'wrong';
  /** Numbers of the output that were moved, and those whose gradient is 0 although the loss changes with them. */
  readonly moved: number;
  readonly stopped: number;
  /** The one that is farthest off. */
  readonly worst: {
    readonly row: number;
    readonly feature: number;
    readonly given: number;
    readonly measured: number;
  };
}

/** Numbers of an output that are moved one by one, and how far; directions in which all are moved. */
const MOVED = 48;
const STEP = 2 ** -10;
const DIRECTIONS = 4;
/** Share of an output's gradient that a right one may be off: single precision, and a step that is not 0. */
const TOLERANCE = 0.01;
/** Clips of a batch that is not full. */
const FEW = 3;

/**
 * Checks the gradients of a method with these options (its defaults), and that it answers short batches and held-out clips.
 * Where the loss has a kink, any slope between its two sides is right. Errors: `METHOD_FAILED` for what the method throws,
 * `METHOD_INVALID` and `METHOD_VIEWS` for what `open` returns, `METHOD_RESULT` for a loss that is no finite number, or another one each time, and for
 * other measurements than those declared, `METHOD_GRADIENT` for an output whose gradient is never asked for or not finite,
 * and for gradients that are 0 everywhere.
 */
export function checkGradients(method: Method, options: unknown = {}): readonly GradientCheck[] {
  const trial = new MethodTrial(method, options);
  const { loss, gradients } = trial.run();
  requireSteady(method, loss, trial.run().loss);
  for (const [output, gradient] of gradients)
    requireFinite(method, output, gradient, trial.drawn(output).dim);
  const found = trial.outputs.map((output) => checked(trial, output, gradients.get(output)!, loss));
  requireSome(method, gradients);
  for (const training of [true, false]) new MethodTrial(method, options, { clips: FEW, training }).run();
  return found;
}

function checked(trial: MethodTrial, output: string, gradient: Float32Array, loss: number): GradientCheck {
  const { values, dim } = trial.drawn(output);
  const random = randomAt(1, 'moved', output);
  const slopes = slopesOf(trial, values, gradient, loss);
  const alone = (place: number) => ({ place, ...slopes(new Map([[place, 1]])) });
  const places = new Set(Array.from({ length: MOVED }, () => Math.floor(random.uniform() * values.length)));
  const found = [...places].map(alone);
  const scale = Math.max(
    ...found.flatMap(({ given, measured }) => [given, measured].map((one) => Math.abs(one))),
  );
  const off = found.filter((one) => one.off > TOLERANCE * scale);
  const wrong = off.filter(({ given }) => given !== 0);
  const stopped = off.length - wrong.length;
  const hidden = wrong.length > 0 ? null : hiddenFault(gradient, slopes, random);
  if (hidden !== null) wrong.push(alone(hidden));
  const worst = (wrong.length > 0 ? wrong : found).reduce((a, b) => (a.off >= b.off ? a : b));
  return {
    output,
    verdict: wrong.length > 0 ? 'wrong' : stopped > 0 ? 'stopped' : scale === 0 ? 'unused' : 'right',
    ...{ moved: found.length, stopped },
    worst: {
      ...{ row: Math.floor(worst.place / dim), feature: worst.place % dim },
      ...{ given: worst.given, measured: worst.measured },
    },
  };
}

/** Places that move together, each one step up (1) or down (−1). */
type Direction = ReadonlyMap<number, number>;

interface Slope {
  readonly given: number;
  readonly measured: number;
  /** How far the given one is from what lies between the slopes of both sides. */
  readonly off: number;
}

/** Slopes of the loss along directions of an output, as its gradient says and as it changes. */
function slopesOf(
  trial: MethodTrial,
  values: Float32Array,
  gradient: Float32Array,
  loss: number,
): (direction: Direction) => Slope {
  return (direction) => {
    const change = (by: number): number => {
      for (const [place, sign] of direction) values[place]! += by * sign;
      const slope = (trial.run().loss - loss) / by;
      for (const [place, sign] of direction) values[place]! -= by * sign;
      return slope;
    };
    const [up, down] = [change(STEP), change(-STEP)];
    const given = [...direction].reduce((sum, [place, sign]) => sum + gradient[place]! * sign, 0);
    const nearest = Math.min(Math.max(given, Math.min(up, down)), Math.max(up, down));
    return { given, measured: (up + down) / 2, off: Math.abs(given - nearest) };
  };
}

/** A number whose gradient is wrong, found by moving all that have one: stopped ones stay where they are. Null: there is none. */
function hiddenFault(
  gradient: Float32Array,
  slopes: (direction: Direction) => Slope,
  random: Random,
): number | null {
  const free = [...gradient.keys()].filter((place) => gradient[place] !== 0);
  const norm = Math.hypot(...gradient);
  for (let i = 0; i < DIRECTIONS; i++) {
    let suspects: Direction = new Map(free.map((place) => [place, random.uniform() < 0.5 ? -1 : 1]));
    if (slopes(suspects).off <= TOLERANCE * norm) continue;
    while (suspects.size > 1) {
      const all = [...suspects];
      const halves = [all.slice(0, all.length >> 1), all.slice(all.length >> 1)].map((half) => new Map(half));
      suspects = halves.reduce((a, b) => (slopes(a).off >= slopes(b).off ? a : b));
    }
    return [...suspects.keys()][0]!;
  }
  return null;
}

function requireSteady(method: Method, loss: number, again: number): void {
  if (!Number.isFinite(loss))
    throw methodError(
      'METHOD_RESULT',
      method,
      `answers a made-up batch with a loss of ${loss}`,
      'Mend the loss: of finite outputs it must be a finite number.',
    );
  if (loss === again) return;
  throw methodError(
    'METHOD_RESULT',
    method,
    `answers the same batch with a loss of ${loss}, then of ${again}`,
    'Draw what is drawn by randomAt of uscl/methods, with the seed that open is given: a run is resumed to the same bits.',
  );
}

function requireSome(method: Method, gradients: ReadonlyMap<string, Float32Array>): void {
  if ([...gradients.values()].some((gradient) => gradient.some((value) => value !== 0))) return;
  throw methodError(
    'METHOD_GRADIENT',
    method,
    'gives gradients that are 0 everywhere, so nothing would be learnt',
    `Write the derivative of the loss by each number of an output into batch.gradient(name); the outputs are ${[...gradients.keys()].join(', ')}.`,
  );
}
