/**
 * The look at a clip's first frames that tells its field: found where none is declared, narrowed where one is. By far
 * the longest computation of an ingest, so it is a function of plain data that any thread can do.
 */
import type { Field } from '../dataset/types.ts';
import { chosenFrames } from './field/features.ts';
import { findField } from './field/find.ts';
import type { Size } from './geometry.ts';
import { narrowedField } from './narrow.ts';

export interface Look {
  readonly size: Size;
  readonly channels: 1 | 3;
  /** What the file declares, and how sure the finder must be to narrow it; null where it declares nothing. */
  readonly declared: { readonly field: Field; readonly sure: number } | null;
}

/** Tells the field from frames [height, width, channels] u8, now or later; null where there is none to be told. */
export type Looker = (look: Look, frames: readonly Uint8Array[]) => Field | null | Promise<Field | null>;

/** Looks at once. */
export function lookNow({ size, channels, declared }: Look, frames: readonly Uint8Array[]): Field | null {
  return declared === null
    ? findField(frames, size, channels)
    : narrowedField(declared.field, frames, size, channels, declared.sure);
}

/** The frames that a look depends on, in one array [frames, height, width, channels] of its own. */
export function packFrames({ size, channels }: Look, frames: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const chosen = chosenFrames(frames);
  const length = size.width * size.height * channels;
  const packed = new Uint8Array(chosen.length * length);
  for (const [i, frame] of chosen.entries()) packed.set(frame, i * length);
  return packed;
}

export function unpackFrames({ size, channels }: Look, packed: Uint8Array): Uint8Array[] {
  const length = size.width * size.height * channels;
  return Array.from({ length: packed.length / length }, (_, i) =>
    packed.subarray(i * length, (i + 1) * length),
  );
}
