/**
 * The weights that a training begins with, from a run or from a file of any tool: the network and the view that fit them, what
 * was taken and passed over, and what is written down of where they came from. Weights for three channels are folded into
 * one channel where that is asked for and exact (`models/grey.ts`).
 */
import { basename, join } from 'node:path';
import { dataError, usageError } from '../base/errors.ts';
import type { Network } from '../engine/core/network.ts';
import { greyStem, type Normalisation } from '../models/grey.ts';
import type { Weights } from '../runs/named-tensors.ts';
import { isTree, type Tree, valueAt } from '../runs/config-errors.ts';
import { askedOf, type GivenLayers } from '../runs/config-layers.ts';
import { fromOutside, type Provenance, type Source, sourceSchema, trainedOn } from '../runs/provenance.ts';
import { fileHash, readRunFile, RUN_FILES } from '../runs/run-folder.ts';
import { frameViewSchema } from '../views/config.ts';
import { type BackboneSource, readBackbone } from './backbone.ts';
import { tensorsOf } from './network-tensors.ts';

/** Weights to begin with. */
export interface StartingWeights {
  /** What `source.json` says of them; `path` is the file of weights. */
  readonly record: Source & { readonly path: string };
  /** By torchvision's names; of a run those of its heads too. */
  readonly weights: Weights;
  /** A partial configuration: the network that the weights are of, and the view that they were made with. */
  readonly under: Readonly<Record<string, unknown>>;
  /** Names in the file that were passed over. */
  readonly ignored: readonly string[];
  /** Prefixes of other networks in the file. */
  readonly otherPrefixes: readonly string[];
  /** Whether it is known how images were normalised for these weights. */
  readonly normaliseKnown: boolean;
}

/** What a person asks of the view, unchecked: it decides whether weights are folded, and by which normalisation. */
export interface AskedView {
  readonly channels?: unknown;
  readonly normalise?: unknown;
}

/** What the layers of a configuration ask of the view; of a run that goes on, what was asked when it began. Error: `RUN_DAMAGED`. */
export function askedView(
  given: GivenLayers,
  saved: { readonly run: string; readonly channels: number | undefined } | null,
): AskedView {
  if (saved === null) {
    const view = valueAt(askedOf(given), ['view']);
    return isTree(view) ? view : {};
  }
  const { folded: normalise } = beganWith(saved.run);
  return { channels: saved.channels, ...(normalise === undefined ? {} : { normalise }) };
}

/** What a run has written down of the weights that it began with. Error: `RUN_DAMAGED`. */
export function beganWith(run: string): Source {
  return readRunFile(join(run, RUN_FILES.source), sourceSchema, {
    what: `The run cannot be continued: ${RUN_FILES.source}`,
    remedy: 'Restore that file from a backup, or start a new run.',
  });
}

/**
 * Reads the weights of `given` for a training that asks for such a view. Errors: those of `readBackbone`; `WEIGHTS_CHANNELS`
 * where one channel is asked for and the means of three differ.
 */
export async function readStart(given: string, asked: AskedView): Promise<StartingWeights> {
  const source = await readBackbone(given);
  const { path, config, checkpoint, foreign, weights } = source;
  const { backbone, width, normMomentum } = config.model;
  const { size, channels, resize, normalise } = config.view;
  const grey =
    asked.channels === 1 && channels === 3 ? folded(weights, { path, size, normalise, asked }) : null;
  const view = grey === null ? { channels, normalise } : { channels: 1, normalise: grey.normalise };
  const sets = learntFrom(source);
  return {
    record: {
      ...{ kind: 'weights', given, path, sha256: fileHash(path) },
      ...{ step: checkpoint?.step ?? null, epoch: checkpoint?.epoch ?? null },
      trainedOn: sets === null ? null : [...sets],
      ...(grey === null ? {} : { folded: grey.folded }),
    },
    weights: grey?.weights ?? weights,
    under: { model: { backbone, width, normMomentum }, view: { size, resize, ...view } },
    ignored: foreign?.ignored ?? [],
    otherPrefixes: foreign?.otherPrefixes ?? [],
    normaliseKnown: foreign === null || foreign.view.normalise !== undefined,
  };
}

/**
 * The same with the tensors of `backbone` alone; all others are among the ignored. Error: `WEIGHTS_INCOMPLETE` where tensors of
 * the backbone lack or have other shapes.
 */
export function backboneAlone<Start extends Pick<StartingWeights, 'record' | 'weights' | 'ignored'>>(
  start: Start,
  backbone: Network,
): Start {
  const { path } = start.record;
  const own = tensorsOf(backbone, start.weights, (complaint) =>
    dataError(
      'WEIGHTS_INCOMPLETE',
      `The weights in ${path} are no whole backbone: ${complaint}.`,
      'Give the whole state of such a network; variants with another stem or other blocks are not read.',
      { where: path },
    ),
  );
  const weights: Weights = new Map(own.map(({ name, shape, data }) => [name, { shape, data }]));
  const others = [...start.weights.keys()].filter((name) => !weights.has(name));
  // What belongs to a training is no weight: state of an optimizer, counts of batches.
  const ignored = [...others, ...start.ignored].filter(
    (name) => !name.startsWith('optimizer.') && !name.endsWith('.num_batches_tracked'),
  );
  return { ...start, weights, ignored };
}

