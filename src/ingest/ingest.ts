/**
 * Clips from files: a folder of videos, stills, DICOM files or frame folders becomes a clip dataset. What cannot be
 * read is listed with its reason and the rest goes on. The same source and options give the same bytes, however many
 * decoders ran and however often the ingest was killed and started again; splits that a replaced dataset had, and that
 * still fit, come on top.
 */
import { basename, join, resolve } from 'node:path';
import sharp from 'sharp';
import { dataError, isDataError, type UsclError } from '../base/errors.ts';
import type { ClipRecord, Manifest } from '../dataset/types.ts';
import { carryNotes } from '../curation/create-dataset.ts';
import { createDataset } from '../curation/create-dataset.ts';
import { type DatasetWriter } from '../dataset/writer.ts';
import type { PreviousClip } from '../dataset/takeover.ts';
import { type AheadQueue, inOrder } from './ahead.ts';
import { ClipDecoding, type DecodeSettings, namesOf } from './clip.ts';
import { writtenReason } from './dicom/dicom-plan.ts';
import { notesOnFlags } from './dicom/header.ts';
import { classWarnings } from './doubtful-classes.ts';
import { findVideoTools } from '../video/ffmpeg.ts';
import { clipKey } from './clip-key.ts';
import { heldBytes, openSource } from './open.ts';
import { type CheckedOptions, checkOptions, type IngestOptions } from './options.ts';
import type { IngestPlan, PlannedClip, Rejection } from './common/ingest-plan.ts';
import { nameless, planIngest } from './planning.ts';
import { type IngestSummary, NothingTaken, Tally } from './summary.ts';
import type { VideoDecoder } from './video/decode.ts';
import { probeAhead } from '../video/probe.ts';
import { runsOf, VideoGroup } from './video/group.ts';

/** A clip with what is needed to decode it or to know it again. */
interface Task {
  readonly clip: PlannedClip;
  readonly key: string;
  /** Bytes that are held while it is decoded, beside its frames. */
  readonly weight: number;
}

/** What is under way for a task; nothing is decoded of what an earlier ingest noted. */
type Work = { readonly task: Task } & (
  | { readonly decoding: ClipDecoding; readonly frames: AheadQueue }
  | { readonly decoding: null; readonly frames: null }
);

/** Where clips go, and how they are read. */
interface Ingestion {
  readonly writer: DatasetWriter;
  readonly tally: Tally;
  readonly settings: DecodeSettings;
  readonly isPrivate: boolean;
  readonly decode: (task: Task, by?: VideoDecoder) => ClipDecoding;
}

/**
 * Ingests a source. Errors: `INGEST_OPTION`, `SOURCE_MISSING`, `NothingTaken`, `TOOL_MISSING`, those of the label
 * table (`CSV_…`, `LABELS_…`), of recipes (`RECIPE_…`), of field files (`FIELDS_…`) and of key files (`KEY_FILE`),
 * `INGEST_STRICT`, and those of `createDataset`. On an error nothing is left behind and an older dataset at `out` stays.
 * An abort (which throws the signal's reason) and a kill leave a hidden folder beside `out`, from which the next ingest
 * to `out` goes on.
 */
