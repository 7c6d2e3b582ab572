/**
 * From samples to what is shown: 8 bits, interleaved, grey or RGB. YCbCr is the full-range one of JPEG (ITU-R BT.601,
 * PS3.3 C.7.6.3.1.2) except for the retired YBR_PARTIAL kinds, which have headroom.
 */
import type { DicomFrames } from './image.ts';
import type { Samples } from './samples.ts';

/** [rows, columns, channels] display values. The samples may be overwritten, if they are not part of the file. */
export function toDisplay(image: DicomFrames, samples: Samples): Uint8Array {
  if (image.photometric === 'PALETTE COLOR') return throughPalette(image, samples);
  if (image.samples === 1) return throughTable(image, samples);
  const { data } = samples;
  const plain = image.table === null && data instanceof Uint8Array;
  const bytes = plain ? data : throughTable(image, samples);
  const interleaved = interleave(image, bytes, samples.layout, samples.owned || !plain);
  if (isYbr(image, samples)) toRgb(interleaved, image.photometric.startsWith('YBR_PARTIAL'));
  return interleaved;
}

function isYbr(image: DicomFrames, samples: Samples): boolean {
  if (samples.colour !== 'declared') return samples.colour === 'ybr';
  // The two transformations of JPEG 2000 belong to its codestream and are undone there.
  return image.photometric.startsWith('YBR_FULL') || image.photometric.startsWith('YBR_PARTIAL');
}

/** Pattern of the stored bits, wherever they lie in the sample. */
function throughTable(image: DicomFrames, { data, shift }: Samples): Uint8Array {
  const table = image.table!;
  const mask = 2 ** image.bitsStored - 1;
  const shown = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) shown[i] = table[(data[i]! >> shift) & mask]!;
  return shown;
}

function throughPalette(image: DicomFrames, { data, shift }: Samples): Uint8Array {
  const table = image.table!;
  const mask = 2 ** image.bitsStored - 1;
  const shown = new Uint8Array(3 * data.length);
  for (let i = 0, at = 0; i < data.length; i++) {
    const entry = 3 * ((data[i]! >> shift) & mask);
    shown[at++] = table[entry]!;
    shown[at++] = table[entry + 1]!;
    shown[at++] = table[entry + 2]!;
  }
  return shown;
}

/** Always an array of its own. */
function interleave(
  { rows, columns }: DicomFrames,
  data: Uint8Array,
  layout: Samples['layout'],
  owned: boolean,
): Uint8Array {
  if (layout === 'interleaved') return owned ? data : data.slice();
  const pixels = rows * columns;
  const result = new Uint8Array(3 * pixels);
  if (layout === 'planar')
    for (let i = 0, at = 0; i < pixels; i++) {
      result[at++] = data[i]!;
      result[at++] = data[pixels + i]!;
      result[at++] = data[2 * pixels + i]!;
    }
  else {
    // Places of pixels as the samples lie: rows of an odd length may have one more.
    const gap = layout === 'halved-padded' ? columns % 2 : 0;
    for (let y = 0, place = 0, at = 0; y < rows; y++, place += gap)
      for (let x = 0; x < columns; x++, place++) {
        const pair = 4 * (place >> 1);
        result[at++] = data[pair + (place & 1)]!;
        result[at++] = data[pair + 2]!;
        result[at++] = data[pair + 3]!;
      }
  }
  return result;
}

/** In place; rounded as the equations give it, clamped to 0–255. */
function toRgb(pixels: Uint8Array, partial: boolean): void {
  const tables = partial ? PARTIAL : FULL;
  const clamped = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length);
  for (let i = 0; i < pixels.length; i += 3) {
    const y = tables.luma[pixels[i]!]!;
    const cb = pixels[i + 1]!;
    const cr = pixels[i + 2]!;
    // Assignment to a clamped array rounds to the nearest.
    clamped[i] = y + tables.redOfCr[cr]!;
    clamped[i + 1] = y - tables.greenOfCb[cb]! - tables.greenOfCr[cr]!;
    clamped[i + 2] = y + tables.blueOfCb[cb]!;
  }
}

interface YbrTables {
  readonly luma: Float64Array;
  readonly redOfCr: Float64Array;
  readonly greenOfCb: Float64Array;
  readonly greenOfCr: Float64Array;
  readonly blueOfCb: Float64Array;
}

function tablesOf(luma: (y: number) => number, chroma: number): YbrTables {
  const table = (entry: (value: number) => number): Float64Array =>
    Float64Array.from({ length: 256 }, (_, value) => entry(value));
  const scaled = (factor: number): Float64Array => table((value) => factor * chroma * (value - 128));
  return {
    luma: table(luma),
    redOfCr: scaled(1.402),
    greenOfCb: scaled(0.344136),
    greenOfCr: scaled(0.714136),
    blueOfCb: scaled(1.772),
  };
}

const FULL = tablesOf((y) => y, 1);
const PARTIAL = tablesOf((y) => ((y - 16) * 255) / 219, 255 / 224);
