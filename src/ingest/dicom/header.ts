/**
 * What ingest asks a DICOM file before it decodes it, and nothing else: is it a picture of ultrasound, whose, where is
 * the tissue. This is the whole list of attributes that anything beyond pixels is derived from.
 */
import { createHash } from 'node:crypto';
import { told } from '../../base/collect.ts';
import { dataError, isDataError, UsclError } from '../../base/errors.ts';
import { type Keyword, tagOf } from '../../formats/dicom/dictionary.ts';
import type { DicomElements, Slip } from '../../formats/dicom/elements.ts';
import type { DicomFrames } from '../../formats/dicom/image.ts';
import { type DicomObject, readDicom } from '../../formats/dicom/read.ts';
import { itemsOf, numberOf, textOf } from '../../formats/dicom/values.ts';
import { readStart } from '../common/paths.ts';
import type { UltrasoundRegion } from './regions.ts';

/** Identifiers here are input of pseudonyms and comparisons; none of them goes anywhere else. */
export interface DicomHeader {
  /** Patient ID; null where it is absent or says nothing (`--`). */
  readonly patient: string | null;
  /** Whether another Patient ID stands in the file as well. */
  readonly hasOtherPatient: boolean;
  /** Study Instance UID. */
  readonly study: string | null;
  /** SOP Instance UID. */
  readonly instance: string | null;
  /** SHA-256, hex, of what the file says of the picture and its making, and of none of its names. */
  readonly digest: string;
}

/** Files above this are refused: they are read whole when they are decoded. */
const MAX_BYTES = 1.5 * 2 ** 30;

/** Headers are mostly shorter than this; where they are not, more is read, and more. */
const FIRST_BYTES = 2 ** 17;
const GROWTH = 8;

/**
 * Reads a file as far as its pixels. Errors: those of `readDicom`, `DICOM_NO_IMAGE`, `DICOM_NOT_ULTRASOUND`,
 * `DICOM_FILE_SIZE`, and the system's when the file cannot be read.
 */
export async function readHeader(path: string, signal?: AbortSignal): Promise<DicomHeader> {
  const object = await readToPixels(path, signal);
  requireUltrasound(object);
  return {
    patient: identifierOf(object, 'PatientID'),
    hasOtherPatient: hasOtherPatient(object),
    study: identifierOf(object, 'StudyInstanceUID'),
    instance: identifierOf(object, 'SOPInstanceUID'),
    digest: digestOfMaking(object),
  };
}

/** Acquisition and picture: hundreds of values that nobody can guess, and none that names anybody. */
const MAKING: readonly number[] = [0x0018, 0x0028];

function digestOfMaking(object: DicomObject): string {
  const hash = createHash('sha256');
  for (const { tag, start, end } of object.elements.values()) {
    const isMaking = MAKING.includes(tag >>> 16);
    if (!isMaking && tag !== tagOf('SOPInstanceUID') && tag !== tagOf('StudyInstanceUID')) continue;
    hash.update(`${tag} ${end - start}\0`).update(object.bytes.subarray(start, end));
  }
  return hash.digest('hex');
}

/** All bytes of a file. Errors: `DICOM_FILE_SIZE`, and the system's. */
export async function readWhole(path: string): Promise<Uint8Array> {
  return (await startOf(path, Infinity)).bytes;
}

/** SHA-256, hex, of the coded pixels as they lie in a file, or of all of a file that cannot be read to them. */
export async function digestOfPixels(path: string): Promise<string> {
  const bytes = await readWhole(path);
  const hash = createHash('sha256');
  try {
    const object = readDicom(bytes);
    const element = object.elements.get(tagOf('PixelData'));
    return hash.update(object.bytes.subarray(element?.start ?? 0, element?.end)).digest('hex');
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    return hash.update(bytes).digest('hex');
  }
}

