/** Samples of a frame before they are display values: patterns of stored bits, and how they lie. */

export interface Samples {
  /** As many as rows × columns × samples, or for `halved` ones as the layout needs. */
  readonly data: Uint8Array | Uint16Array;
  /** Not a part of the file: may be overwritten and handed on. */
  readonly owned: boolean;
  /** `planar`: a plane each; `halved`: Y Y Cb Cr for two pixels (4:2:2). */
  readonly layout: 'interleaved' | 'planar' | 'halved';
  /** What the three samples are: as declared, or as the codestream is known to have made them. */
  readonly colour: 'declared' | 'rgb' | 'ybr';
}
