/** Transfer syntaxes (PS3.5 clause 10, PS3.6 annex A): how the elements are coded and what the pixel data hold. */

/** How elements are coded. */
export interface Coding {
  readonly implicit: boolean;
  readonly bigEndian: boolean;
}

/** What frames are coded with; `jpeg` is any process of JPEG or JPEG-LS: the codestream says which. */
export type PixelCoding =
  'native' | 'encapsulated-native' | 'rle' | 'jpeg' | 'jpeg-2000' | 'mpeg2' | 'h264' | 'hevc' | 'unknown';

export interface TransferSyntax extends Coding {
  /** As in PS3.6; of a syntax that is not known only that. */
  readonly name: string;
  readonly deflated: boolean;
  readonly pixels: PixelCoding;
}

const IMPLICIT: Coding = { implicit: true, bigEndian: false };
const EXPLICIT: Coding = { implicit: false, bigEndian: false };
const BIG_ENDIAN: Coding = { implicit: false, bigEndian: true };

const native = (name: string, coding: Coding, deflated = false): TransferSyntax => ({
  name,
  ...coding,
  deflated,
  pixels: 'native',
});
const coded = (pixels: PixelCoding, name: string): TransferSyntax => ({
  name,
  ...EXPLICIT,
  deflated: false,
  pixels,
});

export const IMPLICIT_LITTLE_ENDIAN = native('Implicit VR Little Endian', IMPLICIT);
export const EXPLICIT_LITTLE_ENDIAN = native('Explicit VR Little Endian', EXPLICIT);
export const EXPLICIT_BIG_ENDIAN = native('Explicit VR Big Endian', BIG_ENDIAN);

/** By what follows `1.2.840.10008.1.2`. */
const SYNTAXES: Readonly<Record<string, TransferSyntax>> = {
  '': IMPLICIT_LITTLE_ENDIAN,
  '.1': EXPLICIT_LITTLE_ENDIAN,
  '.1.98': coded('encapsulated-native', 'Encapsulated Uncompressed Explicit VR Little Endian'),
  '.1.99': native('Deflated Explicit VR Little Endian', EXPLICIT, true),
  '.2': EXPLICIT_BIG_ENDIAN,
  '.5': coded('rle', 'RLE Lossless'),
  '.4.50': coded('jpeg', 'JPEG Baseline'),
  '.4.51': coded('jpeg', 'JPEG Extended'),
  '.4.53': coded('jpeg', 'JPEG Spectral Selection'),
  '.4.55': coded('jpeg', 'JPEG Full Progression'),
  '.4.57': coded('jpeg', 'JPEG Lossless'),
  '.4.70': coded('jpeg', 'JPEG Lossless, First-Order Prediction'),
  '.4.80': coded('jpeg', 'JPEG-LS Lossless'),
  '.4.81': coded('jpeg', 'JPEG-LS Near-Lossless'),
  '.4.90': coded('jpeg-2000', 'JPEG 2000 Lossless'),
  '.4.91': coded('jpeg-2000', 'JPEG 2000'),
  '.4.201': coded('jpeg-2000', 'High-Throughput JPEG 2000 Lossless'),
  '.4.202': coded('jpeg-2000', 'High-Throughput JPEG 2000 with RPCL Lossless'),
  '.4.203': coded('jpeg-2000', 'High-Throughput JPEG 2000'),
  '.4.100': coded('mpeg2', 'MPEG2 Main Profile / Main Level'),
  '.4.101': coded('mpeg2', 'MPEG2 Main Profile / High Level'),
  '.4.102': coded('h264', 'MPEG-4 AVC/H.264 High Profile'),
  '.4.103': coded('h264', 'MPEG-4 AVC/H.264 BD-compatible High Profile'),
  '.4.104': coded('h264', 'MPEG-4 AVC/H.264 High Profile for 2D Video'),
  '.4.105': coded('h264', 'MPEG-4 AVC/H.264 High Profile for 3D Video'),
  '.4.106': coded('h264', 'MPEG-4 AVC/H.264 Stereo High Profile'),
  '.4.107': coded('hevc', 'HEVC/H.265 Main Profile'),
  '.4.108': coded('hevc', 'HEVC/H.265 Main 10 Profile'),
};

const ROOT = '1.2.840.10008.1.2';
/** Video that may be in more than one fragment: the UID of that which may not, and `.1`. */
const FRAGMENTABLE = /^(\.4\.10[0-6])\.1$/;

/** The syntax of a UID. All that is not listed is explicit little endian by the standard, its pixels unknown. */
export function syntaxOf(uid: string): TransferSyntax {
  const known = uid.startsWith(ROOT) ? uid.slice(ROOT.length) : undefined;
  if (known !== undefined && Object.hasOwn(SYNTAXES, known)) return SYNTAXES[known]!;
  const whole = FRAGMENTABLE.exec(known ?? '')?.[1];
  if (whole !== undefined) return { ...SYNTAXES[whole]!, name: `Fragmentable ${SYNTAXES[whole]!.name}` };
  // Registered UIDs may be shown; anything else in this place is text of unknown origin.
  const standard = /^1\.2\.840\.10008\.1\.2\.[0-9.]{1,16}$/.test(uid);
  return coded('unknown', standard ? `transfer syntax ${uid}` : 'a private transfer syntax');
}
