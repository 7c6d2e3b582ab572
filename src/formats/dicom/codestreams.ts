/** What a compressed frame begins with: files name the wrong transfer syntax, or none, and the first bytes tell. */

export type Codestream = 'jpeg' | 'jpeg-2000' | 'rle';

const RLE_HEADER_BYTES = 64;

/** Kind of the codestream that begins with these bytes: JPEG of all kinds, JPEG 2000 bare and boxed, RLE; or undefined. */
export function codestreamAt(bytes: Uint8Array, start: number, end: number): Codestream | undefined {
  const mark = Buffer.from(bytes.subarray(start, Math.min(start + 8, end))).toString('hex');
  if (mark.startsWith('ffd8ff')) return 'jpeg';
  if (mark.startsWith('ff4fff51') || mark === '0000000c6a502020') return 'jpeg-2000';
  return end - start >= RLE_HEADER_BYTES && isRleHeader(bytes, start, end - start) ? 'rle' : undefined;
}

/** Up to 15 segments, the first behind the header, in order; the places of others are zero (PS3.5 annex G.5). */
function isRleHeader(bytes: Uint8Array, start: number, length: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, RLE_HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count < 1 || count > 15 || view.getUint32(4, true) !== RLE_HEADER_BYTES) return false;
  let previous = 0;
  for (let segment = 0; segment < 15; segment++) {
    const offset = view.getUint32(4 + 4 * segment, true);
    if (segment >= count ? offset !== 0 : offset <= previous || offset > length) return false;
    previous = offset;
  }
  return true;
}
