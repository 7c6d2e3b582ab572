/** TensorBoard event files, read for tests: both checksums verified, scalars as TensorBoard shows them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { maskedCrc32c } from '../src/formats/tensorboard.ts';

interface ScalarEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion: string | null;
  readonly sessionStart: boolean;
  readonly scalars: readonly { readonly tag: string; readonly value: number }[];
}

/**
 * The events of a file whose records are all whole; with `cut`, the last one may be torn off, as a kill leaves it.
 * Field numbers are those of TensorFlow's event.proto.
 */
export function readEvents(bytes: Buffer, cut = false): readonly ScalarEvent[] {
  const events: ScalarEvent[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (cut && bytes.length - at < 12) return events;
    const length = Number(bytes.readBigUInt64LE(at));
    if (cut && bytes.length - at < 16 + length) return events;
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (
      data.length !== length ||
      bytes.readUInt32LE(at + 8) !== maskedCrc32c(bytes.subarray(at, at + 8)) ||
      bytes.readUInt32LE(at + 12 + length) !== maskedCrc32c(data)
    )
      throw new Error(`The record at byte ${at} is not whole.`);
    const fields = fieldsOf(data);
    const session = fields.get(7)?.map((one) => fieldsOf(one as Buffer)) ?? [];
    const values = (fields.get(5) ?? []).flatMap((summary) => fieldsOf(summary as Buffer).get(1) ?? []);
    events.push({
      wallTime: (fields.get(1)?.[0] as Buffer | undefined)?.readDoubleLE() ?? 0,
      step: Number(fields.get(2)?.[0] ?? 0n),
      fileVersion: fields.get(3)?.[0]?.toString() ?? null,
      sessionStart: session.some((one) => one.get(1)?.[0] === 1n),
      scalars: values.map((value) => {
        const parts = fieldsOf(value as Buffer);
        return { tag: String(parts.get(1)![0]), value: (parts.get(2)![0] as Buffer).readFloatLE() };
      }),
    });
    at += 12 + length + 4;
  }
  return events;
}

/** All scalars of a run's folder: a session start drops earlier points at its step or later, later writes win. */
export function readScalars(folder: string): ReadonlyMap<string, readonly { step: number; value: number }[]> {
  const series = new Map<string, Map<number, number>>();
  for (const file of readdirSync(folder)
    .filter((name) => name.startsWith('events.out.tfevents.'))
    .sort())
    for (const event of readEvents(readFileSync(join(folder, file)), true)) {
      if (event.sessionStart)
        for (const points of series.values())
          for (const step of points.keys()) if (step >= event.step) points.delete(step);
      for (const { tag, value } of event.scalars)
        series.set(tag, (series.get(tag) ?? new Map<number, number>()).set(event.step, value));
    }
  return new Map(
    [...series]
      .filter(([, points]) => points.size > 0)
      .map(([tag, points]) => [
        tag,
        [...points].map(([step, value]) => ({ step, value })).sort((a, b) => a.step - b.step),
      ]),
  );
}

/** Protocol Buffers: fields by number; integers as bigint, all else as raw bytes. */
function fieldsOf(message: Buffer): Map<number, (bigint | Buffer)[]> {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  const integer = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => message.subarray(at, (at += length));
  while (at < message.length) {
    const tag = Number(integer());
    const wire = tag & 7;
    const value = wire === 0 ? integer() : take(wire === 1 ? 8 : wire === 5 ? 4 : Number(integer()));
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}
