/**
 * Grad-CAM over the clips of a pool: numbers of every clip, pictures and videos of those that were asked for. A clip is
 * explained for one class, that of its mean probability over frames, so that its frames tell of the same thing.
 */
import { setImmediate } from 'node:timers/promises';
import { join } from 'node:path';
import { writePng } from '../charts/sheet.ts';
import { uniformFrames } from '../evaluation/features/uniform-frames.ts';
import type { CamEntry, CamExplanation, CamVideo } from '../evaluation/explanations/explanation.ts';
import { type CamImage, type CamPlan, insideShare, resizeMap } from '../evaluation/explanations/grad-cam.ts';
import { largestAt } from '../evaluation/features/matrix.ts';
import { imageLength } from '../views/config.ts';
import { fillWholeView } from '../views/whole.ts';
import { CAM_FOLDER, camCaptions, camVideo, drawCam, fieldRegion, type FieldRegion } from './cam-picture.ts';
import { fileName, type PooledClip, referenceTo } from './clip-pool.ts';
import { targetChooser, type TargetChooser, type Work } from './options.ts';
import type { Subject } from './opened-data.ts';

interface ClipFrames {
  readonly index: number;
  readonly clip: PooledClip;
  readonly frames: readonly number[];
}

/** Errors: `CAM_TARGET`, those of `readFrame`, of the network and of writing; the signal's reason when aborted. */
export async function explainCam(work: Work, plan: CamPlan): Promise<CamExplanation> {
  const { options, pool, framesPerClip, subject, wanted } = work;
  const { onProgress, onNote, signal } = options;
  const { target = 'predicted', video } = options.cam ?? {};
  const chooser = targetChooser({ target, classes: subject.classes ?? [], pool });
  const asked = pool.map((clip, index) => ({
    ...{ index, clip },
    frames: uniformFrames(clip.record.frames, framesPerClip),
  }));
  const explained = asked.filter(({ clip }) => chooser.explains(clip));
  const leftOut = asked.length - explained.length;
  if (leftOut > 0)
    onNote?.(`${leftOut} clips have no label among the network's classes and were not explained.`);
  const entries: CamEntry[] = [];
  const videos: CamVideo[] = [];
  const regions = { found: 0, none: 0 };
  let done = 0;
  onProgress?.(0, explained.length, 'heat: ');
  for (const batch of batchesOf(explained, plan.batch)) {
    // The network holds the thread: a signal is heard between batches only.
    await setImmediate();
    signal?.throwIfAborted();
    const images = explainBatch(batch, plan, subject.view, chooser);
    let from = 0;
    for (const one of batch) {
      signal?.throwIfAborted();
      const mine = images.slice(from, from + one.frames.length);
      from += one.frames.length;
      const region = fieldRegion(one.clip);
      if (region === null) regions.none++;
      else if (region.foundNow) regions.found++;
      const isDrawn = wanted.drawn.has(one.index);
      entries.push(...(await entriesOf(one, mine, region, isDrawn, work, plan)));
      if (isDrawn && video !== undefined && one.clip.record.frames > 1)
        videos.push(await camVideo(one.clip, one.index, mine[0]!.class, region, work, plan, video));
      onProgress?.(++done, explained.length, `heat: ${one.clip.record.id}`);
    }
  }
  return {
    layer: plan.layer,
    cells: { width: plan.cells.width, height: plan.cells.height },
    target,
    ...{ entries, videos },
    summary: {
      leftOut,
      withoutHeat: entries.filter((entry) => entry.insideShare === null && entry.fieldShare !== null).length,
      withoutField: regions.none,
      fieldsFoundNow: regions.found,
      clips: explained.length,
      all: meanOf(entries, () => true),
      partial: meanOf(entries, (fieldShare) => fieldShare < FILLED),
    },
  };
}

/** A field of this share of the picture fills it. */
const FILLED = 0.995;

/** Greedily: whole clips, as many as fit. */
function batchesOf(clips: readonly ClipFrames[], rows: number): ClipFrames[][] {
  const batches: ClipFrames[][] = [];
  let filled = rows;
  for (const one of clips) {
    if (filled + one.frames.length > rows) {
      batches.push([]);
      filled = 0;
    }
    batches.at(-1)!.push(one);
    filled += one.frames.length;
  }
  return batches;
}

