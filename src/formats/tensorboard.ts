/**
 * TensorBoard event files, written: scalars by tag and step, in the record format (length, masked CRC-32C, data,
 * masked CRC-32C) with hand-encoded `Event` messages.
 *
 * Every writer starts a new file that sorts behind those of earlier processes, and never touches theirs: what a
 * killed process left, half a record at its end included, stays and is skipped by readers. A writer that continues
 * a run from step k opens with `fromStep: k` and so begins with a session start at k, on which TensorBoard drops
 * every point of earlier files at step k or later: the curve shows each step once, though the killed process had
 * gone beyond its last checkpoint.
 */
import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { guardWrites, writeAll } from '../base/files.ts';

/** Field numbers of TensorFlow's event.proto and summary.proto. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_STATUS = 1;
const SESSION_START = 1;
const FILE_VERSION = 'brain.Event:2';
const FILE_PREFIX = 'events.out.tfevents.';

/** Unwritten bytes are passed to the system at the latest when there are this many. */
const BUFFER_LIMIT = 1 << 18;

/** Where an event file begins. */
export interface EventWriterOptions {
  /** First step this process will write: earlier points at or beyond it are superseded. */
  readonly fromStep?: number;
  /** Seconds since 1970 of the file's start. Default: now. */
  readonly wallTime?: number;
}

/** Writes scalars as TensorBoard events. Holds a file: `close` it, or dispose of it. */
export class EventWriter implements Disposable {
  /** The file being written. */
  readonly path: string;
  readonly #file: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #written = 0;
  #open = true;

  private constructor(path: string) {
    this.path = path;
    // Appending: after a failed write is cut off again, the next one starts at the new end.
    this.#file = guardWrites(path, () => openSync(path, 'ax'));
  }

  /**
   * Starts a new event file in `folder` (made if absent).
   * @throws UsclError `WRITE_FAILED` or `DISK_FULL`, naming the path.
   */
  static open(folder: string, options: EventWriterOptions = {}): EventWriter {
    const now = options.wallTime ?? Date.now() / 1000;
    guardWrites(folder, () => mkdirSync(folder, { recursive: true }));
    const writer = new EventWriter(join(folder, nextFileName(folder, now)));
    try {
      writer.#append(now, bytesField(EVENT.fileVersion, FILE_VERSION));
      if (options.fromStep !== undefined) {
        const session = bytesField(EVENT.sessionLog, varintField(SESSION_STATUS, SESSION_START));
        writer.#append(now, varintField(EVENT.step, options.fromStep), session);
      }
      writer.flush();
    } catch (thrown) {
      closeSync(writer.#file);
      throw thrown;
    }
    return writer;
  }

  /**
   * Adds one point, stored as a 32-bit float. `step` is an integer ≥ 0, `wallTime` seconds since 1970 (default now).
   * It reaches the disk with the next `flush`, or once enough has gathered.
   * @throws UsclError as `flush`.
   */
  scalar(tag: string, value: number, step: number, wallTime = Date.now() / 1000): void {
    const point = Buffer.concat([bytesField(VALUE.tag, tag), floatField(VALUE.simpleValue, value)]);
    const summary = bytesField(EVENT.summary, bytesField(SUMMARY_VALUE, point));
    this.#append(wallTime, varintField(EVENT.step, step), summary);
    if (this.#pendingBytes >= BUFFER_LIMIT) this.flush();
  }

  /**
   * Hands all points to the system. After a failure they are still held, the file ends with a whole record, and
   * the next flush tries again.
   * @throws UsclError `WRITE_FAILED` or `DISK_FULL`.
   */
  flush(): void {
    this.#requireOpen();
    if (this.#pendingBytes === 0) return;
    const bytes = Buffer.concat(this.#pending);
    guardWrites(this.path, () => {
      try {
        writeAll(this.#file, bytes);
      } catch (thrown) {
        ftruncateSync(this.#file, this.#written);
        throw thrown;
      }
    });
    this.#written += bytes.length;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** Flushes, makes the file durable and closes it. Closing twice is allowed. */
  close(): void {
    if (!this.#open) return;
    try {
      this.flush();
      guardWrites(this.path, () => {
        fsyncSync(this.#file);
      });
    } finally {
      this.#open = false;
      closeSync(this.#file);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #append(wallTime: number, ...fields: readonly Uint8Array[]): void {
    this.#requireOpen();
    const bytes = record(Buffer.concat([doubleField(EVENT.wallTime, wallTime), ...fields]));
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #requireOpen(): void {
    if (!this.#open) throw new Error(`The event file ${this.path} is closed.`);
  }
}

/** One record: length (u64), masked CRC of the length, data, masked CRC of the data; little-endian. */
function record(data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length + 4);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(maskedCrc32c(bytes.subarray(0, 8)), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return bytes;
}

/**
 * A name behind all present ones in the order TensorBoard reads (by name): the start time in seconds, pushed past
 * the newest file's if a clock was set back or two processes start within a second.
 */
function nextFileName(folder: string, now: number): string {
  let seconds = Math.floor(now);
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(FILE_PREFIX)) continue;
    const taken = Number.parseInt(name.slice(FILE_PREFIX.length), 10);
    if (Number.isSafeInteger(taken)) seconds = Math.max(seconds, taken + 1);
  }
  return `${FILE_PREFIX}${String(seconds).padStart(10, '0')}.uscl.${process.pid}.0`;
}

// As much of the Protocol Buffers wire format as events need: fields of the four live wire types.

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Field with a non-negative integer below 2⁵³. */
function varintField(field: number, value: number): Uint8Array {
  return Uint8Array.of(...varint(field * 8 + WIRE.varint), ...varint(value));
}

/** Field with a little-endian double. */
function doubleField(field: number, value: number): Uint8Array {
  const payload = new Uint8Array(8);
  new DataView(payload.buffer).setFloat64(0, value, true);
  return Uint8Array.of(...varint(field * 8 + WIRE.fixed64), ...payload);
}

/** Field with a little-endian float. */
function floatField(field: number, value: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setFloat32(0, value, true);
  return Uint8Array.of(...varint(field * 8 + WIRE.fixed32), ...payload);
}

/** Field with text (UTF-8) or an embedded message, preceded by its length. */
function bytesField(field: number, value: string | Uint8Array): Uint8Array {
  const payload = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([
    Uint8Array.from([...varint(field * 8 + WIRE.bytes), ...varint(payload.length)]),
    payload,
  ]);
}

function varint(value: number): number[] {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`A varint must be an integer of at least 0, got ${value}.`);
  const bytes: number[] = [];
  let rest = value;
  // Division, not shifts: shifts would cut the value to 32 bits.
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
  return remainder >>> 0;
});

/** CRC-32C (Castagnoli; RFC 3720, appendix B.4) of all bytes, an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

/**
 * The checksum rotated right by 15 bits plus 0xa282ead8, modulo 2³²: stored among the data it covers, it must not be a
 * checksum of checksums.
 */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
