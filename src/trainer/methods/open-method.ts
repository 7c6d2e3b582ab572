/**
 * Opens a method for the clips of a run, and checks that the run has what it asks for. Errors name the method, its
 * faulty part and the remedy. They are found before anything is written.
 */
import { sourcesOf } from '../../curation/sources.ts';
import type { Dataset } from '../../dataset/reader.ts';
import type { ClipRecord } from '../../dataset/types.ts';
import type { Method, OpenMethod, Stream } from '../../methods/method.ts';
import { backboneOf } from '../../models/backbone.ts';
import { type Config, methodOf, methodOptions } from '../../runs/config.ts';
import { labelsOf, type Split, withoutLabels } from '../../runs/training-clips.ts';
import { framesWanted } from '../../views/clip-views.ts';
import { guarded, methodError } from './method-faults.ts';
import { requireParts } from './method-parts.ts';
import { streamClips } from './partners.ts';

/** What a method is opened by. */
export type MethodConfig = Pick<Config, 'method' | 'seed' | 'view' | 'batch' | 'model'> & {
  readonly data: Pick<Config['data'], 'labelRate'>;
};

/** A method that is open, and the clips as it may see them. */
export interface OpenedMethod {
  readonly method: Method;
  readonly open: OpenMethod;
  /** Without labels where none can change the loss. */
  readonly split: Split;
  /** What held-out clips are scored by, a label for each clip of the dataset, −1 for none; null: by no label. */
  readonly heldOutLabels: Int32Array | null;
  readonly facts: ClipFacts;
}

/** What a method may know of clips beside labels; a number for each clip of the dataset. */
export interface ClipFacts {
  readonly groups: Int32Array;
  readonly sources: Int32Array;
}

/**
 * Opens the method of a configuration on the clips of a dataset, split. Errors: `METHOD_MISSING`, `METHOD_FAILED` for what it
 * throws, `SOURCE_UNKNOWN`, `METHOD_INVALID` for what it does not return, `METHOD_VIEWS` for streams and views that this run cannot give or a
 * network cannot see, `METHOD_LABELS` where it needs labels and there are none.
 */
export function openMethod(
  {
    config,
    dataset,
  }: { readonly config: MethodConfig; readonly dataset: Pick<Dataset, 'clips' | 'manifest'> },
  drawn: Split,
): OpenedMethod {
  const { clips, manifest } = dataset;
  const { classes } = manifest;
  const sources = sourcesOf(dataset);
  const method = methodOf(config);
  const options = methodOptions(config);
  const reads =
    config.data.labelRate > 0 &&
    classes.length > 0 &&
    guarded(method, 'readsLabels', () => method.readsLabels(options));
  const given = {
    trunk: backboneOf(config),
    classes: reads ? classes.length : 0,
    sources: sources.names.map((name, source) => ({
      name,
      classes: reads ? classesIn(drawn, (clip) => sources.of[clip] === source) : [],
    })),
    view: config.view,
    batchSize: config.batch.size,
    seed: config.seed,
  };
  if (method.needsLabels === true) requireLabels(method, reads, drawn);
  const open = guarded(method, 'open', () => method.open(options, given));
  requireParts(method, open, config.batch.size);
  const split = reads ? drawn : withoutLabels(drawn);
  requireClips(method, open, clips, split);
  const names = new Map(
    [...new Set(clips.map(({ group }) => group))].map((group, number) => [group, number]),
  );
  const groups = Int32Array.from(clips, ({ group }) => names.get(group)!);
  const facts = { groups, sources: sources.of };
  const { scoresLabel } = open;
  if (scoresLabel === undefined || !reads) return { method, open, split, heldOutLabels: null, facts };
  const known = labelsOf(split.validation, clips, classes, config.data, config.seed);
  const heldOutLabels = guarded(method, 'scoresLabel', () =>
    known.map((label, clip) => (label >= 0 && scoresLabel(label, facts.sources[clip]!) ? label : -1)),
  );
  return { method, open, split, heldOutLabels, facts };
}

/** Classes that the labels of some training clips name, ascending. */
function classesIn({ training, labels }: Split, some: (clip: number) => boolean): readonly number[] {
  const named = training.filter((clip) => labels[clip]! >= 0 && some(clip)).map((clip) => labels[clip]!);
  return [...new Set(named)].sort((a, b) => a - b);
}

/** The clips that the streams ask for: labelled ones where they need some, and as long as they have to be. */
function requireClips(method: Method, open: OpenMethod, clips: readonly ClipRecord[], split: Split): void {
  if (open.streams.some((stream) => stream.clips === 'labelled')) requireLabels(method, true, split);
  for (const stream of open.streams) requirePartners(method, stream, clips, split);
  if (open.needsTimes === true) requireTimes(method, clips, split);
  const longest = split.training.reduce((most, index) => Math.max(most, clips[index]!.frames), 0);
  const wanted = open.streams.reduce((most, { views }) => Math.max(most, framesWanted(views)), 0);
  if (wanted <= longest) return;
  throw methodError(
    'METHOD_VIEWS',
    method,
    `asks for ${wanted} different frames of a clip; the longest training clip has ${longest}`,
    'Ask for fewer frames a clip, or ingest with a higher --fps.',
  );
}

/** A stream with partners has a group of two clips. */
function requirePartners(method: Method, stream: Stream, clips: readonly ClipRecord[], split: Split): void {
  const pool = streamClips(stream, split);
  const groups = new Set(pool.map((clip) => clips[clip]!.group)).size;
  if ((stream.partners ?? 0) === 0 || groups < pool.length) return;
  throw methodError(
    'METHOD_VIEWS',
    method,
    `asks for views of another clip of the same group (patient), and each of the ${pool.length} clips that it learns from is the only one of its group`,
    'Ingest with groups (patients) in the labels file, set the probability of partners to 0, or use a method without them.',
  );
}

/** Frames have times: every clip of several frames has a rate. */
function requireTimes(
  method: Method,
  clips: readonly ClipRecord[],
  { training, validation, kept }: Split,
): void {
  const without = [...training, ...validation, ...kept]
    .map((index) => clips[index]!)
    .find(({ frames, fps }) => frames > 1 && fps === null);
  if (without === undefined) return;
  throw methodError(
    'METHOD_VIEWS',
    method,
    `learns from the time between frames, and the clip ${without.id} has ${without.frames} frames but no frame rate`,
    'Ingest the clip with --fps, or use a method that needs no times.',
  );
}

function requireLabels(method: Method, reads: boolean, { labels }: Split): void {
  if (reads && labels.some((label) => label >= 0)) return;
  throw methodError(
    'METHOD_LABELS',
    method,
    'learns from labelled clips, and no training clip has a label that may be read',
    'Use a dataset with labels and a data.labelRate above 0, or a method that needs none.',
  );
}
