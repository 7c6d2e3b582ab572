/** A method's batch without networks: random outputs, and gradients full of what must be overwritten. */
import { randomAt } from '../../src/base/random.ts';
import { inferShapes, type Network } from '../../src/engine/core/network.ts';
import type { MethodBatch, MethodGiven, NetworkUse, OpenMethod, ViewRows } from '../../src/methods/method.ts';
import { OUTPUTS } from '../../src/models/heads.ts';
import { resnet } from '../../src/models/resnet.ts';
import { viewSchema } from '../../src/views/config.ts';

export const GIVEN: MethodGiven = {
  trunk: resnet(18, { channels: 1, size: 16, width: 2 }),
  classes: 3,
  sources: [{ name: 'phantom', classes: [0, 1, 2] }],
  view: viewSchema.parse({}),
  batchSize: 4,
  seed: 1,
};

/** Linear, ReLU: the trunk of golden runs. */
export const SMALL_TRUNK: Network = {
  input: [6],
  nodes: [
    { kind: 'linear', name: 'layer1', input: 'input', features: 8 },
    { kind: 'relu', name: OUTPUTS.features, input: 'layer1' },
  ],
  outputs: [OUTPUTS.features],
};

export interface MadeBatch {
  readonly batch: MethodBatch;
  /** Of the online network, by name. */
  readonly outputs: ReadonlyMap<string, Float32Array>;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly targets: ReadonlyMap<string, Float32Array>;
}

/** Outputs of an open method's networks on views with these rows. */
export function batchOf(open: OpenMethod, views: readonly ViewRows[], seed = 0, training = true): MadeBatch {
  const made = (use: NetworkUse | undefined, purpose: string): ReadonlyMap<string, Float32Array> => {
    if (use === undefined) return new Map();
    const rows = use.views.reduce((sum, view) => sum + (views[view]?.clips.length ?? 0), 0);
    const shapes = inferShapes(use.network);
    return new Map(
      use.network.outputs.map((name) => {
        const random = randomAt(seed, purpose, name);
        return [name, Float32Array.from({ length: rows * shapes.get(name)![0] }, () => random.normal())];
      }),
    );
  };
  const outputs = made(open.online, 'online');
  const targets = made(open.target, 'target');
  const gradients = new Map(
    [...outputs].map(([name, { length }]) => [name, new Float32Array(length).fill(99)]),
  );
  return {
    ...{ outputs, gradients, targets },
    batch: {
      ...{ views, training, progress: 0 },
      output: (name) => outputs.get(name)!,
      gradient: (name) => (training ? gradients.get(name)! : new Float32Array(outputs.get(name)!.length)),
      target: (name) => targets.get(name)!,
    },
  };
}

/** Rows of a view without labels: each clip of a patient of its own. */
export function rowsOf(...clips: readonly number[]): ViewRows {
  return {
    clips,
    labels: new Int32Array(clips.length).fill(-1),
    groups: Int32Array.from(clips),
    sources: new Int32Array(clips.length),
    times: new Float64Array(clips.length),
  };
}

/** Rows of a view of clips 0, 1, … with these labels. */
export function labelledRows(...labels: readonly number[]): ViewRows {
  return { ...rowsOf(...labels.keys()), labels: Int32Array.from(labels) };
}

/** Layers of the heads on a method's trunk: the features of linear ones, the kind of the others. */
export function layersOf({ online }: OpenMethod): readonly (string | number)[] {
  return online.network.nodes.slice(GIVEN.trunk.nodes.length).map((node) => {
    if (node.kind === 'linear') return node.features;
    return node.kind === 'batchNorm' && node.relu ? 'norm, relu' : node.kind;
  });
}