function explainBatch(
  batch: readonly ClipFrames[],
  plan: CamPlan,
  view: Subject['view'],
  chooser: TargetChooser,
): readonly CamImage[] {
  let count = 0;
  for (const { clip, frames } of batch)
    for (const frame of frames) {
      const pixels = clip.dataset.readFrame(clip.record, frame);
      fillWholeView(pixels, clip.record, view, plan.input, count++ * imageLength(view));
    }
  return plan.explain(count, (probabilities) => {
    let from = 0;
    return batch.flatMap(({ clip, frames }) => {
      const mine = probabilities.slice(from, from + frames.length);
      from += frames.length;
      const chosen = chooser.classOf(clip, mine);
      return frames.map(() => chosen);
    });
  });
}

async function entriesOf(
  { index, clip, frames }: ClipFrames,
  images: readonly CamImage[],
  region: FieldRegion | null,
  isDrawn: boolean,
  { subject, folder }: Work,
  plan: CamPlan,
): Promise<CamEntry[]> {
  const classes = subject.classes ?? [];
  const { record } = clip;
  const size = { width: record.width, height: record.height };
  // The frame that shows the class best.
  const shown = largestAt(
    images.map((image) => image.probabilities[image.class]!),
    0,
    images.length,
  );
  const entries: CamEntry[] = [];
  for (const [i, image] of images.entries()) {
    const share =
      region === null ? null : insideShare(resizeMap(image.heat, plan.cells, size), region.inside);
    const frame = frames[i]!;
    const facts = {
      class: classes[image.class]!,
      probability: image.probabilities[image.class]!,
      insideShare: share?.heat ?? null,
    };
    let png: string | null = null;
    if (isDrawn && i === shown) {
      png = `${CAM_FOLDER}/${fileName(index, record.id, '.png')}`;
      const drawn = await drawCam({
        ...{ clip, region, frame: clip.dataset.readFrame(record, frame), heat: image.heat },
        ...{ cells: plan.cells, full: Math.max(...image.heat) },
        captions: camCaptions(clip, { ...facts, frame: `frame ${frame + 1} of ${record.frames}` }),
      });
      await writePng(join(folder, png), drawn);
    }
    entries.push({
      ...referenceTo(clip),
      ...{ frame, ...facts, png },
      predicted: classes[largestAt(image.probabilities, 0, classes.length)]!,
      fieldShare: share?.area ?? null,
    });
  }
  return entries;
}

/** Means over clips of those entries that have both shares. */
function meanOf(
  entries: readonly CamEntry[],
  wanted: (fieldShare: number) => boolean,
): CamExplanation['summary']['all'] {
  const ofClip = new Map<string, { inside: number; field: number; count: number }>();
  for (const { clip, source, insideShare: inside, fieldShare: field } of entries) {
    if (inside === null || field === null || !wanted(field)) continue;
    const key = `${source}\n${clip}`;
    const sum = ofClip.get(key) ?? { inside: 0, field: 0, count: 0 };
    ofClip.set(key, { inside: sum.inside + inside, field: sum.field + field, count: sum.count + 1 });
  }
  const clips = [...ofClip.values()];
  const mean = (part: 'inside' | 'field'): number | null =>
    clips.length === 0 ? null : clips.reduce((sum, clip) => sum + clip[part] / clip.count, 0) / clips.length;
  return { clips: clips.length, insideShare: mean('inside'), fieldShare: mean('field') };
}

/** Clips to draw: an even share of every class (at least one), spread over its clips in their order. */
export function choosePictures(pool: readonly PooledClip[], most: number): Set<number> {
  const labels = [...new Set(pool.map(({ record }) => record.label))];
  const chosen = new Set<number>();
  for (const label of labels) {
    const members = [...pool.keys()].filter((i) => pool[i]!.record.label === label);
    const share = most === 0 ? 0 : Math.max(1, Math.floor((most * members.length) / pool.length));
    for (const at of uniformFrames(members.length, share)) chosen.add(members[at]!);
  }
  return chosen;
}