export async function ingest(options: IngestOptions): Promise<IngestSummary> {
  const started = performance.now();
  const checked = checkOptions(options);
  const { fields, key, parallel } = checked;
  const { signal, onProgress, strict = false, reuse = true } = options;
  signal?.throwIfAborted();
  const { plan, root, isPrivate } = await planIngest(options, key);
  if (strict) refuse(plan);
  if (plan.clips.length === 0) throw new NothingTaken(options.source, plan.rejected, plan);
  const tools = plan.clips.some(({ item }) => item.kind === 'video') ? await findVideoTools() : null;
  const settings: DecodeSettings = { ...checked, root, tools, signal };
  const givenFor = ({ item, name }: PlannedClip) =>
    fields?.find(item.path) ?? (typeof name === 'string' ? fields?.find(name) : undefined);
  const tasks: Task[] = [];
  for (const clip of plan.clips) {
    const key = await clipKey(clip, settings, givenFor(clip));
    tasks.push({ clip, key, weight: heldBytes(clip, root) });
  }

  const { licence, citation, homepage, classes } = plan;
  const name = options.name ?? plan.name;
  using writer = createDataset(
    options.out,
    {
      ...{ name, licence, citation, homepage, classes: [...classes] },
      ...(plan.structures === undefined ? {} : { structures: [...plan.structures] }),
      ...{ channels: settings.channels, size: settings.size },
      made: madeBy(options, checked, { isPrivate, ffmpeg: tools?.version ?? null }),
    },
    { overwrite: options.overwrite ?? false, keys: tasks.map((task) => task.key), reuse },
  );
  const tally = new Tally(plan);
  const probe = probeAhead(
    tasks
      .filter(({ clip, key }) => clip.item.kind === 'video' && writer.previous(key) === undefined)
      .map(({ clip }) => join(root, clip.item.path)),
  );
  const decode: Ingestion['decode'] = ({ clip }, by) =>
    new ClipDecoding(clip, { ...settings, probe, decode: by }, givenFor(clip));
  const ingestion = { writer, tally, settings, isPrivate, decode };
  // Sampling by motion needs each clip twice.
  const runOf = runsOf(
    tasks.map(({ clip }) => clip.item.kind === 'video' && settings.sampling === 'time'),
    parallel,
  );
  let [begun, left] = [0, 0];
  let group: VideoGroup | null = null;
  onProgress?.(0, tasks.length);
  try {
    await inOrder(
      tasks,
      parallel,
      (task): Work => {
        if (left === 0) {
          left = runOf(begun);
          group = left === 1 ? null : new VideoGroup(left, parallel);
        }
        begun++;
        left--;
        if (writer.previous(task.key) === undefined) {
          const decoding = group?.add((by) => decode(task, by)) ?? decode(task);
          return { task, decoding, frames: decoding.frames };
        }
        group?.skip();
        return { task, decoding: null, frames: null };
      },
      async ({ task, decoding }, index) => {
        signal?.throwIfAborted();
        const previous = decoding === null ? writer.previous(task.key) : undefined;
        if (previous === undefined || !(await takeOver(task, previous, ingestion)))
          await takeDecoded(task, decoding ?? decode(task), ingestion);
        if (strict) refuse({ rejected: tally.rejected, unmatchedLabels: [] }, tally.damaged);
        signal?.throwIfAborted();
        onProgress?.(index + 1, tasks.length, task.clip.item.path);
      },
      ({ weight }) => weight,
      runOf,
    );
  } catch (thrown) {
    if (signal?.aborted === true) writer.suspend();
    throw thrown;
  }
  for (const { source, reason, writtenSource = source, writtenReason: written = reason } of tally.rejected)
    writer.reject(writtenSource, written);
  if (tally.isEmpty) throw new NothingTaken(options.source, tally.rejected, plan);
  const manifest = writer.finish();
  const { unmatchedLabels, withoutRow, ignored, absent = {}, looksLike = null } = plan;
  const counts = tally.summary();
  const notes = [...plan.notes, ...notesOnFlags(counts.flags), ...carryNotes(writer.splits)];
  const warnings = [...(plan.warnings ?? []), ...tally.warnings(), ...classWarnings(plan.classes)];
  return {
    ...{ folder: options.out, manifest, clips: manifest.clips, frames: manifest.frames },
    ...counts,
    labelsFrom: labelsFrom(options, plan),
    ...{ looksLike, absent, unmatchedLabels, withoutRow, unusedFields: fields?.unused() ?? [] },
    ...{ ignored, notes, warnings },
    seconds: (performance.now() - started) / 1000,
  };
}

/** Decoded frames to the writer; what fails because of the source is noted and the rest goes on. */
async function takeDecoded(
  { clip, key }: Task,
  decoding: ClipDecoding,
  { writer, tally, isPrivate }: Ingestion,
): Promise<void> {
  const { path } = clip.item;
  try {
    const record = await writer.addClip(() => decoding.draft(), decoding.frames, {
      masks: () => decoding.masks(),
      note: () => {
        const { damage = null, remarks } = decoding;
        return { key, found: decoding.found(), damage: isPrivate ? null : damage, remarks };
      },
    });
    tally.take(record);
    tally.remark(path, decoding.remarks);
    if (decoding.damage !== undefined) tally.damaged.push({ source: path, reason: decoding.damage });
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    const rejection = rejectionOf(clip, thrown, isPrivate);
    tally.reject(rejection, decoding.dropped);
    writer.noteRefusal(key, rejection.writtenReason ?? rejection.reason);
  } finally {
    await decoding.frames.stop();
  }
}

