/**
 * Grad-CAM (Selvaraju et al., ICCV 2017): where in a picture a class score gets its evidence from, as far as one layer
 * tells. A map says which places raise the score when the layer's features there grow. It does not say that the reason is
 * a good one, and a map that looks right proves nothing (Adebayo et al., NeurIPS 2018): use it to find shortcuts.
 *
 * `CamPlan` runs it on a classifier: forward, one class score an image, backward down to one layer, heat. The network is
 * the one that predicts: batch norms use their running statistics, so no image has a say in another's map, and no
 * parameter gets a gradient or changes.
 */
import { usageError, UsclError } from '../../base/errors.ts';
import type { Backend, Parameters, Plan, Precision } from '../../engine/core/backend.ts';
import { inferShapes, type Network } from '../../engine/core/network.ts';
import { OUTPUTS } from '../../models/heads.ts';

/** The last feature map before pooling, where the method is at its best: features are few and know most. */
export const CAM_LAYER = 'layer4';

/** Where heat is taken from, and how many images go at a time. */
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
  readonly #shape: MapShape;
  readonly #outputs: readonly string[];
  readonly #plan: Plan;

  /** Errors: `CAM_LAYER` for a layer that is not there or is no map, `CAM_NO_SCORES` for a network without classifier. */
  constructor(backend: Backend, network: Network, parameters: Parameters, options: CamPlanOptions = {}) {
    if (!network.outputs.includes(OUTPUTS.logits))
      throw usageError(
        'CAM_NO_SCORES',
        'The network has no class scores that could be explained.',
        'Fine-tune it first: uscl finetune RUN DATASET --out RUN2, then explain RUN2.',
      );
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
    this.classes = this.#plan.output(OUTPUTS.logits).length / batch;
  }

  /** `[batch, channels, size, size]`: ask for it for each batch, and write the images there. */
  get input(): Float32Array {
    return this.#plan.input;
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
  throw usageError(
    'CAM_LAYER',
    shape === undefined
      ? `The network has no layer "${asked}".`
      : `The layer "${asked}" is no feature map: it has no places that heat could lie on.`,
    `Give one of ${[...stages].join(', ')}, or a part of one, such as ${names.find((name) => name.includes('.')) ?? names[0]!}.`,
    { where: 'layer' },
  );
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

/** [channels, height, width] of a feature map. */
export type MapShape = readonly [channels: number, height: number, width: number];

/** Size of a map or picture. */
export interface Grid {
  readonly width: number;
  readonly height: number;
}

/**
 * Heat [height, width] of image `index` of a batch: ReLU(Σ_c α_c·A_c) with α_c = mean over places of ∂score/∂A_c
 * (equations 1 and 2). `activations` and `gradients` are [batch, channels, height, width]. Not normalised: zero
 * everywhere where nothing in this layer speaks for the class.
 */
export function gradCam(
  activations: Float32Array,
  gradients: Float32Array,
  shape: MapShape,
  index: number,
): Float32Array {
  const [channels, height, width] = shape;
  const places = height * width;
  const start = index * channels * places;
  if (activations.length !== gradients.length || start + channels * places > activations.length)
    throw new RangeError(
      `${activations.length} activations and ${gradients.length} gradients hold no image ${index} of [${shape.join()}].`,
    );
  const sum = new Float64Array(places);
  for (let channel = 0; channel < channels; channel++) {
    const from = start + channel * places;
    let weight = 0;
    for (let i = 0; i < places; i++) weight += gradients[from + i]!;
    weight /= places;
    for (let i = 0; i < places; i++) sum[i]! += weight * activations[from + i]!;
  }
  return Float32Array.from(sum, (value) => Math.max(0, value));
}

/**
 * A map drawn larger (or smaller) by linear interpolation between cell centres, the border cells continued outwards:
 * PyTorch's `interpolate(mode='bilinear', align_corners=False)`. Both sides stretch on their own, as the evaluation view
 * stretches a frame to the network's square.
 */
export function resizeMap(map: Float32Array, from: Grid, to: Grid): Float32Array {
  if (map.length !== from.width * from.height)
    throw new RangeError(`${map.length} values are no map of ${from.width}×${from.height}.`);
  const columns = placesOf(from.width, to.width);
  const rows = placesOf(from.height, to.height);
  const result = new Float32Array(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    const row = rows[y]!;
    const [above, below] = [row.low * from.width, row.high * from.width];
    for (let x = 0; x < to.width; x++) {
      const { low, high, part } = columns[x]!;
      const upper = map[above + low]! * (1 - part) + map[above + high]! * part;
      const lower = map[below + low]! * (1 - part) + map[below + high]! * part;
      result[y * to.width + x] = upper * (1 - row.part) + lower * row.part;
    }
  }
  return result;
}

function placesOf(from: number, to: number): { low: number; high: number; part: number }[] {
  return Array.from({ length: to }, (_, index) => {
    const place = Math.max(0, ((index + 0.5) * from) / to - 0.5);
    const low = Math.min(from - 1, Math.floor(place));
    return { low, high: Math.min(from - 1, low + 1), part: place - low };
  });
}

/** How much of the heat lies inside a region, and how much of the picture the region is. */
export interface InsideShare {
  /** Σ heat inside / Σ heat; null for a map without heat. */
  readonly heat: number | null;
  /** Share of the pixels inside: what heat spread evenly would give. */
  readonly area: number;
}

/** `inside` is 1 (or anything but 0) where a pixel is in the region; both are [height, width] of one size. */
export function insideShare(heat: Float32Array, inside: Uint8Array): InsideShare {
  if (heat.length !== inside.length)
    throw new RangeError(`A map of ${heat.length} values does not fit a region of ${inside.length}.`);
  let total = 0;
  let within = 0;
  let pixels = 0;
  for (let i = 0; i < heat.length; i++) {
    total += heat[i]!;
    if (inside[i] === 0) continue;
    within += heat[i]!;
    pixels += 1;
  }
  return { heat: total > 0 ? within / total : null, area: pixels / heat.length };
}
