/**
 * How much memory decoding may take: a multiple of the file's length and a floor. With the file itself in memory this
 * keeps the whole below four times the file and 64 MB, whatever sizes the file declares.
 */
import { dicomError } from './errors.ts';

const WORKING_FACTOR = 3;
const WORKING_FLOOR = 56 * 2 ** 20;

/** @param inflated length of the data set, if it had to be inflated, otherwise 0. */
export function workingLimit(fileBytes: number, inflated: number): number {
  return WORKING_FACTOR * fileBytes + WORKING_FLOOR - inflated;
}

/** @throws UsclError `DICOM_TOO_LARGE`. */
export function checkWorking(bytes: number, limit: number, where: string): void {
  if (bytes > limit)
    throw dicomError(
      'DICOM_TOO_LARGE',
      `Decoding one frame would take ${Math.round(bytes)} bytes of memory; a file of this length may take ${Math.max(0, limit)}.`,
      where,
    );
}
