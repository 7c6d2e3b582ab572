/**
 * One planned clip to clean frames and the facts about it: open the source, choose frames, find the field, blank,
 * crop and scale, drop what carries nothing. Decoding starts at once and runs ahead of the writer; the facts are
 * complete when the frames have ended.
 */
import { told } from '../base/collect.ts';
import { dataError, systemCode, UsclError } from '../base/errors.ts';
import type { ClipDraft, Field } from '../dataset/types.ts';
import { AheadQueue } from './ahead.ts';
import { hasCallipers } from './callipers.ts';
import { type DropCounts, withoutEmptyFrames } from './clean.ts';
import { type Cut, planCut } from './field/cut.ts';
import { type GivenField, wholeField } from './field/file.ts';
import { findField } from './field/find.ts';
import { areaOf, rasterize } from './field/raster.ts';
import { type Size, storedSize } from '../video/geometry.ts';
import { readMasks } from './masks/masks.ts';
import { narrowedField } from './field/narrow.ts';
import { accessComplaint } from './common/paths.ts';
import { type OpenSettings, openSource } from './open.ts';
import { FrameContinuity, UNLIKE_FRAMES } from './frame-continuity.ts';
import type { PlannedClip } from './common/ingest-plan.ts';
import type { ClipSource } from './common/source.ts';
import { afterLook, framesByMotion, motionOf, only, withEnding } from './frame-streams.ts';

/** When a clip without a field is not taken: where it may name a patient, always, or never. */
export type UnmaskedRule = 'identifying' | 'all' | 'none';

/** How frames are chosen: evenly in time, or where something moves. */
export type Sampling = 'time' | 'motion';

export interface DecodeSettings extends OpenSettings {
  readonly size: number;
  readonly channels: 1 | 3;
  readonly fps: number | 'all';
  readonly sampling: Sampling;
  /** Whether a field is looked for and cropped to. */
  readonly crop: boolean;
  readonly refuseUnmasked: UnmaskedRule;
}

/**
 * SPG draws three frames of a clip and has less to mix with fewer, so a clip of a fraction of a second is sampled
 * densely enough to keep three, where it has them.
 */
const FEW_FRAMES = 3;

/** A found field masks what may name a patient only when the finder is this sure, and when it leaves something out. */
const SURE = 0.75;
const WHOLE = 0.95;

interface Facts extends Pick<ClipSource, 'flags' | 'remarks' | 'mayIdentify'> {
  readonly original: ClipDraft['original'];
  readonly fps: number | null;
  readonly sha256: string;
  readonly damage: string | undefined;
}

/** A clip whose decoding is under way. */
export class ClipDecoding {
  readonly clip: PlannedClip;
  readonly frames: AheadQueue;
  readonly dropped: Readonly<DropCounts>;
  /** Frames that sampling is going to give by what the source declares, dropped ones counted; once it is open. */
  expected: number | undefined;
  /** Of each frame so far: its number among the sampled ones, those that were dropped counted too. */
  readonly positions: readonly number[];
  readonly #settings: DecodeSettings;
  readonly #given: GivenField | undefined;
  readonly #dropped: DropCounts = { black: 0, blank: 0, duplicate: 0 };
  #facts: Facts | undefined;
  #field: Field | null = null;
  #cut: Cut | undefined;
  #masks: Uint8Array | null = null;
  #kept = 0;
  readonly #positions: number[] = [];
  #hasCallipers = false;
  readonly #continuity = new FrameContinuity();

