/**
 * Opens a method for the clips of a run, and checks that the run has what it asks for. Errors name the method, its
 * faulty part and the remedy. They are found before anything is written.
 */
import { z } from 'zod';
import { messageOf, usageError, UsclError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import type { ClipRecord } from '../dataset/types.ts';
import type { Method, NetworkUse, OpenMethod } from '../methods/method.ts';
import { backboneOf } from '../models/backbone.ts';
import { OUTPUTS } from '../models/heads.ts';
import { type Config, methodOf, methodOptions } from '../runs/config.ts';
import { type Split, withoutLabels } from '../runs/training-clips.ts';
import { framesWanted, viewCount } from '../views/clip-views.ts';

/** A method that is open, and the clips as it may see them. */
export interface OpenedMethod {
  readonly method: Method;
  readonly open: OpenMethod;
  /** Without labels where none can change the loss. */
  readonly split: Split;
}

/**
 * Opens the method of a configuration on the clips of a dataset, split. Errors: `METHOD_MISSING`, `METHOD_FAILED` for what it
 * throws, `METHOD_VIEWS` for views that no clip can give or that do not exist, `METHOD_LABELS` where it needs labels and
 * there are none.
 */
export function openMethod(
  { config, dataset }: { readonly config: Config; readonly dataset: Pick<Dataset, 'clips' | 'manifest'> },
  drawn: Split,
): OpenedMethod {
  const { clips, manifest } = dataset;
  const { classes } = manifest;
  const method = methodOf(config);
  const options = methodOptions(config);
  const reads =
    config.data.labelRate > 0 &&
    classes.length > 0 &&
    guarded(method, 'readsLabels', () => method.readsLabels(options));
  const given = {
    trunk: backboneOf(config),
    classes: reads ? classes.length : 0,
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
  requireViews(method, open, clips, split);
  return { method, open, split };
}

/** Runs a part of a method. Error: `METHOD_FAILED` for whatever it throws that is no error of this program. */
export function guarded<Result>(method: Method, part: string, run: () => Result): Result {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof UsclError) throw thrown;
    const place = placeOf(thrown);
    throw methodError(
      'METHOD_FAILED',
      method,
      `failed in ${part}: ${messageOf(thrown).replace(/\.$/, '')}`,
      place === null ? 'Mend that part of the method.' : `Mend the method at ${place}.`,
      thrown,
    );
  }
}

/** `my-method.js:12:5`: the innermost place of an error's stack that is no part of Node.js. */
function placeOf(thrown: unknown): string | null {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  const frame = stack.split('\n').find((line) => /^\s+at /.test(line) && !line.includes('node:'));
  return /([^/\\\s(]+:\d+:\d+)\)?$/.exec(frame ?? '')?.[1] ?? null;
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
      views: z.union([
        z.literal('pair'),
        z.array(z.looseObject({ frame: z.int().min(0), augment: z.looseObject({}) })),
      ]),
    }),
  ),
  online: networkUse,
  target: networkUse.optional(),
  state: z.record(z.string(), z.instanceof(Float32Array)).optional(),
  losses: call,
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

/** An error of a method, by its name. */
export function methodError(
  code: string,
  { name }: Method,
  complaint: string,
  remedy: string,
  cause?: unknown,
): UsclError {
  return usageError(code, `The method "${name}" ${complaint}.`, remedy, { where: `method ${name}`, cause });
}

function requireViews(method: Method, open: OpenMethod, clips: readonly ClipRecord[], split: Split): void {
  const wrong = (complaint: string, remedy: string): UsclError =>
    methodError('METHOD_VIEWS', method, complaint, remedy);
  const [first] = open.streams;
  if (first?.clips !== 'training')
    throw wrong(
      'has no first stream of training clips',
      "Let streams begin with one whose clips are 'training'.",
    );
  if (open.streams.some(({ views }) => viewCount(views) === 0))
    throw wrong('has a stream with no view', 'Give each stream a view.');
  const count = open.streams.reduce((sum, { views }) => sum + viewCount(views), 0);
  for (const [part, use] of Object.entries({ online: open.online, target: open.target }))
    requireSeen(part, use, count, wrong);
  const longest = split.training.reduce((most, index) => Math.max(most, clips[index]!.frames), 0);
  if (open.streams.some(({ clips }) => clips === 'labelled')) requireLabels(method, true, split);
  for (const { views } of open.streams) {
    const wanted = framesWanted(views);
    if (wanted > longest)
      throw wrong(
        `asks for ${wanted} different frames of a clip; the longest training clip has ${longest}`,
        'Ask for fewer frames a clip, or ingest with a higher --fps.',
      );
  }
}

function requireSeen(
  part: string,
  use: NetworkUse | undefined,
  count: number,
  wrong: (complaint: string, remedy: string) => UsclError,
): void {
  if (use === undefined) return;
  const missing = use.views.find((view) => !Number.isInteger(view) || view < 0 || view >= count);
  if (use.views.length > 0 && missing === undefined) return;
  throw wrong(
    missing === undefined
      ? `lets its ${part} network see no view`
      : `lets its ${part} network see view ${missing}, but its streams make ${count} views`,
    `Views count from 0 to ${count - 1} over all streams.`,
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
