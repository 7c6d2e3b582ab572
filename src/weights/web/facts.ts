/** What the page in the browser is told of its model. Both sides import this file: who writes the page, and the page. */

/** Files that come in pieces: the runtime of ONNX models, and the model. */
export const PARTS = ['runtime', 'model'] as const;
export type PartName = (typeof PARTS)[number];

/** A file packed with gzip, in pieces of base64 text. */
export interface PartFacts {
  readonly pieces: number;
  /** Of the file, unpacked. */
  readonly bytes: number;
}

export interface PageFacts {
  /** Names of the classes, in the order of the probabilities. */
  readonly classes: readonly string[];
  readonly channels: 1 | 3;
  /** How clips became frames when the model learnt, as an ingest has it: frames a second, shorter side in pixels, crop. */
  readonly fps: number | 'all';
  readonly size: number;
  readonly crop: 'auto' | 'none';
  /** With a smaller probability of the likeliest class there is no answer. */
  readonly abstainBelow: number;
  readonly parts: Readonly<Record<PartName, PartFacts>>;
}

/** Where a piece lies beside the page; pieces count from 1. */
export function pieceFile(part: PartName, piece: number): string {
  return `parts/${part}-${piece}.js`;
}

/** The function that a piece calls when it is loaded, with the part's name, its number and its text. */
export const TAKE_PIECE = 'usclPiece';