/** The items of the Sequence of Ultrasound Regions. Incomplete ones have coordinates that nobody believes. */
export function regionsOf(object: DicomElements): UltrasoundRegion[] {
  const number = (item: DicomElements, keyword: Keyword): number => numberOf(item, keyword) ?? NaN;
  return itemsOf(object, 'SequenceOfUltrasoundRegions').map((item) => ({
    format: number(item, 'RegionSpatialFormat'),
    dataType: number(item, 'RegionDataType'),
    flags: numberOf(item, 'RegionFlags') ?? 0,
    x0: number(item, 'RegionLocationMinX0'),
    y0: number(item, 'RegionLocationMinY0'),
    x1: number(item, 'RegionLocationMaxX1'),
    y1: number(item, 'RegionLocationMaxY1'),
  }));
}

/** Remarks for a person, as fixed words. */
export function flagsOf(object: DicomElements): string[] {
  const says = (tag: number): boolean => {
    const { start, end } = object.elements.get(tag) ?? { start: 0, end: 0 };
    return /^YES *$/.test(Buffer.from(object.bytes.subarray(start, end).subarray(0, 16)).toString('latin1'));
  };
  const hasOverlay = [...object.elements.keys()].some((tag) => tag >= 0x60000000 && tag < 0x60200000);
  return told([
    'dicom',
    says(BURNED_IN_ANNOTATION) && 'burned-in-declared',
    says(RECOGNIZABLE_VISUAL_FEATURES) && 'features-recognizable',
    hasOverlay && 'overlay-left-out',
  ]);
}

const BURNED_IN_ANNOTATION = 0x00280301;
const RECOGNIZABLE_VISUAL_FEATURES = 0x00280302;

/** What is odd about a file that is read nevertheless: flags of its clip, and a sentence on the whole ingest for each. */
const NOTES = {
  'more-frames-than-declared': 'more frames than declared; all of them were taken.',
  'impossible-frame-times': 'frame times or rates that no scanner has; they count as absent.',
  'doubled-elements': 'elements that stand twice; the first value counts.',
  'odd-header':
    'slips in the header (a value representation or the transfer syntax is missing or wrong); they were read by what the bytes show.',
} as const;
type RemarkFlag = keyof typeof NOTES;

/** Flags of a clip of pictures. */
export function remarkFlags(object: DicomObject, image: DicomFrames): readonly RemarkFlag[] {
  const slips = new Set([...object.slips, ...regionSlips(object)]);
  const { pixels } = object.syntax;
  const isOdd =
    slips.has('no-representation') ||
    slips.has('other-encoding') ||
    image.coding !== (pixels === 'encapsulated-native' ? 'native' : pixels);
  return told([
    image.frames > (image.declaredFrames ?? 1) && 'more-frames-than-declared',
    image.timing.isDoubted && 'impossible-frame-times',
    slips.has('doubled-elements') && 'doubled-elements',
    isOdd && 'odd-header',
  ]);
}

/** A sentence for each of these flags that clips have. */
export function notesOnFlags(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(NOTES).flatMap(([flag, note]) => {
    const count = counts[flag] ?? 0;
    return count === 0 ? [] : [`${count === 1 ? '1 DICOM clip has' : `${count} DICOM clips have`} ${note}`];
  });
}

/** Slips in the one sequence that is read; of a damaged one the field's remark tells. */
function regionSlips(object: DicomObject): readonly Slip[] {
  try {
    return itemsOf(object, 'SequenceOfUltrasoundRegions').flatMap(({ slips }) => [...slips]);
  } catch (thrown) {
    if (!isDataError(thrown)) throw thrown;
    return [];
  }
}

/** Placeholders without a letter or digit name nobody. */
function identifierOf(
  object: DicomElements,
  keyword: 'PatientID' | 'StudyInstanceUID' | 'SOPInstanceUID',
): string | null {
  const text = textOf(object, keyword);
  return text !== undefined && /[\p{L}\p{N}]/u.test(text) ? text.normalize('NFC') : null;
}

/** Whether a Patient ID that stands twice has two values. */
function hasOtherPatient(object: DicomElements): boolean {
  const first = identifierOf(object, 'PatientID');
  return object.repeated
    .filter(({ tag }) => tag === tagOf('PatientID'))
    .some((element) => {
      const other = { ...object, elements: new Map([[element.tag, element]]) };
      const value = identifierOf(other, 'PatientID');
      return value !== null && value !== first;
    });
}

