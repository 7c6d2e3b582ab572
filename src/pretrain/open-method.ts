/**
 * Opens a method for the clips of a run, and checks that the run has what it asks for. Errors name the method, its
 * faulty part and the remedy. They are found before anything is written.
 */
import { z } from 'zod';
import { sourcesOf } from '../curation/sources.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';
import type { Method, NetworkUse, OpenMethod, Stream } from '../methods/method.ts';
import { backboneOf } from '../models/backbone.ts';
import { OUTPUTS } from '../models/heads.ts';
import { type Config, methodOf, methodOptions } from '../runs/config.ts';
import { labelsOf, type Split, withoutLabels } from '../runs/training-clips.ts';
import { framesWanted, viewCount } from '../views/clip-views.ts';
import { guarded, methodError } from './method-faults.ts';
import { streamClips } from './partners.ts';

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
  { config, dataset }: { readonly config: Config; readonly dataset: Pick<Dataset, 'clips' | 'manifest'> },
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
  requireOpen(method, open);
  const split = reads ? drawn : withoutLabels(drawn);
  if (!open.online.network.outputs.includes(OUTPUTS.features))
    throw methodError(
      'METHOD_VIEWS',
      method,
      `does not expose "${OUTPUTS.features}", which is what a pretraining is for`,
      `Name "${OUTPUTS.features}" among the outputs of the online network.`,
    );
  requireStreams(method, open, config.batch.size);
  requireLeft(method, open);
  requireViews(method, open);
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

const views = z.array(z.int().min(0));
const call = z.custom((value) => typeof value === 'function', 'must be a function');
const networkUse = z.looseObject({
  network: z.looseObject({ nodes: z.array(z.unknown()), outputs: z.array(z.string()) }),
  views,
});

/** What a method's `open` has to return. */
const openSchema = z.looseObject({
  streams: z.array(
    z.looseObject({
      clips: z.enum(['training', 'labelled']),
      count: z.int().min(1),
      partners: z.number().min(0).max(1).optional(),
      views: z.union([
        z.literal('pair'),
        z.array(z.looseObject({ frame: z.int().min(0), augment: z.looseObject({}) })),
      ]),
    }),
  ),
  online: networkUse,
  target: networkUse.optional(),
  needsTimes: z.boolean().optional(),
  leaves: z.enum(['online', 'target']).optional(),
  look: networkUse.extend({ change: call }).optional(),
  state: z.record(z.string(), z.instanceof(Float32Array)).optional(),
  losses: call,
  scoresLabel: call.optional(),
  afterUpdate: call.optional(),
});

/** Refuses what `open` returned where a part is missing or of another form. Error: `METHOD_INVALID`. */
function requireOpen(method: Method, open: unknown): void {
  const issue = openSchema.safeParse(open).error?.issues[0];
  if (issue === undefined) return;
  const part = issue.path.map(String).join('.');
  throw methodError(
    'METHOD_INVALID',
    method,
    `returns something from open that does not hold: ${part === '' ? '' : `${part}: `}${issue.message}`,
    'Mend that part; docs/methods.md says what open returns.',
  );
}

/** A target whose weights are left has those of the online network, and its features. */
function requireLeft(method: Method, { leaves, online, target }: OpenMethod): void {
  if (leaves !== 'target') return;
  const nodes = (use: NetworkUse): string => use.network.nodes.map(({ name }) => name).join();
  const fits = target !== undefined && nodes(target) === nodes(online);
  if (fits && target.network.outputs.includes(OUTPUTS.features)) return;
  throw methodError(
    'METHOD_VIEWS',
    method,
    target === undefined
      ? 'leaves the weights of a target network, and has none'
      : `leaves the weights of a target network that is not its online network with "${OUTPUTS.features}" among its outputs`,
    'Let the target be the online network itself, or leave out leaves.',
  );
}

/** The streams: the first is of training clips in the run's batches, and each has a view. */
function requireStreams(method: Method, { streams }: OpenMethod, batchSize: number): void {
  const [first] = streams;
  if (first?.clips !== 'training')
    throw methodError(
      'METHOD_VIEWS',
      method,
      'has no first stream of training clips',
      "Let streams begin with one whose clips are 'training'.",
    );
  if (first.count !== batchSize)
    throw methodError(
      'METHOD_VIEWS',
      method,
      `has a first stream of ${first.count} clips a batch; this run has batches of ${batchSize}`,
      'Let its count be the batchSize that open is given; batch.size of the configuration sets it.',
    );
  if (streams.some(({ views }) => viewCount(views) === 0))
    throw methodError('METHOD_VIEWS', method, 'has a stream with no view', 'Give each stream a view.');
  if (streams.some(({ views, partners = 0 }) => partners > 0 && viewCount(views) < 2))
    throw methodError(
      'METHOD_VIEWS',
      method,
      'asks for partners in a stream of one view',
      'Give that stream two views: the first is of the clip itself, others of its partner.',
    );
}

/** The views that networks see: they exist, and one is of the first stream, as all of held-out clips are. */
function requireViews(method: Method, { streams, online, target, look }: OpenMethod): void {
  const [first = 0, ...others] = streams.map(({ views }) => viewCount(views));
  const count = others.reduce((sum, views) => sum + views, first);
  for (const [part, use] of Object.entries({ online, target, look })) {
    if (use === undefined) continue;
    const missing = use.views.find((view) => view >= count);
    if (missing !== undefined)
      throw methodError(
        'METHOD_VIEWS',
        method,
        `lets its ${part} network see view ${missing}, but its streams make ${count} views`,
        `Views count from 0 to ${count - 1} over all streams.`,
      );
    // A look is taken in training alone.
    if (part !== 'look' && use.views.every((view) => view >= first))
      throw methodError(
        'METHOD_VIEWS',
        method,
        `lets its ${part} network see no view of its first stream`,
        `Let it see one of views 0 to ${first - 1}: held-out clips come as the first stream's views alone.`,
      );
  }
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
