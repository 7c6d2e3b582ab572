/**
 * Frames of a DICOM image as 8-bit display values: grey for monochrome, RGB for everything else, whatever they were
 * coded in. One frame at a time, so that memory does not grow with the length of a clip.
 */
import { toDisplay } from './display.ts';
import { dicomError } from './errors.ts';
import { frameBytes } from './fragments.ts';
import type { DicomFrames } from './image.ts';
import { packedBytes } from './native.ts';
import { decodeJpeg2000 } from './jpeg-2000.ts';
import { decodeJpeg } from './jpeg.ts';
import { decodeRle } from './rle.ts';
import type { Samples } from './samples.ts';
import { wordsOf } from './values.ts';

export interface DecodedFrame {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** [height, width, channels], of its own memory. */
  readonly data: Uint8Array;
}

/**
 * Decodes one frame.
 *
 * @param index from 0 to `image.frames` − 1.
 * @throws UsclError (kind `data`) `DICOM_CODESTREAM` for a damaged frame or one that is not what the object declares;
 *   `DICOM_UNSUPPORTED`, `DICOM_TOO_LARGE` for codestreams that are not read.
 */
export async function decodeFrame(image: DicomFrames, index: number): Promise<DecodedFrame> {
  if (!Number.isInteger(index) || index < 0 || index >= image.frames)
    throw new RangeError(`frame ${index} of ${image.frames}`);
  const { rows, columns, channels } = image;
  const data = toDisplay(image, await samplesOf(image, index));
  return { width: columns, height: rows, channels, data };
}

async function samplesOf(image: DicomFrames, index: number): Promise<Samples> {
  const { source, coding, rows, columns, samples } = image;
  const where = `frame ${index + 1} of ${image.frames}`;
  if (source.kind === 'plain') {
    const offset = index * source.frameBytes;
    const whole = image.bytes.subarray(source.start);
    if (source.swapped && image.bitsAllocated === 8)
      return nativeSamples(image, swappedPairs(whole, offset, source.frameBytes), false, true);
    const own = whole.subarray(offset, offset + source.frameBytes);
    return nativeSamples(image, own, source.swapped, false);
  }
  const coded = frameBytes(image.bytes, source.fragments, index);
  switch (coding) {
    case 'native': {
      const needed = packedBytes(image, image.packing);
      if (coded.length < needed)
        throw dicomError('DICOM_CODESTREAM', `The frame has ${coded.length} bytes of ${needed}.`, where);
      return nativeSamples(image, coded.subarray(0, needed), false, false);
    }
    case 'rle': {
      const layout = { pixels: rows * columns, samples, bytes: image.bitsAllocated === 8 ? 1 : 2 } as const;
      const data = decodeRle(coded, layout, where);
      return { data, owned: true, layout: 'interleaved', colour: 'declared', shift: image.shift };
    }
    case 'jpeg':
      return decodeJpeg(coded, image, where);
    case 'jpeg-2000':
      return decodeJpeg2000(coded, image, where);
  }
}

function nativeSamples(image: DicomFrames, bytes: Uint8Array, swapped: boolean, owned: boolean): Samples {
  const { bitsAllocated, packing } = image;
  return {
    data: bitsAllocated === 16 ? wordsOf(bytes, swapped) : bytes,
    owned: owned || bitsAllocated === 16,
    layout: packing !== 'whole' ? packing : image.planar ? 'planar' : 'interleaved',
    colour: 'declared',
    shift: image.shift,
  };
}

/** Bytes of a frame out of words whose bytes are exchanged; words count from the start of the pixel data. */
function swappedPairs(whole: Uint8Array, offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => whole[(offset + i) ^ 1] ?? 0);
}
