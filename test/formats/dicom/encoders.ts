/** Codestreams for tests: JPEG-LS and JPEG 2000 through their libraries, lossless JPEG by a slow encoder of its own. */
import openCharls from '@cornerstonejs/codec-charls/wasmjs';
import openOpenJpeg from '@cornerstonejs/codec-openjpeg/wasmjs';

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly components: 1 | 3;
  readonly bits: number;
  /** Interleaved; up to 8 bits a byte each, above little-endian words. */
  readonly data: Uint8Array;
}

/** A new one for each module: it becomes the module. */
const silent = (): EncoderOptions => ({ print: () => undefined, printErr: () => undefined });

function frameOf(picture: Picture): Parameters<CodecEncoder['getDecodedBuffer']>[0] {
  const { width, height, bits, components } = picture;
  return { width, height, bitsPerSample: bits, componentCount: components, isSigned: false };
}

/** @param mode 0 planes (data are then planar), 1 lines, 2 samples. */
export async function encodeJpegLs(picture: Picture, mode: 0 | 1 | 2 = 2, error = 0): Promise<Uint8Array> {
  const { JpegLSEncoder } = await openCharls(silent());
  const encoder = new JpegLSEncoder();
  encoder.getDecodedBuffer(frameOf(picture)).set(picture.data);
  if (picture.components === 3) encoder.setInterleaveMode(mode);
  encoder.setNearLossless(error);
  encoder.encode();
  return Uint8Array.from(encoder.getEncodedBuffer());
}

/** Three components go through the reversible colour transformation. */
export async function encodeJpeg2000(picture: Picture): Promise<Uint8Array> {
  const { J2KEncoder } = await openOpenJpeg(silent());
  const encoder = new J2KEncoder();
  encoder.getDecodedBuffer(frameOf(picture)).set(picture.data);
  encoder.setDecompositions(2);
  encoder.setQuality(true, 0);
  encoder.encode();
  return Uint8Array.from(encoder.getEncodedBuffer());
}

export interface LosslessOptions {
  /** 1 to 7; default 1. */
  readonly predictor?: number;
  /** Lines between restarts; default none. */
  readonly restartRows?: number;
  /** A scan for each component. */
  readonly separate?: boolean;
  readonly pointTransform?: number;
}

/** Lossless JPEG (T.81 annex H) with one fixed Huffman table: 17 categories in codes of five bits. */
export function encodeJpegLossless(picture: Picture, options: LosslessOptions = {}): Uint8Array {
  const { width, height, components, bits } = picture;
  const { predictor = 1, restartRows = 0, separate = false, pointTransform = 0 } = options;
  const words = (...values: number[]): number[] => values.flatMap((value) => [value >> 8, value & 255]);
  const counts = Array.from({ length: 16 }, (_, i) => (i === 4 ? 17 : 0));
  const ids = Array.from({ length: components }, (_, i) => i + 1);
  const out: number[] = [0xff, 0xd8];
  out.push(0xff, 0xc3, ...words(8 + 3 * components), bits, ...words(height, width), components);
  for (const id of ids) out.push(id, 0x11, 0);
  out.push(0xff, 0xc4, ...words(2 + 17 + 17), 0, ...counts, ...Array.from({ length: 17 }, (_, i) => i));
  if (restartRows > 0) out.push(0xff, 0xdd, ...words(4, restartRows * width));
  for (const scan of separate ? ids.map((id) => [id]) : [ids]) {
    out.push(0xff, 0xda, ...words(6 + 2 * scan.length), scan.length);
    for (const id of scan) out.push(id, 0);
    out.push(
      predictor,
      0,
      pointTransform,
      ...encodeScan(picture, scan, predictor, restartRows, pointTransform),
    );
  }
  out.push(0xff, 0xd9);
  return Uint8Array.from(out);
}

function encodeScan(
  { width, height, components, bits, data }: Picture,
  scan: readonly number[],
  predictor: number,
  restartRows: number,
  pointTransform: number,
): number[] {
  const sample = (x: number, y: number, c: number): number => {
    const place = (y * width + x) * components + c;
    return (bits <= 8 ? data[place]! : data[2 * place]! | (data[2 * place + 1]! << 8)) >> pointTransform;
  };
  const out: number[] = [];
  let pending = '';
  const flush = (): void => {
    while (pending.length % 8 !== 0) pending += '1';
    for (let i = 0; i < pending.length; i += 8) {
      const byte = parseInt(pending.slice(i, i + 8), 2);
      out.push(byte);
      if (byte === 0xff) out.push(0);
    }
    pending = '';
  };
  let first = 0;
  for (let y = 0; y < height; y++) {
    if (restartRows > 0 && y > 0 && y % restartRows === 0) {
      flush();
      out.push(0xff, 0xd0 + ((y / restartRows - 1) % 8));
      first = y;
    }
    for (let x = 0; x < width; x++)
      for (const id of scan) {
        const c = id - 1;
        const left = x > 0 ? sample(x - 1, y, c) : 0;
        const above = y > first ? sample(x, y - 1, c) : 0;
        const corner = x > 0 && y > first ? sample(x - 1, y - 1, c) : 0;
        const predictions = [
          0,
          left,
          above,
          corner,
          left + above - corner,
          left + ((above - corner) >> 1),
          above + ((left - corner) >> 1),
          (left + above) >> 1,
        ];
        const predicted =
          y === first
            ? x === 0
              ? 2 ** (bits - pointTransform - 1)
              : left
            : x === 0
              ? above
              : predictions[predictor]!;
        // Differences are modulo 65,536, from −32,767 to 32,768.
        let difference = (sample(x, y, c) - predicted) & 0xffff;
        if (difference > 0x8000) difference -= 0x10000;
        const category =
          difference === 0x8000 ? 16 : Math.abs(difference).toString(2).length * +(difference !== 0);
        pending += category.toString(2).padStart(5, '0');
        if (category > 0 && category < 16) {
          const value = difference > 0 ? difference : difference + 2 ** category - 1;
          pending += value.toString(2).padStart(category, '0');
        }
      }
  }
  flush();
  return out;
}
