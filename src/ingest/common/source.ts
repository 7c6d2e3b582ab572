/**
 * One opened source of a clip: a video, a still, a folder of pictures or a DICOM object. Opening reads what the file
 * says of itself; pixels come from `frames`, at the original size unless asked otherwise, so that finding the field,
 * blanking and scaling are the same for all of them.
 */
import type { Field } from '../../dataset/types.ts';
import type { Size } from '../../video/geometry.ts';

/** Frames to take of a source. */
export interface FrameRequest {
  readonly channels: 1 | 3;
  /** Frames a second, uniform in time, or all. */
  readonly fps: number | 'all';
  /** Size to scale to while decoding; default: the original's. */
  readonly size?: Size | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ClipSource extends Size {
  /** Frames a second as declared; null for stills and where the file does not tell. */
  readonly fps: number | null;
  /** Frames as declared, at least 1. */
  readonly frameCount: number;
  /** Where the file itself says that the ultrasound is; null where it does not. */
  readonly declaredField: Field | null;
  /** Whether what lies outside of the field may name a patient: then a clip without a field is not taken. */
  readonly mayIdentify: boolean;
  readonly flags: readonly string[];
  /** What a person should know of how it was read: sentences without names. Whole after the last frame. */
  readonly remarks: readonly string[];
  /**
   * [height, width, channels] u8 frames of square pixels, each in its own array. Returns what the decoder said about
   * damage, if anything. Once per source.
   */
  frames(request: FrameRequest): AsyncGenerator<Uint8Array, string | undefined, undefined>;
  /** SHA-256 of the source's bytes, hex; only after the last frame. */
  sha256(): Promise<string>;
}
