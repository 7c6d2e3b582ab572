/**
 * TensorBoard event files, read: the scalars of one file or of a run's folder, with bounds on every length and both
 * checksums verified. Unknown fields and other kinds of summaries are skipped.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UsclError } from '../base/errors.ts';
import { maskedCrc32c } from './crc32c.ts';
import { readFields, WIRE, WireError } from './protobuf.ts';
import { EVENT, FILE_PREFIX, SESSION_START, SESSION_STATUS, SUMMARY_VALUE, VALUE } from './tensorboard.ts';

/** Larger files and records are refused before memory is taken for them. */
export const EVENT_LIMITS = { fileBytes: 1 << 30, recordBytes: 1 << 26 } as const;

interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion: string | null;
  /** A process started here and supersedes earlier points at this step or later. */
  readonly sessionStart: boolean;
  readonly scalars: readonly { readonly tag: string; readonly value: number }[];
}

export interface EventFile {
  readonly events: readonly ScalarEvent[];
  /** The last record is cut off, as a killed process leaves it; the events before it are whole. */
  readonly truncated: boolean;
}

/**
 * Reads the bytes of one event file.
 * @param where named in errors.
 * @throws UsclError `EVENTS_INVALID` with the byte when a checksum, a length or a message is wrong.
 */
export function readEvents(bytes: Uint8Array, where = 'event file'): EventFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const events: ScalarEvent[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 12) return { events, truncated: true };
    const start = at;
    if (view.getUint32(at + 8, true) !== maskedCrc32c(bytes.subarray(at, at + 8))) {
      throw invalid('The checksum of a record length is wrong.', where, start);
    }
    const declared = view.getBigUint64(at, true);
    if (declared > BigInt(EVENT_LIMITS.recordBytes)) {
      throw invalid(`A record declares ${declared.toString()} bytes.`, where, start);
    }
    const length = Number(declared);
    if (bytes.length - at < 12 + length + 4) return { events, truncated: true };
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (view.getUint32(at + 12 + length, true) !== maskedCrc32c(data)) {
      throw invalid('The checksum of a record is wrong.', where, start);
    }
    try {
      events.push(parseEvent(data));
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      throw invalid(`A record is no event: ${thrown.message}`, where, start + 12 + thrown.offset);
    }
    at += 12 + length + 4;
  }
  return { events, truncated: false };
}

/** Points of one tag in rising order of step, one a step. */
export type ScalarSeries = readonly {
  readonly step: number;
  readonly value: number;
  readonly wallTime: number;
}[];

/**
 * All scalars of a run's folder, its files in order of name, as TensorBoard shows them: a session start drops
 * earlier points at its step or later, and a step written again replaces the one before.
 * @throws UsclError `EVENTS_INVALID`, `EVENTS_UNREADABLE`.
 */
export function readScalars(folder: string): ReadonlyMap<string, ScalarSeries> {
  const series = new Map<string, Map<number, { value: number; wallTime: number }>>();
  for (const path of eventFiles(folder)) {
    for (const event of readEvents(readBounded(path), path).events) {
      if (event.sessionStart) {
        for (const points of series.values()) {
          for (const step of points.keys()) if (step >= event.step) points.delete(step);
        }
      }
      for (const { tag, value } of event.scalars) {
        const points = series.get(tag) ?? new Map<number, { value: number; wallTime: number }>();
        series.set(tag, points);
        points.set(event.step, { value, wallTime: event.wallTime });
      }
    }
  }
  return new Map(
    [...series].flatMap(([tag, points]) =>
      points.size === 0
        ? []
        : [[tag, [...points].map(([step, point]) => ({ step, ...point })).sort((a, b) => a.step - b.step)]],
    ),
  );
}

function parseEvent(data: Uint8Array): ScalarEvent {
  let wallTime = 0;
  let step = 0;
  let fileVersion: string | null = null;
  let sessionStart = false;
  const scalars: { tag: string; value: number }[] = [];
  for (const field of readFields(data)) {
    if (field.number === EVENT.wallTime && field.wire === WIRE.fixed64) wallTime = float64(field.value);
    else if (field.number === EVENT.step && field.wire === WIRE.varint)
      step = Number(BigInt.asIntN(64, field.value));
    else if (field.number === EVENT.fileVersion && field.wire === WIRE.bytes) fileVersion = text(field.value);
    else if (field.number === EVENT.sessionLog && field.wire === WIRE.bytes) {
      for (const inner of readFields(field.value)) {
        if (inner.number === SESSION_STATUS && inner.wire === WIRE.varint) {
          sessionStart = inner.value === BigInt(SESSION_START);
        }
      }
    } else if (field.number === EVENT.summary && field.wire === WIRE.bytes) {
      for (const inner of readFields(field.value)) {
        if (inner.number !== SUMMARY_VALUE || inner.wire !== WIRE.bytes) continue;
        const scalar = parseValue(inner.value);
        if (scalar !== undefined) scalars.push(scalar);
      }
    }
  }
  return { wallTime, step, fileVersion, sessionStart, scalars };
}

function parseValue(data: Uint8Array): { tag: string; value: number } | undefined {
  let tag = '';
  let value: number | undefined;
  for (const field of readFields(data)) {
    if (field.number === VALUE.tag && field.wire === WIRE.bytes) tag = text(field.value);
    else if (field.number === VALUE.simpleValue && field.wire === WIRE.fixed32) value = float32(field.value);
  }
  return value === undefined ? undefined : { tag, value };
}

function eventFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith(FILE_PREFIX))
      .sort()
      .map((name) => join(folder, name));
  } catch (thrown) {
    throw unreadable(folder, messageOf(thrown), thrown);
  }
}

function readBounded(path: string): Uint8Array {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      if (size > EVENT_LIMITS.fileBytes) throw unreadable(path, `it has ${size} bytes`);
      const bytes = new Uint8Array(size);
      let done = 0;
      while (done < size) {
        const got = readSync(file, bytes, done, size - done, done);
        if (got === 0) break;
        done += got;
      }
      return bytes.subarray(0, done);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw thrown instanceof UsclError ? thrown : unreadable(path, messageOf(thrown), thrown);
  }
}

function float64(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
}

function float32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function invalid(message: string, where: string, byte: number): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'EVENTS_INVALID',
    message,
    where: `${where}, byte ${byte}`,
    remedy:
      'The file is damaged or no event file: move it out of the folder; log.jsonl holds the same numbers.',
  });
}

function unreadable(path: string, reason: string, cause?: unknown): UsclError {
  return new UsclError({
    kind: 'data',
    code: 'EVENTS_UNREADABLE',
    message: `Cannot read the events of ${path}: ${reason}.`,
    where: path,
    remedy: 'Check that the folder is a run and that you may read it.',
    cause,
  });
}
