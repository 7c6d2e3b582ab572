/**
 * RLE Lossless frames (PS3.5 annex G): a header of 64 bytes with the offsets of up to 15 segments, each a byte plane
 * coded by PackBits, most significant byte first.
 */
import { dicomError } from './errors.ts';

const HEADER_BYTES = 64;

/**
 * Interleaved samples of a frame.
 *
 * @param layout pixels of the frame, samples a pixel, bytes a sample (1 or 2).
 * @throws UsclError `DICOM_CODESTREAM` where segments do not agree with the layout or end early.
 */
export function decodeRle(
  coded: Uint8Array,
  layout: { readonly pixels: number; readonly samples: number; readonly bytes: 1 | 2 },
  where: string,
): Uint8Array | Uint16Array {
  const { pixels, samples, bytes } = layout;
  const wanted = samples * bytes;
  if (coded.length < HEADER_BYTES) throw damaged('has no header', where);
  const view = new DataView(coded.buffer, coded.byteOffset, HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count !== wanted) throw damaged(`has ${count} segments where ${wanted} are needed`, where);
  const data = bytes === 1 ? new Uint8Array(pixels * samples) : new Uint16Array(pixels * samples);
  for (let segment = 0; segment < count; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < count ? view.getUint32(8 + 4 * segment, true) : coded.length;
    if (start < HEADER_BYTES || end < start || end > coded.length)
      throw damaged(`has segment ${segment + 1} from byte ${start} to ${end}`, where);
    const sample = Math.floor(segment / bytes);
    const shift = bytes === 2 && segment % 2 === 0 ? 8 : 0;
    unpack(coded.subarray(start, end), data, sample, samples, shift, where);
  }
  return data;
}

/** One byte plane into every `step`-th sample from `first`. */
function unpack(
  packed: Uint8Array,
  data: Uint8Array | Uint16Array,
  first: number,
  step: number,
  shift: number,
  where: string,
): void {
  let at = 0;
  let place = first;
  while (place < data.length) {
    const control = packed[at++];
    if (control === undefined) throw damaged('ends early', where);
    if (control === 128) continue;
    const literal = control < 128;
    const count = literal ? control + 1 : 257 - control;
    if (at + (literal ? count : 1) > packed.length) throw damaged('ends early', where);
    // What goes beyond the plane is padding of the last run.
    const stop = Math.min(data.length, place + count * step);
    const from = at;
    for (; place < stop; place += step) {
      data[place]! |= packed[at]! << shift;
      if (literal) at++;
    }
    at = from + (literal ? count : 1);
  }
}

function damaged(complaint: string, where: string): Error {
  return dicomError('DICOM_CODESTREAM', `The RLE frame ${complaint}.`, where);
}