  constructor(clip: PlannedClip, settings: DecodeSettings, given?: GivenField) {
    this.clip = clip;
    this.dropped = this.#dropped;
    this.positions = this.#positions;
    this.#settings = settings;
    this.#given = given;
    this.frames = new AheadQueue(this.#clean());
  }

  /** The clip's record; only after the last frame. */
  draft(): ClipDraft {
    const { original, fps, sha256 } = this.#whole();
    const { width, height } = this.#plannedCut().stored;
    const { id, group } = namesOf(this.clip, sha256);
    return {
      ...{ id, group, label: this.clip.label, source: id, sourceSha256: sha256 },
      ...{ width, height, fps, original },
      crop: this.#plannedCut().crop,
      field: this.#field,
      dropped: { ...this.#dropped },
      flags: [...this.clip.flags, ...this.found()],
    };
  }

  /** The flags that come from the pixels; only after the last frame. */
  found(): readonly string[] {
    const { original, damage, flags, mayIdentify } = this.#whole();
    const { size, crop, sampling } = this.#settings;
    const { black, duplicate } = this.#dropped;
    const isClip = original.frames > 1;
    return told([
      ...flags.filter((flag) => !this.clip.flags.includes(flag)),
      !isClip && 'still',
      isClip && this.#kept < FEW_FRAMES && 'few-frames',
      black > this.#kept && 'mostly-black',
      duplicate > this.#kept && 'frozen',
      this.#hasCallipers && (!isClip || duplicate > this.#kept) && 'callipers',
      this.#continuity.isUnlike() && UNLIKE_FRAMES,
      damage !== undefined && 'damaged',
      Math.min(original.width, original.height) < size && 'small',
      sampling === 'motion' && isClip && 'by-motion',
      (crop || mayIdentify) && this.#field === null && 'no-field',
    ]);
  }

  /** Size of the frames; once the first has come. */
  get stored(): Size {
    return this.#plannedCut().stored;
  }

  /** [frames, height, width] of 0 and 1, or null; only after the last frame. */
  masks(): Uint8Array | null {
    return this.#masks;
  }

  /** What a person should know of how it was read; only after the last frame. */
  get remarks(): readonly string[] {
    return this.#facts?.remarks ?? [];
  }

  /** What the decoder said about damage, if anything; only after the last frame. */
  get damage(): string | undefined {
    return this.#facts?.damage;
  }

  #whole(): Facts {
    if (this.#facts === undefined) throw new Error(`The clip ${this.clip.item.path} is not decoded yet.`);
    return this.#facts;
  }

  #plannedCut(): Cut {
    if (this.#cut === undefined) throw new Error('The cut is asked for before it is planned.');
    return this.#cut;
  }

  async *#clean(): AsyncGenerator<Uint8Array, void, undefined> {
    const { channels } = this.#settings;
    try {
      const source = await openSource(this.clip, this.#settings);
      // What is left out is judged by what would be stored: a clock beside the picture does not make it move.
      const cleaned = withoutEmptyFrames(this.#frames(source), this.#dropped, () => ({
        channels,
        isMasked: this.#field !== null,
      }));
      for await (const frame of cleaned) {
        const { black, blank, duplicate } = this.#dropped;
        this.#positions.push(this.#kept + black + blank + duplicate);
        // Callipers are drawn on frozen pictures: stills, and clips that do not move. Their first frame tells.
        if (this.#kept++ === 0) this.#hasCallipers = hasCallipers(frame, this.stored, channels);
        if (this.clip.item.kind === 'frames') this.#continuity.add(frame, this.stored, channels);
        yield frame;
      }
      if (this.#kept > 0) await this.#readMasks(source);
    } catch (thrown) {
      if (systemCode(thrown) === undefined || thrown instanceof UsclError) throw thrown;
      throw unreadable(accessComplaint(thrown, this.clip.item.path), thrown);
    }
    if (this.#kept === 0) throw emptyClip(this.#dropped);
  }

  /** Frames at the stored size. */
  async *#frames(source: ClipSource): AsyncGenerator<Uint8Array, void, undefined> {
    const { size, channels, crop } = this.#settings;
    const known = this.#knownField(source);
    if (known === null) {
      this.#decide(null, source);
      // Nothing to look at in the original: the decoder scales, which is the shortest way.
      yield* this.#decode(source, true);
      return;
    }
    const useField = (field: Field | null): void => {
      this.#decide(field, source);
      this.#cut = planCut(field, source, channels, size, crop);
    };
    const decoded = this.#decode(source, false);
    if (known !== 'look' && known.from !== 'declared') useField(known);
    const frames =
      this.#cut !== undefined
        ? decoded
        : afterLook(decoded, (first) => {
            useField(this.#look(first, source, known === 'look' ? null : known));
          });
    for await (const frame of frames) yield await this.#plannedCut().apply(frame);
  }

  /** The field that the pixels tell, if it can be used; of a declared one, what they leave of it. */
  #look(frames: readonly Uint8Array[], source: ClipSource, declared: Field | null): Field | null {
    const { size, channels, crop } = this.#settings;
    if (declared !== null) return narrowedField(declared, frames, source, channels, SURE);
    const field = findField(frames, source, channels);
    if (field === null || (source.mayIdentify && field.confidence < SURE)) return null;
    try {
      planCut(field, source, channels, size, crop);
      return source.mayIdentify && coversAll(field, source) ? null : field;
    } catch (thrown) {
      // A sliver is no field.
      if (thrown instanceof UsclError && thrown.code === 'FIELD_OUTSIDE') return null;
      throw thrown;
    }
  }

  /** A person's word first, then the file's; `look` where the pixels are to tell. */
  #knownField(source: ClipSource): Field | null | 'look' {
    if (this.#given?.kind === 'field') return this.#given.field;
    if (this.#given?.kind === 'whole') return wholeField(source);
    if (this.#given?.kind === 'none') return null;
    if (source.declaredField !== null) return source.declaredField;
    return this.#settings.crop || source.mayIdentify ? 'look' : null;
  }

  /** Fails closed: what may name a patient and has no field is not taken. */
  #decide(field: Field | null, source: ClipSource): void {
    const { refuseUnmasked, size, channels } = this.#settings;
    this.#field = field;
    this.#cut = planCut(null, source, channels, size, false);
    if (field !== null || refuseUnmasked === 'none') return;
    if (refuseUnmasked === 'all' || source.mayIdentify) throw unmasked();
  }

  async *#decode(source: ClipSource, isScaled: boolean): AsyncGenerator<Uint8Array, void, undefined> {
    const { size, channels, signal, sampling } = this.#settings;
    const fps = denseEnough(this.#settings.fps, source);
    this.expected = sampled(source.frameCount, fps, source);
    const byMotion = sampling === 'motion' && fps !== 'all' && source.frameCount > 1;
    const indices = byMotion ? await this.#movingFrames(source, fps) : null;
    const request = {
      ...{ channels, signal, fps: byMotion ? ('all' as const) : fps },
      size: isScaled ? storedSize(source, size) : undefined,
    };
    let damage: string | undefined;
    let decoded = 0;
    const all = withEnding(source.frames(request), (ending, count) => {
      damage = ending;
      decoded = count;
    });
    yield* indices === null ? all : only(all, indices);
    const { width, height, flags, remarks, mayIdentify } = source;
    const frames = Math.max(source.frameCount, decoded);
    this.#facts = {
      original: { width, height, fps: source.fps, frames },
      fps: source.fps === null || fps === 'all' ? source.fps : Math.min(fps, source.fps),
      sha256: await source.sha256(),
      ...{ damage, flags, remarks, mayIdentify },
    };
  }

  /** As many frames as sampling in time would give, at equal steps of motion. Decodes the clip once more. */
  async #movingFrames(source: ClipSource, fps: number): Promise<readonly number[]> {
    const again = await openSource(this.clip, this.#settings);
    const frames = again.frames({ channels: 1, fps: 'all', signal: this.#settings.signal });
    const motion = await motionOf(
      withEnding(frames, () => undefined),
      source,
    );
    return framesByMotion(motion, sampled(motion.length, fps, source));
  }

  async #readMasks(source: ClipSource): Promise<void> {
    const { masks = [], maskReading } = this.clip;
    if (masks.length === 0) return;
    this.#masks = this.#plannedCut().applyMask(
      await readMasks(this.#settings.root, masks, source, maskReading),
    );
  }
}

/** Under which names a clip is written. */
export function namesOf(clip: PlannedClip, sha256: string): { readonly id: string; readonly group: string } {
  const { item, name = item.path, group } = clip;
  if (typeof name === 'string') return { id: name, group };
  if ('as' in name) return { id: name.as, group };
  const id = `${item.kind}-${sha256.slice(0, 16)}`;
  return { id, group: group === item.path ? id : group };
}

/** How many of `count` frames sampling takes. */
function sampled(count: number, fps: number | 'all', source: ClipSource): number {
  const share = source.fps === null || fps === 'all' ? 1 : Math.min(1, fps / source.fps);
  return Math.ceil(count * share - 1e-6);
}

/** The rate to sample at: the one asked for, raised for a clip that would keep fewer than three frames. */
function denseEnough(fps: number | 'all', source: ClipSource): number | 'all' {
  if (fps === 'all' || source.fps === null) return fps;
  return Math.min(Math.max(fps, (FEW_FRAMES * source.fps) / source.frameCount), Math.max(fps, source.fps));
}

function coversAll({ outlines }: Field, size: Size): boolean {
  return areaOf(rasterize(outlines, size)) >= WHOLE * size.width * size.height;
}

function emptyClip({ black, blank }: Readonly<DropCounts>): UsclError {
  const count = black + blank;
  const what = blank === 0 ? 'black' : black === 0 ? 'blank' : 'black or blank';
  if (count === 0) return unreadable('not one frame could be decoded');
  return unreadable(
    count === 1 ? `its only frame is ${what}` : `all of its ${count} sampled frames are ${what}`,
  );
}

function unmasked(): UsclError {
  return dataError(
    'UNMASKED',
    'no ultrasound field is declared, given or found, so what names a patient cannot be blanked',
    'Give its field with --fields, or take it as it is with --allow-unmasked.',
  );
}

function unreadable(reason: string, cause?: unknown): UsclError {
  return dataError('SOURCE_UNREADABLE', reason, 'Mend the file or leave it out.', { cause });
}
