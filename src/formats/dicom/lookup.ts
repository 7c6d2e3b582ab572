/**
 * From stored values to what is shown, as tables: one entry for every pattern of the stored bits, made once for all
 * frames. Monochrome: modality transformation, window or lookup table, inversion (PS3.3 C.11.1, C.11.2); palette
 * colour: the three tables, plain or segmented (C.7.6.3.1.5, C.7.9).
 */
import type { DicomElements } from './elements.ts';
import { dicomError } from './errors.ts';
import type { Keyword } from './dictionary.ts';
import { hasValue, itemsOf, numberOf, numbersOf, textOf, valueOf } from './values.ts';

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
  const modality = modalityOf(set);
  const low = modality(bits.signed ? -(2 ** (bits.bitsStored - 1)) : 0);
  const high = modality(2 ** (bits.bitsStored - (bits.signed ? 1 : 0)) - 1);
  const shown = windowOf(set) ?? voiTableOf(set, bits.signed) ?? fullRange(low, high);
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

function modalityOf(set: DicomElements): Transformation {
  const item = itemsOf(set, 'ModalityLUTSequence')[0];
  if (item !== undefined) {
    const table = readTable(item, 'LUTDescriptor', 'LUTData');
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

function voiTableOf(set: DicomElements, signed: boolean): Transformation | undefined {
  const item = itemsOf(set, 'VOILUTSequence')[0];
  if (item === undefined) return undefined;
  const { values, first, bits } = readTable(item, 'LUTDescriptor', 'LUTData', signed);
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
 * @throws UsclError `DICOM_PALETTE` where a table is missing, of another length than declared, or not understood.
 */
export function paletteTable(set: DicomElements, bits: StoredBits): Uint8Array {
  const tables = COLOURS.map((colour) => {
    const descriptor: Keyword = `${colour}PaletteColorLookupTableDescriptor`;
    const segmented: Keyword = `Segmented${colour}PaletteColorLookupTableData`;
    return hasValue(set, segmented)
      ? readTable(set, descriptor, segmented, bits.signed, true)
      : readTable(set, descriptor, `${colour}PaletteColorLookupTableData`, bits.signed);
  });
  // Some writers declare 16 bits and fill the tables with 8-bit values.
  const wide = tables.some(({ values, bits: wanted }) => wanted > 8 && values.some((value) => value > 255));
  const colours = new Uint8Array(3 * 2 ** bits.bitsStored);
  tables.forEach(({ values, first }, channel) => {
    for (let pattern = 0; pattern < 2 ** bits.bitsStored; pattern++) {
      const index = valueOfPattern(pattern, bits) - first;
      const value = values[Math.min(values.length - 1, Math.max(0, index))]!;
      colours[3 * pattern + channel] = wide ? value >> 8 : value;
    }
  });
  return colours;
}

interface Table {
  readonly values: Uint16Array;
  /** Stored value that maps to the first entry; smaller ones do too. */
  readonly first: number;
  readonly bits: number;
}

function readTable(
  set: DicomElements,
  descriptor: Keyword,
  data: Keyword,
  signed = false,
  segmented = false,
): Table {
  const [declared, firstBits, bits] = numbersOf(set, descriptor, 3);
  if (declared === undefined || firstBits === undefined || bits === undefined || bits < 1 || bits > 16)
    throw badTable(descriptor, 'it has no usable descriptor');
  // The number of entries is unsigned whatever the representation says, and 65,536 is written as 0.
  const entries = (declared & 0xffff) === 0 ? 0x10000 : declared & 0xffff;
  const unsignedFirst = firstBits & 0xffff;
  const first = signed && unsignedFirst > 0x7fff ? unsignedFirst - 0x10000 : unsignedFirst;
  const bytes = valueOf(set, data);
  if (bytes === undefined) throw badTable(data, 'it is missing');
  const swap = set.coding.bigEndian;
  if (segmented)
    return { values: expand(words(bytes.subarray(0, MAX_SEGMENT_BYTES), swap), entries, data), first, bits };
  if (bytes.length >= 2 * entries)
    return { values: words(bytes.subarray(0, 2 * entries), swap), first, bits };
  if (bytes.length < entries || bits > 8)
    throw badTable(data, `it declares ${entries} entries of ${bits} bits and has ${bytes.length} bytes`);
  // Two 8-bit entries a word. Words of a big-endian file are swapped as a whole, entries and all.
  return { values: Uint16Array.from({ length: entries }, (_, i) => bytes[swap ? i ^ 1 : i]!), first, bits };
}

function words(bytes: Uint8Array, bigEndian: boolean): Uint16Array {
  const high = bigEndian ? 0 : 1;
  return Uint16Array.from(
    { length: bytes.length >> 1 },
    (_, i) => (bytes[2 * i + high]! << 8) | bytes[2 * i + 1 - high]!,
  );
}

/** Each entry as a segment of its own takes three words; nothing sensible takes more. */
const MAX_SEGMENT_BYTES = 6 * 0x10000;
const MAX_SEGMENTS = 2 * 0x10000;

/** Segments: discrete (0), linear (1) and references to earlier ones (2), each with its length. */
function expand(segments: Uint16Array, entries: number, data: Keyword): Uint16Array {
  const values = new Uint16Array(entries);
  let count = 0;
  let expanded = 0;
  const put = (value: number): void => {
    if (count >= entries) throw badTable(data, `its segments make more than the ${entries} entries declared`);
    values[count++] = value;
  };
  /** Expands up to `limit` segments from word `at`; returns the word after them. */
  const run = (at: number, limit: number, referenced: boolean): void => {
    for (let done = 0; done < limit && at + 1 < segments.length; done++) {
      // References may name many empty segments many times.
      if (++expanded > MAX_SEGMENTS) throw badTable(data, 'it has too many segments');
      const kind = segments[at];
      const length = segments[at + 1]!;
      if (kind === 0 && at + 2 + length <= segments.length) {
        for (let i = 0; i < length; i++) put(segments[at + 2 + i]!);
        at += 2 + length;
      } else if (kind === 1 && at + 3 <= segments.length && count > 0) {
        const from = values[count - 1]!;
        const to = segments[at + 2]!;
        for (let i = 1; i <= length; i++) put(Math.round(from + ((to - from) * i) / length));
        at += 3;
      } else if (kind === 2 && at + 4 <= segments.length && !referenced) {
        const offset = segments[at + 2]! + segments[at + 3]! * 0x10000;
        // The offset counts bytes.
        run(offset >> 1, length, true);
        at += 4;
      } else throw badTable(data, `its segment at word ${at} is damaged`);
    }
  };
  run(0, segments.length, false);
  if (count !== entries)
    throw badTable(data, `its segments make ${count} entries of the ${entries} declared`);
  return values;
}

function badTable(keyword: Keyword, complaint: string): Error {
  return dicomError('DICOM_PALETTE', `A lookup table of the picture cannot be used: ${complaint}.`, keyword);
}
