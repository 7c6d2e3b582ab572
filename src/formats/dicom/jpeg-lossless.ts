/**
 * Lossless JPEG (ITU-T T.81 annex H, process 14): each sample is predicted from its neighbours and the difference is
 * Huffman coded. All seven predictors, 2 to 16 bits, components in one scan or one each, restarts, point transform.
 * Work and memory are those of the declared samples, whatever the codestream holds.
 */
import type { DicomFrames } from './image.ts';
import { damaged, dicomError } from './errors.ts';
import { MARKER, nextSegment, type JpegHeader } from './jpeg-header.ts';
import { codedShift, type Samples } from './samples.ts';

/**
 * @param header of the codestream, its size already found equal to the image's.
 * @throws UsclError `DICOM_CODESTREAM`; `DICOM_UNSUPPORTED` for components of different sizes.
 */
export function decodeJpegLossless(
  coded: Uint8Array,
  header: JpegHeader,
  image: DicomFrames,
  where: string,
): Samples {
  const { components, width, height, precision } = header;
  if (components.some(({ horizontal, vertical }) => horizontal !== 1 || vertical !== 1))
    throw dicomError(
      'DICOM_UNSUPPORTED',
      'Lossless JPEG with components of different sizes is not read.',
      where,
    );
  const count = width * height * components.length;
  const data = precision <= 8 ? new Uint8Array(count) : new Uint16Array(count);
  decodeScans(coded, header, data, where);
  return {
    data,
    owned: true,
    layout: 'interleaved',
    colour: 'declared',
    shift: codedShift(precision, image),
  };
}

/** Four at a time, and perhaps others for each scan; each one read takes some work. */
const MAX_TABLES = 64;

interface Scan {
  readonly components: readonly { readonly index: number; readonly table: HuffmanTable }[];
  readonly predictor: number;
  readonly pointTransform: number;
}

/** Decodes all scans of a codestream into `data`. */
function decodeScans(
  bytes: Uint8Array,
  header: JpegHeader,
  data: Uint8Array | Uint16Array,
  where: string,
): void {
  const { width, height, precision, components: all } = header;
  const tables = new Map<number, HuffmanTable>();
  const seen = new Set<number>();
  let restartRows = 0;
  let tablesRead = 0;
  for (let at = 2; seen.size < all.length;) {
    const { marker, start, end } = nextSegment(bytes, at, 'all of its components', where);
    at = end;
    if (marker === MARKER.DHT) readTables(start, end);
    else if (marker === MARKER.DRI) {
      if (end - start !== 2) throw damaged('has a damaged restart interval', where);
      const interval = bytes[start]! * 256 + bytes[start + 1]!;
      // In lossless processes an interval is a whole number of lines.
      if (interval % width !== 0) throw damaged('restarts within a line', where);
      restartRows = interval / width;
    } else if (marker === MARKER.SOS) {
      const scan = readScan(start, end);
      for (const { index } of scan.components) {
        if (seen.has(index)) throw damaged('has a component twice', where);
        seen.add(index);
      }
      at = decodeScan(scan, end);
    }
  }

  function readTables(start: number, end: number): void {
    for (let at = start; at < end;) {
      const id = bytes[at]!;
      const counts = bytes.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      if (at + 17 + total > end || id > 3) throw damaged('has a damaged Huffman table', where);
      if (++tablesRead > MAX_TABLES) throw damaged('has too many Huffman tables', where);
      tables.set(id, new HuffmanTable(counts, bytes.subarray(at + 17, at + 17 + total), where));
      at += 17 + total;
    }
  }

  function readScan(start: number, end: number): Scan {
    const count = bytes[start] ?? 0;
    if (end - start !== 4 + 2 * count || count < 1) throw damaged('has a damaged scan header', where);
    const components = Array.from({ length: count }, (_, i) => {
      const id = bytes[start + 1 + 2 * i];
      const index = all.findIndex((component) => component.id === id);
      const table = tables.get(bytes[start + 2 + 2 * i]! >> 4);
      if (index < 0 || table === undefined)
        throw damaged('has a scan of an unknown component or table', where);
      return { index, table };
    });
    const predictor = bytes[start + 1 + 2 * count]!;
    const pointTransform = bytes[start + 3 + 2 * count]! & 15;
    if (predictor < 1 || predictor > 7 || pointTransform >= precision)
      throw damaged('has a damaged scan header', where);
    return { components, predictor, pointTransform };
  }

  /** Decodes a scan whose data begin at `from`; returns where they end. */
  function decodeScan({ components, predictor, pointTransform }: Scan, from: number): number {
    const step = all.length;
    const line = width * step;
    const middle = 2 ** (precision - pointTransform - 1);
    const reader = new BitReader(bytes, from);
    let firstRow = 0;
    for (let y = 0; y < height; y++) {
      if (restartRows > 0 && y > 0 && y % restartRows === 0) {
        if (!reader.restart()) throw damaged('lacks a restart', where);
        firstRow = y;
      }
      for (let x = 0; x < width; x++) {
        for (const { index, table } of components) {
          const difference = table.difference(reader);
          const place = y * line + x * step + index;
          let predicted: number;
          if (y === firstRow) predicted = x === 0 ? middle : data[place - step]!;
          else if (x === 0) predicted = data[place - line]!;
          else {
            const left = data[place - step]!;
            const above = data[place - line]!;
            predicted = predict(predictor, left, above, data[place - line - step]!);
          }
          data[place] = predicted + difference;
        }
      }
      // Once a line is often enough: after its end a reader gives zeros.
      if (reader.exhausted) throw damaged('ends early', where);
    }
    if (pointTransform > 0)
      for (const { index } of components)
        for (let i = index; i < data.length; i += step) data[i] = data[i]! << pointTransform;
    return reader.position;
  }
}

