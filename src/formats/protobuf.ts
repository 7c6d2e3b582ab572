/**
 * As much of the Protocol Buffers wire format as event files need: fields of the four live wire types, written by
 * hand and read with bounds. Field numbers and meanings belong to the caller.
 */

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Field with a non-negative integer below 2⁵³. */
export function varintField(field: number, value: number): Uint8Array {
  return Uint8Array.of(...varint(field * 8 + WIRE.varint), ...varint(value));
}

/** Field with a little-endian double. */
export function doubleField(field: number, value: number): Uint8Array {
  const payload = new Uint8Array(8);
  new DataView(payload.buffer).setFloat64(0, value, true);
  return Uint8Array.of(...varint(field * 8 + WIRE.fixed64), ...payload);
}

/** Field with a little-endian float. */
export function floatField(field: number, value: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setFloat32(0, value, true);
  return Uint8Array.of(...varint(field * 8 + WIRE.fixed32), ...payload);
}

/** Field with text (UTF-8) or an embedded message, preceded by its length. */
export function bytesField(field: number, value: string | Uint8Array): Uint8Array {
  const payload = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([
    Uint8Array.from([...varint(field * 8 + WIRE.bytes), ...varint(payload.length)]),
    payload,
  ]);
}

function varint(value: number): number[] {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`A varint must be an integer of at least 0, got ${value}.`);
  }
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

/** One field as read: its number and either an integer, raw fixed-width bytes, or a length-delimited payload. */
export type Field =
  | { readonly number: number; readonly wire: typeof WIRE.varint; readonly value: bigint }
  | {
      readonly number: number;
      readonly wire: typeof WIRE.fixed64 | typeof WIRE.bytes | typeof WIRE.fixed32;
      readonly value: Uint8Array;
    };

/** The message does not parse; `offset` is the byte within the message. */
export class WireError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = 'WireError';
    this.offset = offset;
  }
}

/** Fields of a message in order. @throws WireError when lengths leave the message or a wire type is unknown. */
export function* readFields(message: Uint8Array): Generator<Field> {
  let at = 0;
  const integer = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at];
      if (byte === undefined) throw new WireError('An integer runs past the end.', at);
      at++;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError('An integer is longer than ten bytes.', at);
  };
  const take = (length: number): Uint8Array => {
    if (length > message.length - at)
      throw new WireError(`A field of ${length} bytes runs past the end.`, at);
    const start = at;
    at += length;
    return message.subarray(start, at);
  };
  while (at < message.length) {
    const start = at;
    const tag = Number(integer());
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number < 1 || number > 0x1fffffff) throw new WireError(`There is no field number ${number}.`, start);
    switch (wire) {
      case WIRE.varint:
        yield { number, wire, value: integer() };
        break;
      case WIRE.fixed64:
        yield { number, wire, value: take(8) };
        break;
      case WIRE.bytes:
        yield { number, wire, value: take(Number(integer())) };
        break;
      case WIRE.fixed32:
        yield { number, wire, value: take(4) };
        break;
      default:
        throw new WireError(`There is no wire type ${wire}.`, start);
    }
  }
}
