/**
 * From stored values to what is shown, as tables: one entry for every pattern of the stored bits, made once for all
 * frames. Monochrome: modality transformation, window or lookup table, inversion (PS3.3 C.11.1, C.11.2); palette
 * colour: the three tables, plain or segmented (C.7.6.3.1.5, C.7.9).
 */
import type { DicomElements } from './elements.ts';
import { UsclError } from '../../base/errors.ts';
import { dicomError } from './errors.ts';
import type { Keyword } from './dictionary.ts';
import { hasValue, itemsOf, numberOf, numbersOf, textOf, valueOf, wordsOf } from './values.ts';

/** How a sample lies in its bits. */
export interface StoredBits {
  readonly bitsStored: number;
  readonly signed: boolean;
}

/** Value of a pattern of `bitsStored` bits. */
function valueOfPattern(pattern: number, { bitsStored, signed }: StoredBits): number {
  return signed && pattern >= 2 ** (bitsStored - 1) ? pattern - 2 ** bitsStored : pattern;
}

/**
 * Display values 0–255 of every pattern of a monochrome sample. Without window or table the full range of the stored
 * bits is shown, so that all frames of a clip, and all clips of a scanner, are on one scale.
 */
export function monochromeTable(set: DicomElements, bits: StoredBits, inverted: boolean): Uint8Array {
  const modality = modalityOf(set, bits);
  const low = modality(bits.signed ? -(2 ** (bits.bitsStored - 1)) : 0);
  const high = modality(2 ** (bits.bitsStored - (bits.signed ? 1 : 0)) - 1);
  const shown = windowOf(set) ?? voiTableOf(set, bits) ?? fullRange(low, high);
  return Uint8Array.from({ length: 2 ** bits.bitsStored }, (_, pattern) => {
    const level = Math.round(255 * Math.min(1, Math.max(0, shown(modality(valueOfPattern(pattern, bits))))));
    return inverted ? 255 - level : level;
  });
}

/** 0–255 for each pattern of a colour sample. */
export function colourTable({ bitsStored }: StoredBits): Uint8Array {
  const largest = 2 ** bitsStored - 1;
  return Uint8Array.from({ length: 2 ** bitsStored }, (_, pattern) => Math.round((255 * pattern) / largest));
}

type Transformation = (value: number) => number;

function modalityOf(set: DicomElements, stored: StoredBits): Transformation {
  const item = itemsOf(set, 'ModalityLUTSequence')[0];
  if (item !== undefined) {
    const table = readTable(item, 'LUTDescriptor', 'LUTData', { ...stored, signed: false });
    return (value) => table.values[Math.min(table.values.length - 1, Math.max(0, value - table.first))]!;
  }
  const slope = numberOf(set, 'RescaleSlope') ?? 1;
  const intercept = numberOf(set, 'RescaleIntercept') ?? 0;
  return slope === 0 ? (value) => value : (value) => value * slope + intercept;
}

/** The first window, to 0–1. */
function windowOf(set: DicomElements): Transformation | undefined {
  const centre = numberOf(set, 'WindowCenter');
  const width = numberOf(set, 'WindowWidth');
  if (centre === undefined || width === undefined) return undefined;
  const kind = textOf(set, 'VOILUTFunction');
  if (kind === 'SIGMOID')
    return width > 0 ? (value) => 1 / (1 + Math.exp((-4 * (value - centre)) / width)) : undefined;
  if (kind === 'LINEAR_EXACT') return width > 0 ? (value) => (value - centre) / width + 0.5 : undefined;
  if (width < 1) return undefined;
  // A width of 1 is a threshold.
  if (width === 1) return (value) => (value > centre - 0.5 ? 1 : 0);
  return (value) => (value - (centre - 0.5)) / (width - 1) + 0.5;
}

