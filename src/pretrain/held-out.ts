/**
 * What a method measures of held-out clips. By default batch by batch, no label given, and the mean over clips of what it
 * measures of their batch. A method that scores by labels gets those held-out clips whose label may be read, all in one
 * batch. Frames are unmixed and whole, and networks in inference mode.
 */
import { setImmediate } from 'node:timers/promises';
import { UsclError } from '../base/errors.ts';
import type { Dataset } from '../dataset/reader.ts';
import { effectiveRank } from '../evaluation/features/statistics.ts';
import type { Losses, Method, ViewRows } from '../methods/method.ts';
import { OUTPUTS } from '../models/heads.ts';
import type { Config } from '../runs/config.ts';
import type { ValidationEntry } from '../runs/log.ts';
import { wholeFrame } from '../views/augment-levels.ts';
import { clipLength, clipRenderer, type ClipViews, viewCount } from '../views/clip-views.ts';
import type { ViewConfig } from '../views/config.ts';
import type { MethodNetwork } from '../trainer/methods/method-network.ts';
import type { OpenedMethod } from '../trainer/methods/open-method.ts';
import { byName, type HeldOutOutputs, noTarget, type Outputs } from '../trainer/methods/outputs.ts';
import { viewsOf } from '../trainer/methods/step-batch.ts';

/** A run whose held-out clips are scored. */
export interface HeldOutRun {
  readonly network: MethodNetwork;
  readonly dataset: Dataset;
  readonly opened: OpenedMethod;
  readonly config: Config;
}

/** Held-out views that the effective rank is taken of, about. */
const RANK_ROWS = 512;

/**
 * Loss and measurements of held-out clips, and the effective rank of their features; null where fewer than two clips can be
 * scored. Unless the configuration asks for augmentation, frames are whole and the same every time, so that scores of
 * different epochs differ by the network alone. Batches are as large as in training; a last one of a single clip is left
 * out where clips are contrasted within it.
 */
export async function scoreHeldOut(
  { network, dataset, opened, config }: HeldOutRun,
  epoch: number,
  progress: number,
): Promise<(Losses & Pick<ValidationEntry, 'effectiveRank'>) | null> {
  const { split, heldOutLabels: labels } = opened;
  const clips = split.validation.filter((clip) => labels === null || labels[clip]! >= 0);
  if (clips.length < 2) return null;
  const { augment } = config.data.validation;
  const { size } = config.batch;
  const [stream] = network.open.streams;
  const { view, views } = heldOutViews(config.view, stream!.views, augment);
  const render = clipRenderer(dataset, view, views);
  const drawn = { clips: dataset.clips, view, seed: config.seed };
  const drawnIn = augment ? epoch : 0;
  const length = clipLength(views, view);
  const buffer = new Float32Array(Math.min(size, clips.length) * length);
  const features: Float32Array[] = [];
  const scores: { readonly clips: number; readonly losses: Losses }[] = [];
  const kept: KeptBatch[] = [];
  let rankRows = 0;
  for (let from = 0; from < clips.length; from += size) {
    const indices = clips.slice(from, from + size);
    if (labels === null && indices.length < 2) break;
    const images = buffer.subarray(0, indices.length * length);
    render(indices, config.seed, drawnIn, images);
    const seen = viewsOf(opened, [{ epoch: drawnIn, clips: indices }], labels, drawn);
    const outputs = network.heldOut(seen, images);
    requireFinite(
      outputs.features,
      indices.map((index) => dataset.clips[index]!.id),
    );
    if (labels === null)
      scores.push({ clips: indices.length, losses: network.heldOutLosses(seen, outputs, progress) });
    else kept.push(copyOf(network, seen, outputs));
    // The rank of more rows costs more than it tells.
    if (rankRows < RANK_ROWS) {
      features.push(outputs.features.slice());
      rankRows += viewCount(views) * indices.length;
    }
    // Lets a signal be heard.
    await setImmediate();
  }
  if (labels !== null) {
    const all = viewsOf(opened, [{ epoch: drawnIn, clips }], labels, drawn);
    const losses = network.heldOutLosses(all, together(network, kept), progress);
    scores.push({ clips: clips.length, losses });
  }
  const plan = network.inference;
  return {
    ...heldOutMeans(network.method, scores),
    effectiveRank: effectiveRank(
      Float32Array.from(features.flatMap((part) => [...part])),
      plan.output(OUTPUTS.features).length / plan.batch,
    ),
  };
}

