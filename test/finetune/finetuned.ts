/** Files of fine-tuned models with random weights, for what only reads them. */
import { join } from 'node:path';
import { randomAt } from '../../src/base/random.ts';
import type { Parameters } from '../../src/engine/core/backend.ts';
import { openBackend } from '../../src/engine/open.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { initialise } from '../../src/models/initialise.ts';
import { type CheckpointState, saveCheckpoint } from '../../src/runs/checkpoint.ts';
import { classifierNetwork } from '../../src/trainer/classifier.ts';
import { type FrameViewConfig, frameViewSchema, imageLength } from '../../src/views/config.ts';
import { fillWholeView } from '../../src/views/whole.ts';

export interface ModelSpec {
  readonly classes?: readonly string[];
  readonly view?: Partial<Pick<FrameViewConfig, 'size' | 'channels'>>;
  readonly width?: number;
  readonly seed?: number;
  readonly backbone?: CheckpointState['model']['backbone'];
  readonly ingest?: NonNullable<CheckpointState['classifier']>['ingest'];
  /** Deviation of class scores from image to image: more makes surer answers. Default 1. */
  readonly sharpness?: number;
  /** Frames, square, on which the scores have that deviation; at least four. Default: waves and noise. */
  readonly frames?: readonly Uint8Array[];
}

/** Writes `model.safetensors` into `folder` and returns its path. */
export function writeModel(folder: string, spec: ModelSpec = {}): string {
  const { classes = ['a', 'b', 'c'], width = 4, seed = 3, backbone = 'resnet18' } = spec;
  const view = frameViewSchema.parse({ size: 32, channels: 1, ...spec.view });
  using backend = openBackend({ kind: 'reference' });
  // Running statistics move halfway to those of one batch: they differ from channel to channel, so folding them shows, and no channel
  // that hardly varies is blown up with its rounding.
  const network = classifierNetwork({ backbone, width, normMomentum: 0.5 }, view, classes.length);
  using parameters = backend.createParameters(network);
  initialise(parameters, seed);
  {
    using plan = backend.compile(network, parameters, { batch: 4, mode: 'train', precision: 'f32' });
    const random = randomAt(seed, 'images');
    const side = view.size;
    for (let i = 0; i < plan.input.length; i++) {
      const [image, x, y] = [Math.floor(i / side ** 2), i % side, Math.floor(i / side) % side];
      plan.input[i] = Math.sin((x * (1 + (image % 3)) + y * (image % 2)) / 5) + random.between(-0.5, 0.5);
    }
    for (const [i, frame] of (spec.frames ?? []).slice(0, 4).entries()) {
      const width = Math.sqrt(frame.length / view.channels);
      fillWholeView(frame, { width, height: width }, view, plan.input, i * imageLength(view));
    }
    plan.forward();
    spread(parameters, plan.output(OUTPUTS.logits), classes.length, spec.sharpness ?? 1);
  }
  const path = join(folder, 'model.safetensors');
  saveCheckpoint(
    path,
    {
      ...{ step: 1, epoch: 0, optimizerSteps: 1, configHash: 'x', datasetHash: 'y', best: null },
      model: { backbone, width, channels: view.channels, size: view.size },
      classifier: {
        ...{ classes: [...classes], view },
        ...(spec.ingest === undefined ? {} : { ingest: spec.ingest }),
      },
    },
    parameters,
    null,
  );
  return path;
}

/** Scales and shifts the classifier so that its scores of these images lie about 0 with this deviation. */
function spread(parameters: Parameters, logits: Float32Array, classes: number, deviation: number): void {
  const { specs, values } = parameters;
  const place = (name: string): number => specs.find((spec) => spec.name === name)!.offset;
  const all = values.read();
  const length = specs.find(({ name }) => name === 'classifier.weight')!.length;
  const weight = all.subarray(place('classifier.weight')).subarray(0, length);
  const bias = all.subarray(place('classifier.bias')).subarray(0, classes);
  const features = weight.length / classes;
  const images = logits.length / classes;
  for (let c = 0; c < classes; c++) {
    const scores = Array.from({ length: images }, (_, i) => logits[i * classes + c]!);
    const mean = scores.reduce((sum, score) => sum + score, 0) / images;
    const found = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / images);
    const factor = deviation / found;
    for (let f = 0; f < features; f++) weight[c * features + f]! *= factor;
    bias[c] = (bias[c]! - mean) * factor;
  }
  values.write(all);
}