/** What weights have learnt from, the last set first; null where nothing says so. */
function learntFrom({ path, checkpoint, foreign }: BackboneSource): readonly Provenance[] | null {
  if (checkpoint !== null) return trainedOn(path);
  return (
    foreign?.learntFrom?.map(({ name, licence, citation }) => fromOutside(name, { licence, citation })) ??
    null
  );
}

/** The weights for one channel. Error: `WEIGHTS_CHANNELS`. */
function folded(
  weights: Weights,
  {
    path,
    size,
    normalise,
    asked,
  }: {
    readonly path: string;
    readonly size: number;
    readonly normalise: Normalisation;
    readonly asked: AskedView;
  },
): {
  readonly weights: Weights;
  readonly normalise: { readonly mean: number; readonly std: number };
  readonly folded: { mean: number | number[]; std: number | number[] };
} {
  const own = { ...normalise, ...(isTree(asked.normalise) ? asked.normalise : {}) };
  // What is no normalisation is refused where the configuration is checked.
  const known = frameViewSchema.unwrap().shape.normalise.safeParse(own).data ?? normalise;
  const first = weights.get('conv1.weight')!;
  const stem = greyStem(first, known, size);
  const worst = borderError(stem.border, weights.get('bn1.running_var')?.data ?? []);
  if (worst > 0)
    throw usageError(
      'WEIGHTS_CHANNELS',
      `The weights of ${path} are for three channels with different means (${String(known.mean)}): of one channel the first layer would be wrong ` +
        `at the border of the image by up to ${worst.toPrecision(2)} standard deviations of its features.`,
      'Leave view.channels out: the network keeps its three channels, and grey frames are repeated.',
      { where: 'key view.channels' },
    );
  const [filters = 0, , height = 0, width = 0] = first.shape;
  const conv = { shape: [filters, 1, height, width], data: Float32Array.from(stem.kernel) };
  const plain = (value: number | readonly number[]): number | number[] =>
    typeof value === 'number' ? value : [...value];
  return {
    weights: new Map([...weights, ['conv1.weight', conv]]),
    normalise: stem.normalise,
    folded: { mean: plain(known.mean), std: plain(known.std) },
  };
}

/** Of batch norms. */
const EPSILON = 1e-5;

/** The largest border error of a filter, in standard deviations of what it answers. */
export function borderError(border: Float64Array, variance: ArrayLike<number>): number {
  return border.reduce(
    (most, value, f) => Math.max(most, value / Math.sqrt((variance[f] ?? 1) + EPSILON)),
    0,
  );
}

/** Refuses a network that the weights do not fit. Error: `WEIGHTS_MISMATCH`. */
export function requireFit(
  given: string,
  under: Tree,
  config: { readonly model: object; readonly view: object },
): void {
  for (const key of ['model.backbone', 'model.width', 'view.channels']) {
    const [has, asked] = [under, config as Tree].map((tree) => String(valueAt(tree, key.split('.'))));
    if (has === asked) continue;
    throw usageError(
      'WEIGHTS_MISMATCH',
      `The weights of ${given} are of a network with ${key}=${has ?? ''}, not ${asked ?? ''}.`,
      `Leave ${key} out: it follows the weights. For another network give other weights, or "random".`,
      { where: `key ${key}` },
    );
  }
}

/** What was taken and what was not, a sentence each. */
export function describeStart({ record, weights, under, ...start }: StartingWeights): readonly string[] {
  const { given, trainedOn: sets, folded: from } = record;
  const of = (key: string): string => String(valueAt(under, key.split('.')));
  const told = [
    `The backbone starts from ${basename(given)}: ${weights.size} tensors of a ${of('model.backbone')}${of('model.width') === '64' ? '' : ` of width ${of('model.width')}`} for ${of('view.channels') === '1' ? 'grey' : 'colour'} images. Heads start at random.`,
  ];
  if (from !== undefined)
    told.push('Its first convolution was folded from three channels into one; nothing is lost by that.');
  if (start.ignored.length > 0) told.push(`Not taken, because it is no part of it: ${some(start.ignored)}.`);
  if (start.otherPrefixes.length > 0)
    told.push(
      `Other networks in the file: ${some(start.otherPrefixes.map((one) => JSON.stringify(one)))}. uscl import --prefix takes one of them.`,
    );
  if (!start.normaliseKnown) told.push('The file does not say how images were normalised for these weights.');
  if (sets === null)
    told.push(`It is not known what ${basename(given)} was trained on, so leaks cannot be looked for.`);
  return told;
}

/** Names that are told. */
const TOLD = 5;

function some(names: readonly string[]): string {
  const more = names.length - TOLD;
  return names.slice(0, TOLD).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