async function readToPixels(path: string, signal: AbortSignal | undefined): Promise<DicomObject> {
  for (let length = FIRST_BYTES; ; length *= GROWTH) {
    signal?.throwIfAborted();
    const { bytes, isAll } = await startOf(path, length);
    try {
      const object = readDicom(bytes, { upTo: 'pixels' });
      // A piece may end where an element does, and then looks like a whole object without a picture.
      if (isAll || object.elements.has(tagOf('PixelData'))) return object;
    } catch (thrown) {
      const isCut = thrown instanceof UsclError && thrown.code === 'DICOM_TRUNCATED';
      if (!isCut || isAll) throw thrown;
    }
  }
}

/** At most `length` bytes of a file, and whether they are all of it. */
async function startOf(path: string, length: number): Promise<{ bytes: Uint8Array; isAll: boolean }> {
  const { size, bytes } = await readStart(path, length, MAX_BYTES);
  if (size <= MAX_BYTES) return { bytes, isAll: length >= size };
  throw dataError(
    'DICOM_FILE_SIZE',
    `it has ${size} bytes; DICOM files up to ${MAX_BYTES} are read`,
    'Split the clip, or compress it with a DICOM toolkit.',
  );
}

/** Storage classes of DICOM objects (PS3.4 table B.5-1). */
const STORAGE = '1.2.840.10008.5.1.4.1.1.';

/** Ultrasound Image and Multi-frame Image, and their retired forms. */
const ULTRASOUND: readonly string[] = ['6.1', '3.1', '6', '3'].map((end) => STORAGE + end);

/** Secondary Capture: pictures of any origin; the modality says whether of ultrasound. */
const CAPTURE: readonly string[] = ['7', '7.1', '7.2', '7.3', '7.4'].map((end) => STORAGE + end);

const MODALITIES: readonly string[] = ['US', 'IVUS'];

/** What other objects are, by the start of their class; the first that fits. */
const OTHERS: readonly (readonly [start: string, what: string])[] = [
  ['1.2.840.10008.1.3.10', 'the index of a medium (DICOMDIR)'],
  [`${STORAGE}6.`, 'a volume of ultrasound, whose frames are slices and not moments'],
  [`${STORAGE}88.`, 'a structured report'],
  [`${STORAGE}104.`, 'an encapsulated document'],
  [`${STORAGE}11.`, 'a presentation state'],
  [`${STORAGE}9.`, 'a waveform'],
  [`${STORAGE}66`, 'raw data, a registration or a segmentation'],
  [`${STORAGE}481.`, 'an object of radiotherapy'],
  [`${STORAGE}2`, 'a CT picture'],
  [`${STORAGE}4`, 'an MR picture'],
  [`${STORAGE}12.`, 'an X-ray picture'],
  [`${STORAGE}1`, 'a picture of another modality'],
  [STORAGE, 'an object of another kind'],
];

/** Refuses an object that cannot become a clip; names no value of it. Errors: `DICOM_NOT_ULTRASOUND`, `DICOM_NO_IMAGE`. */
export function requireUltrasound(object: DicomElements): void {
  const kind = textOf(object, 'SOPClassUID');
  const modality = textOf(object, 'Modality');
  const isUltrasound =
    kind === undefined || CAPTURE.includes(kind)
      ? modality !== undefined && MODALITIES.includes(modality)
      : ULTRASOUND.includes(kind);
  if (!isUltrasound) {
    const what =
      kind === undefined
        ? 'an object that does not say what it is'
        : CAPTURE.includes(kind)
          ? 'a captured picture that is not of ultrasound'
          : (OTHERS.find(([start]) => kind.startsWith(start))?.[1] ?? 'a private kind of object');
    throw refusal('DICOM_NOT_ULTRASOUND', `it is ${what}`);
  }
  if (!object.elements.has(tagOf('PixelData'))) throw refusal('DICOM_NO_IMAGE', 'it holds no picture');
}

function refusal(code: string, message: string): UsclError {
  return dataError(code, message, 'Leave it out; only pictures and cine loops of ultrasound become clips.');
}
