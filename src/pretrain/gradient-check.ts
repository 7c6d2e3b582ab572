/**
 * Whether a method's gradients are those of its loss. Outputs of its networks are drawn, some of their numbers are moved
 * a little, and what the loss does is compared with what the method says. No network runs and nothing is trained, so it takes
 * a moment, whatever the method.
 */
import { randomAt } from '../base/random.ts';
import { inferShapes } from '../engine/core/network.ts';
import type { Method, MethodGiven, NetworkUse, OpenMethod, ViewRows } from '../methods/method.ts';
import { resnet } from '../models/resnet.ts';
import { viewCount } from '../views/clip-views.ts';
import { viewSchema } from '../views/config.ts';
import { checkedLosses, guarded, methodError, requireFilled } from './method-faults.ts';

/** What was found of one output of the online network. */
export interface GradientCheck {
  readonly output: string;
  /**
   * `unused`: the loss does not hang on it, and its gradient is 0. `stopped`: some of the gradient is 0 where the loss
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

const CLIPS = 6;
const SIZE = 16;
const CLASSES = [0, 1, 2];
/** Numbers of an output that are moved, and how far. */
const MOVED = 48;
const STEP = 2 ** -10;
/** Share of an output's largest gradient that a right one may be off: single precision, and a step that is not 0. */
const TOLERANCE = 0.01;

/**
 * Checks the gradients of a method with these options (its defaults). Where the loss has a kink, any slope between its two
 * sides is right. Errors: `METHOD_FAILED` for what the method throws, `METHOD_RESULT` for a loss that is no finite number and
 * for other measurements than those declared, `METHOD_GRADIENT` for an output whose gradient is never asked for.
 */
export function checkGradients(method: Method, options: unknown = {}): readonly GradientCheck[] {
  const trial = new Trial(method, options);
  return trial.outputs.map((output) => checked(trial, output));
}

function checked(trial: Trial, output: string): GradientCheck {
  const { values, dim } = trial.drawn('online', output);
  const { loss, gradients } = trial.run();
  const gradient = gradients.get(output)!;
  const random = randomAt(trial.seed, 'moved', output);
  const places = new Set(Array.from({ length: MOVED }, () => Math.floor(random.uniform() * values.length)));
  const found = [...places].map((place) => {
    const start = values[place]!;
    const slope = (by: number): number => {
      values[place] = start + by;
      const change = (trial.run().loss - loss) / (values[place] - start);
      values[place] = start;
      return change;
    };
    const [up, down] = [slope(STEP), slope(-STEP)];
    const given = gradient[place]!;
    const measured = (up + down) / 2;
    const nearest = Math.min(Math.max(given, Math.min(up, down)), Math.max(up, down));
    return { place, given, measured, off: Math.abs(given - nearest) };
  });
  const scale = Math.max(
    ...found.flatMap(({ given, measured }) => [given, measured].map((one) => Math.abs(one))),
  );
  // A NaN is off as well.
  const off = found.filter((one) => !(one.off <= TOLERANCE * scale));
  const wrong = off.filter(({ given }) => given !== 0);
  const worst = (wrong.length > 0 ? wrong : found).reduce((a, b) => (a.off >= b.off ? a : b));
  return {
    output,
    verdict: wrong.length > 0 ? 'wrong' : off.length > 0 ? 'stopped' : scale === 0 ? 'unused' : 'right',
    ...{ moved: found.length, stopped: off.length - wrong.length },
    worst: {
      ...{ row: Math.floor(worst.place / dim), feature: worst.place % dim },
      ...{ given: worst.given, measured: worst.measured },
    },
  };
}

interface Drawn {
  /** [rows, dim]. */
  readonly values: Float32Array;
  readonly dim: number;
}

/** A method and one made-up batch, that it can be given again and again. */
class Trial {
  readonly seed = 1;
  readonly outputs: readonly string[];
  readonly #method: Method;
  readonly #options: unknown;
  readonly #given: MethodGiven = {
    trunk: resnet(18, { channels: 1, size: SIZE, width: 2 }),
    classes: CLASSES.length,
    sources: ['one', 'other'].map((name) => ({ name, classes: CLASSES })),
    view: viewSchema.parse({ size: SIZE }),
    batchSize: CLIPS,
    seed: this.seed,
  };
  readonly #views: readonly ViewRows[];
  readonly #drawn = new Map<string, Drawn>();

