/**
 * As much of the Protocol Buffers wire format as event files need: fields of the four live wire types, written by
 * hand. Field numbers and meanings belong to the caller.
 */

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

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
