/**
 * Clips straight from files, with no dataset between: what an ingest would store of each is streamed, pixel for pixel,
 * by the same opening, field, blanking, cropping, scaling and dropping, and under the same rules of what may name a
 * patient. A few frames are held at a time. A source that cannot be read is handed on with its reason and the rest
 * goes on.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { dataError, isDataError, UsclError } from '../base/errors.ts';
import { inOrder } from './ahead.ts';
import { ClipDecoding, type DecodeSettings } from './clip.ts';
import { writtenReason } from './dicom/dicom-plan.ts';
import { findVideoTools } from '../video/ffmpeg.ts';
import { heldBytes } from './open.ts';
import { checkOptions, type ReadOptions } from './options.ts';

import type { PlannedClip, Rejection } from './common/ingest-plan.ts';
import { nameless, planIngest, type Planned } from './planning.ts';
import { probeAhead } from '../video/probe.ts';

/** A clip that was found in one of the sources. */
export interface FoundClip {
  /** Which of the sources, from 0. */
  readonly input: number;
  /** For the screen: the path as it was given, or a path below it. */
  readonly path: string;
  /** Whether paths may name patients: then neither `path` nor anything made of it may be written. */
  readonly isPrivate: boolean;
}

/** A source, or a file in one, that was not read. */
export interface NotRead extends FoundClip {
  /** For the screen. */
  readonly reason: string;
  readonly remedy: string;
  /** Stable code of the error. */
  readonly code: string;
  /** What may be written in place of path and reason. */
  readonly written: { readonly source: string; readonly reason: string };
}

export interface ReadVisitor {
  /**
   * A clip whose decoding is under way: take its frames to the end, then ask it for the facts. `again` decodes it once
   * more from the start. Data errors that come up here go to `refused`.
   */
  clip(found: FoundClip, decoding: ClipDecoding, again: () => ClipDecoding): Promise<void>;
  refused(one: NotRead): void | Promise<void>;
  /** After each clip or refusal. */
  progress?(done: number, total: number, path: string): void;
}

interface Item {
  readonly found: FoundClip;
  readonly clip: PlannedClip;
  readonly root: string;
  readonly weight: number;
}

type Work =
  | {
      readonly item: Item;
      readonly decoding: ClipDecoding;
      readonly decode: () => ClipDecoding;
      readonly frames: ClipDecoding['frames'];
    }
  | { readonly item: NotRead; readonly frames: null };

/**
 * Reads every clip of `sources` (files, folders of frames, folders of these) and hands them to `visitor`, in order. Options
 * are as for an ingest, with the same defaults; frames are uniform in time.
 * Errors: `INGEST_OPTION`, those of field files (`FIELDS_…`) and of key files (`KEY_FILE`), `TOOL_MISSING`, whatever the
 * visitor throws but for data errors of a clip, the signal's reason when aborted.
 */
export async function readSources(
  sources: readonly string[],
  options: ReadOptions,
  visitor: ReadVisitor,
): Promise<void> {
  const { signal, pictures } = options;
  signal?.throwIfAborted();
  const checked = checkOptions(options);
  const plans: (Planned | UsclError)[] = [];
  for (const source of sources) {
    try {
      plans.push(await planIngest({ source, pictures, signal }, checked.key));
    } catch (thrown) {
      if (!isDataError(thrown)) throw thrown;
      plans.push(thrown);
    }
  }
  // Files that are given together may be of one export; where one may name a patient, all may.
  const isPrivate = plans.some((plan) => !(plan instanceof UsclError) && plan.isPrivate);
  const items = plans.flatMap((plan, input) => itemsOf(plan, { input, path: sources[input]!, isPrivate }));
  const videos = items.flatMap((item) =>
    'clip' in item && item.clip.item.kind === 'video' ? [join(item.root, item.clip.item.path)] : [],
  );
  const settings: Omit<DecodeSettings, 'root'> = {
    ...checked,
    tools: videos.length > 0 ? await findVideoTools() : null,
    probe: probeAhead(videos),
    signal,
  };
  await inOrder(
    items,
    checked.parallel,
    (item): Work => {
      if (!('clip' in item)) return { item, frames: null };
      const { root, clip } = item;
      const given = checked.fields?.find(clip.item.path);
      const decode = (): ClipDecoding => new ClipDecoding(clip, { ...settings, root }, given);
      const decoding = decode();
      return { item, decode, decoding, frames: decoding.frames };
    },
    async (work, index) => {
      signal?.throwIfAborted();
      if (work.frames === null) await visitor.refused(work.item);
      else await take(work, visitor);
      signal?.throwIfAborted();
      const { path } = 'clip' in work.item ? work.item.found : work.item;
      visitor.progress?.(index + 1, items.length, path);
    },
    (item) => ('clip' in item ? item.weight : 0),
  );
}

async function take(
  { item, decoding, decode }: Extract<Work, { readonly item: Item }>,
  visitor: ReadVisitor,
): Promise<void> {
  const started = [decoding];
  const again = (): ClipDecoding => {
    const next = decode();
    started.push(next);
    return next;
  };
  try {
    await visitor.clip(item.found, decoding, again);
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    await visitor.refused(refusalOf(item.found, item.clip, thrown));
  } finally {
    for (const one of started) await one.frames.stop();
  }
}

function itemsOf(plan: Planned | UsclError, source: FoundClip): (Item | NotRead)[] {
  if (plan instanceof UsclError) return [refusalOf(source, null, plan)];
  const { path, isPrivate } = source;
  const { root } = plan;
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  const foundAt = (relative: string) => ({ ...source, path: isFile ? path : join(path, relative) });
  const clips = plan.plan.clips.map((planned) => {
    const isNamed = planned.name !== undefined || !isPrivate;
    const clip: PlannedClip = isNamed ? planned : { ...planned, name: { by: 'content' } };
    return { found: foundAt(clip.item.path), clip, root, weight: heldBytes(clip, root) };
  });
  const refused = plan.plan.rejected.map((rejection) =>
    notRead(foundAt(rejection.source), rejection, 'SOURCE_UNREADABLE', 'Mend the file or leave it out.'),
  );
  if (clips.length + refused.length > 0) return [...clips, ...refused];
  const remedy = 'Give videos, pictures, DICOM files, or folders of these; `uscl evaluate` reads datasets.';
  const nothing = dataError('SOURCE_EMPTY', `There are no clips in ${path}.`, remedy, { where: path });
  return [refusalOf(source, null, nothing)];
}

function refusalOf(found: FoundClip, clip: PlannedClip | null, thrown: UsclError): NotRead {
  const rejection: Rejection = {
    source: found.path,
    reason: thrown.message,
    ...(typeof clip?.name === 'string' ? { writtenSource: clip.name } : {}),
    writtenReason: writtenReason(thrown),
  };
  return notRead(found, rejection, thrown.code, thrown.remedy);
}

function notRead(found: FoundClip, rejection: Rejection, code: string, remedy: string): NotRead {
  const { reason } = rejection;
  const { writtenSource = 'file', writtenReason: written = reason } = nameless(rejection);
  return {
    ...found,
    ...{ reason, code, remedy },
    written: found.isPrivate ? { source: writtenSource, reason: written } : { source: found.path, reason },
  };
}
