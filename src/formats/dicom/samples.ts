/** Samples of a frame before they are display values: patterns of stored bits, and how they lie. */
import type { DicomFrames } from './image.ts';
import { wordsOf } from './values.ts';
import { damaged } from './errors.ts';

export interface Samples {
  /** As many as rows × columns × samples, or for `halved` ones as the layout needs. */
  readonly data: Uint8Array | Uint16Array;
  /** Not a part of the file: may be overwritten and handed on. */
  readonly owned: boolean;
  /** `planar`: a plane each; `halved`: Y Y Cb Cr for two pixels (4:2:2), rows of odd length padded or not. */
  readonly layout: 'interleaved' | 'planar' | 'halved' | 'halved-padded';
  /** What the three samples are: as declared, or as the codestream is known to have made them. */
  readonly colour: 'declared' | 'rgb' | 'ybr';
  /** Bits to the right of the stored ones. */
  readonly shift: number;
}

/** A codestream has the size, the components and no more bits than the object declares. Errors: `DICOM_CODESTREAM`. */
export function checkDeclared(
  { width, height, components, precision }: Record<'width' | 'height' | 'components' | 'precision', number>,
  image: DicomFrames,
  where: string,
): void {
  if (width !== image.columns || height !== image.rows || components !== image.samples)
    throw damaged(
      `is ${width}×${height} with ${components} components, ` +
        `where the object declares ${image.columns}×${image.rows} with ${image.samples}`,
      where,
    );
  if (precision > image.bitsAllocated)
    throw damaged(
      `has samples of ${precision} bits, where the object allocates ${image.bitsAllocated}`,
      where,
    );
}

/** Codestreams of no more than the stored bits hold those alone; wider ones hold the whole sample. */
export function codedShift(precision: number, image: DicomFrames): number {
  return precision > image.bitsStored ? image.shift : 0;
}

/**
 * Samples out of a codec's buffer: bytes up to a precision of 8, little-endian words above.
 *
 * @throws UsclError `DICOM_CODESTREAM` where there are not as many as wanted.
 */
export function copySamples(
  decoded: Uint8Array,
  count: number,
  precision: number,
  where: string,
): Uint8Array | Uint16Array {
  const bytes = precision <= 8 ? 1 : 2;
  if (decoded.length !== count * bytes) throw damaged('decodes to another size than it declares', where);
  if (bytes === 1) return Uint8Array.from(decoded);
  return wordsOf(decoded, false);
}
