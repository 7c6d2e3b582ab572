/**
 * Refuses what a method's `open` returns where a part is missing, of another form, or does not fit the others. Errors name the
 * method, the part and the remedy.
 */
import { z } from 'zod';
import type { Method, NetworkUse, OpenMethod } from '../../methods/method.ts';
import { OUTPUTS } from '../../models/heads.ts';
import { viewCount } from '../../views/clip-views.ts';
import { methodError } from './method-faults.ts';

/**
 * Errors: `METHOD_INVALID` for a part that is missing or of another form; `METHOD_VIEWS` for streams that a run with batches of
 * `batchSize` clips cannot give, for a network that sees no view that there is, and for features that no network exposes.
 */
export function requireParts(method: Method, open: OpenMethod, batchSize: number): void {
  requireForm(method, open);
  requireFeatures(method, open);
  requireStreams(method, open, batchSize);
  requireLeft(method, open);
  requireViews(method, open);
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
        z.array(
          z.looseObject({
            frame: z.int().min(0),
            augment: z.looseObject({}),
            size: z.int().min(16).max(4096).optional(),
          }),
        ),
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
function requireForm(method: Method, open: unknown): void {
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

/** The online network exposes the features that a run leaves. */
function requireFeatures(method: Method, { online }: OpenMethod): void {
  if (online.network.outputs.includes(OUTPUTS.features)) return;
  throw methodError(
    'METHOD_VIEWS',
    method,
    `does not expose "${OUTPUTS.features}", which is what a pretraining is for`,
    `Name "${OUTPUTS.features}" among the outputs of the online network.`,
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
