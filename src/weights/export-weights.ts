/**
 * Weights of a run as other tools read them, with torchvision's names: a safetensors file, or a PyTorch checkpoint that
 * `load_state_dict(strict=True)` takes, where a classifier is `fc`; a whole ONNX model that takes frames; or a folder for timm.
 */
import { basename } from 'node:path';
import { dataError } from '../base/errors.ts';
import { requireFree } from '../base/files.ts';
import { RESEARCH_USE } from '../base/research-use.ts';
import { type NamedTensor, writeSafetensors } from '../formats/safetensors.ts';
import { writeTorch } from '../formats/torch/write.ts';
import { backboneOf } from '../models/backbone.ts';
import { OUTPUTS } from '../models/heads.ts';
import { inferShapes } from '../engine/core/network.ts';
import type { Checkpoint } from '../runs/checkpoint.ts';
import type { Weights } from '../runs/named-tensors.ts';
import { packageVersion } from '../runs/environment.ts';
import { runOf, trainedOn, UNKNOWN } from '../runs/provenance.ts';
import { type BackboneSource, readBackbone, type WhichCheckpoint } from '../trainer/backbone.ts';
import { type SetTerms, weightsMetadata } from '../trainer/foreign-weights.ts';
import type { CardFacts } from './hub/card.ts';
import { scoresOf } from './hub/scores.ts';
import { setsOf } from './hub/terms.ts';
import { requireFreeFolder, requireTimmWidth, writeFolder } from './hub/write-folder.ts';
import { type OnnxPartName, writeOnnx } from './onnx/export-onnx.ts';
import { tensorsOf } from '../trainer/network-tensors.ts';

/** Forms of weights that other tools read. */
export const EXPORT_FORMATS = ['safetensors', 'torch', 'onnx', 'hf'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What `exportWeights` is told. */
export interface ExportOptions {
  readonly format?: ExportFormat;
  /** Of an ONNX model: what it answers. Default: `classifier` where there is one, else `backbone`. */
  readonly part?: OnnxPartName;
  /** Of an ONNX model: batch norms folded into convolutions. It cannot be read back as weights. Default false. */
  readonly fold?: boolean;
  /** Which weights of a run. Default: its best. */
  readonly checkpoint?: WhichCheckpoint;
  readonly overwrite?: boolean;
}

/** What was written. */
export interface ExportSummary {
  readonly out: string;
  readonly format: ExportFormat;
  /** What an ONNX model answers; null for weights alone. */
  readonly part: OnnxPartName | null;
  readonly backbone: string;
  readonly width: number;
  readonly channels: 1 | 3;
  /** Side of its images in pixels, and how they are normalised. */
  readonly size: number;
  readonly normalise: { readonly mean: number | readonly number[]; readonly std: number | readonly number[] };
  /** Of the classifier; null where there is none. */
  readonly classes: readonly string[] | null;
  readonly tensors: number;
  /** Sets that the weights have learnt from and their terms; null where that is not known. */
  readonly learntFrom: readonly SetTerms[] | null;
}

/**
 * Exports the weights of a run, of a checkpoint, or of a file, to a file or (`hf`) a folder. Errors: those of `readBackbone`;
 * `WEIGHTS_INCOMPLETE`, `OUTPUT_EXISTS`, `OUTPUT_NOT_OURS`, `EXPORT_WIDTH`, `DISK_FULL`, `WRITE_FAILED`.
 */
export async function exportWeights(
  source: string,
  out: string,
  { format = 'safetensors', checkpoint = 'best', overwrite = false, ...onnx }: ExportOptions = {},
): Promise<ExportSummary> {
  if (format === 'hf') requireFreeFolder(out, overwrite);
  else requireFree(out, overwrite);
  const { path, config, weights, checkpoint: read, foreign } = await readBackbone(source, checkpoint);
  const { backbone, width } = config.model;
  if (format === 'hf') requireTimmWidth(path, backbone, width);
  const own = tensorsOf(backboneOf(config), weights, (complaint) =>
    dataError(
      'WEIGHTS_INCOMPLETE',
      `The network in ${path} is no whole ${backbone}: ${complaint}.`,
      'Give a run, a checkpoint, or the whole state of such a network.',
      { where: path },
    ),
  );
  const classes = read?.classifier?.classes ?? null;
  const tensors = [...own, ...(classes === null ? [] : classifierOf(weights)), ...countsOf(weights)];
  const learntFrom = foreign === null ? termsOf(path) : foreign.learntFrom;
  const { size, channels, normalise } = config.view;
  const more = { channels, classes, learntFrom, use: RESEARCH_USE, from: basename(source) };
  const part = format === 'onnx' ? (onnx.part ?? (classes === null ? 'backbone' : 'classifier')) : null;
  if (part !== null) {
    const { fold = false } = onnx;
    const facts = { trunk: backboneOf(config), weights, view: config.view, classes, part, fold };
    writeOnnx(out, {
      ...facts,
      path,
      metadata: { ...more, uscl: weightsMetadata({ normalise, size }, {})['uscl'] },
    });
  } else if (format === 'torch') writeTorch(out, tensors);
  else {
    const metadata = weightsMetadata({ normalise, size }, more);
    if (format === 'hf')
      writeFolder(out, tensors, metadata, cardFacts({ path, config, foreign }, classes, read));
    else writeSafetensors(out, tensors, metadata);
  }
  return {
    ...{ out, format, part, backbone, width, channels, size, normalise, classes },
    ...{ tensors: tensors.length, learntFrom },
  };
}

/** What is told of the weights at `path` beside them. Errors: `RUN_DAMAGED`. */
function cardFacts(
  { path, config, foreign }: Pick<BackboneSource, 'path' | 'config' | 'foreign'>,
  classes: readonly string[] | null,
  read: Checkpoint | null,
): CardFacts {
  const run = runOf(path);
  const network = backboneOf(config);
  return {
    ...{ backbone: config.model.backbone, view: config.view, classes, version: packageVersion() },
    features: inferShapes(network).get(OUTPUTS.features)![0],
    checkpoint: read === null ? null : { step: read.step, epoch: read.epoch },
    // What lies in the folder of a run need not be of it.
    sets:
      read === null
        ? (foreign?.learntFrom?.map((set) => ({ ...set, by: UNKNOWN, clips: null })) ?? null)
        : (trainedOn(path)?.flatMap(setsOf) ?? null),
    scores: read === null || run === null ? [] : scoresOf(run, read.step),
  };
}

function classifierOf(weights: Weights): readonly NamedTensor[] {
  return ['weight', 'bias'].map((kind) => {
    const { shape, data } = weights.get(`${OUTPUTS.logits}.${kind}`)!;
    return { name: `fc.${kind}`, shape, data };
  });
}

/** What PyTorch keeps of every batch norm beside its statistics: a count, which only norms without momentum read. */
function countsOf(weights: Weights): readonly NamedTensor[] {
  return [...weights.keys()]
    .filter((name) => name.endsWith('.running_mean') && /^(bn1|layer)/.test(name))
    .map((name) => ({
      name: name.replace('running_mean', 'num_batches_tracked'),
      shape: [],
      data: new BigInt64Array(1),
    }));
}

function termsOf(path: string): readonly SetTerms[] | null {
  const sets = trainedOn(path);
  return (
    sets?.map(({ name, terms }) => ({
      name,
      licence: terms?.licence ?? null,
      citation: terms?.citation ?? null,
    })) ?? null
  );
}
