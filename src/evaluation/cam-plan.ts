/**
 * Grad-CAM of a classifier on its own plan: forward, one class score an image, backward down to one layer, heat. The
 * network is the one that predicts: batch norms use their running statistics, so no image has a say in another's map,
 * and no parameter gets a gradient or changes.
 */
import { UsclError } from '../base/errors.ts';
import type { Backend, Parameters, Plan, Precision } from '../engine/backend.ts';
import { inferShapes, type Network } from '../engine/network.ts';
import { OUTPUTS } from '../models/heads.ts';
import { gradCam, type Grid, type MapShape } from './grad-cam.ts';

/** The last feature map before pooling, where the method is at its best: features are few and know most. */
export const CAM_LAYER = 'layer4';

export interface CamPlanOptions {
  /** Name of a value, or of a stage (`layer3`), which stands for its last value. Default `layer4`. */
  readonly layer?: string;
  /** Images at a time. Default 16. */
  readonly batch?: number;
  /** Default f32. */
  readonly precision?: Precision;
}

/** What one image's score rests on. */
export interface CamImage {
  /** Heat [cells.height, cells.width], not normalised. */
  readonly heat: Float32Array;
  /** Index of the class that was explained. */
  readonly class: number;
  /** Of all classes, [classes]. */
  readonly probabilities: Float32Array;
}

/** Owns native memory: dispose of it (backend and parameters are the caller's). */
export class CamPlan implements Disposable {
  readonly layer: string;
  readonly cells: Grid;
  readonly classes: number;
  readonly batch: number;
  /** [batch, channels, size, size]: images are written here. */
  readonly input: Float32Array;
  readonly #shape: MapShape;
  readonly #outputs: readonly string[];
  readonly #plan: Plan;

  /** Errors: `CAM_LAYER` for a layer that is not there or is no map, `CAM_NO_SCORES` for a network without classifier. */
  constructor(backend: Backend, network: Network, parameters: Parameters, options: CamPlanOptions = {}) {
    if (!network.outputs.includes(OUTPUTS.logits))
      throw new UsclError({
        kind: 'usage',
        code: 'CAM_NO_SCORES',
        message: 'The network has no class scores that could be explained.',
        remedy: 'Fine-tune it first: uscl finetune RUN DATASET --out RUN2, then explain RUN2.',
      });
    const { layer, shape } = camLayer(network, options.layer ?? CAM_LAYER);
    const { batch = 16, precision = 'f32' } = options;
    this.layer = layer;
    this.#shape = shape;
    this.#outputs = network.outputs;
    this.cells = { height: shape[1], width: shape[2] };
    this.batch = batch;
    this.#plan = backend.compile(network, parameters, {
      batch,
      precision,
      mode: 'train',
      trainable: () => false,
      frozenNorms: () => true,
      taps: [layer],
    });
    this.input = this.#plan.input;
    this.classes = this.#plan.output(OUTPUTS.logits).length / batch;
  }

  /**
   * Explains the first `count` images of `input`. `choose` says which class of each, knowing the probabilities of all,
   * [count][classes]. The score is the one before the softmax, so that a map tells what speaks for a class and not what
   * speaks against the others. Errors: `NON_FINITE`.
   */
  explain(
    count: number,
    choose: (probabilities: readonly Float32Array[]) => readonly number[],
  ): readonly CamImage[] {
    if (!(count >= 0 && count <= this.batch))
      throw new RangeError(`${count} images do not fit a batch of ${this.batch}.`);
    const { classes } = this;
    this.#plan.forward();
    const logits = this.#plan.output(OUTPUTS.logits);
    const probabilities = Array.from({ length: count }, (_, i) =>
      softmax(logits.subarray(i * classes, (i + 1) * classes)),
    );
    const chosen = choose(probabilities);
    for (const output of this.#outputs) this.#plan.outputGradient(output).fill(0);
    const gradient = this.#plan.outputGradient(OUTPUTS.logits);
    for (let i = 0; i < count; i++) gradient[i * classes + chosen[i]!] = 1;
    this.#plan.backward();
    const activations = this.#plan.value(this.layer);
    const gradients = this.#plan.valueGradient(this.layer);
    return probabilities.map((one, i) => ({
      class: chosen[i]!,
      probabilities: one,
      heat: gradCam(activations, gradients, this.#shape, i),
    }));
  }

  [Symbol.dispose](): void {
    this.#plan[Symbol.dispose]();
  }
}

/** The value that a layer's name stands for: itself, or the last one of the stage. Error: `CAM_LAYER`. */
export function camLayer(network: Network, asked: string): { layer: string; shape: MapShape } {
  const shapes = inferShapes(network);
  const names = network.nodes.map(({ name }) => name);
  const layer = names.includes(asked) ? asked : names.findLast((name) => name.startsWith(`${asked}.`));
  const shape = layer === undefined ? undefined : shapes.get(layer);
  if (layer !== undefined && shape?.length === 3) return { layer, shape };
  const stages = new Set(
    names.filter((name) => shapes.get(name)?.length === 3).map((name) => name.split('.')[0]!),
  );
  throw new UsclError({
    kind: 'usage',
    code: 'CAM_LAYER',
    message:
      shape === undefined
        ? `The network has no layer "${asked}".`
        : `The layer "${asked}" is no feature map: it has no places that heat could lie on.`,
    where: 'layer',
    remedy: `Give one of ${[...stages].join(', ')}, or a part of one, such as ${names.find((name) => name.includes('.')) ?? names[0]!}.`,
  });
}

function softmax(logits: Float32Array): Float32Array {
  if (!logits.every(Number.isFinite))
    throw new UsclError({
      kind: 'numeric',
      code: 'NON_FINITE',
      message: 'The class scores of the network are not finite.',
      remedy: 'The weights are probably broken: use an earlier checkpoint.',
    });
  const largest = Math.max(...logits);
  const raised = logits.map((value) => Math.exp(value - largest));
  const sum = raised.reduce((total, value) => total + value, 0);
  return raised.map((value) => value / sum);
}
