/**
 * The attributes that this project asks DICOM objects for: keyword, tag and value representation (PS3.6). Files in
 * implicit encoding do not say how a value is coded, so that this table has to; attributes that are not in it stay
 * opaque bytes.
 */

const ATTRIBUTES = {
  MediaStorageSOPClassUID: [0x00020002, 'UI'],
  TransferSyntaxUID: [0x00020010, 'UI'],
  SOPClassUID: [0x00080016, 'UI'],
  SOPInstanceUID: [0x00080018, 'UI'],
  Modality: [0x00080060, 'CS'],
  RecommendedDisplayFrameRate: [0x00082144, 'IS'],
  PatientID: [0x00100020, 'LO'],
  FrameTime: [0x00181063, 'DS'],
  FrameTimeVector: [0x00181065, 'DS'],
  CineRate: [0x00180040, 'IS'],
  ActualFrameDuration: [0x00181242, 'IS'],
  SequenceOfUltrasoundRegions: [0x00186011, 'SQ'],
  RegionSpatialFormat: [0x00186012, 'US'],
  RegionDataType: [0x00186014, 'US'],
  RegionFlags: [0x00186016, 'UL'],
  RegionLocationMinX0: [0x00186018, 'UL'],
  RegionLocationMinY0: [0x0018601a, 'UL'],
  RegionLocationMaxX1: [0x0018601c, 'UL'],
  RegionLocationMaxY1: [0x0018601e, 'UL'],
  PhysicalDeltaX: [0x0018602c, 'FD'],
  StudyInstanceUID: [0x0020000d, 'UI'],
  SamplesPerPixel: [0x00280002, 'US'],
  PhotometricInterpretation: [0x00280004, 'CS'],
  PlanarConfiguration: [0x00280006, 'US'],
  NumberOfFrames: [0x00280008, 'IS'],
  FrameIncrementPointer: [0x00280009, 'AT'],
  Rows: [0x00280010, 'US'],
  Columns: [0x00280011, 'US'],
  PixelSpacing: [0x00280030, 'DS'],
  PixelAspectRatio: [0x00280034, 'IS'],
  BitsAllocated: [0x00280100, 'US'],
  BitsStored: [0x00280101, 'US'],
  HighBit: [0x00280102, 'US'],
  PixelRepresentation: [0x00280103, 'US'],
  WindowCenter: [0x00281050, 'DS'],
  WindowWidth: [0x00281051, 'DS'],
  RescaleIntercept: [0x00281052, 'DS'],
  RescaleSlope: [0x00281053, 'DS'],
  VOILUTFunction: [0x00281056, 'CS'],
  RedPaletteColorLookupTableDescriptor: [0x00281101, 'US'],
  GreenPaletteColorLookupTableDescriptor: [0x00281102, 'US'],
  BluePaletteColorLookupTableDescriptor: [0x00281103, 'US'],
  RedPaletteColorLookupTableData: [0x00281201, 'OW'],
  GreenPaletteColorLookupTableData: [0x00281202, 'OW'],
  BluePaletteColorLookupTableData: [0x00281203, 'OW'],
  SegmentedRedPaletteColorLookupTableData: [0x00281221, 'OW'],
  SegmentedGreenPaletteColorLookupTableData: [0x00281222, 'OW'],
  SegmentedBluePaletteColorLookupTableData: [0x00281223, 'OW'],
  ModalityLUTSequence: [0x00283000, 'SQ'],
  LUTDescriptor: [0x00283002, 'US'],
  LUTData: [0x00283006, 'OW'],
  VOILUTSequence: [0x00283010, 'SQ'],
  FloatPixelData: [0x7fe00008, 'OF'],
  DoubleFloatPixelData: [0x7fe00009, 'OD'],
  ExtendedOffsetTable: [0x7fe00001, 'OV'],
  PixelData: [0x7fe00010, 'OW'],
} as const satisfies Readonly<Record<string, readonly [tag: number, vr: string]>>;

/** Name of an attribute as in PS3.6. */
export type Keyword = keyof typeof ATTRIBUTES;

/** (group << 16 | element) of an attribute. */
export function tagOf(keyword: Keyword): number {
  return ATTRIBUTES[keyword][0];
}

/** Value representation of an attribute that the table knows, otherwise undefined. */
export function representationOf(tag: number): string | undefined {
  return REPRESENTATIONS.get(tag);
}

const REPRESENTATIONS: ReadonlyMap<number, string> = new Map(Object.values(ATTRIBUTES));
