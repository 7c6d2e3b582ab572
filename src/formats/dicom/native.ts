/**
 * How many frames uncompressed pixel data hold, and how their samples lie: by the length of the data, because the
 * number of frames that an object declares may be wrong or missing, and because 4:2:2 is written in three ways.
 */
import { dicomError } from './errors.ts';

/**
 * `whole`: every sample. `halved`: two pixels share their colours (Y Y Cb Cr), rows follow each other without a gap.
 * `halved-padded`: the same where the number of columns is odd, each row filled up to a whole pair.
 */
export type Packing = 'whole' | 'halved' | 'halved-padded';

export interface Samples422 {
  readonly rows: number;
  readonly columns: number;
  readonly samples: number;
  readonly bitsAllocated: number;
  readonly photometric: string;
}

/** Bytes of a frame in a packing. */
export function packedBytes(picture: Samples422, packing: Packing): number {
  const { rows, columns, samples, bitsAllocated } = picture;
  const sampleBytes = bitsAllocated / 8;
  if (packing === 'whole') return rows * columns * samples * sampleBytes;
  if (packing === 'halved') return 4 * Math.ceil((rows * columns) / 2) * sampleBytes;
  return 4 * rows * Math.ceil(columns / 2) * sampleBytes;
}

/** Packing of frames and how many there are in `present` bytes, of which one at the end may be padding. */
export interface NativeLayout {
  readonly packing: Packing;
  readonly frameBytes: number;
  readonly frames: number;
}

/**
 * @param declared frames, as far as the object tells.
 * @throws UsclError `DICOM_TRUNCATED` where there is not one whole frame.
 */
export function nativeLayout(
  picture: Samples422,
  present: number,
  declared: number | undefined,
): NativeLayout {
  const packing = packingOf(picture, present, declared);
  const frameBytes = packedBytes(picture, packing);
  const frames = Math.floor(present / frameBytes);
  if (frames > 0) return { packing, frameBytes, frames };
  throw dicomError(
    'DICOM_TRUNCATED',
    `A frame of the object has ${frameBytes} bytes, and its pixel data have ${present}.`,
    'PixelData',
  );
}

function packingOf(picture: Samples422, present: number, declared: number | undefined): Packing {
  const { photometric, columns } = picture;
  if (photometric !== 'YBR_FULL_422' && photometric !== 'YBR_PARTIAL_422') return 'whole';
  // As the photometric interpretation says; rows of pairs; and every sample, as some writers have it nevertheless.
  const packings: Packing[] = columns % 2 === 1 ? ['halved-padded', 'halved', 'whole'] : ['halved', 'whole'];
  const rest = (packing: Packing): number => present % packedBytes(picture, packing);
  const count = (packing: Packing): number => Math.floor(present / packedBytes(picture, packing));
  const fitting = packings.filter((packing) => rest(packing) <= 1 && count(packing) > 0);
  const exact = fitting.find((packing) => count(packing) === declared);
  if (exact !== undefined) return exact;
  if (fitting[0] !== undefined) return fitting[0];
  // Something follows the frames, or the last one is cut short.
  return packings.toReversed().find((packing) => count(packing) >= (declared ?? 1)) ?? packings[0]!;
}
