/** Which DICOM objects are clips of ultrasound (PS3.4 table B.5-1), and what the others are. */
import { dataError, type UsclError } from '../../base/errors.ts';
import { tagOf } from '../../formats/dicom/dictionary.ts';
import type { DicomElements } from '../../formats/dicom/elements.ts';
import { textOf } from '../../formats/dicom/values.ts';

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