/**
 * Views of held-out clips: those of training without mixing and, unless `augment`, without anything random but the choice
 * of frames.
 */
function heldOutViews(
  view: ViewConfig,
  views: ClipViews,
  augment: boolean,
): { readonly view: ViewConfig; readonly views: ClipViews } {
  const unmixed = { ...view, spg: { ...view.spg, enabled: false } };
  if (augment) return { view: unmixed, views };
  return {
    view: { ...unmixed, augment: wholeFrame(view.augment) },
    views: views === 'pair' ? views : views.map((one) => ({ ...one, augment: wholeFrame(one.augment) })),
  };
}

/** Outputs of a batch that outlive the next one, by the network and their names. */
interface KeptBatch {
  readonly output: ReadonlyMap<string, readonly Float32Array[]>;
  readonly target: ReadonlyMap<string, readonly Float32Array[]>;
}

/** Each output as one array a view that the network sees. */
function copyOf({ open }: MethodNetwork, seen: readonly ViewRows[], outputs: HeldOutOutputs): KeptBatch {
  const copies = (use: typeof open.target, read: Outputs): ReadonlyMap<string, readonly Float32Array[]> => {
    if (use === undefined) return new Map();
    const views = use.views.filter((view) => view < seen.length).length;
    const ofViews = (all: Float32Array): readonly Float32Array[] => {
      const length = all.length / views;
      return Array.from({ length: views }, (_, i) => all.slice(i * length, (i + 1) * length));
    };
    return new Map(use.network.outputs.map((name) => [name, ofViews(read(name))]));
  };
  return { output: copies(open.online, outputs.output), target: copies(open.target, outputs.target) };
}

/** Outputs of several batches as those of one: of each view the rows of all batches. */
function together(
  { open: { online, target } }: MethodNetwork,
  batches: readonly KeptBatch[],
): Pick<HeldOutOutputs, 'output' | 'target'> {
  const joined =
    (part: keyof KeptBatch): Outputs =>
    (name) => {
      const views = batches[0]?.[part].get(name) ?? [];
      const parts = views.flatMap((_, view) => batches.map((batch) => batch[part].get(name)![view]!));
      const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const rows of parts) {
        all.set(rows, at);
        at += rows.length;
      }
      return all;
    };
  return {
    output: byName('online', online, joined('output')),
    target: target === undefined ? noTarget : byName('target', target, joined('target')),
  };
}

/** Means over clips of the loss and of what the method measures of held-out clips. */
function heldOutMeans(
  { measurements }: Method,
  scores: readonly { readonly clips: number; readonly losses: Losses }[],
): Losses {
  const clips = scores.reduce((sum, score) => sum + score.clips, 0);
  const mean = (name: string): number =>
    scores.reduce((sum, score) => sum + score.clips * score.losses[name]!, 0) / clips;
  const measured = measurements.filter(({ heldOut }) => heldOut === true);
  return {
    loss: mean('loss'),
    ...Object.fromEntries(measured.map(({ name }) => [name, mean(name)])),
  };
}

function requireFinite(features: Float32Array, clipIds: readonly string[]): void {
  if (features.every((value) => Number.isFinite(value))) return;
  throw new UsclError({
    kind: 'numeric',
    code: 'NON_FINITE',
    message: 'The features of held-out clips are not finite.',
    where: `clips ${clipIds.join(', ')}`,
    remedy:
      'The weights have left the range of numbers: try a lower optimizer.learningRate or training.clipNorm=1. ' +
      'The checkpoints of earlier epochs are untouched.',
  });
}