  constructor(method: Method, options: unknown) {
    this.#method = method;
    this.#options = options;
    const open = this.#open();
    this.#views = viewsOf(open);
    this.outputs = open.online.network.outputs;
    for (const part of ['online', 'target', 'look'] as const) {
      const use = open[part];
      if (use !== undefined) this.#draw(part, use);
    }
  }

  /** An output of a network, of all its rows. */
  drawn(part: 'online' | 'target' | 'look', output: string): Drawn {
    return this.#drawn.get(`${part} ${output}`)!;
  }

  /** What the method, opened anew, says of the batch. */
  run(): { readonly loss: number; readonly gradients: ReadonlyMap<string, Float32Array> } {
    const open = this.#open();
    const views = this.#views;
    const gradients = new Map(
      this.outputs.map((name) => [name, new Float32Array(this.drawn('online', name).values.length)]),
    );
    const reader = (part: 'online' | 'target' | 'look') => (name: string) => this.drawn(part, name).values;
    const filled = new Set<string>();
    const found = guarded(this.#method, 'losses', () => {
      if (open.look !== undefined) {
        const rows = views.reduce((sum, { clips }) => sum + clips.length, 0);
        const images = new Float32Array(rows * SIZE * SIZE);
        open.look.change({ views, number: 0, output: reader('look'), images });
      }
      return open.losses({
        ...{ views, training: true, progress: 0.5 },
        ...{ output: reader('online'), target: reader('target') },
        gradient: (name) => {
          filled.add(name);
          return gradients.get(name)!;
        },
      });
    });
    const { loss } = checkedLosses(this.#method, found);
    requireFilled(this.#method, this.outputs, filled);
    if (!Number.isFinite(loss))
      throw methodError(
        'METHOD_RESULT',
        this.#method,
        `answers a made-up batch with a loss of ${loss}`,
        'Mend the loss: of finite outputs it must be a finite number.',
      );
    return { loss, gradients };
  }

  #open(): OpenMethod {
    return guarded(this.#method, 'open', () => this.#method.open(this.#options, this.#given));
  }

  #draw(part: 'online' | 'target' | 'look', { network, views }: NetworkUse): void {
    const rows = views.reduce((sum, view) => sum + this.#views[view]!.clips.length, 0);
    const shapes = inferShapes(network);
    for (const name of network.outputs) {
      const [dim] = shapes.get(name)!;
      const random = randomAt(this.seed, part, name);
      const values = Float32Array.from({ length: rows * dim }, () => random.normal());
      this.#drawn.set(`${part} ${name}`, { values, dim });
    }
  }
}

/** Rows of all views: clips of the first stream half with labels, of a labelled one all. */
function viewsOf({ streams }: OpenMethod): readonly ViewRows[] {
  return streams.flatMap(({ clips: taken, count, views }, stream) => {
    const clips = Array.from({ length: count }, (_, i) => i + 100 * stream);
    return Array.from({ length: viewCount(views) }, (_, view) => ({
      clips,
      labels: Int32Array.from(clips, (_, i) =>
        taken === 'labelled' || i % 2 === 0 ? Math.floor(i / 4) % CLASSES.length : -1,
      ),
      groups: Int32Array.from(clips),
      sources: Int32Array.from(clips, (_, i) => i % 2),
      times: Float64Array.from(clips, (_, i) => (view * (1 + (i % 3))) / 4),
    }));
  });
}