function voiTableOf(set: DicomElements, stored: StoredBits): Transformation | undefined {
  const item = itemsOf(set, 'VOILUTSequence')[0];
  if (item === undefined) return undefined;
  const { values, first, bits } = readTable(item, 'LUTDescriptor', 'LUTData', stored);
  const largest = 2 ** bits - 1;
  return (value) => values[Math.min(values.length - 1, Math.max(0, Math.round(value) - first))]! / largest;
}

function fullRange(low: number, high: number): Transformation {
  return (value) => (high === low ? 0 : (value - low) / (high - low));
}

const COLOURS = ['Red', 'Green', 'Blue'] as const;

/**
 * Red, green and blue (three bytes each) of every pattern of a palette index.
 *
 * @throws UsclError `DICOM_PALETTE` where a table is missing or not understood.
 */
export function paletteTable(set: DicomElements, bits: StoredBits): Uint8Array {
  const tables = COLOURS.map((colour) => {
    const descriptor: Keyword = `${colour}PaletteColorLookupTableDescriptor`;
    const segmented: Keyword = `Segmented${colour}PaletteColorLookupTableData`;
    return hasValue(set, segmented)
      ? readTable(set, descriptor, segmented, bits, true)
      : readTable(set, descriptor, `${colour}PaletteColorLookupTableData`, bits);
  });
  const shift = Math.max(...tables.map((table) => table.bits)) - 8;
  const colours = new Uint8Array(3 * 2 ** bits.bitsStored);
  tables.forEach(({ values, first }, channel) => {
    for (let pattern = 0; pattern < 2 ** bits.bitsStored; pattern++) {
      const index = valueOfPattern(pattern, bits) - first;
      colours[3 * pattern + channel] = values[Math.min(values.length - 1, Math.max(0, index))]! >> shift;
    }
  });
  return colours;
}

interface Table {
  readonly values: Uint16Array;
  /** Stored value that maps to the first entry; smaller ones do too. */
  readonly first: number;
  /** Bits that the values take, at least 8. */
  readonly bits: number;
}

/**
 * A table by its descriptor and its length. Where the two disagree the length decides (PS3.3 C.7.6.3.1.5): real
 * descriptors say 16 or 12 bits over tables of bytes, 8 over words, and name more entries than there are.
 *
 * @param indexed how the samples lie that the table is asked for.
 */
function readTable(
  set: DicomElements,
  descriptor: Keyword,
  data: Keyword,
  indexed: StoredBits,
  segmented = false,
): Table {
  const [declared, firstBits, bits] = numbersOf(set, descriptor, 3);
  if (declared === undefined || firstBits === undefined || bits === undefined)
    throw badTable(descriptor, 'it has no usable descriptor');
  // The number of entries is unsigned whatever the representation says, and 65,536 is written as 0.
  const entries = (declared & 0xffff) === 0 ? 0x10000 : declared & 0xffff;
  const unsignedFirst = firstBits & 0xffff;
  const first = indexed.signed && unsignedFirst > 0x7fff ? unsignedFirst - 0x10000 : unsignedFirst;
  const bytes = valueOf(set, data);
  if (bytes === undefined || bytes.length < 2) throw badTable(data, 'it is missing');
  const swap = set.coding.bigEndian;
  const values = segmented
    ? segmentedEntries(bytes, { entries, bits, swap }, data)
    : isPacked(bytes.length, entries, bits, 2 ** indexed.bitsStored)
      ? packed(bytes.subarray(0, entries), swap)
      : wordsOf(bytes.subarray(0, 2 * entries), swap);
  return { values, first, bits: usedBits(values, bits) };
}

/** Whether a table has a byte an entry, and not a word. */
function isPacked(length: number, entries: number, bits: number, patterns: number): boolean {
  if (length >= 2 * entries) return false;
  // More entries than any sample can ask for: what the samples need is a better guide.
  if (entries > patterns && (length === patterns || length === 2 * patterns)) return length === patterns;
  return length === entries + (entries % 2) || length === entries || (bits <= 8 && length <= entries);
}

