/**
 * Clips from files: a folder of videos, stills or frame folders becomes a clip dataset. What cannot be read is listed
 * with its reason and the rest goes on. The same source and options give the same bytes, however many decoders ran.
 */
import { realpathSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import sharp from 'sharp';
import { messageOf, systemCode, UsclError } from '../base/errors.ts';
import type { Manifest } from '../dataset/types.ts';
import { createDataset } from '../dataset/writer.ts';
import { inOrder } from './ahead.ts';
import type { DropCounts } from './clean.ts';
import { ClipDecoding } from './clip.ts';
import type { PictureLayout } from './discover.ts';
import { discover } from './discover.ts';
import { hasClassFolders, labelsFromFolders, labelsFromTable, unlabelled } from './labels.ts';
import type { IngestPlan, Rejection } from './plan.ts';
import type { RecipeName, RecipeOptions } from './recipes.ts';
import { planRecipe, recipeOf } from './recipes.ts';
import { findVideoTools } from './video.ts';

/**
 * Frames kept a second. Neighbours at 25 a second are nearly equal and add bytes, not views; USCL's own set was
 * sampled at about 3. Lung clips are short (2 to 4 s), and 5 a second still resolves a heart beat of up to 150 a
 * minute, so a clip has 10 to 20 distinct frames to draw triplets from.
 */
export const DEFAULT_FPS = 5;

/**
 * Stored length of the shorter side. USCL crops at least 80 % of the area and resizes to 224: √0.8 · 256 = 229, so
 * no crop is ever enlarged.
 */
export const DEFAULT_SIZE = 256;

export interface IngestOptions {
  /** Folder (or one file) to read. */
  readonly source: string;
  /** Folder to write the dataset to. */
  readonly out: string;
  /** Name in the manifest; default: the recipe's, or the source's name. */
  readonly name?: string | undefined;
  /** CSV with the columns clip, label and optionally group. Not together with a recipe. */
  readonly labels?: string | undefined;
  /** Frames kept a second of video, uniform in time; 'all' keeps every frame. Default `DEFAULT_FPS`. */
  readonly fps?: number | 'all' | undefined;
  /** Stored length of the shorter side, 16 to 2048 pixels; smaller originals keep their size. Default `DEFAULT_SIZE`. */
  readonly size?: number | undefined;
  /** 1 (grey, default) or 3 (RGB). */
  readonly channels?: 1 | 3 | undefined;
  readonly recipe?: RecipeName | undefined;
  readonly recipeOptions?: RecipeOptions | undefined;
  readonly pictures?: PictureLayout | undefined;
  /** Stop at the first source that cannot be read or is damaged, or at a label row that fits nothing. */
  readonly strict?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
  /** Decoders at once; default: as many as there are cores. Does not change the result. */
  readonly parallel?: number | undefined;
  readonly onProgress?: ((done: number, total: number, note?: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface IngestSummary {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly clips: number;
  readonly frames: number;
  /** Clips per class, in the order of the manifest's classes. */
  readonly classes: Readonly<Record<string, number>>;
  readonly unlabelled: number;
  readonly groups: number;
  readonly dropped: Readonly<DropCounts>;
  readonly rejected: readonly Rejection[];
  /** Clips that were taken although parts of their source cannot be decoded. */
  readonly damaged: readonly Rejection[];
  /** Label rows that fit no source. */
  readonly unmatchedLabels: readonly string[];
  /** Clips that the label table does not name. */
  readonly withoutRow: readonly string[];
  /** Files passed over because their names say they are no media. */
  readonly ignored: number;
  readonly notes: readonly string[];
  readonly seconds: number;
}

/**
 * Ingests a source. Errors: `INGEST_OPTION`, `SOURCE_MISSING`, `SOURCE_EMPTY`, `TOOL_MISSING`, those of the label
 * table (`CSV_…`, `LABELS_…`) and of recipes (`RECIPE_…`), `INGEST_STRICT`, and those of `createDataset`. On an error
 * or an abort (which throws the signal's reason) nothing is left behind and an older dataset at `out` stays.
 */
export async function ingest(options: IngestOptions): Promise<IngestSummary> {
  const started = performance.now();
  const { size, channels, fps, parallel } = checked(options);
  const strict = options.strict ?? false;
  const { plan, root } = await planIngest(options);
  if (strict) refuse(plan);
  if (plan.clips.length === 0) throw emptySource(options.source, plan);
  const tools = plan.clips.some(({ item }) => item.kind === 'video') ? await findVideoTools() : null;
  const { name, licence, citation, homepage, classes } = plan;
  using writer = createDataset(
    options.out,
    {
      ...{ name: options.name ?? name, licence, citation, homepage, classes: [...classes], channels, size },
      made: {
        command: 'ingest',
        source: basename(resolve(options.source)),
        recipe: options.recipe ?? null,
        recipeOptions: options.recipeOptions ?? {},
        labels: options.labels === undefined ? null : basename(options.labels),
        fps,
        ffmpeg: tools?.version ?? null,
        libvips: sharp.versions.vips,
      },
    },
    { overwrite: options.overwrite ?? false },
  );
  const rejected = [...plan.rejected];
  const damaged: Rejection[] = [];
  const dropped: DropCounts = { black: 0, blank: 0, duplicate: 0 };
  const groups = new Set<string>();
  const counts = new Map<string | null, number>(classes.map((label) => [label, 0]));
  const { signal, onProgress } = options;
  const settings = { root, size, channels, fps, tools, signal };
  onProgress?.(0, plan.clips.length);
  await inOrder(
    plan.clips,
    parallel,
    (clip) => new ClipDecoding(clip, settings),
    async (decoding, index) => {
      const { path } = decoding.clip.item;
      try {
        const record = await writer.addClip(() => decoding.draft(), decoding.frames);
        counts.set(record.label, (counts.get(record.label) ?? 0) + 1);
        groups.add(record.group);
        dropped.black += record.dropped.black;
        dropped.blank += record.dropped.blank;
        dropped.duplicate += record.dropped.duplicate;
        if (decoding.damage !== undefined) damaged.push({ source: path, reason: decoding.damage });
      } catch (thrown) {
        if (!(thrown instanceof UsclError) || thrown.kind !== 'data') throw thrown;
        rejected.push({ source: path, reason: thrown.message });
        dropped.black += decoding.dropped.black;
      }
      if (strict) refuse({ rejected, unmatchedLabels: [] }, damaged);
      signal?.throwIfAborted();
      onProgress?.(index + 1, plan.clips.length, path);
    },
  );
  for (const { source, reason } of rejected) writer.reject(source, reason);
  const manifest = writer.finish();
  const { unmatchedLabels, withoutRow, ignored, notes } = plan;
  return {
    folder: options.out,
    manifest,
    clips: manifest.clips,
    frames: manifest.frames,
    classes: Object.fromEntries(classes.map((label) => [label, counts.get(label) ?? 0])),
    unlabelled: counts.get(null) ?? 0,
    groups: groups.size,
    ...{ dropped, rejected, damaged, unmatchedLabels, withoutRow, ignored, notes },
    seconds: (performance.now() - started) / 1000,
  };
}

async function planIngest(options: IngestOptions): Promise<{ plan: IngestPlan; root: string }> {
  const real = realSource(options.source);
  if (options.recipe !== undefined) {
    const { labels, recipe, recipeOptions, signal } = options;
    const context = { skip: resolve(options.out), signal };
    return { root: real, plan: await planRecipe(recipe, real, { ...recipeOptions, labels }, context) };
  }
  const { items, rejected, ignored, indices } = await discover(real, {
    layout: options.pictures ?? 'auto',
    skip: resolve(options.out),
    signal: options.signal,
  });
  const fromFolders = options.labels === undefined && hasClassFolders(items);
  const labelled =
    options.labels !== undefined
      ? labelsFromTable(items, options.labels)
      : fromFolders
        ? labelsFromFolders(items)
        : unlabelled(items);
  const folders = items.filter(({ kind }) => kind === 'frames').length;
  const notes = [
    ...(folders > 0 ? [`${folders} folders of pictures were read as the frames of one clip each.`] : []),
    ...(fromFolders ? ['Labels are the names of the class folders.'] : []),
    ...indices.map((path) => `${path} was passed over: what it lists is found without it.`),
  ];
  const about = { name: basename(real), licence: null, citation: null, homepage: null };
  // Paths are relative to the source folder, also where the source is one file in it.
  const root = statSync(real).isFile() ? dirname(real) : real;
  return { root, plan: { ...about, ...labelled, rejected, ignored, notes } };
}

function realSource(source: string): string {
  try {
    const real = realpathSync(source);
    const stat = statSync(real);
    if (stat.isDirectory() || stat.isFile()) return real;
    throw new Error('it is neither a folder nor a file');
  } catch (thrown) {
    const missing = systemCode(thrown) === 'ENOENT' || systemCode(thrown) === 'ENOTDIR';
    throw new UsclError({
      kind: 'data',
      code: missing ? 'SOURCE_MISSING' : 'SOURCE_UNREADABLE',
      message: missing ? `There is nothing at ${source}.` : `Cannot read ${source}: ${messageOf(thrown)}.`,
      where: source,
      remedy: 'Give a folder of videos, pictures or frame folders that you may read.',
      cause: thrown,
    });
  }
}

function checked(options: IngestOptions): {
  readonly size: number;
  readonly channels: 1 | 3;
  readonly fps: number | 'all';
  readonly parallel: number;
} {
  const { size = DEFAULT_SIZE, channels = 1, fps = DEFAULT_FPS, parallel = availableParallelism() } = options;
  if (!Number.isInteger(size) || size < 16 || size > 2048)
    throw optionError('size', size, 'a whole number from 16 to 2048');
  if (fps !== 'all' && !(fps > 0 && fps <= 1000))
    throw optionError('fps', fps, "a number above 0 and up to 1000, or 'all'");
  if (!Number.isInteger(parallel) || parallel < 1)
    throw optionError('parallel', parallel, 'a whole number from 1');
  if (
    options.recipe !== undefined &&
    options.labels !== undefined &&
    recipeOf(options.recipe).options.labels === undefined
  ) {
    throw optionError('labels', options.labels, 'left out, because the recipe brings its own labels');
  }
  if (
    options.recipe === undefined &&
    Object.values(options.recipeOptions ?? {}).some((value) => value !== undefined)
  ) {
    throw optionError(
      'recipeOptions',
      JSON.stringify(options.recipeOptions),
      'left out, because there is no recipe',
    );
  }
  return { size, channels, fps, parallel };
}

function optionError(option: string, value: unknown, expected: string): UsclError {
  return new UsclError({
    kind: 'usage',
    code: 'INGEST_OPTION',
    message: `The option ${option} is ${String(value)}; it must be ${expected}.`,
    where: option,
    remedy: 'Correct the option and run the command again.',
  });
}

function emptySource(source: string, { rejected, ignored }: IngestPlan): UsclError {
  const [first] = rejected;
  const why = first === undefined ? `${ignored} files were passed over` : `${first.source}: ${first.reason}`;
  return new UsclError({
    kind: 'data',
    code: 'SOURCE_EMPTY',
    message: `There are no clips in ${source} (${why}).`,
    where: source,
    remedy:
      'Give a folder of videos (mp4, mov, avi, mpeg, gif, …), pictures (png, jpg, tif, webp) or folders of frames.',
  });
}

/** Under `strict`, the first thing that is wrong ends the ingest. */
function refuse(
  plan: Pick<IngestPlan, 'rejected' | 'unmatchedLabels'>,
  damaged: readonly Rejection[] = [],
): void {
  const [bad] = [...plan.rejected, ...damaged];
  const [row] = plan.unmatchedLabels;
  if (bad === undefined && row === undefined) return;
  throw new UsclError({
    kind: 'data',
    code: 'INGEST_STRICT',
    message:
      bad === undefined
        ? `The label row "${row}" fits no clip.`
        : `Cannot take ${bad.source}: ${bad.reason}.`,
    where: bad?.source ?? row ?? '',
    remedy: 'Mend or remove it, or run without --strict to have it listed and the rest taken.',
  });
}
