/** Files of fine-tuned models with random weights, for what only reads them. */
import { join } from 'node:path';
import { openBackend } from '../../src/engine/open.ts';
import { initialise } from '../../src/models/initialise.ts';
import type { CheckpointState } from '../../src/training/checkpoint.ts';
import { saveCheckpoint } from '../../src/training/checkpoint.ts';
import { classifierNetwork } from '../../src/training/finetune/model.ts';
import { type FrameViewConfig, frameViewSchema } from '../../src/views/config.ts';

export interface ModelSpec {
  readonly classes?: readonly string[];
  readonly view?: Partial<Pick<FrameViewConfig, 'size' | 'channels'>>;
  readonly width?: number;
  readonly seed?: number;
  readonly backbone?: CheckpointState['model']['backbone'];
  readonly ingest?: NonNullable<CheckpointState['classifier']>['ingest'];
  /** Factor on the classifier's weights: larger ones make surer answers. */
  readonly sharpness?: number;
}

/** Writes `model.safetensors` into `folder` and returns its path. */
export function writeModel(folder: string, spec: ModelSpec = {}): string {
  const { classes = ['a', 'b', 'c'], width = 4, seed = 3, backbone = 'resnet18', sharpness = 1 } = spec;
  const view = frameViewSchema.parse({ size: 32, channels: 1, ...spec.view });
  using backend = openBackend({ kind: 'reference' });
  using parameters = backend.createParameters(classifierNetwork({ backbone, width }, view, classes.length));
  initialise(parameters, seed);
  // Running statistics that are not those of an untrained network, so that folding them shows.
  for (const { name, offset, length } of parameters.statisticSpecs)
    for (let i = 0; i < length; i++)
      parameters.statistics[offset + i] = name.endsWith('var')
        ? 0.5 + ((i * 7) % 10) / 10
        : ((i * 3) % 7) / 20;
  const head = parameters.specs.find(({ name }) => name === 'classifier.weight')!;
  for (let i = 0; i < head.length; i++) parameters.values[head.offset + i]! *= sharpness;
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
