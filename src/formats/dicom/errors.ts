/**
 * Complaints about DICOM bytes. Messages name bytes, sizes and attributes' keywords, never the text of an attribute:
 * that text may name a patient, and messages end up on screens and in logs.
 */
import { dataError, type UsclError } from '../../base/errors.ts';

const REMEDIES = {
  /** Not DICOM at all. */
  DICOM_NOT_DICOM: 'Give a DICOM file; other files of the folder are not affected.',
  /** Ends before what it declares. */
  DICOM_TRUNCATED: 'Copy or export the file again; it is not whole.',
  /** Breaks the rules of the encoding. */
  DICOM_INVALID: 'Export the file again, or repair it with a DICOM toolkit.',
  /** A DICOM object that holds no pictures. */
  DICOM_NO_IMAGE: 'Leave it out; only images and cine loops can become clips.',
  /** A transfer syntax or kind of pixels that is not read. */
  DICOM_UNSUPPORTED: 'Convert it to an uncompressed or JPEG transfer syntax with a DICOM toolkit.',
  /** Attributes of the picture that are missing or contradict each other or the bytes. */
  DICOM_PIXELS: 'Export the file again; what it says of its pixels cannot be true.',
  /** A palette or lookup table that cannot be applied. */
  DICOM_PALETTE: 'Export the file again as RGB; its colour tables cannot be used.',
  /** A compressed frame that is damaged or does not fit what the object declares. */
  DICOM_CODESTREAM: 'Export the file again; this frame cannot be decoded.',
  /** More memory than the file justifies. */
  DICOM_TOO_LARGE: 'If the size is real, convert the file to an uncompressed transfer syntax first.',
} as const;
export type DicomErrorCode = keyof typeof REMEDIES;

/** @param where `byte 132`, `frame 3`, a keyword. */
export function dicomError(code: DicomErrorCode, message: string, where: string, cause?: unknown): UsclError {
  return dataError(code, message, REMEDIES[code], { where, cause });
}

/**
 * Decoding must not take more memory than the file justifies.
 *
 * @throws UsclError `DICOM_TOO_LARGE`.
 */
export function checkWorking(bytes: number, limit: number, where: string): void {
  if (bytes > limit)
    throw dicomError(
      'DICOM_TOO_LARGE',
      `Decoding one frame would take ${Math.round(bytes)} bytes of memory; a file of this length may take ${Math.max(0, limit)}.`,
      where,
    );
}

/** What is wrong with the codestream of a frame. */
export function damaged(complaint: string, where: string): Error {
  return dicomError('DICOM_CODESTREAM', `The compressed frame ${complaint}.`, where);
}

/** `(0018,6011)`. */
export function tagName(tag: number): string {
  const hex = (value: number): string => value.toString(16).padStart(4, '0');
  return `(${hex(tag >>> 16)},${hex(tag & 0xffff)})`;
}