/** Whether what an earlier ingest noted of the clip could be taken over. */
async function takeOver(
  task: Task,
  previous: PreviousClip,
  { writer, tally, settings, isPrivate, decode }: Ingestion,
): Promise<boolean> {
  const { clip, key } = task;
  const { record, line } = previous;
  if ('refused' in line) {
    writer.noteRefusal(key, line.refused);
    if (!isPrivate) tally.reject({ source: clip.item.path, reason: line.refused });
    // What was noted of a private file is a code; the reason is for a person, so it is found once more.
    else
      tally.reject({
        ...rejectionOf(clip, await failureOf(decode(task)), true),
        writtenReason: line.refused,
      });
    return true;
  }
  if (record === null || !(await hasSameContent(clip, record, settings))) return false;
  const { id, group } = namesOf(clip, record.sourceSha256 ?? '');
  const flags = [...clip.flags, ...line.found];
  try {
    const taken = await writer.reuse(previous, { id, group, label: clip.label, source: id, flags });
    if (taken === null) return false;
    tally.take(taken);
    tally.remark(clip.item.path, line.remarks);
    tally.reused++;
    if (flags.includes('damaged')) {
      const reason = line.damage ?? 'parts of it cannot be decoded';
      tally.damaged.push({ source: clip.item.path, reason });
    }
    return true;
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    return false;
  }
}

/** The data error that decoding a clip ends with; undefined where it goes well now. */
async function failureOf({ frames }: ClipDecoding): Promise<UsclError | undefined> {
  try {
    const reading = frames[Symbol.asyncIterator]();
    while ((await reading.next()).done !== true);
    return undefined;
  } catch (thrown) {
    if (isDataError(thrown)) return thrown;
    throw thrown;
  } finally {
    await frames.stop();
  }
}

/** A DICOM clip's key says nothing of its pixels, so they are compared. */
async function hasSameContent(
  clip: PlannedClip,
  { sourceSha256 }: ClipRecord,
  settings: DecodeSettings,
): Promise<boolean> {
  if (clip.item.kind !== 'dicom') return true;
  try {
    return (await (await openSource(clip, settings)).sha256()) === sourceSha256;
  } catch (thrown) {
    if (isDataError(thrown)) return false;
    throw thrown;
  }
}

function rejectionOf({ item, name }: PlannedClip, thrown: unknown, isPrivate: boolean): Rejection {
  const reason = thrown instanceof Error ? thrown.message : 'an earlier ingest could not take it';
  const plain = { source: item.path, reason };
  if (!isPrivate) return plain;
  const writtenSource = typeof name === 'string' ? name : 'file';
  return nameless({ ...plain, writtenSource, writtenReason: writtenReason(thrown) });
}

/** Where labels are from; null where there are none. */
function labelsFrom(
  { recipe, labels }: IngestOptions,
  { fromFolders }: IngestPlan,
): IngestSummary['labelsFrom'] {
  if (labels !== undefined) return 'table';
  return recipe !== undefined ? 'recipe' : fromFolders === true ? 'folders' : null;
}

/** What the manifest says of the command; nothing of names where they may name patients. */
function madeBy(
  options: IngestOptions,
  { fps, sampling, crop, refuseUnmasked, key }: CheckedOptions,
  { isPrivate, ffmpeg }: { readonly isPrivate: boolean; readonly ffmpeg: string | null },
): Manifest['made'] {
  const nameOf = (path: string | undefined): string | null =>
    path === undefined || isPrivate ? null : basename(resolve(path));
  return {
    command: 'ingest',
    source: nameOf(options.source),
    recipe: options.recipe ?? null,
    recipeOptions: options.recipeOptions ?? {},
    labels: nameOf(options.labels),
    fps,
    sampling,
    crop: crop ? 'auto' : 'none',
    fields: nameOf(options.fields),
    unmasked: { none: 'allowed', identifying: 'refused for DICOM', all: 'refused' }[refuseUnmasked],
    keyed: key !== null,
    ffmpeg,
    libvips: sharp.versions.vips,
  };
}

/** Under `strict`, the first thing that is wrong ends the ingest. */
function refuse(
  plan: Pick<IngestPlan, 'rejected' | 'unmatchedLabels'>,
  damaged: readonly Rejection[] = [],
): void {
  const [bad] = [...plan.rejected, ...damaged];
  const [row] = plan.unmatchedLabels;
  if (bad === undefined && row === undefined) return;
  throw dataError(
    'INGEST_STRICT',
    bad === undefined ? `The label row "${row}" fits no clip.` : `Cannot take ${bad.source}: ${bad.reason}.`,
    'Mend or remove it, or run without --strict to have it listed and the rest taken.',
    { where: bad?.source ?? row ?? '' },
  );
}
