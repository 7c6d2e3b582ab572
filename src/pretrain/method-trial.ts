/**
 * A method and one made-up batch, which it can be given again and again: its networks' outputs are drawn, no network runs and
 * nothing is trained. What a run would refuse is refused here in the same words.
 */
import { randomAt } from '../base/random.ts';
import { inferShapes } from '../engine/core/network.ts';
import type { Method, MethodGiven, NetworkUse, OpenMethod, ViewRows } from '../methods/method.ts';
import { resnet } from '../models/resnet.ts';
import { viewCount, viewSizes } from '../views/clip-views.ts';
import { viewSchema } from '../views/config.ts';
import { checkedLosses, guarded, requireFilled } from '../trainer/methods/method-faults.ts';
import { byName, noTarget, type Part } from '../trainer/methods/outputs.ts';
import { requireParts } from '../trainer/methods/method-parts.ts';

/** Clips in a full batch. */
const CLIPS = 6;
const SIZE = 16;
const CLASSES = [0, 1, 2];
const SEED = 1;
/** Drawn numbers are multiples of it: steps that are too are exact in single precision. */
const GRAIN = 2 ** -12;

/** What a batch is made up as. */
export interface TrialOptions {
  /** Clips of the first stream. Default: a full batch. */
  readonly clips?: number;
  /** False: held-out clips. */
  readonly training?: boolean;
}

/** An output of a network, of all its rows. */
export interface DrawnOutput {
  /** [rows, dim]. */
  readonly values: Float32Array;
  readonly dim: number;
}

/** What a method says of a batch. */
export interface TrialAnswer {
  readonly loss: number;
  /** By output of the online network; empty for held-out clips. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Errors: those of `openMethod` that depend on no clip, and those of a step. */
export class MethodTrial {
  /** Outputs of the online network. */
  readonly outputs: readonly string[];
  readonly #method: Method;
  readonly #options: unknown;
  readonly #training: boolean;
  readonly #given: MethodGiven = {
    trunk: resnet(18, { channels: 1, size: SIZE, width: 2 }),
    classes: CLASSES.length,
    sources: ['one', 'other'].map((name) => ({ name, classes: CLASSES })),
    view: viewSchema.parse({ size: SIZE }),
    batchSize: CLIPS,
    seed: SEED,
  };
  readonly #views: readonly ViewRows[];
  readonly #drawn = new Map<string, DrawnOutput>();

  constructor(method: Method, options: unknown, { clips = CLIPS, training = true }: TrialOptions = {}) {
    this.#method = method;
    this.#options = options;
    this.#training = training;
    const open = this.#open();
    requireParts(method, open, CLIPS);
    this.#views = training ? viewsInTraining(open, clips) : viewsHeldOut(open, clips);
    this.outputs = open.online.network.outputs;
    for (const part of ['online', 'target', 'look'] as const) {
      const use = open[part];
      if (use !== undefined) this.#draw(part, use);
    }
  }

  /** What the loss is a function of: whoever changes these numbers changes what the method sees. */
  drawn(output: string): DrawnOutput {
    return this.#drawn.get(`online ${output}`)!;
  }

  /** What the method, opened anew, says of the batch. */
  run(): TrialAnswer {
    const open = this.#open();
    const reader = (part: Part, use: NetworkUse) =>
      byName(part, use, (name) => this.#drawn.get(`${part} ${name}`)!.values);
    const batch = {
      ...{ views: this.#views, training: this.#training, progress: 0.5 },
      output: reader('online', open.online),
      target: open.target === undefined ? noTarget : reader('target', open.target),
    };
    const gradients = new Map<string, Float32Array>();
    const gradient = byName('online', open.online, (name) => {
      const own = gradients.get(name) ?? new Float32Array(this.drawn(name).values.length);
      gradients.set(name, own);
      return own;
    });
    if (this.#training) this.#look(open, reader);
    const found = guarded(this.#method, 'losses', () => open.losses({ ...batch, gradient }));
    const { loss } = checkedLosses(this.#method, found);
    if (!this.#training) return { loss, gradients: new Map() };
    requireFilled(this.#method, this.outputs, new Set(gradients.keys()));
    return { loss, gradients };
  }

  #look(
    { look, streams }: OpenMethod,
    reader: (part: Part, use: NetworkUse) => (name: string) => Float32Array,
  ): void {
    if (look === undefined) return;
    const views = this.#views;
    const sizes = streams.flatMap((stream) => viewSizes(stream.views, this.#given.view));
    const images = new Float32Array(
      views.reduce((sum, { clips }, view) => sum + clips.length * sizes[view]! ** 2, 0),
    );
    guarded(this.#method, 'look.change', () => {
      look.change({ views, number: 0, output: reader('look', look), images });
    });
  }

  #open(): OpenMethod {
    return guarded(this.#method, 'open', () => this.#method.open(this.#options, this.#given));
  }

  #draw(part: Part, { network, views }: NetworkUse): void {
    const rows = views.reduce((sum, view) => sum + (this.#views[view]?.clips.length ?? 0), 0);
    const shapes = inferShapes(network);
    for (const name of network.outputs) {
      const [dim] = shapes.get(name)!;
      const random = randomAt(SEED, part, name);
      const values = Float32Array.from(
        { length: rows * dim },
        () => Math.round(random.normal() / GRAIN) * GRAIN,
      );
      this.#drawn.set(`${part} ${name}`, { values, dim });
    }
  }
}

/** Rows of all views: clips of the first stream half with labels, of a labelled one all. */
function viewsInTraining({ streams }: OpenMethod, first: number): readonly ViewRows[] {
  return streams.flatMap(({ clips: taken, count, views }, stream) => {
    const clips = Array.from({ length: stream === 0 ? first : count }, (_, i) => i + 100 * stream);
    const labels = clips.map((_, i) =>
      taken === 'labelled' || i % 2 === 0 ? Math.floor(i / 4) % CLASSES.length : -1,
    );
    return viewsOf(clips, labels, viewCount(views));
  });
}

/** Rows of the first stream's views: without labels, or all scored clips with theirs. */
function viewsHeldOut({ streams, scoresLabel }: OpenMethod, first: number): readonly ViewRows[] {
  const all = Array.from({ length: first }, (_, i) => i);
  const scored = scoresLabel === undefined ? all : all.filter((i) => scoresLabel(labelled(i), i % 2));
  const labels = scored.map((i) => (scoresLabel === undefined ? -1 : labelled(i)));
  return viewsOf(scored, labels, viewCount(streams[0]!.views));
}

const labelled = (clip: number): number => clip % CLASSES.length;

function viewsOf(clips: readonly number[], labels: readonly number[], count: number): readonly ViewRows[] {
  return Array.from({ length: count }, (_, view) => ({
    clips,
    labels: Int32Array.from(labels),
    groups: Int32Array.from(clips),
    sources: Int32Array.from(clips, (_, i) => i % 2),
    times: Float64Array.from(clips, (_, i) => (view * (1 + (i % 3))) / 4),
  }));
}