/** Bits of the values: as declared where they fit, otherwise of a byte or a word. */
function usedBits(values: Uint16Array, declared: number): number {
  const largest = values.reduce((most, value) => Math.max(most, value), 0);
  // Some writers declare 16 bits and fill the tables with 8-bit values.
  if (largest <= 0xff) return 8;
  return declared > 8 && declared < 16 && largest < 2 ** declared ? declared : 16;
}

/** Two 8-bit entries a word. Words of a big-endian file are swapped as a whole, entries and all. */
function packed(bytes: Uint8Array, swap: boolean): Uint16Array {
  return Uint16Array.from({ length: bytes.length }, (_, i) => bytes[swap ? i ^ 1 : i] ?? 0);
}

/** Each entry as a segment of its own takes three words; nothing sensible takes more. */
const MAX_SEGMENT_BYTES = 6 * 0x10000;
const MAX_SEGMENTS = 2 * 0x10000;
const MAX_ENTRIES = 0x10000;

/** Segments of words, or of bytes where the table has eight bits: of the two the one that gives the declared entries. */
function segmentedEntries(
  bytes: Uint8Array,
  { entries, bits, swap }: { readonly entries: number; readonly bits: number; readonly swap: boolean },
  data: Keyword,
): Uint16Array {
  const own = bytes.subarray(0, MAX_SEGMENT_BYTES);
  const asWords = (): Uint16Array => expand(wordsOf(own, swap), 2, data);
  const asBytes = (): Uint16Array => expand(packed(own, swap), 1, data);
  const readings = bits > 8 ? [asWords, asBytes] : [asBytes, asWords];
  const expanded: Uint16Array[] = [];
  let complaint: unknown;
  for (const reading of readings) {
    try {
      expanded.push(reading());
    } catch (thrown) {
      if (!(thrown instanceof UsclError)) throw thrown;
      complaint ??= thrown;
    }
  }
  const best = expanded.find(({ length }) => length === entries) ?? expanded[0];
  if (best === undefined) throw complaint;
  return best;
}

/** Segments: discrete (0), linear (1) and references to earlier ones (2), each with its length; in units of `size` bytes. */
function expand(segments: Uint16Array, size: 1 | 2, data: Keyword): Uint16Array {
  const values: number[] = [];
  let expanded = 0;
  const put = (value: number): void => {
    if (values.length >= MAX_ENTRIES)
      throw badTable(data, `its segments make more than ${MAX_ENTRIES} entries`);
    values.push(value);
  };
  /** Expands up to `limit` segments from unit `at`. */
  const run = (at: number, limit: number, referenced: boolean): void => {
    for (let done = 0; done < limit && at + 1 < segments.length; done++) {
      // References may name many empty segments many times.
      if (++expanded > MAX_SEGMENTS) throw badTable(data, 'it has too many segments');
      const kind = segments[at];
      const length = segments[at + 1]!;
      if (kind === 0 && at + 2 + length <= segments.length) {
        for (let i = 0; i < length; i++) put(segments[at + 2 + i]!);
        at += 2 + length;
      } else if (kind === 1 && at + 3 <= segments.length && values.length > 0) {
        const from = values.at(-1)!;
        const to = segments[at + 2]!;
        for (let i = 1; i <= length; i++) put(Math.round(from + ((to - from) * i) / length));
        at += 3;
      } else if (kind === 2 && at + 2 + 4 / size <= segments.length && !referenced) {
        const offset = segments
          .subarray(at + 2, at + 2 + 4 / size)
          .reduce((sum, unit, i) => sum + unit * 2 ** (8 * size * i), 0);
        // The offset counts bytes.
        run(Math.floor(offset / size), length, true);
        at += 2 + 4 / size;
      } else throw badTable(data, `its segment at byte ${at * size} is damaged`);
    }
  };
  run(0, segments.length, false);
  if (values.length === 0) throw badTable(data, 'it has no entries');
  return Uint16Array.from(values);
}

function badTable(keyword: Keyword, complaint: string): Error {
  return dicomError('DICOM_PALETTE', `A lookup table of the picture cannot be used: ${complaint}.`, keyword);
}
