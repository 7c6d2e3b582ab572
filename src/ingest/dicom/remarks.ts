/**
 * What was odd about a DICOM file that was read nevertheless: flags of its clip in fixed words, and for each flag a
 * sentence about the whole ingest, so that nothing is mended or left out unsaid.
 */
import { isDataError } from '../../base/errors.ts';
import type { Slip } from '../../formats/dicom/elements.ts';
import type { DicomFrames } from '../../formats/dicom/image.ts';
import type { DicomObject } from '../../formats/dicom/read.ts';
import { itemsOf } from '../../formats/dicom/values.ts';

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
  return [
    ...(image.frames > (image.declaredFrames ?? 1) ? (['more-frames-than-declared'] as const) : []),
    ...(image.timing.isDoubted ? (['impossible-frame-times'] as const) : []),
    ...(slips.has('doubled-elements') ? (['doubled-elements'] as const) : []),
    ...(isOdd ? (['odd-header'] as const) : []),
  ];
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
