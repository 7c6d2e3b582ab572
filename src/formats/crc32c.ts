/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4), and the masked form in which record files store it: a checksum
 * that is kept among the data it covers is rotated and shifted by a constant, so that a checksum of checksums does
 * not degenerate.
 */

const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
  return remainder >>> 0;
});

/** Checksum of all bytes, an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

/** The checksum rotated right by 15 bits plus 0xa282ead8, modulo 2³². */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
