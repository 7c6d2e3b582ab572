/**
 * A run as an ONNX model that takes frames as they are: 8 bits, any size. Scaling and normalising are part of it; finding the
 * field of the ultrasound is not, so frames have to be cropped to it as an ingest does.
 */
import { dataError, usageError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { RESEARCH_USE } from '../../base/research-use.ts';
import { inferShapes, type Network } from '../../engine/core/network.ts';
import type { OnnxNode, ValueInfo } from '../../formats/onnx/model.ts';
import { encodeOnnx } from '../../formats/onnx/write.ts';
import { type HeadLayer, OUTPUTS, withHead, withHeads } from '../../models/heads.ts';
import type { Weights } from '../../runs/named-tensors.ts';
import { packageVersion } from '../../runs/environment.ts';
import type { ViewConfig } from '../../views/config.ts';
import { networkPart, type TensorOf } from './graph.ts';
import { preprocessingPart } from './preprocessing.ts';

/** What a model answers: probabilities of classes, features of the backbone, or the embedding of a pretraining. */
export const ONNX_PARTS = ['classifier', 'backbone', 'embedding'] as const;
export type OnnxPartName = (typeof ONNX_PARTS)[number];

/** The version of the operators: every runtime since 2020 has it. */
const OPSET = 13;

export interface OnnxExport {
  /** Where weights came from, for errors. */
  readonly path: string;
  readonly trunk: Network;
  readonly weights: Weights;
  readonly view: Pick<ViewConfig, 'size' | 'channels' | 'normalise'>;
  /** Names of the classes; null where there is no classifier. */
  readonly classes: readonly string[] | null;
  readonly part: OnnxPartName;
  readonly fold: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Writes the model to `out`. Errors: `MODEL_WITHOUT_CLASSES` and `EXPORT_PART` where the weights have no such part;
 * `DISK_FULL`, `WRITE_FAILED`.
 */
export function writeOnnx(out: string, given: OnnxExport): void {
  const { weights, view, classes, part, fold, metadata } = given;
  const { network, output } = networkOf(given);
  const tensorOf: TensorOf = (name) => weights.get(name)!;
  const before = preprocessingPart(view, 'frames', 'images');
  const layers = networkPart({ ...network, outputs: [output] }, tensorOf, 'images', fold);
  const { name, nodes, length } = answerOf(part, output, network, classes);
  const frames: ValueInfo = {
    ...{ name: 'frames', type: 'uint8', shape: ['batch', 'height', 'width', 'channels'] },
    about: `Frames cropped to the field of the ultrasound, 8 bits, any size; ${view.channels === 1 ? 'one channel' : 'one channel or three'}.`,
  };
  const answer: ValueInfo = { name, type: 'float', shape: ['batch', length] };
  writeFileAtomic(
    out,
    encodeOnnx({
      graph: {
        name: 'uscl',
        nodes: [...before.nodes, ...layers.nodes, ...nodes],
        initializers: [...before.initializers, ...layers.initializers],
        inputs: [frames],
        outputs: [answer],
      },
      opset: OPSET,
      producer: { name: 'uscl', version: packageVersion() },
      about: RESEARCH_USE,
      metadata: Object.fromEntries(
        Object.entries(metadata).map(([key, value]) => [
          key,
          typeof value === 'string' ? value : JSON.stringify(value),
        ]),
      ),
    }),
  );
}

/** The network that has the part, and the value that the part ends in. */
function networkOf({ trunk, weights, classes, part, path }: OnnxExport): {
  readonly network: Network;
  readonly output: string;
} {
  if (part === 'backbone') return { network: trunk, output: OUTPUTS.features };
  if (part === 'embedding')
    return withHead(trunk, 'projection', OUTPUTS.features, projectionOf(weights, path));
  if (classes === null)
    throw dataError(
      'MODEL_WITHOUT_CLASSES',
      `${path} holds a backbone that was not fine-tuned: it knows no classes.`,
      'Export its backbone (--part backbone), or fine-tune it first: uscl finetune RUN DATASET --out RUN2.',
      { where: path },
    );
  const classifier = { classes: classes.length, input: 'representation' } as const;
  return { network: withHeads(trunk, { projection: null, classifier }), output: OUTPUTS.logits };
}

/**
 * The layers of a projection head, told by names and shapes: `projection.N` counts linear layers, norms and ReLUs as
 * PyTorch's Sequential does, and a number that is missing is a ReLU. Error: `EXPORT_PART`.
 */
function projectionOf(weights: Weights, path: string): readonly HeadLayer[] {
  const places = [...weights.keys()].flatMap((name) => {
    const [, place] = /^projection\.(\d+)\.weight$/.exec(name) ?? [];
    return place === undefined ? [] : [Number(place)];
  });
  const last = Math.max(...places);
  const layers: { features: number; norm: boolean; relu: boolean }[] = [];
  for (let place = 0; place <= last; place++) {
    const shape = weights.get(`projection.${place}.weight`)?.shape;
    if (shape?.length === 2) layers.push({ features: shape[0]!, norm: false, relu: false });
    else if (shape === undefined) layers.at(-1)!.relu = true;
    else layers.at(-1)!.norm = true;
  }
  if (layers.length > 0) return layers;
  throw usageError(
    'EXPORT_PART',
    `${path} has no projection head: nothing embeds its features.`,
    'Export its backbone (--part backbone), or give a pretraining run whose method has one.',
    { where: '--part' },
  );
}

/** What comes after the network's last value, and what the model's output is called. */
function answerOf(
  part: OnnxPartName,
  output: string,
  network: Network,
  classes: readonly string[] | null,
): { readonly name: string; readonly nodes: readonly OnnxNode[]; readonly length: number } {
  const name = part === 'classifier' ? 'probabilities' : part === 'backbone' ? 'features' : 'embedding';
  if (part === 'classifier') {
    const softmax = { op: 'Softmax', name, inputs: [output], outputs: [name], attributes: { axis: -1 } };
    return { name, nodes: [softmax], length: classes!.length };
  }
  const [length] = inferShapes(network).get(output)!;
  const named = { op: 'Identity', name, inputs: [output], outputs: [name] };
  return { name, nodes: output === name ? [] : [named], length };
}