function predict(predictor: number, left: number, above: number, corner: number): number {
  switch (predictor) {
    case 1:
      return left;
    case 2:
      return above;
    case 3:
      return corner;
    case 4:
      return left + above - corner;
    case 5:
      return left + ((above - corner) >> 1);
    case 6:
      return above + ((left - corner) >> 1);
    default:
      return (left + above) >> 1;
  }
}

/** Bits of entropy-coded data: without stuffing, up to the next marker, then zeros. */
class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #bits = 0;
  #count = 0;
  /** Zero bits that were made up. */
  #missing = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** The next 16 bits, without taking them. */
  peek(): number {
    while (this.#count < 16) {
      let byte = this.#bytes[this.#at];
      if (byte === undefined || (byte === 0xff && this.#bytes[this.#at + 1] !== 0)) {
        byte = 0;
        this.#missing += 8;
      } else this.#at += byte === 0xff ? 2 : 1;
      this.#bits = ((this.#bits << 8) | byte) & 0xffffff;
      this.#count += 8;
    }
    return (this.#bits >> (this.#count - 16)) & 0xffff;
  }

  /** At most 16 of what was peeked at. */
  skip(count: number): void {
    this.#count -= count;
  }

  take(count: number): number {
    if (count === 0) return 0;
    const bits = this.peek() >> (16 - count);
    this.skip(count);
    return bits;
  }

  /** Makes the reader exhausted. */
  fail(): void {
    this.#missing = Infinity;
  }

  /** Whether bits were taken that are not there, or that mean nothing. */
  get exhausted(): boolean {
    return this.#missing > this.#count;
  }

  /** Where the data read so far end, or a little after them; never beyond the next marker. */
  get position(): number {
    return this.#at;
  }

  /** Goes behind the restart marker that must follow, all bits before it being used up or padding. */
  restart(): boolean {
    const exhausted = this.exhausted;
    this.#bits = 0;
    this.#count = 0;
    this.#missing = 0;
    while (this.#bytes[this.#at] === 0xff && this.#bytes[this.#at + 1] === 0xff) this.#at++;
    const marker = this.#bytes[this.#at + 1] ?? 0;
    if (exhausted || this.#bytes[this.#at] !== 0xff || marker < 0xd0 || marker > 0xd7) return false;
    this.#at += 2;
    return true;
  }
}

/** Categories of differences (0 to 16) by their codes. */
class HuffmanTable {
  /** By the next 16 bits: length of the code << 8 | category; 0 where no code begins like that. */
  readonly #codes = new Uint16Array(0x10000);

  constructor(counts: Uint8Array, categories: Uint8Array, where: string) {
    let code = 0;
    let next = 0;
    for (let length = 1; length <= 16; length++) {
      for (let i = 0; i < counts[length - 1]!; i++) {
        const first = code << (16 - length);
        const last = first + (1 << (16 - length));
        const category = categories[next++]!;
        if (last > 0x10000 || category > 16) throw damaged('has a damaged Huffman table', where);
        this.#codes.fill((length << 8) | category, first, last);
        code++;
      }
      code <<= 1;
    }
  }

  /** The next difference. Bits that are no code count as the end of the data. */
  difference(reader: BitReader): number {
    const entry = this.#codes[reader.peek()]!;
    if (entry === 0) reader.fail();
    reader.skip(entry >> 8);
    const category = entry & 0xff;
    if (category === 16) return 0x8000;
    const bits = reader.take(category);
    return category === 0 || bits >= 1 << (category - 1) ? bits : bits - (1 << category) + 1;
  }
}
