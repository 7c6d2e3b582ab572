/**
 * The markers of a JPEG or JPEG-LS codestream up to its first scan: enough to know the process, the size and the
 * colours before a decoder is let near it. Follows ITU-T T.81 annex B, and T.87 for JPEG-LS.
 */
import { damaged, dicomError } from './errors.ts';

export interface JpegComponent {
  readonly id: number;
  readonly horizontal: number;
  readonly vertical: number;
}

export interface JpegHeader {
  /** `dct`: baseline, extended and progressive; `lossless`: process 14; `ls`: JPEG-LS. */
  readonly process: 'dct' | 'lossless' | 'ls';
  readonly progressive: boolean;
  readonly precision: number;
  readonly width: number;
  readonly height: number;
  readonly components: readonly JpegComponent[];
  /** A JFIF marker: the three components are YCbCr. */
  readonly jfif: boolean;
  /** Of the Adobe marker: 0 RGB, 1 YCbCr; undefined without one. */
  readonly adobeTransform: number | undefined;
  readonly segments: readonly JpegSegment[];
  /** Where the first scan's marker stands. */
  readonly scanAt: number;
}

export interface JpegSegment {
  readonly marker: number;
  /** Byte range of the payload, without marker and length. */
  readonly start: number;
  readonly end: number;
}

export const MARKER = {
  SOI: 0xd8,
  EOI: 0xd9,
  SOS: 0xda,
  DHT: 0xc4,
  DRI: 0xdd,
  APP0: 0xe0,
  APP14: 0xee,
} as const;

/**
 * The next marker with a payload, from byte `from` on.
 *
 * @param wanted what is still to come: of a codestream that ends before it.
 */
export function nextSegment(bytes: Uint8Array, from: number, wanted: string, where: string): JpegSegment {
  for (let at = from; ;) {
    // Fill bytes may stand before a marker; anything else between segments is skipped, as decoders do.
    while (at < bytes.length && bytes[at] !== 0xff) at++;
    while (bytes[at] === 0xff) at++;
    const marker = bytes[at++];
    if (marker === 0 || marker === 1 || (marker !== undefined && marker >= 0xd0 && marker <= 0xd7)) continue;
    if (marker === undefined || marker === MARKER.EOI || marker === MARKER.SOI || at + 2 > bytes.length)
      throw damaged(`ends before ${wanted}`, where);
    const length = bytes[at]! * 256 + bytes[at + 1]!;
    if (length < 2 || at + length > bytes.length) throw damaged('has a segment that is cut short', where);
    return { marker, start: at + 2, end: at + length };
  }
}

/** @throws UsclError `DICOM_CODESTREAM`, `DICOM_UNSUPPORTED`. */
export function readJpegHeader(bytes: Uint8Array, where: string): JpegHeader {
  if (bytes[0] !== 0xff || bytes[1] !== MARKER.SOI) throw damaged('does not begin like a JPEG', where);
  const segments: JpegSegment[] = [];
  do segments.push(nextSegment(bytes, segments.at(-1)?.end ?? 2, 'its first scan', where));
  while (segments.at(-1)!.marker !== MARKER.SOS);
  const frame = segments.find(({ marker }) => isFrameMarker(marker));
  if (frame === undefined) throw damaged('has no frame header', where);
  const own = (marker: number, text: string): JpegSegment[] =>
    segments.filter((segment) => segment.marker === marker && startsWith(bytes, segment, text));
  const adobe = own(MARKER.APP14, 'Adobe').find(({ start, end }) => end - start >= 12);
  return {
    ...frameHeader(bytes, frame, where),
    jfif: own(MARKER.APP0, 'JFIF\0').length > 0,
    adobeTransform: adobe === undefined ? undefined : bytes[adobe.start + 11],
    segments,
    // Before the payload: two bytes of length, two of marker.
    scanAt: segments.at(-1)!.start - 4,
  };
}

/** SOF0–SOF15 without DHT, JPG and DAC, and SOF55 of JPEG-LS. */
function isFrameMarker(marker: number): boolean {
  if (marker === 0xf7) return true;
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function frameHeader(
  bytes: Uint8Array,
  { marker, start, end }: JpegSegment,
  where: string,
): Pick<JpegHeader, 'process' | 'progressive' | 'precision' | 'width' | 'height' | 'components'> {
  const process = marker <= 0xc2 ? 'dct' : marker === 0xc3 ? 'lossless' : marker === 0xf7 ? 'ls' : undefined;
  if (process === undefined)
    throw dicomError('DICOM_UNSUPPORTED', 'Hierarchical and arithmetic JPEG are not read.', where);
  const count = bytes[start + 5] ?? 0;
  if (end - start !== 6 + 3 * count) throw damaged('has a frame header of the wrong length', where);
  return {
    process,
    progressive: marker === 0xc2,
    precision: bytes[start]!,
    height: bytes[start + 1]! * 256 + bytes[start + 2]!,
    width: bytes[start + 3]! * 256 + bytes[start + 4]!,
    components: Array.from({ length: count }, (_, i) => {
      const at = start + 6 + 3 * i;
      return { id: bytes[at]!, horizontal: bytes[at + 1]! >> 4, vertical: bytes[at + 1]! & 15 };
    }),
  };
}

function startsWith(bytes: Uint8Array, { start, end }: JpegSegment, text: string): boolean {
  return Buffer.from(bytes.subarray(start, Math.min(end, start + text.length))).toString('latin1') === text;
}
